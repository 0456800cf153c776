"""Calls of routines: operands as strided views of buffers wherever they are views of something."""

from __future__ import annotations

from collections.abc import Set

from egtensor.kernels.flow import axis_indices
from egtensor.kernels.indexing import ORIGIN, Index, along, compose, linear, row_major
from egtensor.kernels.lower import Lowering
from egtensor.kernels.plan import Call, Strided
from egtensor.lang.dims import Dim, Size, as_size, estimate
from egtensor.lang.op import Library
from egtensor.lang.types import TensorType


def strided(shared: Lowering, place: int) -> Strided:
    """A step as a view of the buffer behind it."""
    flow = shared.flows[place]
    rank = len(flow.shape)
    index: Index = tuple(ORIGIN if e == 1 else along(k) for k, e in enumerate(flow.shape))
    current = place
    while shared.flows[current].role == "virtual":
        view = shared.flows[current]
        source = shared.flows[view.args[0]]
        indices = axis_indices(view, source)
        if indices is None:
            m = shared.memory[view.args[0]]
            access = linear(m.buffer, row_major(view.shape), index, rank, m.offset)
            return Strided(access.buffer, flow.shape, access.coefficients, access.offset)
        index = compose(indices, index)
        current = view.args[0]
    m = shared.memory[current]
    access = linear(m.buffer, m.strides, index, rank, m.offset)
    return Strided(access.buffer, flow.shape, access.coefficients, access.offset)


def call_of(shared: Lowering, place: int, given: Set[Size]) -> Call:
    """The call that computes a library step.

    given  sizes that the arguments tell
    """
    flow = shared.flows[place]
    body = flow.step.op.body
    assert isinstance(body, Library)
    operands = tuple(strided(shared, a) for a in flow.args)
    types = tuple(TensorType(shared.flows[a].dtype, shared.flows[a].shape) for a in flow.args)
    attributes = {
        k: shared.sizes.extent(v) if isinstance(v, (int, Dim)) else v
        for k, v in flow.step.attributes.items()
    }
    told = (as_size(v) for v in attributes.values() if isinstance(v, Dim))
    defines = tuple(n for n in told if n is not None and n not in given)
    fails = flow.step.op.fallible or (attributes and not defines)
    cost = flow.step.op.cost
    return Call(
        routine=body.routine,
        operands=operands,
        results=_results(shared, place),
        attributes=tuple(attributes.items()),
        site=shared.failure_site(place) if fails else 0,
        note=flow.step.op.name,
        defines=defines,
        work=estimate(cost(types, attributes)) if callable(cost) else float(cost),
    )


def _results(shared: Lowering, place: int) -> tuple[Strided, ...]:
    """The buffers of the results, of the step itself or its items."""
    several = isinstance(shared.flows[place].step.type, tuple)
    return tuple(shared.memory[p] for p in (shared.parts[place] if several else [place]))
