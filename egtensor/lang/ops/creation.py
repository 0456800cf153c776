"""Tensors made from sizes and numbers, with NumPy's signatures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from egtensor.errors import TypeRuleError, UnsupportedError
from egtensor.lang import dims
from egtensor.lang.dims import Dim, Extent, Shape
from egtensor.lang.expr import Expr, as_expr, broadcast, cast, scalar
from egtensor.lang.op import composed
from egtensor.lang.ops.elementwise import equal, greater_equal, where
from egtensor.lang.ops.leaf import iota
from egtensor.lang.ops.shape import reshape
from egtensor.lang.types import FLOAT64, INT64, DType, TensorType, as_dtype


def as_extent(value: Any, what: str = "a size") -> Extent:
    """An integer or a size, from what users pass for one."""
    if isinstance(value, Dim):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Expr) and value.ndim == 0:
        if value.op.name == "extent":
            return value.attrs[0]  # type: ignore[no-any-return]
        if value.op.name == "literal" and isinstance(value.attrs[0].value, int):
            return value.attrs[0].value
    raise TypeRuleError(
        f"{what} must be an integer or a size, not {type(value).__name__} {str(value)[:60]}\n"
        f"  sizes come from .shape, et.size and integers, not from values computed when run\n"
        f"  fix: pass an int or an element of a .shape"
    )


def as_shape(shape: Any) -> Shape:
    """A tuple of sizes, from one size or several."""
    return tuple(map(as_extent, shape)) if isinstance(shape, (tuple, list)) else (as_extent(shape),)


def default_float(dtype: Any) -> DType:
    """``dtype``, or ``config.floatX`` if none is given."""
    from egtensor.config import config

    return as_dtype(config.floatX if dtype is None else dtype)


@composed(numpy=np.zeros)
def zeros(shape: Any, dtype: Any = None) -> Expr:
    """A tensor of zeros; ``dtype`` defaults to ``config.floatX``."""
    return scalar(0, TensorType(default_float(dtype), as_shape(shape)))


@composed(numpy=np.ones)
def ones(shape: Any, dtype: Any = None) -> Expr:
    """A tensor of ones; ``dtype`` defaults to ``config.floatX``."""
    return scalar(1, TensorType(default_float(dtype), as_shape(shape)))


@composed(numpy=np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Expr:
    """A tensor whose elements are all ``fill_value``, which may itself be broadcast."""
    fill = as_expr(fill_value)
    return broadcast(cast(fill, fill.dtype if dtype is None else as_dtype(dtype)), as_shape(shape))


def _like(number: int, name: str) -> Any:
    def build(x: Any, dtype: Any = None, shape: Any = None) -> Expr:
        x = as_expr(x)
        made = TensorType(x.dtype if dtype is None else as_dtype(dtype), x.shape)
        return scalar(number, made if shape is None else made.with_shape(as_shape(shape)))

    build.__name__ = name
    build.__doc__ = f"Elements that are all {number}, in the shape and dtype of ``x``."
    return build


zeros_like = composed(numpy=np.zeros_like)(_like(0, "zeros_like"))
ones_like = composed(numpy=np.ones_like)(_like(1, "ones_like"))


@composed(numpy=np.full_like)
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Expr:
    """Elements that are all ``fill_value``, in the shape and dtype of ``x``."""
    x = as_expr(x)
    return full(x.shape, fill_value, x.dtype if dtype is None else dtype)  # type: ignore[no-any-return]


@composed(numpy=np.eye)
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Expr:
    """Ones on diagonal ``k`` of an N by M matrix, zeros elsewhere."""
    n = as_extent(N)
    m = n if M is None else as_extent(M)
    return cast(equal(_rows(n) + k, _columns(m)), default_float(dtype))


def _rows(n: Extent) -> Any:
    return reshape(iota(extent=n, dtype=INT64), shape=(n, 1))


def _columns(m: Extent) -> Any:
    return reshape(iota(extent=m, dtype=INT64), shape=(1, m))


@composed(numpy=np.identity)
def identity(n: Any, dtype: Any = None) -> Expr:
    """The identity matrix."""
    return eye(n, None, 0, dtype)  # type: ignore[no-any-return]


def lower_mask(x: Expr, k: int) -> Expr:
    """Where an element of the last two axes lies on or below diagonal ``k``."""
    return greater_equal(_rows(x.shape[-2]) + k, _columns(x.shape[-1]))  # type: ignore[no-any-return]


@composed(numpy=np.tril)
def tril(x: Any, k: int = 0) -> Expr:
    """``x`` with zeros above diagonal ``k``."""
    x = as_expr(x)
    return where(lower_mask(x, k), x, scalar(0, TensorType(x.dtype, ())))  # type: ignore[no-any-return]


@composed(numpy=np.triu)
def triu(x: Any, k: int = 0) -> Expr:
    """``x`` with zeros below diagonal ``k``."""
    x = as_expr(x)
    return where(lower_mask(x, k - 1), scalar(0, TensorType(x.dtype, ())), x)  # type: ignore[no-any-return]


@composed(numpy=np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Expr:
    """Numbers from ``start`` (0) to below ``stop``, ``step`` apart.

    start, stop, step  numbers or sizes; their common dtype is that of the result
    """
    if stop is None:
        start, stop = 0, start
    given = [v if isinstance(v, float) else _bound(v) for v in (start, stop, step)]
    start, stop, step = given
    if step == 0:
        raise TypeRuleError(
            "arange: the step is zero\n"
            "  it would never arrive\n"
            "  fix: pass a step other than 0, or use et.full"
        )
    if any(isinstance(v, float) for v in given):
        return _float_range(start, stop, step, FLOAT64 if dtype is None else as_dtype(dtype))
    made = INT64 if dtype is None else as_dtype(dtype)
    if isinstance(step, Dim):
        size = dims.floordiv(stop - start + step - 1, step)
    else:
        span = stop - start if step > 0 else start - stop
        size = dims.floordiv(span + abs(step) - 1, abs(step))
    line = iota(extent=dims.maximum(size, 0), dtype=made)
    line = line if step == 1 else line * _typed(step, made)
    return line if start == 0 else line + _typed(start, made)  # type: ignore[no-any-return]


def _typed(value: Extent | float, dtype: DType) -> Expr:
    return scalar(value, TensorType(dtype, ()))


def _bound(value: Any) -> Extent | float:
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, Expr) and value.dtype.kind == "f" and value.op.name == "literal":
        return float(value.attrs[0].value)
    return as_extent(value, "a bound of arange")


def _float_range(start: Any, stop: Any, step: Any, dtype: DType) -> Expr:
    if any(isinstance(v, Dim) for v in (start, stop, step)):
        raise UnsupportedError(
            "arange: a fractional range with a symbolic size as a bound\n"
            "  the number of elements is a size, and sizes are polynomials with integer coefficients\n"
            "  fix: use et.arange(n) * step + start, or et.linspace"
        )
    size = max(0, math.ceil((stop - start) / step))
    # as NumPy computes it: the step is the difference of the first two elements
    first, second = dtype.type(start), dtype.type(start + step)
    line = iota(extent=size, dtype=dtype)
    return line * _typed(float(second - first), dtype) + _typed(float(first), dtype)  # type: ignore[no-any-return]


@composed(numpy=np.linspace)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None
) -> Expr:
    """``num`` evenly spaced numbers from ``start`` to ``stop``, which is the last one if ``endpoint``."""
    start, stop, n = as_expr(start), as_expr(stop), as_extent(num)
    made = np.result_type(start.dtype, stop.dtype, np.float64)
    a, b = cast(start, made), cast(stop, made)
    parts = n - 1 if endpoint else n
    line = reshape(iota(extent=n, dtype=made), shape=(n,) + (1,) * max(a.ndim, b.ndim))
    if parts == 0:
        y = line * (b - a) + a
    else:
        y = line * ((b - a) / dims.maximum(parts, 1)) + a
        if endpoint:
            y = where(equal(line, n - 1), where(greater_equal(n - 1, 1), b, a), y)
    return cast(y, made if dtype is None else as_dtype(dtype))
