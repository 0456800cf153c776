"""Solving the equalities of sizes that an expression implies, so that equal sizes are one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from egtensor.errors import ShapeError
from egtensor.lang.dims import Dim, Extent, Size, as_size, sizes_of, substitute
from egtensor.lang.expr import Expr, Line, fold, make, remake, toposort
from egtensor.lang.facts import NOTHING, Fact, facts_of_array
from egtensor.lang.op import OPS
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import TensorType


@dataclass(frozen=True)
class Unified:
    """Expressions with one name per size, over inputs numbered by position.

    inputs      the numbered input nodes
    declared    types of the inputs before sizes were unified
    equalities  pairs of extents, as declared, that must be equal in a call, with the line that needs it
    """

    roots: tuple[Expr, ...]
    inputs: tuple[Expr, ...]
    declared: tuple[TensorType, ...]
    equalities: tuple[tuple[Extent, Extent, Line], ...]


def unify(roots: Sequence[Expr], inputs: Sequence[Expr]) -> Unified:
    """Solve the equalities of sizes that ``roots`` imply, and number their inputs.

    inputs  input and shared nodes, and constants that are passed as data, in the order of the
            numbers they get; all become inputs alike
    raises  ShapeError where two known sizes differ, with the user's line
    """
    solution: dict[Size, Extent] = {}
    needed: dict[tuple[Extent, Extent], Line] = {}
    nodes = toposort(roots)
    told = told_sizes(nodes, inputs)
    for node in nodes:
        for a, b in node.equalities:
            needed.setdefault((a, b), node.line)
            _solve(a, b, node, solution, told)
    # sizes that only the equalities tell are no names of anything in a call
    untold = {s: e for s, e in solution.items() if s not in told}
    numbered = {}
    for k, old in enumerate(inputs):
        type_ = map_extents(old.type, solution)
        new = make(OPS["input"], (), (k, _name(old), type_, _facts(old)))
        new.line = old.line
        numbered[old] = new
    values = fold(
        roots, lambda n, args: numbered[n] if n in numbered else _substituted(n, args, solution)
    )
    return Unified(
        tuple(values[r] for r in roots),
        tuple(numbered.values()),
        tuple(old.type for old in inputs),
        tuple(
            (x, y, line)
            for (a, b), line in needed.items()
            if (x := _final(a, untold)) != (y := _final(b, untold))
        ),
    )


def told_sizes(nodes: Sequence[Expr], inputs: Sequence[Expr]) -> set[Size]:
    """The named sizes that a call makes known: those of the inputs' axes, and those that nodes count."""
    told = {as_size(e) for i in inputs for e in i.shape}
    for node in nodes:
        if isinstance(node.type, tuple):
            told.update(s for t in node.type for s in sizes_in(t))
    return {s for s in told if s is not None}


def _name(node: Expr) -> str:
    return "constant" if node.op.name == "constant" else str(node.attrs[1])


def _facts(node: Expr) -> Fact:
    match node.op.name:
        case "input":
            facts: Fact = node.attrs[3]
            return facts
        case "constant":
            return facts_of_array(node.attrs[0].array)
        case _:
            return NOTHING


def _solve(
    a: Extent,
    b: Extent,
    node: Expr,
    solution: dict[Size, Extent],
    told: set[Size],
) -> None:
    a, b = _final(a, solution), _final(b, solution)
    if a == b:
        return
    if isinstance(a, int) and isinstance(b, int):
        where = f" ({node.line[0]}:{node.line[1]})" if node.line else ""
        raise ShapeError(
            f"{node.op.name}: the sizes {a} and {b} must be equal{where}\n"
            f"  other operations on the same tensors fix them to different numbers\n"
            f"  fix: reshape or slice one of the operands"
        )
    for size, other in ((as_size(b), a), (as_size(a), b)):
        # a size that no call tells gives way, else the younger, so that names of first mention survive
        if size is not None and size not in sizes_of(other):
            older = as_size(other)
            if older is not None and _survives(size, told) < _survives(older, told):
                size, other = older, _other(a, b, other)
            for known in solution:
                solution[known] = substitute(solution[known], {size: other})
            solution[size] = other
            return


def _survives(size: Size, told: set[Size]) -> tuple[bool, int]:
    return size not in told, size.serial


def _other(a: Extent, b: Extent, one: Extent) -> Extent:
    return b if one == a else a


def _final(extent: Extent, solution: dict[Size, Extent]) -> Extent:
    return substitute(extent, solution) if isinstance(extent, Dim) and solution else extent


def _substituted(node: Expr, args: list[Expr], solution: dict[Size, Extent]) -> Expr:
    attrs = tuple(map_extents(a, solution) for a in node.attrs)
    if attrs == node.attrs and all(a is b for a, b in zip(args, node.args, strict=True)):
        return node
    return remake(node, tuple(args), attrs)


def sizes_in(value: Any) -> Iterator[Size]:
    """The named sizes that an attribute or a type mentions."""
    match value:
        case Dim():
            yield from sizes_of(value)
        case TensorType(_, shape):
            yield from sizes_in(shape)
        case SubGraph(_, outputs):
            for node in toposort(outputs):
                yield from sizes_in(node.attrs)
        case tuple():
            for part in value:
                yield from sizes_in(part)


def map_extents(value: Any, solution: dict[Size, Extent]) -> Any:
    """An attribute with its sizes substituted."""
    match value:
        case Dim():
            return substitute(value, solution)
        case TensorType(dtype, shape):
            return TensorType(dtype, tuple(map_extents(e, solution) for e in shape))
        case SubGraph():
            return value.map_nodes(lambda n, args: _substituted(n, args, solution))
        case tuple():
            return tuple(map_extents(v, solution) for v in value)
        case _:
            return value
