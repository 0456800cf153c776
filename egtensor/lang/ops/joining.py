"""Joining, splitting, repeating and turning over, with NumPy's signatures, made from the core moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from egtensor.errors import ShapeError, UnsupportedError
from egtensor.lang import dims
from egtensor.lang.dims import Dim, Extent
from egtensor.lang.expr import Expr, as_expr, cast
from egtensor.lang.op import composed
from egtensor.lang.ops import shape as core
from egtensor.lang.ops.creation import as_extent, as_shape
from egtensor.lang.ops.elementwise import not_equal, subtract
from egtensor.lang.ops.indexing import take
from egtensor.lang.ops.reshaping import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    ravel,
    reshape,
    swapaxes,
)
from egtensor.lang.ops.shape import along, joined
from egtensor.lang.types import BOOL, as_dtype, normalize_axes, normalize_axis


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


@composed(numpy=np.asarray)
def asarray(x: Any, dtype: Any = None) -> Expr:
    """``x`` as an expression; lists of expressions are stacked."""
    if isinstance(x, (list, tuple)) and any(isinstance(v, (Expr, Dim, list, tuple)) for v in x):
        made = stack([asarray(v) for v in x])
    else:
        made = as_expr(np.asarray(x) if isinstance(x, (list, tuple)) else x)
    return made if dtype is None else cast(made, as_dtype(dtype))


@composed(numpy=np.diff)
def diff(x: Any, n: int = 1, axis: int = -1) -> Expr:
    """Differences of neighbours along ``axis``, ``n`` times over; of booleans, whether they differ."""
    x = as_expr(x)
    k = normalize_axis("diff", axis, x.ndim)
    for _ in range(n):
        later, earlier = (x[(slice(None),) * k + (s,)] for s in (slice(1, None), slice(None, -1)))
        x = not_equal(later, earlier) if x.dtype == BOOL else subtract(later, earlier)
    return x  # type: ignore[no-any-return]


@composed(numpy=np.meshgrid)
def meshgrid(*vectors: Any, indexing: str = "xy") -> tuple[Expr, ...]:
    """Coordinates of a grid from those of its axes.

    indexing  "xy": the first two axes of the results are exchanged; "ij": they are not
    """
    xs = [ravel(v) for v in vectors]
    if indexing not in ("xy", "ij"):
        raise ShapeError(
            f"meshgrid: indexing={indexing!r}\n  it is 'xy' or 'ij'\n  fix: choose one of them"
        )
    spread = [
        reshape(x, tuple(x.size if k == i else 1 for k in range(len(xs)))) for i, x in enumerate(xs)
    ]
    grid = broadcast_arrays(*spread)
    return tuple(swapaxes(x, 0, 1) for x in grid) if indexing == "xy" and len(xs) > 1 else grid


@composed(numpy=np.fliplr)
def fliplr(x: Any) -> Expr:
    """The second axis reversed."""
    return flip(x, 1)  # type: ignore[no-any-return]


@composed(numpy=np.flipud)
def flipud(x: Any) -> Expr:
    """The first axis reversed."""
    return flip(x, 0)  # type: ignore[no-any-return]


@composed(numpy=np.dstack)
def dstack(operands: Any) -> Expr:
    """Tensors joined along their third axis; vectors and matrices get one."""
    return concatenate([atleast_3d(x) for x in _operands("dstack", operands)], axis=2)  # type: ignore[no-any-return]


@composed(numpy=np.column_stack)
def column_stack(operands: Any) -> Expr:
    """Vectors and matrices side by side, vectors as columns."""
    xs = _operands("column_stack", operands)
    return concatenate([expand_dims(x, 1) if x.ndim == 1 else x for x in xs], axis=1)  # type: ignore[no-any-return]
