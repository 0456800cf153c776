"""Forward mode, from the same derivative records as reverse mode.

The derivative of an elementwise operator is diagonal: what it pulls back, it pushes forward.  For
the others, a linear map is the transpose of its transpose: what an operator pulls back is linear in
the cotangent, and pulling that back in turn gives the derivative in the direction of a tangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from egtensor.diff.operands import (
    as_given,
    check_pairs,
    differentiable,
    direction,
    listed,
    placeholder,
)
from egtensor.diff.pullback import dependents, derivative_of, pull_back
from egtensor.lang import expr
from egtensor.lang.expr import Expr, cast, items, scalar, toposort
from egtensor.lang.op import Item
from egtensor.lang.ops.elementwise import add

Tangent = Expr | tuple[Expr | None, ...] | None


def jvp(y: Any, x: Any, t: Any) -> Any:
    """The derivative of ``y`` in the direction in which ``x`` changes by ``t``.

    y        a float expression, or a list of them
    x, t     an expression and its tangent, of the same shape; or a list of each
    returns  an expression of the type of ``y``, or a list of them; zero where ``y`` is constant
    """
    xs, ts = listed(x), listed(t)
    check_pairs("jvp", "tangents", xs, ts)
    tangents = [direction("jvp", a, b) for a, b in zip(xs, ts, strict=True)]
    ys = [differentiable("jvp", o) for o in listed(y)]
    made = push_forward(ys, xs, tangents)
    found = [scalar(0, o.type) if d is None else d for o, d in zip(ys, made, strict=True)]
    return as_given(found, y)


def push_forward(
    outputs: Sequence[Expr], inputs: Sequence[Expr], tangents: Sequence[Expr]
) -> list[Expr | None]:
    """The tangents of ``outputs``, given those of ``inputs``; None for zero."""
    resolved = expr.resolve((*outputs, *inputs))
    outputs, inputs = resolved[: len(outputs)], resolved[len(outputs) :]
    active = dependents(outputs, inputs, set())
    of: dict[Expr, Tangent] = dict(zip(inputs, tangents, strict=True))
    for y in toposort(outputs):
        if y in active and y not in of:
            of[y] = _tangent(y, [of.get(a) for a in y.args])
    return [of.get(y) for y in outputs]  # type: ignore[misc]  # outputs have one result each


def _tangent(y: Expr, given: list[Tangent]) -> Tangent:
    if isinstance(y.op.body, Item):
        results = given[0]
        return results[y.attrs[0]] if isinstance(results, tuple) else None
    tangents: list[Expr | None] = [t for t in given if not isinstance(t, tuple)]
    types = y.type if isinstance(y.type, tuple) else (y.type,)
    if all(t is None for t in tangents) or all(t.dtype.kind != "f" for t in types):
        return None
    if y.op.is_elementwise and y.op.results == 1:
        return _diagonal(y, tangents)
    return _transposed(y, tangents)


def _diagonal(y: Expr, tangents: list[Expr | None]) -> Expr | None:
    total: Expr | None = None
    derivative = derivative_of(y)
    for k, t in enumerate(tangents):
        term = None if t is None else derivative(t, y, *y.args, **y.attributes)[k]
        if term is not None:
            term = cast(term, y.dtype)
            total = term if total is None else add(total, term)
    return total


def _transposed(y: Expr, tangents: list[Expr | None]) -> Tangent:
    several = isinstance(y.type, tuple)
    slots = [placeholder(t) for t in (y.type if several else (y.type,))]
    made = derivative_of(y)(
        tuple(slots) if several else slots[0],
        items(y) if several else y,
        *y.args,
        **y.attributes,
    )
    pairs = [(p, t) for p, t in zip(made, tangents, strict=True) if p is not None and t is not None]
    seeds: dict[Expr, Expr] = {}
    for p, t in pairs:
        seeds[p] = add(seeds[p], t) if p in seeds else t
    found = _without(slots, pull_back(list(seeds), list(seeds.values()), slots))
    return tuple(found) if several else found[0]


def _without(slots: list[Expr], found: list[Expr | None]) -> list[Expr | None]:
    """The expressions with their derivatives written out, and zeros for the placeholders left in them.

    What is linear in the placeholders has a derivative that does not depend on them; they remain only
    where a loop computes more than is used of it.
    """
    resolved = expr.resolve([d for d in found if d is not None])
    written = iter(expr.rebuild(resolved, {s: scalar(0, s.type) for s in slots}))
    return [None if d is None else next(written) for d in found]
