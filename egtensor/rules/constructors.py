"""The constructors of the e-graph: one per operator, kind of dtype and number of operands."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from egtensor.lang.expr import Expr
from egtensor.lang.op import OPS, Derived, Leaf, Op
from egtensor.lang.types import TensorType
from egtensor.rules.infer import principal

LITERAL, LEAF, HANDLE = "Lit", "Leaf", "N"


@dataclass(frozen=True)
class Constructor:
    """An operator on operands of one kind of dtype.

    kind   of the principal operand's dtype: ``b``, ``i``, ``u``, ``f``; empty where all share one
    fixed  attributes that are part of the constructor, instead of columns of it
    """

    op: Op
    kind: str
    arity: int
    fixed: tuple[Any, ...] | None = None
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        parts = [self.op.name, self.kind + str(self.arity), *map(str, self.fixed or ())]
        object.__setattr__(self, "name", "t_" + "_".join(parts))

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that are columns."""
        return self.op.attrs if self.fixed is None else ()

    @property
    def signature(self) -> str:
        """The sorts of the columns, operands first."""
        return " ".join(["T"] * self.arity + ["i64"] * len(self.attributes))


@cache
def constructor(op: Op, kind: str, arity: int, fixed: tuple[Any, ...] | None = None) -> Constructor:
    """The one constructor with these parts."""
    return Constructor(op, kind, arity, fixed)


def constructor_of(expr: Expr) -> Constructor:
    """The constructor that an expression with operands is inserted with."""
    op = expr.op
    if isinstance(op.body, Derived):
        return constructor(op, "", len(expr.args), expr.attrs)
    place = principal(op)
    if place is None:
        return constructor(op, "", len(expr.args))
    type_ = expr.args[place].type
    kind = type_.dtype.kind if isinstance(type_, TensorType) else ""
    return constructor(op, kind, len(expr.args))


@lru_cache(maxsize=1)
def literal_op() -> Op:
    """The operator of literals."""
    return next(o for o in OPS.values() if isinstance(o.body, Leaf) and o.body.kind == "literal")


@lru_cache(maxsize=1)
def order_of_ops() -> dict[Op, int]:
    """The operators in the order in which they were defined."""
    return {op: k for k, op in enumerate(OPS.values())}
