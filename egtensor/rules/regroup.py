"""Sums, products and the like that differ in order and grouping only, found in the program as written.

In the e-graph, rules of commutativity and associativity would breed all groupings of every sum; here each
program pays for its own.  Hash-consing modulo AC: each value is named by the multiset of what it combines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from egtensor.lang.expr import Expr
from egtensor.lang.types import TensorType

WIDEST = 64  # operands of a sum up to which it is compared


def regrouped(order: Sequence[Expr], rounding: bool) -> list[tuple[int, ...]]:
    """Pairs of places in ``order`` whose values are equal up to order and grouping.

    rounding  whether floating values may be grouped anew, which rounds them differently
    """
    place = {node: k for k, node in enumerate(order)}
    first: dict[Any, int] = {}
    name: list[int] = []
    parts: dict[int, tuple[int, ...]] = {}
    pairs: list[tuple[int, ...]] = []
    for k, node in enumerate(order):
        args = tuple([name[place[a]] for a in node.args])
        if _can_regroup(node, rounding):
            operands = _flattened(node, args, order, parts)
            if len(operands) <= WIDEST:
                parts[k] = args = operands
        key = (node.op, node.attrs, node.type, args)
        found = first.setdefault(key, k) if args else k
        name.append(found)
        if found != k:
            pairs.append((k, found))
    return pairs


def _can_regroup(node: Expr, rounding: bool) -> bool:
    if not (node.op.commutative and node.op.associative and isinstance(node.type, TensorType)):
        return False
    return rounding or node.type.dtype.kind != "f"


def _flattened(
    node: Expr, args: tuple[int, ...], order: Sequence[Expr], parts: dict[int, tuple[int, ...]]
) -> tuple[int, ...]:
    """What the operands combine, as a sorted multiset of places."""
    operands: list[int] = []
    for a in args:
        inner = order[a]
        operands += (
            parts[a] if a in parts and inner.op is node.op and inner.type == node.type else (a,)
        )
    return tuple(sorted(operands))
