"""Rearranging axes and shapes, with NumPy's signatures, made from the core moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.errors import ShapeError, TypeRuleError
from egtensor.lang import dims
from egtensor.lang.dims import Extent
from egtensor.lang.expr import Expr, as_expr, broadcast, scalar
from egtensor.lang.op import composed
from egtensor.lang.ops import shape as core
from egtensor.lang.ops.creation import as_shape
from egtensor.lang.ops.indexing import gather, scatter_add
from egtensor.lang.ops.leaf import iota
from egtensor.lang.types import (
    INT64,
    TensorType,
    broadcast_shapes,
    normalize_axes,
    normalize_axis,
)


def _varargs(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given


@composed(numpy=np.reshape)
def reshape(x: Any, *shape: Any) -> Expr:
    """The same elements in another shape; one size may be -1: what is left.

    shape  sizes, or one tuple of them
    """
    x = as_expr(x)
    wanted = list(as_shape(_varargs(shape)))
    unknown = [k for k, n in enumerate(wanted) if n == -1]
    if len(unknown) > 1:
        raise ShapeError(
            f"reshape: {tuple(wanted)} has several unknown sizes\n"
            f"  at most one size can be computed from the others\n"
            f"  fix: give all sizes but one"
        )
    if unknown:
        wanted[unknown[0]] = _rest(x.size, dims.product(n for n in wanted if n != -1))
    return x if tuple(wanted) == x.shape else core.reshape(x, shape=tuple(wanted))  # type: ignore[no-any-return]


def _rest(total: Extent, others: Extent) -> Extent:
    if others == 0:
        return 0
    return dims.floordiv(total, others)


@composed(numpy=np.ravel)
def ravel(x: Any) -> Expr:
    """The elements in row-major order, as a vector."""
    return reshape(x, (as_expr(x).size,))  # type: ignore[no-any-return]


@composed(numpy=np.ravel)
def flatten(x: Any) -> Expr:
    """The elements in row-major order, as a vector."""
    return ravel(x)  # type: ignore[no-any-return]


@composed(numpy=np.transpose)
def transpose(x: Any, *axes: Any) -> Expr:
    """The axes in another order: reversed, or as given one by one or as a tuple."""
    x = as_expr(x)
    given = _varargs(axes)
    if not given or given == (None,):
        order = tuple(reversed(range(x.ndim)))
    else:
        order = tuple(normalize_axis("transpose", a, x.ndim) for a in given)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(
            f"transpose: axes {given} are not a permutation of the axes of {x.type}\n"
            f"  each axis appears once\n"
            f"  fix: list all {x.ndim} axes"
        )
    return permuted(x, order)


def permuted(x: Expr, order: tuple[int, ...]) -> Expr:
    """The axes in another order; ``x`` itself where that is the one they have."""
    return x if order == tuple(range(x.ndim)) else core.transpose(x, axes=order)


@composed(numpy=np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Expr:
    """Two axes exchanged."""
    x = as_expr(x)
    a, b = (normalize_axis("swapaxes", k, x.ndim) for k in (axis1, axis2))
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return permuted(x, tuple(order))


@composed(numpy=np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Expr:
    """Axes moved to new places, the others kept in order."""
    x = as_expr(x)
    sources, places = (
        [
            normalize_axis("moveaxis", a, x.ndim)
            for a in (v if isinstance(v, (tuple, list)) else (v,))
        ]
        for v in (source, destination)
    )
    order = [k for k in range(x.ndim) if k not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permuted(x, tuple(order))


@composed(numpy=np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Expr:
    """``x`` stretched to ``shape``: axes of size 1, and new leading ones."""
    x, wanted = as_expr(x), as_shape(shape)
    return x if x.shape == wanted else core.broadcast_to(x, shape=wanted)  # type: ignore[no-any-return]


@composed(numpy=np.broadcast_arrays)
def broadcast_arrays(*operands: Any) -> tuple[Expr, ...]:
    """The operands stretched to their common shape."""
    xs = [as_expr(x) for x in operands]
    shape = broadcast_shapes("broadcast_arrays", [x.type for x in xs], [])
    return tuple(broadcast(x, shape) for x in xs)


@composed(numpy=np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Expr:
    """New axes of size 1 at the places that they have in the result."""
    x = as_expr(x)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    new = normalize_axes("expand_dims", tuple(given), x.ndim + len(given))
    old = iter(x.shape)
    return reshape(x, tuple(1 if k in new else next(old) for k in range(x.ndim + len(new))))  # type: ignore[no-any-return]


@composed(numpy=np.squeeze)
def squeeze(x: Any, axis: Any = None) -> Expr:
    """Axes of size 1 removed: those given, or all that are known to have size 1."""
    x = as_expr(x)
    if axis is None:
        axes: tuple[int, ...] = tuple(k for k, n in enumerate(x.shape) if n == 1)
    else:
        axes = normalize_axes("squeeze", axis, x.ndim)
    for k in axes:
        if isinstance(x.shape[k], int) and x.shape[k] != 1:
            raise ShapeError(
                f"squeeze: axis {k} of {x.type} has size {x.shape[k]}\n"
                f"  only axes of size 1 can be removed\n"
                f"  fix: choose another axis, or reduce it"
            )
    return reshape(x, tuple(n for k, n in enumerate(x.shape) if k not in axes))  # type: ignore[no-any-return]


def _atleast(rank: int) -> Any:
    def build(x: Any) -> Expr:
        x = as_expr(x)
        shapes: dict[tuple[int, int], tuple[Extent, ...]] = {
            (1, 0): (1,), (2, 0): (1, 1), (3, 0): (1, 1, 1), (2, 1): (1, *x.shape), (3, 1): (1, *x.shape, 1),
            (3, 2): (*x.shape, 1),
        }  # fmt: skip
        return reshape(x, shapes.get((rank, x.ndim), x.shape))  # type: ignore[no-any-return]

    build.__name__ = f"atleast_{rank}d"
    build.__doc__ = f"``x`` with axes of size 1 added until it has {rank}."
    return build


atleast_1d = composed(numpy=np.atleast_1d)(_atleast(1))
atleast_2d = composed(numpy=np.atleast_2d)(_atleast(2))
atleast_3d = composed(numpy=np.atleast_3d)(_atleast(3))


@composed(numpy=np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Expr:
    """The elements of two axes whose indices differ by ``offset``, as a last axis."""
    x = as_expr(x)
    a, b = (normalize_axis("diagonal", k, x.ndim) for k in (axis1, axis2))
    if a == b:
        raise TypeRuleError(
            f"diagonal: axis1 and axis2 are both {a}\n"
            f"  a diagonal runs through two different axes\n"
            f"  fix: choose two axes"
        )
    first, second = max(-offset, 0), max(offset, 0)
    size = dims.maximum(dims.minimum(x.shape[a] - first, x.shape[b] - second), 0)
    line = iota(extent=size, dtype=INT64)
    y = gather(x, line + first, line + second, axes=(a, b))
    return permuted(y, (*range(1, y.ndim), 0))


@composed(numpy=np.trace)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Expr:
    """The sum of a diagonal."""
    from egtensor.lang.ops.statistics import sum_

    return sum_(diagonal(x, offset, axis1, axis2), axis=-1)  # type: ignore[no-any-return]


@composed(numpy=np.diag)
def diag(x: Any, k: int = 0) -> Expr:
    """The diagonal of a matrix, or the square matrix with a vector on its diagonal."""
    x = as_expr(x)
    if x.ndim == 2:
        return diagonal(x, k)  # type: ignore[no-any-return]
    if x.ndim != 1:
        raise ShapeError(
            f"diag: the operand is {x.type}\n"
            f"  it takes a vector or a matrix\n"
            f"  fix: use et.diagonal for higher ranks"
        )
    n, row, column = x.shape[0] + abs(k), max(-k, 0), max(k, 0)
    line = iota(extent=x.shape[0], dtype=INT64)
    base = scalar(0, TensorType(x.dtype, (n, n)))
    return scatter_add(base, x, line + row, line + column, axes=(0, 1))  # type: ignore[no-any-return]
