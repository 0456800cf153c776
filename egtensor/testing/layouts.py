"""Ways an array may lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _strided(x: Any) -> Any:
    """Every second element along each axis."""
    kept = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    view = kept[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def _reversed(x: Any) -> Any:
    """Negative strides along every axis."""
    back = tuple(slice(None, None, -1) for _ in x.shape)
    return np.ascontiguousarray(x[back])[back] if x.ndim else x


def _repeated(x: Any) -> Any:
    """Stride 0 along the first axis where its elements are equal."""
    if not x.ndim or not len(x) or not all(np.array_equal(x[0], row, True) for row in x):
        return x
    return np.broadcast_to(x[:1], x.shape)


def _transposed(x: Any) -> Any:
    """The first axis varies fastest and the rows are padded."""
    kept = np.zeros((*x.shape[:0:-1], x.shape[0] + 3) if x.ndim else (), x.dtype)
    view = kept[..., : x.shape[0]].T if x.ndim else kept
    view[...] = x
    return view


def _unaligned(x: Any) -> Any:
    """Addresses that are no multiple of the size of an element."""
    room = np.zeros(x.nbytes + 1, np.uint8)
    view = room[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _read_only(x: Any) -> Any:
    kept = np.array(x)
    kept.flags.writeable = False
    return kept


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": _strided,
    "reversed": _reversed,
    "repeated": _repeated,
    "transposed": _transposed,
    "unaligned": _unaligned,
    "read-only": _read_only,
}


def relaid(x: Any, layout: str) -> Any:
    """An array equal to ``x`` that lies in memory as ``layout`` says."""
    return LAYOUTS[layout](x) if x.ndim else x
