"""Reductions by NumPy's names and signatures, made from the core ones.

Softmax and log-sum-exp: Blanchard, Higham and Higham 2021; variances in two passes: Chan, Golub and LeVeque 1983.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.errors import TypeRuleError
from egtensor.lang import dims
from egtensor.lang.expr import Expr, as_expr, cast
from egtensor.lang.op import Op, composed
from egtensor.lang.ops import reduction
from egtensor.lang.ops.elementwise import isfinite, not_equal, sqrt, square, stop_gradient, where
from egtensor.lang.ops.explog import exp, log
from egtensor.lang.ops.shape import reshape
from egtensor.lang.types import BOOL, FLOAT64, as_dtype, normalize_axes, normalize_axis

Axis = int | tuple[int, ...] | None


def keep_axes(y: Expr, x: Expr, axes: tuple[int, ...], keepdims: bool) -> Expr:
    """``y``, which lacks ``axes`` of ``x``, with them as axes of size 1 if ``keepdims``."""
    if not keepdims or not axes:
        return y
    return reshape(y, shape=tuple(1 if k in axes else n for k, n in enumerate(x.shape)))  # type: ignore[no-any-return]


def fold_axes(op: Op, name: str, x: Expr, axis: Any, keepdims: bool) -> Expr:
    """A core reduction over ``axis``."""
    axes = normalize_axes(name, axis, x.ndim)
    return keep_axes(op(x, axes=axes) if axes else x, x, axes, keepdims)


def _accumulating(op: Op, name: str, x: Any, axis: Any, dtype: Any, keepdims: bool) -> Expr:
    x = as_expr(x)
    wide = reduction.accumulator(x.dtype) if dtype is None else as_dtype(dtype)
    return fold_axes(op, name, cast(x, wide), axis, keepdims)


@composed(numpy=np.sum)
def sum_(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Expr:
    """Sum over ``axis``; booleans and small integers accumulate in 64 bits."""
    return _accumulating(reduction.sum_, "sum", x, axis, dtype, keepdims)


@composed(numpy=np.prod)
def prod(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Expr:
    """Product over ``axis``; booleans and small integers accumulate in 64 bits."""
    return _accumulating(reduction.prod, "prod", x, axis, dtype, keepdims)


@composed(numpy=np.max)
def max_(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """The largest element along ``axis``; NaN if there is one."""
    return fold_axes(reduction.max_, "max", as_expr(x), axis, keepdims)


@composed(numpy=np.min)
def min_(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """The smallest element along ``axis``; NaN if there is one."""
    return fold_axes(reduction.min_, "min", as_expr(x), axis, keepdims)


def _truth(x: Any) -> Expr:
    x = as_expr(x)
    return x if x.dtype == BOOL else not_equal(x, 0)  # type: ignore[no-any-return]


@composed(numpy=np.any)
def any_(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """Whether any element along ``axis`` is not zero."""
    return fold_axes(reduction.any_, "any", _truth(x), axis, keepdims)


@composed(numpy=np.all)
def all_(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """Whether all elements along ``axis`` are not zero."""
    return fold_axes(reduction.all_, "all", _truth(x), axis, keepdims)


def _count(x: Expr, axes: tuple[int, ...]) -> dims.Extent:
    return dims.product(x.shape[k] for k in axes)


def _averaged(x: Any, dtype: Any) -> Expr:
    x = as_expr(x)
    if dtype is not None:
        return cast(x, as_dtype(dtype))
    return x if x.dtype.kind == "f" else cast(x, FLOAT64)


@composed(numpy=np.mean)
def mean(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Expr:
    """The mean over ``axis``; integers are averaged in float64."""
    x = _averaged(x, dtype)
    axes = normalize_axes("mean", axis, x.ndim)
    return fold_axes(reduction.sum_, "mean", x, axes, keepdims) / _count(x, axes)  # type: ignore[no-any-return]


@composed(numpy=np.var)
def var(
    x: Any, axis: Axis = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False
) -> Expr:
    """The variance over ``axis``, in two passes.

    ddof  is subtracted from the number of elements that the sum of squares is divided by
    """
    x = _averaged(x, dtype)
    axes = normalize_axes("var", axis, x.ndim)
    centred = x - mean(x, axes, keepdims=True)
    total = fold_axes(reduction.sum_, "var", square(centred), axes, keepdims)
    return total / dims.maximum(_count(x, axes) - ddof, 0)  # type: ignore[no-any-return]


@composed(numpy=np.std)
def std(
    x: Any, axis: Axis = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False
) -> Expr:
    """The standard deviation over ``axis``: the square root of ``var``."""
    return sqrt(var(x, axis, dtype, ddof, keepdims))  # type: ignore[no-any-return]


def _place(op: Op, x: Any, axis: int | None, keepdims: bool) -> Expr:
    x = as_expr(x)
    given = x
    if axis is None:
        axes = tuple(range(x.ndim))
        x, axis = reshape(x, shape=(x.size,)), 0
    else:
        axis = normalize_axis(op.name, axis, x.ndim)
        axes = (axis,)
    return keep_axes(op(x, axis=axis), given, axes, keepdims)


@composed(numpy=np.argmax)
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Expr:
    """Where the first largest element is along ``axis``, or in the flattened tensor."""
    return _place(reduction.argmax, x, axis, keepdims)


@composed(numpy=np.argmin)
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Expr:
    """Where the first smallest element is along ``axis``, or in the flattened tensor."""
    return _place(reduction.argmin, x, axis, keepdims)


def _prefix(op: Op, x: Any, axis: int | None, dtype: Any) -> Expr:
    x = as_expr(x)
    x = cast(x, reduction.accumulator(x.dtype) if dtype is None else as_dtype(dtype))
    if axis is None:
        x, axis = reshape(x, shape=(x.size,)), 0
    return op(x, axis=normalize_axis(op.name, axis, x.ndim))  # type: ignore[no-any-return]


@composed(numpy=np.cumsum)
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Expr:
    """Sums of the elements so far along ``axis``, or of the flattened tensor."""
    return _prefix(reduction.cumsum, x, axis, dtype)


@composed(numpy=np.cumprod)
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Expr:
    """Products of the elements so far along ``axis``, or of the flattened tensor."""
    return _prefix(reduction.cumprod, x, axis, dtype)


@composed(numpy=np.count_nonzero)
def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """How many elements along ``axis`` are not zero."""
    return sum_(_truth(x), axis, None, keepdims)  # type: ignore[no-any-return]


@composed(numpy=np.ptp)
def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """The largest element minus the smallest along ``axis``."""
    return max_(x, axis, keepdims) - min_(x, axis, keepdims)  # type: ignore[no-any-return]


def _scipy(name: str) -> Any:
    def call(*args: Any, **options: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args, **options)

    return call


def _floats(x: Any) -> Expr:
    x = as_expr(x)
    return x if x.dtype.kind == "f" else cast(x, FLOAT64)


def _finite_max(x: Expr, axis: Axis) -> Expr:
    # where all elements are -inf, or one is inf, nothing may be subtracted
    largest = stop_gradient(max_(x, axis, keepdims=True))
    return where(isfinite(largest), largest, 0)  # type: ignore[no-any-return]


@composed(numpy=_scipy("logsumexp"))
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Expr:
    """log(sum(exp(x))) over ``axis``, without overflow."""
    x = _floats(x)
    largest = _finite_max(x, axis)
    total = log(sum_(exp(x - largest), axis, keepdims=True)) + largest
    axes = normalize_axes("logsumexp", axis, x.ndim)
    kept = (n for k, n in enumerate(x.shape) if k not in axes)
    return total if keepdims or not axes else reshape(total, shape=tuple(kept))  # type: ignore[no-any-return]


@composed(numpy=_scipy("softmax"))
def softmax(x: Any, axis: Axis = None) -> Expr:
    """exp(x) divided by its sum over ``axis``, without overflow."""
    x = _floats(x)
    weights = exp(x - stop_gradient(max_(x, axis, keepdims=True)))
    return weights / sum_(weights, axis, keepdims=True)  # type: ignore[no-any-return]


@composed(numpy=_scipy("log_softmax"))
def log_softmax(x: Any, axis: Axis = None) -> Expr:
    """The logarithm of ``softmax``, accurate where that is close to 0 or 1."""
    x = _floats(x)
    shifted = x - _finite_max(x, axis)
    return shifted - log(sum_(exp(shifted), axis, keepdims=True))  # type: ignore[no-any-return]


def _bounds_missing(name: str) -> TypeRuleError:
    return TypeRuleError(
        f"{name}: neither a lower nor an upper bound is given\n"
        f"  at least one of them must be\n"
        f"  fix: pass a_min or a_max"
    )


@composed(numpy=np.clip)
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Expr:
    """``x`` kept between two bounds, the upper one winning where they cross."""
    from egtensor.lang.ops.elementwise import maximum, minimum

    lo, hi = (a_min if min is None else min), (a_max if max is None else max)
    if lo is None and hi is None:
        raise _bounds_missing("clip")
    x = as_expr(x)
    x = x if lo is None else maximum(x, lo)
    return x if hi is None else minimum(x, hi)  # type: ignore[no-any-return]
