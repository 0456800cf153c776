"""Operators that move elements and change none."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.errors import IndexingError, ShapeError
from egtensor.lang.dims import Extent, Shape, maximum, minimum
from egtensor.lang.facts import Clause, Fact
from egtensor.lang.op import Attrs, AxisIndex, Join, Op, Reshape, View
from egtensor.lang.types import Equalities, TensorType, extents_agree

MOVED = tuple(Clause((bit,), bit) for bit in Fact)  # what holds of all elements holds of some
COPY = 0.5


def inverse_permutation(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes ``axes``."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _transposed(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
    return types[0].with_shape(types[0].shape[a] for a in attrs["axes"])


transpose: Op = Op(
    name="permute", numpy=lambda x, *, axes: np.transpose(x, axes), arity=1, attrs=("axes",),
    body=View(lambda x, y, attrs: tuple(
        AxisIndex(((k, 1),)) for k in inverse_permutation(attrs["axes"]))),
    type_rule=_transposed, facts=MOVED, cost=COPY,
    vjp=lambda g, y, x, *, axes: (transpose(g, axes=inverse_permutation(axes)),),
    doc="The axes in another order: axis i of the result is axis axes[i] of the operand.",
)  # fmt: skip


def _broadcast_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    shape: Shape = attrs["shape"]
    given = types[0].shape
    ok = len(given) <= len(shape) and all(
        a == 1 or extents_agree(a, b, equalities)
        for a, b in zip(given, shape[len(shape) - len(given) :], strict=True)
    )
    if not ok:
        raise ShapeError(
            f"broadcast_to: cannot broadcast {types[0]} to [{','.join(map(str, shape))}]\n"
            f"  axes are matched from the right; each must be equal, or 1 in the operand\n"
            f"  fix: reshape the operand first"
        )
    return types[0].with_shape(shape)


def _broadcast_index(x: TensorType, y: TensorType, attrs: Attrs) -> tuple[AxisIndex, ...]:
    lead = y.ndim - x.ndim
    return tuple(
        AxisIndex() if e == 1 else AxisIndex(((lead + k, 1),)) for k, e in enumerate(x.shape)
    )


def _broadcast_vjp(g: Any, y: Any, x: Any, *, shape: Shape) -> tuple[Any, ...]:
    from egtensor.lang.ops.reduction import sum_

    lead = len(shape) - x.ndim
    stretched = tuple(k for k, e in enumerate(x.shape) if e == 1 and shape[lead + k] != 1)
    summed = sum_(g, axes=(*range(lead), *(lead + k for k in stretched)))
    return (reshape(summed, shape=x.shape) if stretched else summed,)


broadcast_to: Op = Op(
    name="broadcast_to", numpy=lambda x, *, shape: np.broadcast_to(x, shape), arity=1, attrs=("shape",),
    body=View(_broadcast_index), type_rule=_broadcast_type, vjp=_broadcast_vjp, facts=MOVED, cost=COPY,
    doc="Stretch axes of size 1, and add leading ones.",
)  # fmt: skip


def _reshape_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    made = types[0].with_shape(attrs["shape"])
    if not extents_agree(types[0].size, made.size, equalities):
        raise ShapeError(
            f"reshape: cannot reshape {types[0]} to [{','.join(map(str, made.shape))}]\n"
            f"  the number of elements stays the same: {types[0].size} is not {made.size}\n"
            f"  fix: choose sizes with the same product, or -1 for one of them"
        )
    return made


reshape: Op = Op(
    name="reshape", numpy=lambda x, *, shape: np.reshape(x, shape), arity=1, attrs=("shape",),
    body=Reshape(), type_rule=_reshape_type, facts=MOVED, cost=COPY,
    vjp=lambda g, y, x, *, shape: (reshape(g, shape=x.shape),),
    doc="The same elements in row-major order, in another shape.",
)  # fmt: skip


def _sliced(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    for k, extent in enumerate(types[0].shape):
        size = attrs["sizes"][k]
        if isinstance(size, int) and size > 0:
            first = attrs["starts"][k]
            last = first + (size - 1) * attrs["steps"][k]
            for place in dict.fromkeys((first, last)):
                if not (
                    extents_agree(maximum(place, 0), place, equalities)
                    and extents_agree(maximum(place + 1, extent), extent, equalities)
                ):
                    raise IndexingError(
                        f"index {place} is out of bounds for axis {k} of {types[0]}\n"
                        f"  it must be at least -{extent} and below {extent}\n"
                        f"  fix: choose an index of the axis"
                    )
    return types[0].with_shape(attrs["sizes"])


def _slice_index(x: TensorType, y: TensorType, attrs: Attrs) -> tuple[AxisIndex, ...]:
    return tuple(
        AxisIndex(((k, step),), start)
        for k, (start, step) in enumerate(zip(attrs["starts"], attrs["steps"], strict=True))
    )


def _slice_numpy(x: Any, *, starts: Any, steps: Any, sizes: Any) -> Any:
    index = [
        start + step * np.arange(n) for start, step, n in zip(starts, steps, sizes, strict=True)
    ]
    return x[np.ix_(*index)] if index else x


def _slice_vjp(g: Any, y: Any, x: Any, *, starts: Any, steps: Any, sizes: Any) -> tuple[Any, ...]:
    return (unslice(g, starts=starts, steps=steps, shape=x.shape),)


slice_: Op = Op(
    name="slice", numpy=_slice_numpy, arity=1, attrs=("starts", "steps", "sizes"),
    body=View(_slice_index), type_rule=_sliced, vjp=_slice_vjp, facts=MOVED, cost=COPY,
    doc="Per axis: ``size`` elements from ``start`` on, ``step`` apart.",
)  # fmt: skip


def along(x: Any, axis: int, start: Extent, size: Extent, step: int = 1) -> Any:
    """``size`` elements of one axis, all of the others."""
    if start == 0 and step == 1 and size == x.shape[axis]:
        return x
    at = {axis: (start, step, size)}
    starts, steps, sizes = zip(*(at.get(k, (0, 1, n)) for k, n in enumerate(x.shape)), strict=True)
    return slice_(x, starts=starts, steps=steps, sizes=sizes)


def joined(parts: list[Any], axis: int) -> Any:
    """The parts that have elements, one after the other."""
    kept = [p for p in parts if p.shape[axis] != 0] or parts[:1]
    return kept[0] if len(kept) == 1 else join(*kept, axis=axis)


def zeros_along(x: Any, axis: int, size: Extent) -> Any:
    """Zeros of the type of ``x`` but for the size of one axis."""
    from egtensor.lang.expr import scalar

    return scalar(0, x.type.with_shape(size if k == axis else n for k, n in enumerate(x.shape)))


def unslice(g: Any, *, starts: Any, steps: Any, shape: Shape) -> Any:
    """Zeros of ``shape`` with ``g`` where a slice with these starts and steps reads."""
    for axis, (start, step, extent) in enumerate(zip(starts, steps, shape, strict=True)):
        n = g.shape[axis]
        if start == 0 and step == 1 and n == extent:
            continue
        if step < 0:
            g = along(g, axis, n - 1, n, -1)
            start = start + (n - 1) * step
        g = _dilated(g, axis, abs(step))
        n = g.shape[axis]
        start = minimum(maximum(start, 0), extent - n)  # an empty slice may start outside
        before, after = (zeros_along(g, axis, e) for e in (start, extent - start - n))
        g = joined([before, g, after], axis)
    return g


def _dilated(g: Any, axis: int, step: int) -> Any:
    """``g`` with ``step - 1`` zeros between the elements along an axis."""
    if step == 1:
        return g
    n = g.shape[axis]
    lead, rest = g.shape[:axis], g.shape[axis + 1 :]
    column = reshape(g, shape=(*lead, n, 1, *rest))
    spread = join(column, zeros_along(column, axis + 1, step - 1), axis=axis + 1)
    wide = reshape(spread, shape=(*lead, n * step, *rest))
    return along(wide, axis, 0, maximum((n - 1) * step + 1, 0))


def _joined(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    axis = attrs["axis"]
    shape: list[Extent] = list(types[0].shape)
    total: Extent = 0
    for t in types:
        total = total + t.shape[axis]
        for k in range(len(shape)):
            if k == axis:
                continue
            if not extents_agree(shape[k], t.shape[k], equalities):
                raise ShapeError(
                    f"concatenate: cannot join {' with '.join(map(str, types))} along axis {axis}\n"
                    f"  all other axes must have equal sizes\n"
                    f"  fix: slice or pad the operands"
                )
            if isinstance(t.shape[k], int):
                shape[k] = t.shape[k]
    shape[axis] = total
    return types[0].with_shape(shape)


def _join_vjp(g: Any, y: Any, *operands: Any, axis: int) -> tuple[Any, ...]:
    cotangents = []
    start: Extent = 0
    for x in operands:
        starts = tuple(start if k == axis else 0 for k in range(x.ndim))
        cotangents.append(slice_(g, starts=starts, steps=(1,) * x.ndim, sizes=x.shape))
        start = start + x.shape[axis]
    return tuple(cotangents)


join: Op = Op(
    name="join", numpy=lambda *x, axis: np.concatenate(x, axis), arity=None, attrs=("axis",),
    body=Join(), type_rule=_joined, vjp=_join_vjp, cost=COPY,
    doc="Tensors of one dtype, one after the other along an axis.",
)  # fmt: skip
