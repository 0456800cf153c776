"""Affine indices into views and buffers, while kernels are being written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from egtensor.kernels.plan import Access, Buffer
from egtensor.lang.dims import Extent, Shape
from egtensor.lang.op import AxisIndex
from egtensor.lang.scalar import Term

# per axis of a value: ((axis of the kernel, coefficient), ...), offset, ((integer term, coefficient), ...)
Affine = tuple[tuple[tuple[int, Extent], ...], Extent, tuple[tuple[Term, Extent], ...]]
Index = tuple[Affine, ...]
ORIGIN: Affine = ((), 0, ())


def along(axis: int) -> Affine:
    """The index that runs along an axis of the kernel."""
    return ((axis, 1),), 0, ()


def compose(axes: Iterable[AxisIndex], index: Index) -> Index:
    """Where a view reads its operand, when the view itself is read at ``index``."""
    return tuple(_combine(a, index) for a in axes)


def _combine(axis: AxisIndex, index: Index) -> Affine:
    if axis.offset == 0:
        if not axis.terms:
            return ORIGIN
        if len(axis.terms) == 1 and axis.terms[0][1] == 1:
            return index[axis.terms[0][0]]
    coefficients: dict[int, Extent] = {}
    offset = axis.offset
    indirect: list[tuple[Term, Extent]] = []
    for position, factor in axis.terms:
        inner, inner_offset, inner_indirect = index[position]
        offset = offset + factor * inner_offset
        for k, c in inner:
            coefficients[k] = coefficients.get(k, 0) + factor * c
        indirect += [(t, factor * c) for t, c in inner_indirect]
    return tuple((k, c) for k, c in coefficients.items() if c != 0), offset, tuple(indirect)


@lru_cache(maxsize=4096)
def row_major(shape: Shape) -> tuple[Extent, ...]:
    """Strides, in elements, of a C-contiguous array."""
    strides: list[Extent] = []
    step: Extent = 1
    for extent in reversed(shape):
        strides.append(step)
        step = step * extent
    return tuple(reversed(strides))


def linear(
    buffer: Buffer, strides: tuple[Extent, ...], index: Index, axes: int, offset: Extent = 0
) -> Access:
    """The element of a buffer at ``index``."""
    total: list[Extent] = [0] * axes
    indirect: list[tuple[Term, Extent]] = []
    for (coefficients, start, terms), stride in zip(index, strides, strict=True):
        if start != 0:
            offset = offset + start * stride
        for k, c in coefficients:
            step = stride if c == 1 else c * stride
            total[k] = step if total[k] == 0 else total[k] + step
        indirect += [(t, c * stride) for t, c in terms]
    return Access(buffer, tuple(total), offset, tuple(indirect))
