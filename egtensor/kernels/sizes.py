"""Sizes that a program makes equal: one canonical form for all of them, and the checks they need."""

from __future__ import annotations

from egtensor.extract.program import Program, Step
from egtensor.lang.dims import Dim, Extent, Shape, Size, as_size, sizes_of, substitute
from egtensor.lang.expr import Line
from egtensor.lang.op import Leaf
from egtensor.lang.types import Equalities, TensorType


class Sizes:
    """Equalities between sizes, solved for named sizes where that is possible."""

    def __init__(self) -> None:
        self.solved: dict[Size, Extent] = {}
        self.equalities: list[tuple[Extent, Extent, Line]] = []
        self._canonical: dict[Extent, Extent] = {}
        self._shapes: dict[Shape, Shape] = {}

    def equate(self, a: Extent, b: Extent, line: Line = None) -> None:
        """Record that ``a`` and ``b`` are equal when the function runs."""
        if a is b or a == b:
            return
        left, right = self._find(a), self._find(b)
        if left == right:
            return
        self.equalities.append((a, b, line))
        x, y = as_size(left), as_size(right)
        if x is not None and y is not None and x.serial < y.serial:
            x = None
        if x is not None and x not in sizes_of(right):
            self._solve(x, right)
        elif y is not None and y not in sizes_of(left):
            self._solve(y, left)

    def _solve(self, size: Size, value: Extent) -> None:
        self.solved = {s: substitute(v, {size: value}) for s, v in self.solved.items()}
        self.solved[size] = value

    def _find(self, extent: Extent) -> Extent:
        return substitute(extent, self.solved) if self.solved else extent

    def extent(self, extent: Extent) -> Extent:
        """The canonical form; all equalities must have been recorded."""
        if not self.solved or not isinstance(extent, Dim):
            return extent
        found = self._canonical.get(extent)
        if found is None:
            found = self._canonical[extent] = self._find(extent)
        return found

    def shape(self, shape: Shape) -> Shape:
        """The canonical form of each extent."""
        if not self.solved:
            return shape
        found = self._shapes.get(shape)
        if found is None:
            found = self._shapes[shape] = tuple(map(self.extent, shape))
        return found

    def type(self, type_: TensorType) -> TensorType:
        """The type with canonical extents."""
        shape = self.shape(type_.shape)
        return type_ if shape is type_.shape else TensorType(type_.dtype, shape)


def unify(program: Program, outer: Sizes | None = None) -> Sizes:
    """Collect the equalities of the program, and those that the type rules of its steps imply.

    outer  those of the program around it
    """
    sizes = Sizes()
    if outer is not None:
        sizes.solved = dict(outer.solved)
    for a, b, line in program.equalities:
        sizes.equate(a, b, line)
    for step in program.steps:
        if isinstance(step.op.body, Leaf):
            continue
        for a, b in _equalities(program, step):
            sizes.equate(a, b, step.lines[0] if step.lines else None)
    return sizes


def _equalities(program: Program, step: Step) -> Equalities:
    found: Equalities = []
    operands = tuple(program.steps[a].type for a in step.args)
    if step.op.type_rule is None:
        shape = step.type[0].shape if isinstance(step.type, tuple) else step.type.shape
        for operand in operands:
            assert isinstance(operand, TensorType)
            if operand.shape is not shape and operand.shape != shape:
                found.extend(zip(operand.shape, shape, strict=True))
        return found
    inferred = step.op.type_rule(step.op, operands, step.attributes, found)  # type: ignore[arg-type]
    if inferred != step.type:
        pairs = (
            zip(inferred, step.type, strict=True)
            if isinstance(inferred, tuple) and isinstance(step.type, tuple)
            else ((inferred, step.type),)
        )
        for a, b in pairs:
            found.extend(zip(a.shape, b.shape, strict=True))  # type: ignore[union-attr]
    return found
