"""Derivatives by the reverse sweep: gradients, products with Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from egtensor.diff.jvp import jvp
from egtensor.diff.operands import (
    as_given,
    check_pairs,
    differentiable,
    direction,
    listed,
    placeholder,
    scalar_cost,
)
from egtensor.diff.pullback import pull_back
from egtensor.errors import GradientError
from egtensor.lang import expr
from egtensor.lang.expr import Expr, cast, rebuild, scalar, toposort
from egtensor.lang.ops.elementwise import add, equal
from egtensor.lang.ops.leaf import iota
from egtensor.lang.ops.region import scan_ as scan
from egtensor.lang.ops.shape import join, reshape
from egtensor.lang.types import INT64, TensorType

UNROLLED = 8  # rows of a Jacobian that are written out, not looped over
Disconnected = Literal["raise", "ignore"]


def grad(
    cost: Expr | None,
    wrt: Any,
    disconnected_inputs: Disconnected = "raise",
    known_grads: Mapping[Expr, Any] | None = None,
    consider_constant: Iterable[Expr] = (),
) -> Any:
    """The gradient of the scalar ``cost`` with respect to one expression, or to each of a list.

    cost                 a float scalar; None where ``known_grads`` says what is differentiated
    wrt                  float expressions: inputs, shared variables, or any other part of ``cost``
    disconnected_inputs  "raise", or "ignore": zero where ``cost`` does not depend on ``wrt``
    known_grads          gradients of intermediate expressions, used instead of computing them
    consider_constant    expressions not to be differentiated through
    returns              an expression of the type of ``wrt``, or a list of them
    raises               GradientError where there is no gradient
    """
    _check_choice(disconnected_inputs)
    targets = [differentiable("grad", x) for x in listed(wrt)]
    known = {k: direction("grad", k, g) for k, g in (known_grads or {}).items()}
    outputs, seeds = list(known), list(known.values())
    if cost is not None:
        outputs.insert(0, scalar_cost("grad", cost))
        seeds.insert(0, scalar(1, cost.type))
        if cost in known:
            del outputs[0], seeds[0]
    if not outputs:
        raise GradientError(
            "grad: cost is None and known_grads is empty\n"
            "  something must be differentiated\n"
            "  fix: give a cost, or known_grads={expression: its gradient}"
        )
    constants = list(consider_constant)
    if disconnected_inputs == "raise":
        _check_connected(outputs, targets)
    made = pull_back(outputs, seeds, targets, known=known, constant=constants)
    found = [_zeros(x) if g is None else g for x, g in zip(targets, made, strict=True)]
    return as_given(found, wrt)


def value_and_grad(cost: Expr, wrt: Any) -> tuple[Expr, Any]:
    """The cost itself and its gradient."""
    return cost, grad(cost, wrt)


def vjp(y: Any, x: Any, g: Any) -> Any:
    """The product of the cotangent ``g`` with the Jacobian of ``y`` with respect to ``x``.

    y, g     an expression and its cotangent, of the same shape; or a list of each
    x        a float expression, or a list of them
    returns  an expression of the type of ``x``, or a list of them; zero where ``y`` is constant
    """
    ys, gs = listed(y), listed(g)
    check_pairs("vjp", "cotangents", ys, gs)
    outputs: dict[Expr, Expr] = {}
    for out, cotangent in zip(ys, gs, strict=True):
        given = direction("vjp", differentiable("vjp", out), cotangent)
        outputs[out] = add(outputs[out], given) if out in outputs else given
    targets = [differentiable("vjp", t) for t in listed(x)]
    made = pull_back(list(outputs), list(outputs.values()), targets)
    found = [_zeros(t) if d is None else d for t, d in zip(targets, made, strict=True)]
    return as_given(found, x)


def jacobian(y: Expr, x: Any) -> Any:
    """All derivatives of the elements of ``y`` by those of ``x``; its shape is both joined.

    One reverse sweep is made, and evaluated for each element of ``y``: in a loop where these are many
    or their number is not known.

    y        a float expression
    x        a float expression, or a list of them
    """
    differentiable("jacobian", y)
    targets = [differentiable("jacobian", t) for t in listed(x)]
    return as_given([_jacobian(y, t) for t in targets], x)


def _jacobian(y: Expr, x: Expr) -> Expr:
    seed = placeholder(y.type)
    (g,) = pull_back([y], [seed], [x])
    shape = (*y.shape, *x.shape)
    size = y.type.size
    if g is None or size == 0:
        return scalar(0, TensorType(x.dtype, shape))
    (made,) = expr.resolve([g])

    def row(k: Any) -> Expr:
        unit = cast(equal(iota(extent=size, dtype=INT64), k), y.dtype)
        return rebuild([made], {seed: reshape(unit, shape=y.shape)})[0]

    if isinstance(size, int) and size <= UNROLLED:
        rows = [reshape(row(k), shape=(1, *x.shape)) for k in range(size)]
        return reshape(join(*rows, axis=0), shape=shape)  # type: ignore[no-any-return]
    rows, _ = scan(row, sequences=[iota(extent=size, dtype=INT64)])
    return reshape(rows, shape=shape)  # type: ignore[no-any-return]


def hessian(cost: Expr, x: Any) -> Any:
    """All second derivatives of a scalar ``cost``; for a list, those of each by itself."""
    targets = listed(x)
    made = [jacobian(g, t) for g, t in zip(grad(cost, targets), targets, strict=True)]
    return as_given(made, x)


def hvp(cost: Expr, x: Any, v: Any) -> Any:
    """The product of the Hessian of the scalar ``cost`` with ``v``, without forming the Hessian.

    x, v     an expression and a direction of the same shape; or a list of each
    """
    return jvp(grad(cost, x), x, v)


def _zeros(x: Expr) -> Expr:
    return scalar(0, x.type)


def _check_choice(disconnected_inputs: str) -> None:
    if disconnected_inputs not in ("raise", "ignore"):
        raise GradientError(
            f"grad: disconnected_inputs is {disconnected_inputs!r}\n"
            f"  it says what to do with a wrt that the cost does not depend on\n"
            f'  fix: use "raise" or "ignore"'
        )


def _check_connected(outputs: Sequence[Expr], targets: Sequence[Expr]) -> None:
    below = set(toposort(outputs))
    for x in targets:
        if x not in below:
            shown = ", ".join(str(o)[:60] for o in outputs)
            raise GradientError(
                f"grad: {shown} does not depend on {x}\n"
                f"  {_hint(x)}\n"
                f"  fix: differentiate with respect to what the cost was made from, or pass"
                f' disconnected_inputs="ignore"'
            )


def _hint(x: Expr) -> str:
    if x.args:
        return "equal values are not enough: the cost must be made from this very expression"
    return "two inputs of one name are different inputs"
