"""Borders around tensors, as numpy.pad makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from egtensor.errors import ShapeError, UnsupportedError
from egtensor.lang import dims
from egtensor.lang.dims import Extent
from egtensor.lang.expr import Expr, as_expr, broadcast, cast, scalar
from egtensor.lang.op import composed
from egtensor.lang.ops.creation import as_extent
from egtensor.lang.ops.elementwise import maximum, minimum, remainder, subtract
from egtensor.lang.ops.indexing import gather
from egtensor.lang.ops.leaf import iota
from egtensor.lang.ops.reshaping import permuted
from egtensor.lang.ops.shape import joined
from egtensor.lang.types import INT64, TensorType, normalize_axis


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
