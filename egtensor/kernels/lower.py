"""Write one cluster of steps as a kernel: phases, scalar terms, accesses."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from egtensor.kernels.flow import Flow, axis_indices, points, step_cost
from egtensor.kernels.fuse import Cluster, Clusters, is_position
from egtensor.kernels.indexing import ORIGIN, Affine, Index, along, compose, linear, row_major
from egtensor.kernels.plan import (
    BLOCK,
    Access,
    Bounds,
    Buffer,
    BufferKind,
    Kernel,
    Phase,
    Position,
    Reduction,
    Slot,
    Store,
    Strided,
    loads,
    terms_of,
)
from egtensor.kernels.sizes import Sizes
from egtensor.kernels.target import Site
from egtensor.lang.dims import Extent, Shape, Size, estimate, floordiv, maximum, product, sizes_of
from egtensor.lang.number import Number
from egtensor.lang.op import ArgReduce, Attrs, Gather, Item, Join, Leaf, Reduce, Scalar
from egtensor.lang.scalar import Term, cast, const, make_term, operand
from egtensor.lang.types import BOOL, INT64, DType

ZERO = Number.of(0)
SHORT = 24  # points of rows that are not worth a loop each
KEEP = 4.0  # cost above which a value needed in two phases is kept, not computed again


class Lowering:
    """What all kernels of a plan share: the steps, their clusters, their buffers and error sites."""

    def __init__(
        self,
        flows: list[Flow],
        clusters: Clusters,
        sizes: Sizes,
        memory: dict[int, Strided],
        sites: list[Site],
    ) -> None:
        self.flows, self.clusters, self.sizes, self.memory = flows, clusters, sizes, memory
        self.sites = sites
        self._bound: dict[tuple[int, int], int] = {}
        self.parts: dict[int, list[int]] = {}
        self.given: Set[Size] = set()

    def kernel(self, cluster: Cluster, name: str) -> Kernel:
        """The kernel of a cluster of loops."""
        return _Writer(self, cluster, name).kernel()

    def failure_site(self, place: int) -> int:
        """The error code of a routine that cannot go on."""
        step = self.flows[place].step
        if step.attrs:
            message = (
                f"{step.op.name}: there are {{0}} elements where {{1}} must be\n"
                "  an equality of sizes fixes their number\n"
                "  fix: check the values of the operand"
            )
        else:
            message = (
                f"{step.op.name}: the matrix is singular\n"
                "  a pivot of its factorisation is exactly zero\n"
                "  fix: check the matrix, or add a small multiple of the identity"
            )
        self.sites.append(Site(message, "value", step.lines[0] if step.lines else None))
        return len(self.sites)

    def index_site(self, place: int, axis: int) -> int:
        """The error code of an index out of bounds."""
        key = place, axis
        if key not in self._bound:
            lines = self.flows[place].step.lines
            self.sites.append(
                Site(
                    f"index {{0}} is out of bounds for axis {axis} with size {{1}}\n"
                    "  an index is at least -size and below size\n"
                    "  fix: check the index arrays",
                    "index",
                    lines[0] if lines else None,
                )
            )
            self._bound[key] = len(self.sites)
        return self._bound[key]


class Reader:
    """Terms for the values of steps, read at indices of one iteration space."""

    def __init__(self, shared: Lowering, axes: tuple[Extent, ...]) -> None:
        self.shared, self.axes = shared, axes
        self.flows, self.memory = shared.flows, shared.memory
        self.memo: dict[tuple[int, Index], Term] = {}
        self.guard: Term | None = None

    def at(self, place: int, index: Index) -> Term:
        """The value of a step at an index."""
        key = place, index
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = self._at(place, index)
        return found

    def _at(self, place: int, index: Index) -> Term:
        flow = self.flows[place]
        match flow.role:
            case "leaf":
                return self._leaf(flow, index)
            case "inline":
                return self._expand(place, flow, index)
            case "virtual":
                return self._view(flow, index)
            case _:
                return self.member(place, flow) or operand(self.access(place, index), flow.dtype)

    def member(self, place: int, flow: Flow) -> Term | None:
        """The value of a step that the same kernel computes."""
        return None

    def access(self, place: int, index: Index) -> Access:
        """An element of the memory of a step."""
        m = self.memory[place]
        return self._guarded(linear(m.buffer, m.strides, index, len(self.axes), m.offset))

    def _guarded(self, access: Access) -> Access:
        return access if self.guard is None else replace(access, guard=self.guard)

    def _leaf(self, flow: Flow, index: Index) -> Term:
        body = flow.step.op.body
        assert isinstance(body, Leaf)
        attributes = flow.step.attributes
        match body.kind:
            case "literal":
                return const(attributes["number"], flow.dtype)
            case "extent":
                extent = self.shared.sizes.extent(attributes["extent"])
                return cast(self._number((), extent), flow.dtype)
            case _:
                return cast(self.position(index[0]), flow.dtype)

    def position(self, index: Affine) -> Term:
        """An index as a number."""
        coefficients, offset, indirect = index
        value = self._number(coefficients, offset)
        for t, c in indirect:
            scaled = make_term("mul", (t, self._number((), c)), INT64)
            value = make_term("add", (value, scaled), INT64)
        return value

    def _number(self, coefficients: tuple[tuple[int, Extent], ...], offset: Extent) -> Term:
        if not coefficients and isinstance(offset, int):
            return const(offset, INT64)
        per_axis: list[Extent] = [0] * len(self.axes)
        for k, c in coefficients:
            per_axis[k] = c
        return operand(Position(tuple(per_axis), offset), INT64)

    def _view(self, flow: Flow, index: Index) -> Term:
        if isinstance(flow.step.op.body, Join):
            return self._padded(flow, index)
        source = self.flows[flow.args[0]]
        indices = axis_indices(flow, source)
        if indices is not None:
            return self.at(flow.args[0], compose(indices, index))
        m = self.memory[flow.args[0]]
        access = linear(m.buffer, row_major(flow.shape), index, len(self.axes), m.offset)
        return operand(self._guarded(access), flow.dtype)

    def _expand(self, place: int, flow: Flow, index: Index) -> Term:
        """The term of a step that is computed element by element."""
        step = flow.step
        body = step.op.body
        if isinstance(body, Gather):
            return self._gather(place, flow, index)
        item: int | None = None
        if isinstance(body, Item):
            item = step.attributes["index"]
            step = self.flows[step.args[0]].step
            body = step.op.body
        assert isinstance(body, Scalar)
        made = body.expand(*(self.at(a, index) for a in flow.args), **step.attributes)
        if isinstance(made, tuple):
            assert item is not None
            return made[item]
        return made

    def _padded(self, flow: Flow, index: Index) -> Term:
        """A join of one step with numbers around it: read the step only where the index is inside."""
        axis = flow.step.attributes["axis"]
        place = self.position(index[axis])
        ends: list[tuple[Term, Term]] = []
        start: Extent = 0
        for a in flow.args:
            end = start + self.flows[a].shape[axis]
            before_end = make_term("lt", (place, self._number((), end)), BOOL)
            if self.flows[a].role == "leaf":
                value = self.at(a, index)
            else:
                after_start = make_term("ge", (place, self._number((), start)), BOOL)
                inside = make_term("and", (after_start, before_end), BOOL)
                value = self._inside(a, axis, index, start, inside)
            ends.append((before_end, value))
            start = end
        result = ends[-1][1]
        values = [value for _, value in ends]
        solid = [v for v in values if isinstance(v.value, Access)]
        if len(solid) == 1 and all(v is solid[0] or v.value == ZERO for v in values):
            return solid[0]  # a load that is not made gives 0
        for before_end, value in reversed(ends[:-1]):
            result = make_term("select", (before_end, value, result), flow.dtype)
        return result

    def _inside(self, place: int, axis: int, index: Index, start: Extent, inside: Term) -> Term:
        """The value of a part of a join, whose loads are made only where ``inside`` holds."""
        coefficients, offset, indirect = index[axis]
        moved = (*index[:axis], (coefficients, offset - start, indirect), *index[axis + 1 :])
        kept = self.memo, self.guard
        outer = self.guard
        self.guard = inside if outer is None else make_term("and", (outer, inside), BOOL)
        self.memo = {}
        value = self.at(place, moved)
        self.memo, self.guard = kept
        return value

    def _gather(self, place: int, flow: Flow, index: Index) -> Term:
        table = self.flows[flow.args[0]]
        indices = self.indirect(place, table.shape, flow.args[1:], index, flow.step.attributes)
        return self.at(flow.args[0], indices)

    def indirect(
        self, place: int, shape: Shape, arrays: tuple[int, ...], index: Index, attrs: Attrs
    ) -> Index:
        """Where index arrays point in a tensor of ``shape``; the axes they do not index come last."""
        axes = attrs["axes"]
        lead = len(self.flows[arrays[0]].shape) if arrays else 0
        rest = iter(index[lead:])
        made: list[Affine] = []
        for axis, extent in enumerate(shape):
            if axis not in axes:
                made.append(next(rest))
                continue
            raw = self.at(arrays[axes.index(axis)], index[:lead])
            bounds = Bounds(extent, self.shared.index_site(place, axis))
            made.append(((), 0, ((make_term("bounded", (raw,), INT64, bounds), 1),)))
        return tuple(made)


class _Writer(Reader):
    def __init__(self, shared: Lowering, cluster: Cluster, name: str) -> None:
        inner = cluster.axes if cluster.axes is not None else ()
        self.order = (*cluster.rows, *inner)
        super().__init__(shared, tuple(cluster.domain[k] for k in self.order))
        self.cluster, self.name = cluster, name
        self.axis_of = {position: axis for axis, position in enumerate(self.order)}
        self.slots: list[DType] = []
        self.slot_of: dict[int, int] = {}
        self.kept: dict[int, Buffer] = {}
        self.phase = 0
        self.identities: dict[tuple[Shape, bool], Index] = {}

    def identity(self, flow: Flow, row: bool) -> Index:
        """The index at which members are computed."""
        key = flow.shape, row
        found = self.identities.get(key)
        if found is None:
            index = [ORIGIN] * len(flow.shape)
            for k, axis in enumerate(flow.solid):
                index[axis] = along(k if row else self.axis_of[k])
            found = self.identities[key] = tuple(index)
        return found

    def member(self, place: int, flow: Flow) -> Term | None:
        if place in self.slot_of:
            return operand(Slot(self.slot_of[place]), flow.dtype)
        if place in self.kept:
            return operand(self._at_kept(place), flow.dtype)
        return None

    def _rows(self) -> int:
        return len(self.cluster.rows)

    def _define(self, place: int, flow: Flow, index: Index) -> Term:
        """The term of a member, from its operands."""
        if flow.role != "copy":
            return self._expand(place, flow, index)
        return self.at(flow.args[0], index)

    # phases

    def kernel(self) -> Kernel:
        cluster = self.cluster
        needed = self._needed()
        self._keep(needed)
        last = max([*cluster.full.values(), *cluster.row.values(), 0])
        rows: dict[int, list[int]] = {}
        for place in sorted(cluster.row):
            rows.setdefault(cluster.row[place], []).append(place)
        fulls: dict[int, list[int]] = {}
        for place in sorted(cluster.full):
            for phase in sorted(needed[place]):
                fulls.setdefault(phase, []).append(place)
        phases: list[Phase] = []
        for phase in range(last + 1):
            self.phase = phase
            before = [p for p in rows.get(phase, ()) if self.flows[p].role != "reduce"]
            if before:
                phases.append(self._row_phase(before))
            reductions = [p for p in rows.get(phase + 1, ()) if self.flows[p].role == "reduce"]
            if reductions or phase in fulls:
                phases.append(self._inner_phase(fulls.get(phase, []), reductions))
            stored = [p for p in reductions if p in self.memory]
            if stored:
                phases.append(self._store_rows(stored))
        kernel = Kernel(
            name=self.name,
            axes=self.axes,
            rows=self._rows(),
            phases=tuple(phases),
            slots=tuple(self.slots),
            lanes=self._runs_in_lanes(),
            work=self._work(needed),
            note=self._note(),
            scratch=tuple(b for b in self.kept.values() if b.kind == "scratch"),
        )
        return _with_partials(coalesce(kernel), self.shared.given)

    def _runs_in_lanes(self) -> bool:
        """Whether rows are walked side by side: where they are columns of memory, or very short."""
        axes = self.cluster.axes
        if not axes:
            return False
        if len(self.cluster.domain) - 1 not in axes:
            return True
        rows, inner = self.axes[: self._rows()], self.axes[self._rows() :]
        return bool(rows) and points(inner) <= SHORT and estimate(rows[-1]) >= 2 * SHORT

    def _work(self, needed: dict[int, set[int]]) -> float:
        full = sum(step_cost(self.flows[p]) * len(needed[p]) for p in self.cluster.full)
        reductions = sum(self.flows[p].role == "reduce" for p in self.cluster.row)
        return 1.0 + full + reductions

    def _note(self) -> str:
        names = dict.fromkeys(
            self.flows[p].step.op.name for p in sorted((*self.cluster.full, *self.cluster.row))
        )
        return ", ".join(names)

    def _needed(self) -> dict[int, set[int]]:
        """The phases in which each full member's value is used, or where it is computed."""
        cluster = self.cluster
        needed: dict[int, set[int]] = {p: {phase} for p, phase in cluster.full.items()}
        cost = self._recompute_costs()
        self.keepers: set[int] = set()
        for place in sorted((*cluster.full, *cluster.row), reverse=True):
            if place in cluster.row:
                if self.flows[place].role != "reduce":
                    continue
                phases = {cluster.row[place] - 1}
            else:
                if len(needed[place]) > 1 and (cost[place] > KEEP or place in self.memory):
                    self.keepers.add(place)
                    needed[place] = {cluster.full[place]}
                phases = needed[place]
            for o in self.shared.clusters.operands[place]:
                if o.base in cluster.full:
                    needed[o.base] |= phases
        return needed

    def _recompute_costs(self) -> dict[int, float]:
        cost: dict[int, float] = {}
        for place in sorted(self.cluster.full):
            below = (cost.get(o.base, 0.0) for o in self.shared.clusters.operands[place])
            cost[place] = step_cost(self.flows[place]) + sum(below)
        return cost

    def _keep(self, needed: dict[int, set[int]]) -> None:
        for place in sorted(self.keepers):
            if place not in self.memory:
                inner = tuple(self.axes[self._rows() :])
                self.kept[place] = Buffer(
                    f"{self.name}_row{place}", "scratch", self.flows[place].dtype, (product(inner),)
                )

    def _inner_phase(self, fulls: list[int], reductions: list[int]) -> Phase:
        self.memo = {}
        stores: list[Store] = []
        for place in fulls:
            flow = self.flows[place]
            index = self.identity(flow, False)
            if place in self.keepers and self.cluster.full[place] != self.phase:
                continue
            term = self._define(place, flow, index)
            self.memo[place, index] = term
            if self.cluster.full[place] != self.phase:
                continue
            if place in self.kept:
                access = self._at_kept(place)
                stores.append(Store(access, term))
            if place in self.memory:
                stores.append(Store(self.access(place, index), term))
        return Phase(
            inner=True,
            stores=tuple(stores),
            reductions=tuple(self._reduction(place) for place in reductions),
        )

    def _at_kept(self, place: int) -> Access:
        strides = (*(0 for _ in self.cluster.rows), *row_major(self.axes[self._rows() :]))
        return Access(self.kept[place], strides)

    def _reduction(self, place: int) -> Reduction:
        flow = self.flows[place]
        source = self.flows[flow.args[0]]
        index = [ORIGIN] * len(source.shape)
        for k, axis in enumerate(source.solid):
            index[axis] = along(self.axis_of[k])
        term = self.at(flow.args[0], tuple(index))
        slot = self._new_slot(place, flow.dtype)
        body = flow.step.op.body
        if is_position(flow):
            assert isinstance(body, ArgReduce)
            return Reduction(slot, body.prim, None, term.dtype, term)
        assert isinstance(body, Reduce)
        identity = body.identity(flow.dtype)
        number = None if identity is None else Number.of(identity)
        return Reduction(slot, body.prim, number, flow.dtype, term)

    def _new_slot(self, place: int, dtype: DType) -> int:
        self.slot_of[place] = len(self.slots)
        self.slots.append(dtype)
        return self.slot_of[place]

    def _row_phase(self, places: list[int]) -> Phase:
        self.memo = {}
        lets: list[tuple[int, Term]] = []
        for place in places:
            flow = self.flows[place]
            term = self._define(place, flow, self.identity(flow, True))
            lets.append((self._new_slot(place, flow.dtype), term))
        stores = [s for p in places if p in self.memory for s in self._row_stores(p)]
        return Phase(inner=False, lets=tuple(lets), stores=tuple(stores))

    def _store_rows(self, places: list[int]) -> Phase:
        return Phase(inner=False, stores=tuple(s for p in places for s in self._row_stores(p)))

    def _row_stores(self, place: int) -> list[Store]:
        flow = self.flows[place]
        index = self.identity(flow, True)
        return [Store(self.access(place, index), operand(Slot(self.slot_of[place]), flow.dtype))]


