"""Fusion: which steps are computed by one kernel.

Every solid step belongs to a cluster.  A cluster has a *domain*, the extents of its loops, and perhaps
reduced axes; its members are computed at all points of the domain (full) or once per row.  Each cluster
has a level above those of the clusters it reads, so clusters never depend on each other in a cycle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from egtensor.kernels.flow import Flow, Flows, points
from egtensor.lang.dims import Shape
from egtensor.lang.op import ArgReduce, Gather

RESIDENT = 65536  # points of a row that may be visited more than once
TOGETHER = 16384  # points up to which unrelated loops share a kernel
MEMBERS = 96


@dataclass(slots=True, eq=False)
class Cluster:
    """Steps computed together.

    axes    positions in the domain that its reductions fold; None: it has no reduction
    full    members computed at every point, with their phases; ``row`` those computed once per row
    """

    level: int
    domain: Shape
    axes: tuple[int, ...] | None = None
    loops: bool = True
    full: dict[int, int] = field(default_factory=dict)
    row: dict[int, int] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)
    merged: Cluster | None = None

    @property
    def rows(self) -> tuple[int, ...]:
        """Positions of the axes that are not folded."""
        return tuple(k for k in range(len(self.domain)) if k not in (self.axes or ()))

    @property
    def row_domain(self) -> Shape:
        """The extents of the axes that are not folded."""
        return tuple(self.domain[k] for k in self.rows)

    def is_resident(self) -> bool:
        """Whether a row is small enough to be visited again."""
        return points(tuple(self.domain[k] for k in self.axes or ())) <= RESIDENT


@dataclass(slots=True)
class Operand:
    """One operand of a member: the solid step behind it, and how its axes run in the member's domain.

    along  for each solid axis of the base its position in the domain; None: a general index
    """

    base: int
    along: tuple[int, ...] | None


class Clusters:
    """The clusters of a program, built step by step."""

    def __init__(self, flows: Flows) -> None:
        self.flows = flows.all
        self.of: dict[int, Cluster] = {}
        self.all: list[Cluster] = []
        self.operands: dict[int, tuple[Operand, ...]] = {}
        self._open: dict[tuple[int, Shape], Cluster] = {}
        for place in flows.order:
            flow = self.flows[place]
            match flow.role:
                case "point" | "copy" | "reduce":
                    self._add(place, flow)
                case "part":
                    self.of[place] = self.cluster(flow.args[0])
                case "prefix" | "join" | "scatter" | "call" | "region":
                    self._alone(place, flow)
                case _:
                    pass

    def cluster(self, place: int) -> Cluster:
        """The cluster of a solid step."""
        found = self.of[place]
        while found.merged is not None:
            found = found.merged
        self.of[place] = found
        return found

    def _add(self, place: int, flow: Flow) -> None:
        operands = self._operands(place, flow)
        self.operands[place] = operands
        above = [o for o in operands if o.base in self.of]
        level = max((self.cluster(o.base).level for o in above), default=-1)
        top = [o for o in above if self.cluster(o.base).level == level]
        cluster = self._common(top)
        if cluster is not None and flow.role == "reduce" and self._splits(flow, cluster, top):
            self._split(flow, cluster)
            self._add(place, flow)
            return
        if cluster is None or not self._joins(place, flow, cluster, top):
            cluster = self._start(place, flow, level + 1, operands)
        self.of[place] = cluster
        cluster.sources.update(o.base for o in operands)

    def _operands(self, place: int, flow: Flow) -> tuple[Operand, ...]:
        args = flow.args
        shape_of = self.flows[args[0]] if flow.role == "reduce" and args else flow
        position = {axis: k for k, axis in enumerate(shape_of.solid)}
        found: list[Operand] = []
        table = isinstance(flow.step.op.body, Gather) and flow.role == "point"
        for k, a in enumerate(args):
            operand = self.flows[a]
            if operand.role == "inline":
                found += self._below(a)
                continue
            general = operand.kept is None or (table and k == 0)
            along = () if general else tuple(position.get(axis, -1) for axis in operand.kept or ())
            found.append(Operand(operand.base, None if general else along))
        return tuple(found)

    def _below(self, place: int) -> Iterator[Operand]:
        """What an inline step reads: only sources, which constrain nothing."""
        stack = [place]
        while stack:
            flow = self.flows[stack.pop()]
            for a in flow.args:
                base = self.flows[a].base
                if self.flows[base].role == "inline":
                    stack.append(base)
                elif self.flows[base].role == "source":
                    yield Operand(base, None)

    def _common(self, top: list[Operand]) -> Cluster | None:
        """The one cluster of these operands, after merging clusters of one level and domain."""
        clusters = list(dict.fromkeys(self.cluster(o.base) for o in top))
        if not clusters or not all(c.loops for c in clusters):
            return None
        first = clusters[0]
        for other in clusters[1:]:
            if not self._merge(first, other):
                return None
        return first

    def _merge(self, into: Cluster, other: Cluster) -> bool:
        if into.domain != other.domain or len(into.full) + len(other.full) > MEMBERS:
            return False
        if into.axes is not None and other.axes is not None and into.axes != other.axes:
            return False
        if into.axes is None:
            into.axes = other.axes
        into.full |= other.full
        into.row |= other.row
        into.sources |= other.sources
        other.merged = into
        return True

    def _joins(self, place: int, flow: Flow, cluster: Cluster, top: list[Operand]) -> bool:
        if len(cluster.full) + len(cluster.row) >= MEMBERS:
            return False
        if flow.role == "reduce":
            return self._joins_reduction(place, flow, cluster, top)
        everything = tuple(range(len(cluster.domain)))
        if flow.domain == cluster.domain and any(o.base in cluster.full for o in top):
            phase = self._full_phase(cluster, top, everything)
            if phase is not None:
                cluster.full[place] = phase
                return True
            return False
        if cluster.axes is not None and flow.domain == cluster.row_domain:
            identity = tuple(range(len(flow.domain)))
            if all(o.base in cluster.row and o.along == identity for o in top):
                cluster.row[place] = max(cluster.row[o.base] for o in top)
                return True
        elif cluster.axes is not None and flow.domain == cluster.domain:
            phase = self._full_phase(cluster, top, everything)
            if phase is not None:
                cluster.full[place] = phase
                return True
        return False

    def _full_phase(
        self, cluster: Cluster, top: list[Operand], everything: tuple[int, ...]
    ) -> int | None:
        """The phase in which a full member with these operands can be computed, if it can."""
        phase = 0
        for o in top:
            if o.base in cluster.full and o.along == everything:
                phase = max(phase, cluster.full[o.base])
            elif o.base in cluster.row and o.along == cluster.rows and cluster.is_resident():
                phase = max(phase, cluster.row[o.base])
            else:
                return None
        return phase

    def _joins_reduction(
        self, place: int, flow: Flow, cluster: Cluster, top: list[Operand]
    ) -> bool:
        axes = self.reduced(flow)
        operand = self.flows[flow.args[0]]
        if operand.domain != cluster.domain or cluster.axes not in (None, axes):
            return False
        everything = tuple(range(len(cluster.domain)))
        if not all(o.base in cluster.full and o.along == everything for o in top):
            return False
        cluster.axes = axes
        cluster.row[place] = 1 + max(cluster.full[o.base] for o in top)
        return True

    def _splits(self, flow: Flow, cluster: Cluster, top: list[Operand]) -> bool:
        """Whether a kernel that folds some of the axes of a reduction could fold these already."""
        if not cluster.axes or is_position(flow):
            return False
        everything = tuple(range(len(cluster.domain)))
        return (
            self.flows[flow.args[0]].domain == cluster.domain
            and set(cluster.axes) < set(self.reduced(flow))
            and all(o.base in cluster.full and o.along == everything for o in top)
        )

    def _split(self, flow: Flow, cluster: Cluster) -> None:
        """Fold the axes that the cluster folds in a step of their own, before the rest."""
        rest = set(self.reduced(flow)) - set(cluster.axes or ())
        made, domain = len(self.flows), cluster.row_domain
        solid = tuple(range(len(domain)))
        inner = Flow(
            flow.step, "reduce", flow.dtype, domain, solid, domain, flow.args, made, solid
        )  # fmt: skip
        inner.folds = cluster.axes
        self.flows.append(inner)
        self._add(made, inner)
        flow.args = (made,)
        flow.folds = tuple(k for k, axis in enumerate(cluster.rows) if axis in rest)

    def reduced(self, flow: Flow) -> tuple[int, ...]:
        """The positions in the operand's domain that a reduction folds."""
        if flow.folds is not None:
            return flow.folds
        attributes = flow.step.attributes
        given = attributes["axes"] if "axes" in attributes else (attributes["axis"],)
        operand = self.flows[flow.args[0]]
        return tuple(k for k, axis in enumerate(operand.solid) if axis in given)

    def _start(self, place: int, flow: Flow, level: int, operands: tuple[Operand, ...]) -> Cluster:
        reduction = flow.role == "reduce"
        domain = self.flows[flow.args[0]].domain if reduction else flow.domain
        axes = self.reduced(flow) if reduction else None
        cluster = self._open.get((level, domain))
        while cluster is not None and cluster.merged is not None:
            cluster = cluster.merged
        if cluster is None or not self._welcomes(cluster, axes, operands):
            cluster = Cluster(level, domain, axes)
            self.all.append(cluster)
            self._open[level, domain] = cluster
        if reduction:
            cluster.axes = axes
            cluster.row[place] = 1
        else:
            cluster.full[place] = 0
        return cluster

    def _welcomes(
        self, cluster: Cluster, axes: tuple[int, ...] | None, operands: tuple[Operand, ...]
    ) -> bool:
        if axes is not None and cluster.axes not in (None, axes):
            return False
        if len(cluster.full) + len(cluster.row) >= MEMBERS:
            return False
        related = any(o.base in cluster.sources for o in operands)
        return related or points(cluster.domain) <= TOGETHER

    def _alone(self, place: int, flow: Flow) -> None:
        operands = tuple(Operand(self.flows[a].base, None) for a in flow.args)
        self.operands[place] = operands
        levels = [self.cluster(o.base).level for o in operands if o.base in self.of]
        cluster = Cluster(max(levels, default=-1) + 1, flow.domain, loops=False)
        cluster.full[place] = 0
        self.of[place] = cluster
        self.all.append(cluster)


def is_position(flow: Flow) -> bool:
    """Whether a reduction gives the place of an element instead of a value."""
    return isinstance(flow.step.op.body, ArgReduce)
