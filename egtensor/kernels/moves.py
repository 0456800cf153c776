"""Kernels for what is no cluster: joins, scattered updates and running reductions."""

from __future__ import annotations

from egtensor.kernels.flow import Flow, step_cost
from egtensor.kernels.indexing import ORIGIN, Index, along, linear
from egtensor.kernels.lower import Lowering, Reader, coalesce
from egtensor.kernels.plan import Kernel, Phase, Reduction, Slot, Store, Strided
from egtensor.lang.dims import Extent
from egtensor.lang.number import Number
from egtensor.lang.op import Prefix, Scatter
from egtensor.lang.scalar import operand

NEUTRAL = {"add": 0, "mul": 1}


def solid_index(flow: Flow) -> Index:
    """The index that walks all axes that are not 1, in order."""
    index = [ORIGIN] * len(flow.shape)
    for k, axis in enumerate(flow.solid):
        index[axis] = along(k)
    return tuple(index)


def copy_kernel(
    shared: Lowering, name: str, source: int, target: int, offset: Extent = 0
) -> Kernel:
    """Write a step into the memory of another, from ``offset`` on."""
    flow = shared.flows[source]
    reader = Reader(shared, flow.domain)
    index = solid_index(flow)
    term = reader.at(source, index)
    m = shared.memory[target]
    access = linear(m.buffer, m.strides, index, len(flow.domain), m.offset + offset)
    phase = Phase(inner=True, stores=(Store(access, term),))
    note = shared.flows[target].step.op.name
    return coalesce(Kernel(name, flow.domain, len(flow.domain), (phase,), note=note))


def join_kernels(shared: Lowering, name: str, place: int) -> list[Kernel]:
    """One kernel for each operand of a join."""
    flow = shared.flows[place]
    axis = flow.step.attributes["axis"]
    stride = shared.memory[place].strides[axis]
    start: Extent = 0
    kernels = []
    for k, part in enumerate(flow.args):
        kernels.append(copy_kernel(shared, f"{name}_{k}", part, place, start * stride))
        start = start + shared.flows[part].shape[axis]
    return kernels


def scatter_kernels(shared: Lowering, name: str, place: int) -> list[Kernel]:
    """Copy the first operand, then combine the second into it, one element after the other."""
    flow = shared.flows[place]
    body = flow.step.op.body
    assert isinstance(body, Scatter)
    base, updates, *arrays = flow.args
    source = shared.flows[updates]
    reader = Reader(shared, source.domain)
    index = solid_index(source)
    term = reader.at(updates, index)
    at = reader.indirect(place, flow.shape, tuple(arrays), index, flow.step.attributes)
    access = reader.access(place, at)
    phase = Phase(inner=True, stores=(Store(access, term, body.prim),))
    rows = max(0, len(source.domain) - 1)
    kernel = Kernel(
        f"{name}_add", source.domain, rows, (phase,), serial=True, note=flow.step.op.name
    )
    return [copy_kernel(shared, name, base, place), kernel]


def prefix_kernel(shared: Lowering, name: str, place: int) -> Kernel:
    """A running reduction along one axis."""
    flow = shared.flows[place]
    body = flow.step.op.body
    assert isinstance(body, Prefix)
    axis = flow.step.attributes["axis"]
    rows = tuple(k for k in flow.solid if k != axis)
    inner = (axis,) if axis in flow.solid else ()
    order = (*rows, *inner)
    axes = tuple(flow.shape[k] for k in order)
    at = [ORIGIN] * len(flow.shape)
    for k, position in enumerate(order):
        at[position] = along(k)
    index = tuple(at)
    reader = Reader(shared, axes)
    term = reader.at(flow.args[0], index)
    access = reader.access(place, index)
    number = Number.of(NEUTRAL[body.prim])
    phase = Phase(
        inner=True,
        prefix=True,
        reductions=(Reduction(0, body.prim, number, flow.dtype, term),),
        stores=(Store(access, operand(Slot(0), flow.dtype)),),
    )
    lanes = bool(rows) and bool(inner) and rows[-1] > axis
    kernel = Kernel(
        name, axes, len(rows), (phase,), (flow.dtype,), lanes=lanes,
        work=1.0 + step_cost(flow), note=flow.step.op.name,
    )  # fmt: skip
    return coalesce(kernel)


def copy_memory(name: str, source: Strided, target: Strided) -> Kernel:
    """Copy one view of memory to another of the same shape."""
    index = tuple(along(k) for k in range(len(source.shape)))
    rank = len(index)
    read = linear(source.buffer, source.strides, index, rank, source.offset)
    written = linear(target.buffer, target.strides, index, rank, target.offset)
    phase = Phase(inner=True, stores=(Store(written, operand(read, source.buffer.dtype)),))
    return coalesce(Kernel(name, source.shape, rank, (phase,), note="copy"))