def rows_of_block(kernel: Kernel) -> Extent:
    """How many short rows of the last axis one block takes together."""
    return maximum(1, floordiv(BLOCK, maximum(kernel.axes[-1], 1)))


def _with_partials(kernel: Kernel, given: Set[Size]) -> Kernel:
    """Let blocks of a reduction to one number be computed independently, if nothing else is done."""
    inner = [p for p in kernel.phases if p.inner]
    if kernel.rows or not kernel.axes or kernel.scratch or len(inner) != 1:
        return kernel
    first = kernel.phases[0]
    if not first.inner or any(r.identity is None for r in first.reductions):
        return kernel
    blocks = product(kernel.axes[:-2]) * floordiv(kernel.axes[-1] + (BLOCK - 1), BLOCK)
    if len(kernel.axes) > 1:
        group = rows_of_block(kernel)
        blocks = blocks * floordiv(kernel.axes[-2] + group - 1, group)
    kind: BufferKind = "temporary" if all(n in given for n in sizes_of(blocks)) else "dynamic"
    partials = tuple(
        Buffer(f"{kernel.name}_part{r.slot}", kind, r.dtype, (blocks,)) for r in first.reductions
    )
    return replace(kernel, partials=partials)


def coalesce(kernel: Kernel) -> Kernel:
    """Merge neighbouring axes that every access walks as one."""
    reduces = any(p.reductions for p in kernel.phases)
    rows = kernel.rows if reduces else len(kernel.axes)
    groups = _groups(kernel, rows)
    if len(groups) < len(kernel.axes):
        kernel = _regroup(kernel, groups)
        rows = sum(g[0] < rows for g in groups)
    if not reduces:
        rows = max(0, len(kernel.axes) - 1)
    return kernel if rows == kernel.rows else replace(kernel, rows=rows)


