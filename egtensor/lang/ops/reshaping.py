"""Rearranging, joining, splitting, repeating and padding, with NumPy's signatures, made from the core moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from egtensor.errors import ShapeError, TypeRuleError, UnsupportedError
from egtensor.lang import dims
from egtensor.lang.dims import Extent
from egtensor.lang.expr import Expr, as_expr, broadcast, cast, scalar
from egtensor.lang.op import composed
from egtensor.lang.ops import shape as core
from egtensor.lang.ops.creation import as_extent, as_shape
from egtensor.lang.ops.elementwise import maximum, minimum, remainder, subtract
from egtensor.lang.ops.indexing import gather, scatter_add, take
from egtensor.lang.ops.leaf import iota
from egtensor.lang.ops.shape import along, joined
from egtensor.lang.types import (
    INT64,
    TensorType,
    as_dtype,
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


def common_dtype(xs: Sequence[Expr]) -> list[Expr]:
    """Operands converted to the dtype that NumPy joins them in."""
    dtype = as_dtype(np.result_type(*(x.dtype for x in xs)))
    return [cast(x, dtype) for x in xs]


def _operands(name: str, operands: Any) -> list[Expr]:
    if isinstance(operands, Expr):
        operands = [operands[k] for k in range(len(operands))]
    xs = [as_expr(x) for x in operands]
    if not xs:
        raise ShapeError(
            f"{name}: nothing to join\n  at least one tensor is needed\n  fix: pass a non-empty list"
        )
    return common_dtype(xs)


@composed(numpy=np.concatenate)
def concatenate(operands: Any, axis: int | None = 0) -> Expr:
    """Tensors one after the other along ``axis``, or flattened if it is None."""
    xs = _operands("concatenate", operands)
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if any(x.ndim != xs[0].ndim for x in xs) or not xs[0].ndim:
        raise ShapeError(
            f"concatenate: cannot join {' with '.join(str(x.type) for x in xs)}\n"
            f"  all must have the same number of axes, at least one\n"
            f"  fix: add axes with None, or use et.stack"
        )
    k = normalize_axis("concatenate", axis, xs[0].ndim)
    return xs[0] if len(xs) == 1 else core.join(*xs, axis=k)


@composed(numpy=np.stack)
def stack(operands: Any, axis: int = 0) -> Expr:
    """Tensors of one shape along a new axis."""
    xs = _operands("stack", operands)
    k = normalize_axis("stack", axis, xs[0].ndim + 1)
    return concatenate([expand_dims(x, k) for x in xs], axis=k)  # type: ignore[no-any-return]


@composed(numpy=np.vstack)
def vstack(operands: Any) -> Expr:
    """Tensors below each other; vectors are rows."""
    return concatenate([atleast_2d(x) for x in _operands("vstack", operands)], axis=0)  # type: ignore[no-any-return]


@composed(numpy=np.hstack)
def hstack(operands: Any) -> Expr:
    """Tensors side by side; vectors one after the other."""
    xs = [atleast_1d(x) for x in _operands("hstack", operands)]
    return concatenate(xs, axis=0 if xs[0].ndim == 1 else 1)  # type: ignore[no-any-return]


def _cut(x: Expr, axis: int, places: Sequence[Any]) -> list[Expr]:
    ends = [*places, None]
    parts, start = [], None
    for end in ends:
        index = (slice(None),) * axis + (slice(start, end),)
        parts.append(x[index])
        start = end
    return parts


@composed(numpy=np.array_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Expr]:
    """Consecutive parts along ``axis``: as many as given, nearly equal, or cut at the places given."""
    x = as_expr(x)
    axis = normalize_axis("array_split", axis, x.ndim)
    if isinstance(indices_or_sections, (tuple, list, np.ndarray)):
        return _cut(x, axis, [as_extent(i, "a place to split at") for i in indices_or_sections])
    sections, n = int(indices_or_sections), x.shape[axis]
    parts: list[Expr] = []
    start: Extent = 0
    for k in range(sections):
        size = dims.floordiv(n + (sections - 1 - k), sections)
        parts.append(along(x, axis, start, size))
        start = start + size
    return parts


@composed(numpy=np.split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Expr]:
    """Consecutive parts along ``axis``: as many as given, all equal, or cut at the places given."""
    x = as_expr(x)
    k = normalize_axis("split", axis, x.ndim)
    n = x.shape[k]
    if isinstance(indices_or_sections, (int, np.integer)) and isinstance(n, int):
        sections = int(indices_or_sections)
        if n % sections:
            raise ShapeError(
                f"split: axis {k} of {x.type} does not divide into {sections} equal parts\n"
                f"  {n} is not a multiple of {sections}\n"
                f"  fix: use et.array_split"
            )
    return array_split(x, indices_or_sections, axis)  # type: ignore[no-any-return]


@composed(numpy=np.tile)
def tile(x: Any, reps: Any) -> Expr:
    """``x`` repeated side by side, ``reps`` times along each axis."""
    x, counts = as_expr(x), as_shape(reps)
    rank = max(x.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - x.ndim) + x.shape
    apart = reshape(x, tuple(e for n in shape for e in (1, n)))
    wide = broadcast_to(apart, tuple(e for r, n in zip(counts, shape, strict=True) for e in (r, n)))
    return reshape(wide, tuple(r * n for r, n in zip(counts, shape, strict=True)))  # type: ignore[no-any-return]


@composed(numpy=np.repeat)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Expr:
    """Each element ``repeats`` times, along ``axis`` or of the flattened tensor."""
    x = as_expr(x)
    if axis is None:
        x, axis = ravel(x), 0
    k = normalize_axis("repeat", axis, x.ndim)
    if isinstance(repeats, (list, tuple, np.ndarray)) and np.ndim(repeats) > 0:
        if not isinstance(x.shape[k], int):
            raise UnsupportedError(
                "repeat: a count per element of an axis of unknown size\n"
                "  the size of the result would not be known\n"
                "  fix: pass one count, or declare the size"
            )
        return take(x, np.repeat(np.arange(x.shape[k]), np.asarray(repeats)), axis=k)  # type: ignore[no-any-return]
    count = as_extent(repeats, "repeats")
    lead, n, rest = x.shape[:k], x.shape[k], x.shape[k + 1 :]
    wide = broadcast_to(reshape(x, (*lead, n, 1, *rest)), (*lead, n, count, *rest))
    return reshape(wide, (*lead, n * count, *rest))  # type: ignore[no-any-return]


@composed(numpy=np.flip)
def flip(x: Any, axis: Any = None) -> Expr:
    """The elements in reverse order along ``axis``."""
    x = as_expr(x)
    for k in normalize_axes("flip", axis, x.ndim):
        x = along(x, k, x.shape[k] - 1, x.shape[k], -1)
    return x  # type: ignore[no-any-return]


@composed(numpy=np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Expr:
    """Elements moved ``shift`` places along ``axis``, those beyond the end to the front."""
    x = as_expr(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)  # type: ignore[no-any-return]
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    for s, a in zip(shifts, axes, strict=True):
        k = normalize_axis("roll", a, x.ndim)
        n = x.shape[k]
        distance, period = as_extent(s, "a shift"), dims.maximum(n, 1)
        moved = distance - dims.floordiv(distance, period) * period
        if moved != 0:
            x = joined([along(x, k, n - moved, moved), along(x, k, 0, n - moved)], k)
    return x  # type: ignore[no-any-return]


def _pad_widths(x: Expr, pad_width: Any) -> list[tuple[Extent, Extent]]:
    if isinstance(pad_width, dict):
        given = {normalize_axis("pad", k, x.ndim): v for k, v in pad_width.items()}
        pairs = [given.get(k, (0, 0)) for k in range(x.ndim)]
        return [(v, v) if not isinstance(v, (tuple, list)) else tuple(v) for v in pairs]
    return _pairs(x.ndim, pad_width)


def _pairs(rank: int, given: Any) -> list[tuple[Any, Any]]:
    if not isinstance(given, (tuple, list, np.ndarray)):
        return [(given, given)] * rank
    values = list(given)
    if len(values) == 1 and isinstance(values[0], (tuple, list, np.ndarray)):
        return [tuple(values[0])] * rank
    if not isinstance(values[0], (tuple, list, np.ndarray)):
        return [(values[0], values[-1])] * rank
    if len(values) != rank:
        raise ShapeError(
            f"pad: {len(values)} pairs for {rank} axes\n"
            f"  there is one pair (before, after) for each axis, or one for all\n"
            f"  fix: pass {rank} pairs"
        )
    return [tuple(v) for v in values]


def _reflected(i: Any, n: Extent) -> Any:
    period = dims.maximum(2 * (n - 1), 1)
    j = remainder(i, period)
    return minimum(j, subtract(period, j))


def _symmetric(i: Any, n: Extent) -> Any:
    j = remainder(i, dims.maximum(2 * n, 1))
    return minimum(j, subtract(2 * n - 1, j))


PAD_PLACES: dict[str, Callable[[Any, Extent], Any]] = {
    "edge": lambda i, n: minimum(maximum(i, 0), n - 1),
    "reflect": _reflected,
    "symmetric": _symmetric,
    "wrap": lambda i, n: remainder(i, dims.maximum(n, 1)),
}


@composed(numpy=np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Expr:
    """``x`` with elements added before and after it along each axis.

    pad_width  one number, a pair (before, after), or a pair for each axis
    mode       constant, edge, reflect, symmetric, wrap or empty (zeros)
    """
    x = as_expr(x)
    if mode not in ("constant", "empty", *PAD_PLACES):
        raise UnsupportedError(
            f"pad: mode {mode!r}\n"
            f"  the modes are constant, empty, {', '.join(PAD_PLACES)}\n"
            f"  fix: compute the border and use et.concatenate"
        )
    values = _pairs(x.ndim, constant_values)
    for k, widths in enumerate(_pad_widths(x, pad_width)):
        before, after = (as_extent(w, "a width") for w in widths)
        if before == 0 and after == 0:
            continue
        if mode in PAD_PLACES:
            x = _padded_from(x, k, before, after, mode)
        else:
            first, last = (
                full_along(x, k, w, v) for w, v in zip((before, after), values[k], strict=True)
            )
            x = joined([first, x, last], k)
    return x  # type: ignore[no-any-return]


def full_along(x: Expr, axis: int, size: Extent, value: Any) -> Expr:
    """The number ``value`` in the type of ``x`` but for the size of one axis."""
    shape = tuple(size if k == axis else n for k, n in enumerate(x.shape))
    number = cast(as_expr(value), x.dtype)
    return (
        broadcast(number, shape)
        if not isinstance(value, int)
        else scalar(value, TensorType(x.dtype, shape))
    )


def _padded_from(x: Expr, axis: int, before: Extent, after: Extent, mode: str) -> Expr:
    n = x.shape[axis]
    line = iota(extent=before + n + after, dtype=INT64)
    places = PAD_PLACES[mode](subtract(line, before), n)
    gathered = gather(x, places, axes=(axis,))
    order = (*range(1, axis + 1), 0, *range(axis + 1, x.ndim))
    return permuted(gathered, order)


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
