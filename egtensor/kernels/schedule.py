"""Schedule a program: which kernels run, in which order, and where temporaries live."""

from __future__ import annotations

import heapq

from egtensor.extract.program import Program
from egtensor.kernels.calls import call_of
from egtensor.kernels.flow import Flows, analyse
from egtensor.kernels.fuse import Cluster, Clusters
from egtensor.kernels.lower import Lowering
from egtensor.kernels.memory import bins
from egtensor.kernels.moves import join_kernels, prefix_kernel, scatter_kernels
from egtensor.kernels.plan import (
    Buffer,
    Call,
    Check,
    Kernel,
    KernelPlan,
    Region,
    Seq,
    Site,
    reads,
    regions,
    writes,
)
from egtensor.kernels.sizes import unify
from egtensor.lang.dims import Extent, as_size, estimate, product, sizes_of
from egtensor.lang.op import Leaf, Reshape

# of one thread of the machine that benchmarks/calibrate_costs.py measured
ADDITIONS = 1e10  # float32 additions per second
FLOPS = 1e11  # of a matrix product
BANDWIDTH = 3e10  # bytes per second
START = 5e-8  # seconds to start a kernel


def schedule(program: Program) -> KernelPlan:
    """Turn a program into kernels over buffers."""
    return _Scheduler(program).plan()


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


class _Scheduler:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.sizes = unify(program)
        analysed = analyse(program, self.sizes)
        self.flows = analysed.all
        self.results = self._results(analysed)
        self.clusters = Clusters(analysed)
        self.buffers: dict[int, Buffer] = {}
        self.inputs = self._input_buffers()
        self.sites: list[Site] = []

    def plan(self) -> KernelPlan:
        outputs = self._output_buffers()
        self._temporaries()
        lowering = Lowering(self.flows, self.clusters, self.sizes, self.buffers, self.sites)
        lowering.parts = self._parts()
        body: list[Region] = []
        for number, cluster in enumerate(self._ordered()):
            body += _regions_of(lowering, cluster, f"k{number}")
        regions = Seq(tuple(body))
        scratch = [b for r in body for b in getattr(r, "scratch", ())]
        buffers = (*dict.fromkeys((*self.inputs, *self.buffers.values(), *scratch)),)
        return KernelPlan(
            body=regions,
            inputs=self.inputs,
            outputs=outputs,
            buffers=buffers,
            checks=self._checks(),
            sites=tuple(self.sites),
            place=bins(regions, buffers),
        )

    def _input_buffers(self) -> tuple[Buffer, ...]:
        """Buffers of all inputs by position; a program without ``inputs`` is numbered as it reads them."""
        found = {
            k: Buffer(f"x{k}", "input", t.dtype, t.shape, k)
            for k, t in enumerate(self.program.inputs)
        }
        numbers: dict[int, int] = {}
        constants = 0
        for place, flow in enumerate(self.flows):
            if flow.role != "source":
                continue
            body = flow.step.op.body
            assert isinstance(body, Leaf)
            if body.kind == "constant":
                data = flow.step.attributes["data"]
                self.buffers[place] = Buffer(
                    f"c{constants}", "constant", flow.dtype, flow.shape, constants, data
                )
                constants += 1
                continue
            serial = flow.step.attributes["serial"]
            k = serial if self.program.inputs else numbers.setdefault(serial, len(numbers))
            if k not in found:
                found[k] = Buffer(f"x{k}", "input", flow.dtype, flow.step.tensor.shape, k)
            self.buffers[place] = found[k]
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

    def _output_buffers(self) -> tuple[Buffer, ...]:
        outputs: list[Buffer] = []
        for j, (place, result) in enumerate(zip(self.results, self.program.results, strict=True)):
            flow = self.flows[place]
            shape = self.sizes.shape(self.program.steps[result].tensor.shape)
            buffer = Buffer(f"y{j}", "output", flow.dtype, shape, j)
            self.buffers[place] = buffer
            outputs.append(buffer)
        return tuple(outputs)

    def _temporaries(self) -> None:
        """Give a buffer to each step that is read outside its own kernel."""
        for reader, operands in self.clusters.operands.items():
            home = self.clusters.cluster(reader)
            for o in operands:
                if o.base in self.buffers or o.base not in self.clusters.of:
                    continue
                if not home.loops or self.clusters.cluster(o.base) is not home:
                    flow = self.flows[o.base]
                    self.buffers[o.base] = Buffer(
                        f"tmp{o.base}", "temporary", flow.dtype, flow.shape
                    )

    def _parts(self) -> dict[int, list[int]]:
        """For each routine with several results, the step that stands for each; all get buffers."""
        parts: dict[int, dict[int, int]] = {}
        for place, flow in enumerate(self.flows):
            if flow.role == "part":
                parts.setdefault(flow.args[0], {})[flow.step.attributes["index"]] = place
        made: dict[int, list[int]] = {}
        for call, found in parts.items():
            flow = self.flows[call]
            assert isinstance(flow.step.type, tuple)
            for k, type_ in enumerate(flow.step.type):
                place = found.get(k, -1 - len(self.buffers))
                made.setdefault(call, []).append(place)
                if place not in self.buffers:
                    shape = self.sizes.shape(type_.shape)
                    name = f"tmp{call}_{k}"
                    self.buffers[place] = Buffer(name, "temporary", type_.dtype, shape)
        return made

    def _ordered(self) -> list[Cluster]:
        """Clusters, each after those it reads, otherwise in the order of the program."""
        readers: dict[Cluster, dict[Cluster, None]] = {}
        waiting: dict[Cluster, int] = {}
        first: dict[Cluster, int] = {}
        for reader, operands in self.clusters.operands.items():
            home = self.clusters.cluster(reader)
            waiting.setdefault(home, 0)
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
        given = {n for b in self.inputs for e in b.shape for n in sizes_of(e)}
        checks = []
        for a, b, line in self.sizes.equalities:
            if not given.issuperset((*sizes_of(a), *sizes_of(b))):
                continue
            self.sites.append(
                Site(
                    f"the sizes {_plain(a)} and {_plain(b)} must be equal, but are {{0}} and {{1}}\n"
                    f"  operands of one operation must have matching sizes\n"
                    f"  fix: pass arrays whose sizes agree",
                    "size",
                    line,
                )
            )
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


def _regions_of(lowering: Lowering, cluster: Cluster, name: str) -> list[Region]:
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
            return [call_of(lowering, place)]
        case role:
            raise AssertionError(f"no code for {role}")


def _plain(extent: Extent) -> str:
    """A size in a message that ``format`` will read."""
    return str(extent).replace("{", "{{").replace("}", "}}")
