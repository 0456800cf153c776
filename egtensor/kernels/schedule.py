"""Schedule a program: which kernels run, in which order, and where temporaries live."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from egtensor.extract.program import Program, from_exprs
from egtensor.kernels.calls import call_of, strided
from egtensor.kernels.flow import Flows, analyse
from egtensor.kernels.fuse import Cluster, Clusters
from egtensor.kernels.indexing import row_major
from egtensor.kernels.lower import Lowering
from egtensor.kernels.memory import bins
from egtensor.kernels.moves import copy_memory, join_kernels, prefix_kernel, scatter_kernels
from egtensor.kernels.plan import (
    Buffer,
    BufferKind,
    Call,
    Check,
    Cond,
    Kernel,
    KernelPlan,
    Loop,
    Region,
    Seq,
    Strided,
    reads,
    regions,
    writes,
)
from egtensor.kernels.sizes import Sizes, unify
from egtensor.kernels.target import Site
from egtensor.lang.dims import (
    Extent,
    Shape,
    Size,
    as_size,
    estimate,
    lower_bound,
    product,
    size,
    sizes_of,
)
from egtensor.lang.op import Leaf, Reshape
from egtensor.lang.op import Region as RegionBody
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import DType

# of one thread of the machine that benchmarks/calibrate_costs.py measured
ADDITIONS = 1e10  # float32 additions per second
FLOPS = 1e11  # of a matrix product
BANDWIDTH = 3e10  # bytes per second
START = 5e-8  # seconds to start a kernel


def schedule(program: Program) -> KernelPlan:
    """Turn a program into kernels over buffers."""
    return Scheduler(program).plan()


def plan_cost(plan: KernelPlan) -> float:
    """Estimated seconds of one run on one thread: work, memory traffic, and starting kernels."""
    seconds = 0.0
    for region in regions(plan.body):
        if isinstance(region, Kernel):
            count = estimate(product(region.axes))
            traffic = sum(estimate(b.size) * b.dtype.itemsize for b in set(reads(region)))
            traffic += sum(estimate(b.size) * b.dtype.itemsize for b in set(writes(region)))
            seconds += max(count * region.work / ADDITIONS, traffic / BANDWIDTH) + START
        elif isinstance(region, Call):
            seconds += region.work / FLOPS + START
    return seconds


class Scheduler:
    """The schedule of one program, or of a program inside it.

    prefix   what names of buffers and kernels begin with
    parent   the scheduler of the program around this one
    memory   of the inputs of an inner program, by serial number
    """

    def __init__(
        self,
        program: Program,
        prefix: str = "",
        parent: Scheduler | None = None,
        memory: dict[int, Strided] | None = None,
    ) -> None:
        self.program, self.prefix, self.bound = program, prefix, memory or {}
        self.sizes: Sizes = unify(program, parent.sizes if parent else None)
        scattered = (k for k, m in self.bound.items() if m.strides != row_major(m.shape))
        analysed = analyse(program, self.sizes, frozenset(scattered))
        self.flows = analysed.all
        self.results = self._results(analysed)
        self.clusters = Clusters(analysed)
        self.memory: dict[int, Strided] = {}
        self.sites: list[Site] = parent.sites if parent else []
        self.buffers: dict[Buffer, None] = parent.buffers if parent else {}
        self.given: set[Size] = parent.given if parent else set()
        self.defined: set[Size] = (
            set()
        )  # by the calls so far; a later one with such a size is checked
        self.inputs = self._input_buffers()

    def plan(self) -> KernelPlan:
        """The plan of a whole program."""
        outputs = tuple(
            Buffer(f"y{j}", "output", t.dtype, self.sizes.shape(t.shape), j)
            for j, t in enumerate(self.program.steps[r].tensor for r in self.program.results)
        )
        self.buffers.update(dict.fromkeys((*self.inputs, *outputs)))
        body = self.whole = self.body([whole(b) for b in outputs])
        buffers = tuple(self.buffers)
        return KernelPlan(
            body=body,
            inputs=self.inputs,
            outputs=outputs,
            buffers=buffers,
            checks=self._checks(),
            sites=tuple(self.sites),
            place=bins(body, buffers),
        )

    def body(self, outputs: Sequence[Strided]) -> Seq:
        """The regions that compute the results into given memory."""
        for place, m in zip(self.results, outputs, strict=True):
            shape = self.flows[place].shape
            self.memory[place] = Strided(m.buffer, shape, row_major(shape), m.offset)
        self._temporaries()
        lowering = Lowering(self.flows, self.clusters, self.sizes, self.memory, self.sites)
        lowering.parts = self._parts()
        lowering.given = self.given
        body: list[Region] = []
        for number, cluster in enumerate(self._ordered()):
            body += self._regions_of(lowering, cluster, f"{self.prefix}k{number}")
        for region in body:
            if isinstance(region, Kernel):
                self.buffers.update(dict.fromkeys((*region.scratch, *region.partials)))
        return Seq(tuple(body))

    def _new(self, name: str, kind: BufferKind, dtype: DType, shape: Shape, **more: Any) -> Buffer:
        """A new buffer of the plan."""
        if kind == "temporary" and not self.given.issuperset(n for e in shape for n in sizes_of(e)):
            kind = "dynamic"
        buffer = Buffer(f"{self.prefix}{name}", kind, dtype, shape, **more)
        self.buffers[buffer] = None
        return buffer

    def _input_buffers(self) -> tuple[Buffer, ...]:
        """Buffers of all inputs by position; a program without ``inputs`` is numbered as it reads them."""
        found = {
            k: Buffer(f"x{k}", "input", t.dtype, t.shape, k)
            for k, t in enumerate(self.program.inputs)
        }
        numbers: dict[int, int] = {}
        for place, flow in enumerate(self.flows):
            if flow.role != "source":
                continue
            body = flow.step.op.body
            assert isinstance(body, Leaf)
            if body.kind == "constant":
                data = flow.step.attributes["data"]
                name = f"c{place}"
                self.memory[place] = whole(
                    self._new(name, "constant", flow.dtype, flow.shape, data=data)
                )
                continue
            serial = flow.step.attributes["serial"]
            if serial in self.bound:
                self.memory[place] = self.bound[serial]
                continue
            k = serial if self.program.inputs else numbers.setdefault(serial, len(numbers))
            if k not in found:
                found[k] = Buffer(f"x{k}", "input", flow.dtype, flow.step.tensor.shape, k)
            self.memory[place] = Strided(found[k], flow.shape, row_major(flow.shape))
        self.given.update(n for b in found.values() for e in b.shape for n in sizes_of(e))
        return tuple(found[k] for k in sorted(found))

    def _results(self, flows: Flows) -> list[int]:
        """The step whose buffer is each output; copies are added where a result has none of its own."""
        taken: set[int] = set()
        results: list[int] = []
        for place in self.program.results:
            owner = self._owner(place)
            if owner is None or owner in taken:
                owner = flows.copy(place, fresh=True)
            taken.add(owner)
            results.append(owner)
        return results

    def _owner(self, place: int) -> int | None:
        """The solid step with the same elements in the same order, if there is one."""
        flow = self.flows[place]
        while flow.role == "virtual" and isinstance(flow.step.op.body, Reshape):
            place = flow.args[0]
            flow = self.flows[place]
        return None if flow.role in ("virtual", "source", "leaf", "inline", "multi") else place

    def _temporaries(self) -> None:
        """Give memory to each step that is read outside its own kernel."""
        for reader, operands in self.clusters.operands.items():
            home = self.clusters.cluster(reader)
            for o in operands:
                if o.base in self.memory or o.base not in self.clusters.of:
                    continue
                if not home.loops or self.clusters.cluster(o.base) is not home:
                    flow = self.flows[o.base]
                    name = f"tmp{o.base}"
                    self.memory[o.base] = whole(
                        self._new(name, "temporary", flow.dtype, flow.shape)
                    )

    def _parts(self) -> dict[int, list[int]]:
        """For each step with several results, the step that stands for each; a negative one for none.

        All results of routines get memory.
        """
        parts: dict[int, dict[int, int]] = {}
        for place, flow in enumerate(self.flows):
            if flow.role == "part":
                parts.setdefault(flow.args[0], {})[flow.step.attributes["index"]] = place
        made: dict[int, list[int]] = {}
        unread = -1
        for call, found in parts.items():
            flow = self.flows[call]
            assert isinstance(flow.step.type, tuple)
            for k, type_ in enumerate(flow.step.type):
                place = found.get(k, -1)
                if place < 0:
                    place, unread = unread, unread - 1
                made.setdefault(call, []).append(place)
                if place not in self.memory and (flow.role == "call" or place >= 0):
                    shape = self.sizes.shape(type_.shape)
                    name = f"tmp{call}_{k}"
                    self.memory[place] = whole(self._new(name, "temporary", type_.dtype, shape))
        return made

    def _ordered(self) -> list[Cluster]:
        """Clusters, each after those it reads, otherwise in the order of the program."""
        readers: dict[Cluster, dict[Cluster, None]] = {}
        waiting: dict[Cluster, int] = {}
        first: dict[Cluster, int] = {}
        for reader, operands in self.clusters.operands.items():
            home = self.clusters.cluster(reader)
            waiting.setdefault(home, 0)
            first.setdefault(home, 0)
            if reader < len(self.program.steps):  # added steps come with those they were added for
                first[home] = max(first.get(home, 0), reader)
            for o in operands:
                if o.base in self.clusters.of:
                    source = self.clusters.cluster(o.base)
                    known = readers.setdefault(source, {})
                    if source is not home and home not in known:
                        known[home] = None
                        waiting[home] += 1
        ready: list[tuple[int, int, Cluster]] = [
            (first[c], k, c) for k, (c, n) in enumerate(waiting.items()) if n == 0
        ]
        number = {c: k for k, c in enumerate(waiting)}
        heapq.heapify(ready)
        ordered: list[Cluster] = []
        while ready:
            _, _, cluster = heapq.heappop(ready)
            ordered.append(cluster)
            for later in readers.get(cluster, ()):
                waiting[later] -= 1
                if waiting[later] == 0:
                    heapq.heappush(ready, (first[later], number[later], later))
        assert len(ordered) == len(waiting), "clusters depend on each other in a cycle"
        return ordered

    def _checks(self) -> tuple[Check, ...]:
        """Equalities of sizes that the arguments give."""
        defined = {n for r in regions(self.whole) if isinstance(r, Call) for n in r.defines}
        known = self.given | defined
        checks = []
        for a, b, line in self.sizes.equalities:
            if not known.issuperset((*sizes_of(a), *sizes_of(b))):
                continue
            self.sites.append(Site(_size_mismatch(a, b), "size", line))
            checks.append(Check(a, b, len(self.sites)))
        return (*self._arguments(), *checks)

    def _arguments(self) -> list[Check]:
        """Sizes of arguments that other arguments determine."""
        checks: list[Check] = []
        given: set[Extent] = set()
        for b in self.inputs:
            for axis, extent in enumerate(b.shape):
                if isinstance(extent, int) or (as_size(extent) is not None and extent not in given):
                    given.add(extent)
                    continue
                self.sites.append(
                    Site(
                        f"argument {b.position} has size {{0}} along axis {axis}, not {{1}}\n"
                        f"  the size {_plain(extent)} is fixed by an earlier argument\n"
                        f"  fix: pass arrays whose sizes agree"
                    )
                )
                checks.append(Check(0, extent, len(self.sites), (b.position, axis)))
        return checks

    def _regions_of(self, lowering: Lowering, cluster: Cluster, name: str) -> list[Region]:
        """What computes a cluster."""
        if cluster.loops:
            return [lowering.kernel(cluster, name)]
        (place,) = cluster.full
        match lowering.flows[place].role:
            case "prefix":
                return [prefix_kernel(lowering, name, place)]
            case "join":
                return [*join_kernels(lowering, name, place)]
            case "scatter":
                return [*scatter_kernels(lowering, name, place)]
            case "call":
                call = call_of(lowering, place, self.given | self.defined)
                self.defined.update(call.defines)
                return [call]
            case "region":
                return self._nested(lowering, place, name)
            case role:
                raise AssertionError(f"no code for {role}")

    def _nested(self, lowering: Lowering, place: int, name: str) -> list[Region]:
        flow = self.flows[place]
        body = flow.step.op.body
        assert isinstance(body, RegionBody)
        operands = [strided(lowering, a) for a in flow.args]
        if body.kind == "cond":
            return [self._cond(lowering, place, name, operands)]
        return self._loop(lowering, place, name, operands)

    def _inner(
        self, graph: SubGraph, prefix: str, inputs: Sequence[Strided], outputs: Sequence[Strided]
    ) -> Seq:
        """The regions of a sub-program."""
        memory = {x.attrs[0]: m for x, m in zip(graph.inputs, inputs, strict=True)}
        return Scheduler(from_exprs(graph.outputs), prefix, self, memory).body(outputs)

    def _cond(self, lowering: Lowering, place: int, name: str, operands: list[Strided]) -> Region:
        attributes = self.flows[place].step.attributes
        outputs = [self._part(lowering, place, k) for k in range(len(lowering.parts[place]))]
        then, other = (
            self._inner(attributes[side], f"{name}_{side}_", operands[1:], outputs)
            for side in ("then", "other")
        )
        return Cond(operands[0], then, other)

    def _part(self, lowering: Lowering, place: int, k: int) -> Strided:
        """The memory of one result; some of its own where no step reads it."""
        part = lowering.parts[place][k]
        if part not in self.memory:
            types = self.flows[place].step.type
            assert isinstance(types, tuple)
            shape = self.sizes.shape(types[k].shape)
            return whole(self._new(f"tmp{place}_{k}", "temporary", types[k].dtype, shape))
        return self.memory[part]

    def _loop(
        self, lowering: Lowering, place: int, name: str, operands: list[Strided]
    ) -> list[Region]:
        attributes = self.flows[place].step.attributes
        graph: SubGraph = attributes["body"]
        n, m = attributes["n_carries"], attributes["n_sequences"]
        counter = size(f"{name}_turn")
        turn = as_size(counter)
        assert turn is not None
        swaps, before, inputs, outputs, after = [], [], [], [], []
        for k, given in enumerate(operands):
            if k < n:
                shape = self.sizes.shape(graph.inputs[k].shape)
                now, later = (
                    self._new(f"{name}_{word}{k}", "temporary", given.buffer.dtype, shape)
                    for word in ("now", "next")
                )
                swaps.append((now, later))
                before.append(copy_memory(f"{name}_start{k}", given, whole(now)))
                inputs.append(whole(now))
                outputs.append(whole(later))
                if lowering.parts[place][k] in self.memory:
                    final = self.memory[lowering.parts[place][k]]
                    after.append(copy_memory(f"{name}_end{k}", whole(now), final))
            elif k < n + m:
                inputs.append(_element(given, counter))
            else:
                inputs.append(given)
        for k, y in enumerate(graph.outputs[n:], n):
            if lowering.parts[place][k] in self.memory:
                outputs.append(_element(self.memory[lowering.parts[place][k]], counter))
            else:
                shape = self.sizes.shape(y.shape)
                unused = self._new(f"{name}_unused{k}", "temporary", y.dtype, shape)
                outputs.append(whole(unused))
        body = self._inner(graph, f"{name}_", inputs, outputs)
        trip = self.sizes.extent(attributes["extent"])
        return [*before, Loop(turn, trip, body, tuple(swaps)), *after]


def _element(sequence: Strided, counter: Extent) -> Strided:
    """The element of a sequence that a turn sees."""
    return Strided(
        sequence.buffer,
        sequence.shape[1:],
        sequence.strides[1:],
        sequence.offset + counter * sequence.strides[0],
    )


def whole(buffer: Buffer) -> Strided:
    """All of a buffer."""
    return Strided(buffer, buffer.shape, row_major(buffer.shape))


def _size_mismatch(a: Extent, b: Extent) -> str:
    bound = lower_bound(a, b)
    if bound is not None:
        return (
            f"the size {_plain(b)} is {{1}}, it must be at least {_plain(bound)}\n"
            f"  there is no element to take from an axis that has too few\n"
            f"  fix: pass a larger array, or check the size first"
        )
    return (
        f"the sizes {_plain(a)} and {_plain(b)} must be equal, but are {{0}} and {{1}}\n"
        f"  operands of one operation must have matching sizes\n"
        f"  fix: pass arrays whose sizes agree"
    )


def _plain(extent: Extent) -> str:
    """A size in a message that ``format`` will read."""
    return str(extent).replace("{", "{{").replace("}", "}}")
