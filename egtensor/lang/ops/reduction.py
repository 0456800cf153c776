"""Operators that fold axes. ``axes`` is a sorted tuple of axes, which the result does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.lang.facts import FINITE, GE0, GE1, GEM1, INTEGER, LE0, LE1, NONZERO, NOTNAN, kept
from egtensor.lang.op import Attrs, Op, Reduce
from egtensor.lang.types import DType, Equalities, TensorType

EVERY = (NOTNAN, FINITE, INTEGER, NONZERO, GE0, LE0, GE1, LE1, GEM1)


def accumulator(dtype: DType) -> DType:
    """The dtype NumPy sums in: small integers and booleans widen to 64 bits."""
    match dtype.kind:
        case "b" | "i":
            return np.dtype(np.int64)
        case "u":
            return np.dtype(np.uint64)
        case _:
            return dtype


def _reduced(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
    kept_axes = (e for k, e in enumerate(types[0].shape) if k not in attrs["axes"])
    return types[0].with_shape(kept_axes)


def restore_axes(y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """``y``, which lacks ``axes``, stretched back to the shape of ``x``."""
    from egtensor.lang.expr import broadcast
    from egtensor.lang.ops.shape import reshape

    kept_shape = tuple(1 if k in axes else e for k, e in enumerate(x.shape))
    return broadcast(reshape(y, shape=kept_shape) if axes else y, x.shape)


def _lowest(dtype: DType) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


sum_ = Op(
    name="reduce_sum", numpy=lambda x, *, axes: np.sum(x, axis=axes, dtype=x.dtype), arity=1, attrs=("axes",),
    body=Reduce("add", lambda dtype: 0), type_rule=_reduced, cost=1,
    vjp=lambda g, y, x, *, axes: (restore_axes(g, x, axes),),
    facts=kept(FINITE, INTEGER, GE0, LE0),
    doc="Sum in the operand's own dtype; pairwise, so that the error grows with log n (Higham 2002, 4.2).",
)  # fmt: skip


def _extreme_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> tuple[Any, ...]:
    from egtensor.lang.expr import cast
    from egtensor.lang.ops.elementwise import equal, where

    tied = equal(x, restore_axes(y, x, axes))
    count = sum_(cast(tied, x.dtype), axes=axes)
    return (where(tied, restore_axes(g / count, x, axes), 0),)


max_ = Op(
    name="reduce_max", numpy=lambda x, *, axes: np.max(x, axis=axes), arity=1, attrs=("axes",),
    body=Reduce("max", _lowest), type_rule=_reduced, cost=1, vjp=_extreme_vjp, facts=kept(*EVERY),
    doc="The largest element; NaN if there is one. The axes must not be empty.",
)  # fmt: skip