def _walked(kernel: Kernel) -> list[tuple[Extent, ...]]:
    """The coefficients of everything that depends on the axes."""
    found = [a.coefficients for a in loads(terms_of(kernel))]
    for phase in kernel.phases:
        found += [s.access.coefficients for s in phase.stores]
    for t in _all_terms(kernel):
        if isinstance(t.value, Position):
            found.append(t.value.coefficients)
    return list(dict.fromkeys(found))


def _all_terms(kernel: Kernel) -> list[Term]:
    seen: dict[Term, None] = {}
    stack = list(terms_of(kernel))
    while stack:
        t = stack.pop()
        if t in seen:
            continue
        seen[t] = None
        stack.extend(t.args)
        if isinstance(t.value, Access):
            stack.extend(t.value.terms)
    return list(seen)


def _groups(kernel: Kernel, rows: int) -> list[list[int]]:
    walked = _walked(kernel)
    groups: list[list[int]] = []
    for axis, extent in enumerate(kernel.axes):
        merges = (
            groups and axis != rows and all(c[axis - 1] == _scaled(c[axis], extent) for c in walked)
        )
        if merges:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


def _scaled(coefficient: Extent, extent: Extent) -> Extent:
    return coefficient if coefficient == 0 else extent if coefficient == 1 else coefficient * extent


