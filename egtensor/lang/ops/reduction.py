"""Operators that fold axes. ``axes`` is a sorted tuple of axes, which the result does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.errors import ShapeError
from egtensor.lang.dims import maximum
from egtensor.lang.facts import FINITE, GE0, GE1, INTEGER, LE0, NONZERO, NOTNAN, always, given, kept
from egtensor.lang.op import ArgReduce, Attrs, Missing, Op, Prefix, Reduce
from egtensor.lang.ops.elementwise import INTEGRAL, ORDER
from egtensor.lang.types import BOOL, INT64, DType, Equalities, TensorType, extents_agree

LOGICAL = Missing("the result is boolean")


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


def _highest(dtype: DType) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


def _nonempty(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    made = _reduced(op, types, attrs, equalities)
    if 0 not in made.shape:
        _has_elements(op, types[0], attrs["axes"], equalities)
    return made


def _has_elements(op: Op, x: TensorType, axes: tuple[int, ...], equalities: Equalities) -> None:
    for k in axes:
        if not extents_agree(maximum(x.shape[k], 1), x.shape[k], equalities):
            raise ShapeError(
                f"{op.name.removeprefix('reduce_')}: axis {k} of {x} has no elements\n"
                f"  there is no extreme element among none\n"
                f"  fix: check the size first, or append a bound with et.concatenate"
            )


sum_: Op = Op(
    name="reduce_sum", numpy=lambda x, *, axes: np.sum(x, axis=axes, dtype=x.dtype), arity=1, attrs=("axes",),
    body=Reduce("add", lambda dtype: 0), type_rule=_reduced, cost=1,
    vjp=lambda g, y, x, *, axes: (restore_axes(g, x, axes),),
    facts=(*kept(FINITE, INTEGER, GE0, LE0), *given(FINITE | NOTNAN, then=NOTNAN), *given(GE0 | NOTNAN, then=NOTNAN),
           *given(LE0 | NOTNAN, then=NOTNAN)),
    doc="Sum in the operand's own dtype; pairwise, so that the error grows with log n (Higham 2002, 4.2).",
)  # fmt: skip


def _prod_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> tuple[Any, ...]:
    # the product of the others: y / x without zeros, the product of the rest beside a single zero
    from egtensor.lang.expr import cast
    from egtensor.lang.ops.elementwise import equal, where

    is_zero = equal(x, 0)
    zeros = restore_axes(sum_(cast(is_zero, INT64), axes=axes), x, axes)
    rest = restore_axes(prod(where(is_zero, 1, x), axes=axes), x, axes)
    others = where(equal(zeros, 0), rest / x, where(is_zero, where(equal(zeros, 1), rest, 0), 0))
    return (restore_axes(g, x, axes) * others,)


prod: Op = Op(
    name="reduce_prod", numpy=lambda x, *, axes: np.prod(x, axis=axes, dtype=x.dtype), arity=1, attrs=("axes",),
    body=Reduce("mul", lambda dtype: 1), type_rule=_reduced, cost=1, vjp=_prod_vjp,
    facts=(*kept(FINITE, INTEGER, GE0, GE1, NONZERO), *given(FINITE | NOTNAN, then=NOTNAN)),
    doc="Product in the operand's own dtype.",
)  # fmt: skip


def _extreme_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> tuple[Any, ...]:
    from egtensor.lang.expr import cast
    from egtensor.lang.ops.elementwise import equal, where

    tied = equal(x, restore_axes(y, x, axes))
    count = sum_(cast(tied, x.dtype), axes=axes)
    return (where(tied, restore_axes(g / count, x, axes), 0),)


max_: Op = Op(
    name="reduce_max", numpy=lambda x, *, axes: np.max(x, axis=axes), arity=1, attrs=("axes",),
    body=Reduce("max", _lowest), type_rule=_nonempty, cost=1, vjp=_extreme_vjp, facts=kept(*ORDER),
    doc="The largest element; NaN if there is one. The axes must not be empty.",
)  # fmt: skip
min_: Op = Op(
    name="reduce_min", numpy=lambda x, *, axes: np.min(x, axis=axes), arity=1, attrs=("axes",),
    body=Reduce("min", _highest), type_rule=_nonempty, cost=1, vjp=_extreme_vjp, facts=kept(*ORDER),
    doc="The smallest element; NaN if there is one. The axes must not be empty.",
)  # fmt: skip


def _boolean(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
    assert types[0].dtype == BOOL
    return _reduced(op, types, attrs, _)


any_: Op = Op(
    name="reduce_any", numpy=lambda x, *, axes: np.any(x, axis=axes), arity=1, attrs=("axes",),
    body=Reduce("or", lambda dtype: False), type_rule=_boolean, cost=1, vjp=LOGICAL,
    doc="Whether any of some booleans holds.",
)  # fmt: skip
all_: Op = Op(
    name="reduce_all", numpy=lambda x, *, axes: np.all(x, axis=axes), arity=1, attrs=("axes",),
    body=Reduce("and", lambda dtype: True), type_rule=_boolean, cost=1, vjp=LOGICAL,
    doc="Whether all of some booleans hold.",
)  # fmt: skip


def _place(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    axis = attrs["axis"]
    x = types[0]
    _has_elements(op, x, (axis,), equalities)
    return TensorType(INT64, (*x.shape[:axis], *x.shape[axis + 1 :]))


argmax: Op = Op(
    name="argmax", numpy=lambda x, *, axis: np.argmax(x, axis), arity=1, attrs=("axis",), body=ArgReduce("gt"),
    type_rule=_place, cost=2, vjp=INTEGRAL, facts=always(GE0),
    doc="Where the first largest element is along an axis; a NaN counts as largest.",
)  # fmt: skip
argmin: Op = Op(
    name="argmin", numpy=lambda x, *, axis: np.argmin(x, axis), arity=1, attrs=("axis",), body=ArgReduce("lt"),
    type_rule=_place, cost=2, vjp=INTEGRAL, facts=always(GE0),
    doc="Where the first smallest element is along an axis; a NaN counts as smallest.",
)  # fmt: skip


def _reversed(x: Any, axis: int) -> Any:
    from egtensor.lang.ops.shape import slice_

    last = x.shape[axis] - 1
    return slice_(
        x,
        starts=tuple(last if k == axis else 0 for k in range(x.ndim)),
        steps=tuple(-1 if k == axis else 1 for k in range(x.ndim)),
        sizes=x.shape,
    )


def _unchanged(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
    return types[0]


cumsum: Op = Op(
    name="cumsum", numpy=lambda x, *, axis: np.cumsum(x, axis, dtype=x.dtype), arity=1, attrs=("axis",),
    body=Prefix("add"), type_rule=_unchanged, cost=1,
    vjp=lambda g, y, x, *, axis: (_reversed(cumsum(_reversed(g, axis), axis=axis), axis),),
    facts=(*kept(FINITE, INTEGER, GE0, GE1, LE0), *given(FINITE | NOTNAN, then=NOTNAN)),
    doc="Sums of the elements so far, in the operand's own dtype.",
)  # fmt: skip


def _cumprod_vjp(g: Any, y: Any, x: Any, *, axis: int) -> tuple[Any, ...]:
    """What comes after each element, backwards: r[k] = g[k] + x[k+1] r[k+1]; no division, so zeros are safe."""
    from egtensor.lang.expr import scalar
    from egtensor.lang.ops.region import scan_
    from egtensor.lang.ops.reshaping import moveaxis
    from egtensor.lang.ops.shape import along, join

    n = x.shape[axis]
    ones = scalar(1, x.type.with_shape(1 if k == axis else e for k, e in enumerate(x.shape)))
    before = along(join(ones, y, axis=axis), axis, 0, n)
    following = along(join(x, ones, axis=axis), axis, 1, n)
    steps = [moveaxis(v, axis, 0) for v in (g, following)]
    zeros = scalar(0, steps[0].type.with_shape(steps[0].shape[1:]))
    after, _ = scan_(
        lambda gk, xk, r: gk + xk * r, sequences=steps, outputs_info=zeros, go_backwards=True
    )
    return (before * moveaxis(_reversed(after, 0), 0, axis),)


cumprod: Op = Op(
    name="cumprod", numpy=lambda x, *, axis: np.cumprod(x, axis, dtype=x.dtype), arity=1, attrs=("axis",),
    body=Prefix("mul"), type_rule=_unchanged, cost=1, vjp=_cumprod_vjp,
    facts=(*kept(FINITE, INTEGER, GE0, GE1, NONZERO), *given(FINITE | NOTNAN, then=NOTNAN)),
    doc="Products of the elements so far, in the operand's own dtype.",
)  # fmt: skip
