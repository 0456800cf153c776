"""Reading and writing at index arrays, and NumPy's indexing made from these and slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from egtensor.errors import IndexingError, TypeRuleError, UnsupportedError
from egtensor.lang import dims
from egtensor.lang.dims import Dim, Extent
from egtensor.lang.expr import Expr, as_expr, broadcast, cast, scalar
from egtensor.lang.facts import GE0, INTEGER, always
from egtensor.lang.op import Attrs, Gather, Library, Op, Scatter, composed
from egtensor.lang.ops.bitwise import bitwise_and
from egtensor.lang.ops.elementwise import INTEGRAL, not_equal
from egtensor.lang.ops.leaf import iota
from egtensor.lang.ops.shape import reshape, slice_, transpose
from egtensor.lang.types import (
    BOOL,
    INT64,
    Equalities,
    TensorType,
    broadcast_shapes,
    extents_agree,
    normalize_axis,
)

INDIRECT = 2.0


def _others(ndim: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(k for k in range(ndim) if k not in axes)


def _gathered(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    x, *indices = types
    shape = broadcast_shapes("indexing", indices, equalities)
    return x.with_shape((*shape, *(x.shape[k] for k in _others(x.ndim, attrs["axes"]))))


def _gather_numpy(x: Any, *indices: Any, axes: tuple[int, ...]) -> Any:
    return np.transpose(x, (*axes, *_others(x.ndim, axes)))[indices]


def _gather_vjp(g: Any, y: Any, x: Any, *indices: Any, axes: tuple[int, ...]) -> tuple[Any, ...]:
    return scatter_add(scalar(0, x.type), g, *indices, axes=axes), *(None for _ in indices)


gather: Op = Op(
    name="gather", numpy=_gather_numpy, arity=None, attrs=("axes",), body=Gather(), type_rule=_gathered,
    vjp=_gather_vjp, cost=INDIRECT, fallible=True,
    doc="The operand at index arrays of one shape, one for each of ``axes``; that shape, then the other axes.",
)  # fmt: skip


def _scattered(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    base, updates, *indices = types
    shape = broadcast_shapes("scatter", indices, equalities)
    wanted = (*shape, *(base.shape[k] for k in _others(base.ndim, attrs["axes"])))
    assert len(wanted) == updates.ndim, (base, updates, indices)
    for a, b in zip(wanted, updates.shape, strict=True):
        assert extents_agree(a, b, equalities), (wanted, updates)
    return base


def _scatter_numpy(base: Any, updates: Any, *indices: Any, axes: tuple[int, ...]) -> Any:
    made = np.array(base)
    view = np.transpose(made, (*axes, *_others(base.ndim, axes)))
    np.add.at(view, indices, updates)
    return made


def _scatter_vjp(
    g: Any, y: Any, base: Any, updates: Any, *indices: Any, axes: tuple[int, ...]
) -> tuple[Any, ...]:
    return g, gather(g, *indices, axes=axes), *(None for _ in indices)


scatter_add: Op = Op(
    name="scatter_add", numpy=_scatter_numpy, arity=None, attrs=("axes",), body=Scatter("add"),
    type_rule=_scattered, vjp=_scatter_vjp, cost=INDIRECT, fallible=True,
    doc="Operand 0 with operand 1 added at the index arrays that follow; what ``gather`` would read from there.",
)  # fmt: skip


def _nonzero_types(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities
) -> tuple[TensorType, ...]:
    return (TensorType(INT64, (attrs["size"],)),) * types[0].ndim


nonzero: Op = Op(
    name="nonzero", numpy=lambda x, *, size: np.nonzero(x), arity=1, attrs=("size",), body=Library("nonzero"),
    type_rule=_nonzero_types, vjp=INTEGRAL, facts=always(GE0 | INTEGER), cost=lambda types, _: 2 * types[0].size,
    results=None,
    doc="The places where booleans hold, in row-major order: one index array per axis, of a size found when run.",
)  # fmt: skip


@composed(numpy=np.nonzero)
def nonzero_(x: Any) -> tuple[Expr, ...]:
    """The places where ``x`` is not zero: one index array per axis."""
    x = as_expr(x)
    if x.ndim == 0:
        raise TypeRuleError(
            "nonzero: the operand is a scalar\n"
            "  it has no axis that places could be counted along\n"
            "  fix: use et.atleast_1d first"
        )
    truth = x if x.dtype == BOOL else not_equal(x, 0)
    found = nonzero(truth, size=dims.size("nonzero"))
    return found if isinstance(found, tuple) else (found,)


@composed(numpy=np.flatnonzero)
def flatnonzero(x: Any) -> Expr:
    """The places where the flattened tensor is not zero."""
    x = as_expr(x)
    return nonzero_(reshape(x, shape=(x.size,)))[0]  # type: ignore[no-any-return]


@composed(numpy=np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Expr:
    """Elements of ``x`` at ``indices`` along ``axis``, or of the flattened tensor."""
    x, indices = as_expr(x), index_array(indices)
    if axis is None:
        x, axis = reshape(x, shape=(x.size,)), 0
    axis = normalize_axis("take", axis, x.ndim)
    return _placed(gather(x, indices, axes=(axis,)), indices.ndim, axis)


@composed(numpy=np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Expr:
    """Elements at ``indices`` along ``axis``, each within its own row; shapes agree but for ``axis``."""
    x, indices = as_expr(x), index_array(indices)
    axis = normalize_axis("take_along_axis", axis, x.ndim)
    places = []
    for k in range(x.ndim):
        line = iota(extent=x.shape[k], dtype=INT64)
        shape = tuple(x.shape[k] if j == k else 1 for j in range(x.ndim))
        places.append(indices if k == axis else reshape(line, shape=shape))
    return at(x, tuple(range(x.ndim)), places)


def at(x: Expr, axes: tuple[int, ...], indices: list[Expr]) -> Expr:
    """``gather`` at index arrays that are broadcast to their common shape."""
    shape = broadcast_shapes("indexing", [i.type for i in indices], [])
    return gather(x, *(broadcast(i, shape) for i in indices), axes=axes)  # type: ignore[no-any-return]


def index_array(value: Any) -> Expr:
    """Integers as an int64 tensor."""
    if isinstance(value, (list, tuple)) and not len(value):
        value = np.zeros(0, np.int64)
    index = as_expr(np.asarray(value) if isinstance(value, (list, tuple)) else value)
    if index.dtype.kind not in "iu":
        raise IndexingError(
            f"an index of type {index.type}\n"
            f"  indices are integers, slices, None, ... and arrays of integers or booleans\n"
            f"  fix: convert it with .astype('int64')"
        )
    return cast(index, INT64)


@dataclass
class _Plan:
    """What an index does to each axis, in the order in which the index names them.

    slices    start, step, size per axis of the operand
    axes      per axis of the operand after slicing, and per new axis: its size, or None for a dropped one
    arrays    index array by place in ``axes``
    """

    slices: list[tuple[Extent, int, Extent]] = field(default_factory=list)
    axes: list[Extent] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    arrays: dict[int, Expr] = field(default_factory=dict)


@composed(numpy=lambda x, index: x[index])
def getitem(x: Any, index: Any) -> Expr:
    """NumPy's indexing.

    index  integers, slices, None, ``...``, arrays of integers or booleans, and expressions of these.
           A size as a bound counts from the front, ``-size`` from the end.
    """
    x = as_expr(x)
    entries = _entries(x, index)
    advanced = any(_is_array(e) for e in entries)
    plan = _Plan()
    for entry in entries:
        _add(plan, x, entry, advanced)
    starts, steps, sizes = zip(*plan.slices, strict=True) if plan.slices else ((), (), ())
    if sizes != x.shape or any(starts) or any(s != 1 for s in steps):
        x = slice_(x, starts=starts, steps=steps, sizes=sizes)
    kept = tuple(n for k, n in enumerate(plan.axes) if k not in plan.dropped)
    if plan.dropped or len(kept) != x.ndim:
        x = reshape(x, shape=kept)
    return _apply_arrays(x, plan.arrays) if plan.arrays else x


def _entries(x: Expr, index: Any) -> list[Any]:
    given = index if isinstance(index, tuple) else (index,)
    entries: list[Any] = []
    for k, entry in enumerate(given):
        if _is_mask(entry):
            after = any(e is Ellipsis for e in given[:k])
            first = x.ndim - _axes(given[k:]) if after else _axes(given[:k])
            entries.extend(_places(x, entry, first))
        else:
            entries.append(entry)
    used = sum(e is not None and e is not Ellipsis for e in entries)
    ellipses = sum(e is Ellipsis for e in entries)
    if used > x.ndim or ellipses > 1:
        raise IndexingError(
            f"too many indices for {x.type}: {used}, with {ellipses} ellipses\n"
            f"  there is at most one index for each axis, and one ellipsis\n"
            f"  fix: use None to add an axis, or drop an index"
        )
    if not ellipses:
        entries.append(Ellipsis)
    place = next(k for k, e in enumerate(entries) if e is Ellipsis)
    return entries[:place] + [slice(None)] * (x.ndim - used) + entries[place + 1 :]


def _is_mask(entry: Any) -> bool:
    if isinstance(entry, (bool, np.bool_)):
        raise UnsupportedError(
            f"indexing with the Python boolean {entry}\n"
            f"  NumPy adds an axis of size 0 or 1 for it\n"
            f"  fix: use None, or a slice"
        )
    if isinstance(entry, list) and entry:
        entry = np.asarray(entry)
    return isinstance(entry, (Expr, np.ndarray)) and entry.dtype == BOOL


def _axes(entries: Sequence[Any]) -> int:
    """How many axes some entries of an index are for."""
    return sum(np.ndim(e) if _is_mask(e) else e is not None and e is not Ellipsis for e in entries)


def _places(x: Expr, mask: Any, first: int) -> tuple[Any, ...]:
    """Where a mask holds that is for the axes of ``x`` from ``first`` on, whose sizes it must have."""
    if isinstance(mask, list):
        mask = np.asarray(mask)
    shape = x.shape[first : first + mask.ndim]
    if mask.shape == shape:
        return np.nonzero(mask) if isinstance(mask, np.ndarray) else nonzero_(mask)
    pairs = list(zip(mask.shape, shape, strict=False))
    if any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs):
        raise IndexingError(
            f"a mask of shape {mask.shape} does not fit axes {first} and following of {x.type}\n"
            f"  a mask has the sizes of the axes it is for\n"
            f"  fix: slice the mask or the tensor"
        )
    if len(pairs) < mask.ndim:
        return nonzero_(mask)  # type: ignore[no-any-return]  # too many axes: an error later
    if any((a == 1) != (b == 1) for a, b in pairs):
        return nonzero_(reshape(as_expr(mask), shape=shape))  # type: ignore[no-any-return]  # must not stretch
    return nonzero_(bitwise_and(mask, scalar(True, TensorType(BOOL, shape))))  # type: ignore[no-any-return]


def _is_array(entry: Any) -> bool:
    if isinstance(entry, Expr):
        return True
    return isinstance(entry, (list, np.ndarray)) and np.ndim(entry) > 0


def _add(plan: _Plan, x: Expr, entry: Any, advanced: bool) -> None:
    place, axis = len(plan.axes), len(plan.slices)
    if entry is None:
        plan.axes.append(1)
    elif isinstance(entry, slice):
        start, step, size = bounds(entry, x.shape[axis])
        plan.slices.append((start, step, size))
        plan.axes.append(size)
    elif advanced:
        plan.arrays[place] = index_array(entry)
        plan.slices.append((0, 1, x.shape[axis]))
        plan.axes.append(x.shape[axis])
    else:
        plan.slices.append((_position(x, entry, axis), 1, 1))
        plan.axes.append(1)
        plan.dropped.append(place)


def _position(x: Expr, entry: Any, axis: int) -> Extent:
    n = x.shape[axis]
    i = _integer(entry)
    if isinstance(i, int) and isinstance(n, int) and not -n <= i < n:
        raise IndexingError(
            f"index {i} is out of bounds for axis {axis} of {x.type}\n"
            f"  it must be at least -{n} and below {n}\n"
            f"  fix: choose an index of the axis"
        )
    return _from_front(i, n)


def _integer(entry: Any) -> Extent:
    if isinstance(entry, Dim):
        return entry
    if isinstance(entry, (int, np.integer)) or (
        isinstance(entry, np.ndarray) and entry.ndim == 0 and entry.dtype.kind in "iu"
    ):
        return int(entry)
    raise IndexingError(
        f"{type(entry).__name__} {str(entry)[:60]!r} used as an index or bound\n"
        f"  indices are integers, slices of integers or sizes, None, ... and arrays of integers or booleans\n"
        f"  fix: use et.take with et.arange for bounds that are computed"
    )


def _from_front(i: Extent, n: Extent) -> Extent:
    negative = i < 0 if isinstance(i, int) else all(c < 0 for _, c in i.terms)
    return n + i if negative else i


def bounds(s: slice, n: Extent) -> tuple[Extent, int, Extent]:
    """Start, step and size of a slice of an axis of size ``n``, clamped as in NumPy."""
    step = 1 if s.step is None else _integer(s.step)
    if not isinstance(step, int) or step == 0:
        raise IndexingError(
            f"a slice with step {step}\n"
            f"  steps are integers other than zero\n"
            f"  fix: use et.take with et.arange for a computed step"
        )
    # a bound that the other one makes irrelevant is left as it is: x[1:] and x[:-1] have equal sizes
    if step > 0:
        start = dims.maximum(_bound(s.start, n, 0), 0)
        stop = dims.minimum(_bound(s.stop, n, n), n)
        span = stop - start
    else:
        start = dims.minimum(_bound(s.start, n, n - 1), n - 1)
        stop = -1 if s.stop is None else dims.maximum(_bound(s.stop, n, 0), -1)
        span = start - stop
    size = dims.maximum(dims.floordiv(span + abs(step) - 1, abs(step)), 0)
    return start, step, size


def _bound(given: Any, n: Extent, default: Extent) -> Extent:
    return default if given is None else _from_front(_integer(given), n)


def _apply_arrays(x: Expr, arrays: dict[int, Expr]) -> Expr:
    """NumPy's placement: where the arrays stood if they are adjacent, else in front."""
    axes = tuple(arrays)
    shape = broadcast_shapes("indexing", [a.type for a in arrays.values()], [])
    adjacent = axes == tuple(range(axes[0], axes[0] + len(axes)))
    gathered = at(x, axes, list(arrays.values()))
    return _placed(gathered, len(shape), axes[0] if adjacent else 0)


def _placed(y: Expr, lead: int, place: int) -> Expr:
    """``y`` with its first ``lead`` axes moved behind the ``place`` axes that follow them."""
    if place == 0 or lead == 0:
        return y
    order = (*range(lead, lead + place), *range(lead), *range(lead + place, y.ndim))
    return transpose(y, axes=order)  # type: ignore[no-any-return]