def _regroup(kernel: Kernel, groups: list[list[int]]) -> Kernel:
    last = [g[-1] for g in groups]
    memo: dict[Term, Term] = {}

    def access(a: Access) -> Access:
        indirect = tuple((term(t), c) for t, c in a.indirect)
        guard = None if a.guard is None else term(a.guard)
        return Access(a.buffer, tuple(a.coefficients[k] for k in last), a.offset, indirect, guard)

    def one(t: Term) -> Term:
        if isinstance(t.value, Access):
            return make_term(t.prim, (), t.dtype, access(t.value))
        if isinstance(t.value, Position):
            moved = Position(tuple(t.value.coefficients[k] for k in last), t.value.offset)
            return make_term(t.prim, (), t.dtype, moved)
        if not t.args:
            return t
        return make_term(t.prim, tuple(memo[a] for a in t.args), t.dtype, t.value)

    def term(root: Term) -> Term:
        stack = [root]
        while stack:
            t = stack[-1]
            pending = [a for a in t.args if a not in memo]
            if pending:
                stack.extend(pending)
            else:
                if t not in memo:
                    memo[t] = one(t)
                stack.pop()
        return memo[root]

    phases = tuple(
        replace(
            p,
            reductions=tuple(replace(r, term=term(r.term)) for r in p.reductions),
            stores=tuple(replace(s, access=access(s.access), term=term(s.term)) for s in p.stores),
            lets=tuple((slot, term(t)) for slot, t in p.lets),
        )
        for p in kernel.phases
    )
    axes = tuple(product(kernel.axes[k] for k in g) for g in groups)
    rows = sum(g[0] < kernel.rows for g in groups)
    return replace(kernel, axes=axes, rows=rows, phases=phases)
