"""Schedule a program: which kernels run, in which order, and where temporaries live."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from egtensor.extract.program import Program
from egtensor.kernels.flow import Flow, analyse
from egtensor.kernels.fuse import Cluster, Clusters
from egtensor.kernels.lower import Lowering
from egtensor.kernels.memory import bins
from egtensor.kernels.plan import Buffer, Check, KernelPlan, Region, Seq, Site
from egtensor.kernels.sizes import Sizes, unify
from egtensor.kernels.target import Limits
from egtensor.lang.dims import Extent
from egtensor.lang.op import Leaf, Reshape


def schedule(
    program: Program,
    limits: Limits | None = None,
    *,
    inputs: Sequence[int] | None = None,
    equalities: Iterable[tuple[Extent, Extent]] = (),
) -> KernelPlan:
    """Turn a program into kernels over buffers.

    inputs      serial numbers of the symbols in the order of the arguments, shared variables last;
                None: the order of the program
    equalities  sizes known to be equal besides those that the operators imply
    """
    return _Scheduler(program, inputs, equalities).plan()


class _Scheduler:
    def __init__(
        self,
        program: Program,
        inputs: Sequence[int] | None,
        equalities: Iterable[tuple[Extent, Extent]],
    ) -> None:
        self.program = program
        self.sizes = unify(program, equalities)
        self.flows = analyse(program, self.sizes)
        self.results = self._results()
        self.clusters = Clusters(self.flows)
        self.buffers: dict[int, Buffer] = {}
        self.inputs = self._input_buffers(inputs)
        self.sites: list[Site] = [Site("success")]

    def plan(self) -> KernelPlan:
        outputs = self._output_buffers()
        self._temporaries()
        lowering = Lowering(self.flows, self.clusters, self.sizes, self.buffers)
        body: list[Region] = []
        for number, cluster in enumerate(self._ordered()):
            body.append(lowering.kernel(cluster, f"k{number}"))
        regions = Seq(tuple(body))
        scratch = [b for r in body for b in getattr(r, "scratch", ())]
        buffers = (*dict.fromkeys((*self.inputs, *self.buffers.values(), *scratch)),)
        checks = self._checks()
        return KernelPlan(
            body=regions,
            inputs=self.inputs,
            outputs=outputs,
            buffers=buffers,
            checks=checks,
            sites=tuple(self.sites),
            place=bins(regions, buffers),
        )

    def _input_buffers(self, inputs: Sequence[int] | None) -> tuple[Buffer, ...]:
        found: dict[int, Buffer] = {}
        constants = 0
        order = {serial: k for k, serial in enumerate(inputs or ())}
        types: dict[int, Flow] = {}
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
            position = order.setdefault(serial, len(order))
            types[position] = flow
            self.buffers[place] = found[position] = Buffer(
                f"x{position}", "input", flow.dtype, flow.step.tensor.shape, position
            )
        return tuple(found[k] for k in sorted(found))

    def _results(self) -> list[int]:
        """The step whose buffer is each output; copies are added where a result has none of its own."""
        taken: set[int] = set()
        results: list[int] = []
        for place in self.program.results:
            owner = self._owner(place)
            if owner is None or owner in taken:
                flow = self.flows[place]
                owner = len(self.flows)
                copied = Flow(
                    flow.step, "copy", flow.dtype, flow.shape, flow.solid, flow.domain,
                    (place,), owner, flow.solid, copies=True,
                )  # fmt: skip
                self.flows.append(copied)
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
                        f"t{o.base}", "temporary", flow.dtype, flow.shape
                    )

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
        ready = [(first[c], k, c) for k, (c, n) in enumerate(waiting.items()) if n == 0]
        number = {c: k for k, c in enumerate(waiting)}
        heapq.heapify(ready)
        ordered: list[Cluster] = []
        while ready:
            _, _, cluster = heapq.heappop(ready)
            ordered.append(cluster)
            for reader in readers.get(cluster, ()):
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    heapq.heappush(ready, (first[reader], number[reader], reader))
        assert len(ordered) == len(waiting), "clusters depend on each other in a cycle"
        return ordered

    def _checks(self) -> tuple[Check, ...]:
        checks = []
        for a, b in self.sizes.equalities:
            self.sites.append(Site(f"the sizes {a} and {b} must be equal"))
            checks.append(Check(a, b, len(self.sites) - 1))
        return tuple(checks)
