"""What users pass to the functions of diff/, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from egtensor.errors import GradientError
from egtensor.lang.expr import Expr, as_expr, broadcast, cast, make
from egtensor.lang.facts import NOTHING
from egtensor.lang.op import OPS
from egtensor.lang.types import TensorType

_serial = count(-1, -1)  # unlike those of a user's inputs


def placeholder(type_: TensorType) -> Expr:
    """A symbol that stands for a value until it is substituted."""
    return make(OPS["input"], (), (next(_serial), "placeholder", type_, NOTHING))


def listed(x: Any) -> list[Any]:
    """A list or tuple as a list, anything else as a list of one."""
    return list(x) if isinstance(x, (list, tuple)) else [x]


def as_given(found: list[Expr], x: Any) -> Any:
    """``found`` as a list where ``x`` was one, else its only element."""
    return found if isinstance(x, (list, tuple)) else found[0]


def differentiable(name: str, x: Any) -> Expr:
    """``x``, if derivatives of it or by it can exist."""
    if not isinstance(x, Expr):
        raise GradientError(
            f"{name}: cannot differentiate {type(x).__name__} {str(x)[:60]!r}\n"
            f"  derivatives are those of expressions with respect to expressions\n"
            f"  fix: pass an input, a shared variable, or an expression made from them"
        )
    if x.dtype.kind != "f":
        raise GradientError(
            f"{name}: {x} is {x.type}\n"
            f"  there are no derivatives of or by {x.dtype} values\n"
            f"  fix: declare it as float, or convert it with .astype before it is used"
        )
    return x


def scalar_cost(name: str, cost: Any) -> Expr:
    """``cost``, if it is one float number."""
    differentiable(name, cost)
    if cost.shape:
        raise GradientError(
            f"{name}: the cost {cost} is {cost.type}, not a scalar\n"
            f"  a gradient is that of one number; its shape here is {_shape(cost)}\n"
            f"  fix: reduce it, e.g. cost.sum() or cost.mean(), or use jacobian or vjp"
        )
    return cost  # type: ignore[no-any-return]


def direction(name: str, y: Expr, g: Any) -> Expr:
    """``g``, a cotangent or tangent of ``y``, in the type of ``y``."""
    differentiable(name, y)
    given = as_expr(g)
    stretched = given.ndim > y.ndim or any(
        isinstance(a, int) and isinstance(b, int) and a not in (1, b)
        for a, b in zip(given.shape[::-1], y.shape[::-1], strict=False)
    )
    if stretched:
        raise GradientError(
            f"{name}: {given.type} cannot be a cotangent or tangent of {y}, which is {y.type}\n"
            f"  it has the shape of its expression\n"
            f"  fix: give it the shape {_shape(y)}"
        )
    return broadcast(cast(given, y.dtype), y.shape)


def check_pairs(name: str, what: str, xs: Sequence[Any], gs: Sequence[Any]) -> None:
    """GradientError where two lists that belong together differ in length."""
    if len(xs) != len(gs):
        raise GradientError(
            f"{name}: {len(xs)} expressions and {len(gs)} {what}\n"
            f"  each expression has one\n"
            f"  fix: give lists of the same length"
        )


def _shape(x: Expr) -> str:
    return f"({', '.join(map(str, x.shape))})"
