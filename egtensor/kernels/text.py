"""What rendering C and CUDA share: sizes, accesses and scalar terms as C expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from egtensor.kernels.plan import Access, Bounds, Position, Slot
from egtensor.lang.dims import Dim, Extent, Size, SizeCall, sizes_of
from egtensor.lang.scalar import Term
from egtensor.lang.types import DType

RESERVED = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline"
    " int long register restrict return short signed sizeof static struct switch typedef union"
    " unsigned void volatile while e rt lo hi ctx bool true false main".split()
)


LARGEST = "0x7fffffffffffffff"


def _conjuncts(guard: Term) -> list[Term]:
    """The parts that must all hold."""
    if guard.prim != "and":
        return [guard]
    return [p for a in guard.args for p in _conjuncts(a)]


def _varies(t: Term, axis: int) -> bool:
    """Whether a term depends on an axis."""
    if isinstance(t.value, (Position, Access)) and t.value.coefficients[axis] != 0:
        return True
    below = t.value.terms if isinstance(t.value, Access) else t.args
    return any(_varies(a, axis) for a in below)


def _runs_along(t: Term, axis: int) -> bool:
    """Whether a term grows by one along an axis."""
    return isinstance(t.value, Position) and t.value.coefficients[axis] == 1


def _extreme(which: str, texts: list[str]) -> str:
    """The largest or smallest of some numbers."""
    found = texts[0]
    for text in texts[1:]:
        found = f"egt_size_{which}({found}, {text})"
    return found


class SizeNames:
    """C names of named sizes, each once, in order of first use."""

    def __init__(self) -> None:
        self.names: dict[Size, str] = {}
        self._taken: set[str] = set()
        self._texts: dict[Extent, str] = {}

    def name(self, size: Size) -> str:
        """The variable that holds a size."""
        found = self.names.get(size)
        if found is None:
            word = re.sub(r"\W", "_", size.name, flags=re.ASCII)
            found = f"n_{word}"
            while found in self._taken:
                found += "_"
            self._taken.add(found)
            self.names[size] = found
        return found

    def text(self, extent: Extent) -> str:
        """An extent as an int64 expression, parenthesised where it is a sum."""
        if not isinstance(extent, Dim):
            return str(extent) if extent >= 0 else f"({extent})"
        if extent not in self._texts:
            self._texts[extent] = self._polynomial(extent)
        return self._texts[extent]

    def _polynomial(self, extent: Dim) -> str:
        parts = []
        for monomial, coefficient in extent.terms:
            factors = [self._atom(a) for a, power in monomial for _ in range(power)]
            if coefficient != 1 or not factors:
                factors.insert(0, str(coefficient))
            parts.append("*".join(factors))
        text = " + ".join(parts).replace("+ -", "- ")
        return f"({text})" if len(parts) > 1 or text.startswith("-") else text

    def _atom(self, atom: Size | SizeCall) -> str:
        if isinstance(atom, Size):
            return self.name(atom)
        a, b = map(self.text, atom.args)
        return f"egt_size_{atom.function}({a}, {b})"


def product_text(coefficient: str, axis: str) -> str:
    """``coefficient*axis`` without needless factors."""
    return axis if coefficient == "1" else f"{coefficient}*{axis}"


@dataclass
class TermText:
    """Statements that compute terms, one named value each.

    expression  (primitive, dtype of operands, operand texts, dtype of the result) -> text
    constant    (number, dtype) -> text
    c_type      dtype -> the name of its C type
    axes        the C names of the kernel's axes
    slot        slot number -> text
    innermost   the axis of the innermost loop
    hoisted     statements that belong before that loop
    staged      accesses that are read from somewhere else
    lanes       columns of a block: rows of scratch memory hold that many numbers per point
    """

    sizes: SizeNames
    axes: tuple[str, ...]
    expression: Callable[[str, DType, tuple[str, ...], DType], str]
    constant: Callable[[object, DType], str]
    c_type: Callable[[DType], str]
    slot: Callable[[int], str]
    lanes: int | str = 0
    innermost: int = -1
    lines: list[str] = field(default_factory=list)
    hoisted: list[str] = field(default_factory=list)
    names: dict[Term, str] = field(default_factory=dict)
    count: int = 0
    used_sizes: dict[Size, None] = field(default_factory=dict)
    staged: dict[Access, str] = field(default_factory=dict)
    bounds: dict[Bounds, int] = field(default_factory=dict)

    def write(self, roots: Iterable[Term]) -> list[str]:
        """Append the statements for ``roots``; the texts that name their values."""
        return [self._write(root) for root in roots]

    def _write(self, root: Term) -> str:
        stack = [root]
        while stack:
            t = stack[-1]
            if t in self.names:
                stack.pop()
                continue
            below = t.args
            if isinstance(t.value, Access):
                below = self._needed(t.value)
            pending = [a for a in below if a not in self.names]
            if pending:
                stack.extend(reversed(pending))
            else:
                self.names[t] = self._name(t)
                stack.pop()
        return self.names[root]

    def _needed(self, access: Access) -> tuple[Term, ...]:
        """The terms that must have names before an access is written."""
        if access.guard is None or not self._is_interval(access.guard):
            return access.terms
        return tuple(t for t, _ in access.indirect)

    def _name(self, t: Term) -> str:
        if t.prim == "const":
            return self.constant(t.value, t.dtype)
        if isinstance(t.value, Slot):
            return self.slot(t.value.number)
        if isinstance(t.value, Position):
            text = self.affine(t.value.coefficients, t.value.offset)
            return f"({text})"
        name = f"t{self.count}"
        self.count += 1
        if isinstance(t.value, Access):
            text = self.staged.get(t.value) or f"{t.value.buffer.name}[{self.place(t.value)}]"
            if t.value.guard is not None:
                text = f"{self._guard(t.value.guard, name)} ? {text} : 0"
        elif isinstance(t.value, Bounds):
            text = self._bounded(name, self.names[t.args[0]], t.value)
        else:
            operands = tuple(self.names[a] for a in t.args)
            dtype = t.args[-1].dtype if t.prim == "select" else t.args[0].dtype
            text = self.expression(t.prim, dtype, operands, t.dtype)
            if text.startswith("(") and _matching(text):
                text = text[1:-1]
        self.lines.append(f"const {self.c_type(t.dtype)} {name} = {text};")
        return name

    def _guard(self, guard: Term, name: str) -> str:
        """A guard as an interval of the innermost axis, whose ends are computed before its loop.

        Compilers vectorise loads under conditions only where the conditions vary.
        """
        if not self._is_interval(guard):
            return self.names[guard]
        axis = self.axes[self.innermost]
        fixed, low, high = [], ["0"], [LARGEST]
        for p in _conjuncts(guard):
            place, bound = (self._number(a) for a in p.args)
            if not _varies(p, self.innermost):
                fixed.append(f"{place} {'>=' if p.prim == 'ge' else '<'} {bound}")
            else:
                offset = self._without(p.args[0].value, self.innermost)
                (low if p.prim == "ge" else high).append(f"{bound} - ({offset})")
        first, end = _extreme("max", low), _extreme("min", high)
        holds = " && ".join([*fixed, f"{name}end > {name}low"])
        self.hoisted += [
            f"const int64_t {name}low = {first}, {name}end = {end};",
            f"const uint64_t {name}count = {holds} ? {name}end - {name}low : 0;",
        ]
        return f"(uint64_t)({axis} - {name}low) < {name}count"

    def _is_interval(self, guard: Term) -> bool:
        """Whether a guard compares positions only, which grow by one along the innermost axis."""
        return bool(self.axes) and all(
            p.prim in ("ge", "lt")
            and all(a.prim == "const" or isinstance(a.value, Position) for a in p.args)
            and not _varies(p.args[1], self.innermost)
            and (not _varies(p, self.innermost) or _runs_along(p.args[0], self.innermost))
            for p in _conjuncts(guard)
        )

    def _number(self, t: Term) -> str:
        """A number or position as an expression."""
        if isinstance(t.value, Position):
            return f"({self.affine(t.value.coefficients, t.value.offset)})"
        return self.constant(t.value, t.dtype)

    def _without(self, position: Position, axis: int) -> str:
        """A position where an axis is 0."""
        axis %= len(self.axes)
        kept = tuple(0 if k == axis else c for k, c in enumerate(position.coefficients))
        return self.affine(kept, position.offset)

    def _bounded(self, name: str, raw: str, bounds: Bounds) -> str:
        """A gathered index counted from the front; 0 in place of one that is out of bounds."""
        k = self.bounds.setdefault(bounds, len(self.bounds))
        extent = self.extent(bounds.extent)
        self.lines.append(f"const int64_t {name}w = {raw} < 0 ? {raw} + {extent} : {raw};")
        self.lines.append(f"low{k} = {name}w < low{k} ? {name}w : low{k};")
        self.lines.append(f"high{k} = {name}w > high{k} ? {name}w : high{k};")
        return f"(uint64_t){name}w < (uint64_t){extent} ? {name}w : 0"

    def extent(self, extent: Extent) -> str:
        """An extent, whose sizes become locals of the kernel."""
        for size in sizes_of(extent):
            self.used_sizes[size] = None
        return self.sizes.text(extent)

    def affine(self, coefficients: tuple[Extent, ...], offset: Extent) -> str:
        """``offset + sum(coefficient * axis)``."""
        parts = [
            product_text(self.extent(c), axis)
            for c, axis in zip(coefficients, self.axes, strict=True)
            if c != 0
        ]
        if offset != 0 or not parts:
            parts.append(self.extent(offset))
        return " + ".join(parts)

    def place(self, access: Access) -> str:
        """The index of an access."""
        parts = [self.affine(access.coefficients, access.offset)]
        if self.lanes and access.buffer.kind == "scratch":
            inner = "" if parts == ["0"] else f"({parts[0]})*{self.lanes} + "
            return f"{inner}k"
        if parts == ["0"] and access.indirect:
            parts = []
        parts += [product_text(self.extent(c), self.names[t]) for t, c in access.indirect]
        return " + ".join(parts)


def comment(lines: Iterable[str]) -> list[str]:
    """A comment of C; names that users gave cannot end it."""
    first, *rest = [line.replace("*/", "* /").replace("\n", " ") for line in lines]
    return [f"/* {first}", *(f" * {line}".rstrip() for line in rest), " */"]


def _matching(text: str) -> bool:
    """Whether the first parenthesis closes at the very end."""
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return k == len(text) - 1
    return False
