"""How the steps of a program read one another: which are only another view, and of what.

A step is *virtual* where reading it is reading its operand at another index, *inline* where it is
computed wherever it is read, and *solid* otherwise: then it belongs to a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from egtensor.extract.program import Program, Step
from egtensor.kernels.sizes import Sizes
from egtensor.lang.dims import Shape, estimate, product
from egtensor.lang.op import (
    ArgReduce,
    AxisIndex,
    Gather,
    Item,
    Join,
    Leaf,
    Library,
    Prefix,
    Reduce,
    Region,
    Reshape,
    Scalar,
    Scatter,
    View,
)
from egtensor.lang.types import DType, TensorType

Role = Literal[
    "source", "leaf", "virtual", "inline", "multi", "point", "reduce", "prefix", "join", "scatter",
    "call", "region", "part", "copy",
]  # fmt: skip
CHEAP = 3.0


@dataclass(slots=True)
class Flow:
    """What is known of one step.

    shape    canonical; ``solid`` the positions of its axes that are not 1
    args     operands, those of the operator with several results for its items
    base     the solid step that a virtual one reads
    kept     for each solid axis of the base, the axis here that runs along it; None: a general index
    cost     of one element when it is computed where it is read
    scattered  a source whose elements do not lie in row-major order
    folds    positions in the operand's domain that a reduction folds, where its attributes do not say
    padded   a virtual step that is a number where it leaves its base
    """

    step: Step
    role: Role
    dtype: DType
    shape: Shape
    solid: tuple[int, ...]
    domain: Shape
    args: tuple[int, ...]
    base: int
    kept: tuple[int, ...] | None
    cost: float = 0.0
    scattered: bool = False
    padded: bool = False
    folds: tuple[int, ...] | None = None


@dataclass(slots=True)
class Flows:
    """The flows of a program: those of its steps by place, then copies that were added.

    order   places in an order in which they can be computed
    copies  step -> the added copy of it
    """

    all: list[Flow]
    order: list[int]
    copies: dict[int, int]

    def copy(self, place: int, *, fresh: bool = False) -> int:
        """The place of a copy of a step, laid out in memory."""
        if fresh or place not in self.copies:
            flow, made = self.all[place], len(self.all)
            self.all.append(
                Flow(
                    flow.step,
                    "copy",
                    flow.dtype,
                    flow.shape,
                    flow.solid,
                    flow.domain,
                    (place,),
                    made,
                    flow.solid,
                )
            )
            self.order.append(made)
            if fresh:
                return made
            self.copies[place] = made
        return self.copies[place]


def analyse(program: Program, sizes: Sizes, scattered: frozenset[int] = frozenset()) -> Flows:
    """One Flow per step.

    scattered  serial numbers of inputs that do not lie in memory contiguously
    """
    flows = Flows([], [], {})
    solids: dict[Shape, tuple[tuple[int, ...], Shape]] = {}
    for place, step in enumerate(program.steps):
        type_ = step.type[0] if isinstance(step.type, tuple) else step.type
        shape = sizes.shape(type_.shape)
        if shape not in solids:
            axes = tuple(k for k, e in enumerate(shape) if e != 1)
            solids[shape] = axes, tuple(shape[k] for k in axes)
        solid, domain = solids[shape]
        role, args = _role(step, flows.all)
        flows.all.append(Flow(step, role, type_.dtype, shape, solid, domain, args, place, solid))
    for place in range(len(program.steps)):
        flow = flows.all[place]
        if flow.role == "source" and flow.step.attributes.get("serial") in scattered:
            flow.scattered = True
        if flow.role == "virtual":
            _resolve(flow, flows)
        elif flow.role == "point":
            _consider_inline(flow, flows.all)
        elif flow.role in ("call", "region"):
            flow.args = tuple(a if is_strided(flows.all, a) else flows.copy(a) for a in flow.args)
        flows.order.append(place)
    return flows


def is_strided(flows: list[Flow], place: int) -> bool:
    """Whether a step is a buffer read with strides: a view of a solid step, or a reshaped one."""
    flow = flows[place]
    return not flow.padded and flows[flow.base].role not in ("leaf", "inline", "multi")


def _role(step: Step, flows: list[Flow]) -> tuple[Role, tuple[int, ...]]:
    match step.op.body:
        case Leaf(kind):
            return ("source" if kind in ("input", "constant") else "leaf"), ()
        case View() | Reshape():
            return "virtual", step.args
        case Scalar():
            return ("point" if step.op.results == 1 else "multi"), step.args
        case Item():
            owner = flows[step.args[0]]
            return ("point", owner.args) if owner.role == "multi" else ("part", step.args)
        case Reduce():
            return ("reduce" if _reduced_axes(step, flows) else "virtual"), step.args
        case ArgReduce():
            return "reduce", step.args
        case Gather():
            return "point", step.args
        case Prefix():
            return "prefix", step.args
        case Join():
            solid = sum(flows[a].role != "leaf" for a in step.args)
            return ("virtual" if solid == 1 else "join"), step.args
        case Scatter():
            return "scatter", step.args
        case Library():
            return "call", step.args
        case Region():
            return "region", step.args
        case other:
            raise AssertionError(f"{step.op} has no code: {other}")


def _reduced_axes(step: Step, flows: list[Flow]) -> tuple[int, ...]:
    solid = flows[step.args[0]].solid
    return tuple(a for a in step.attributes["axes"] if a in solid)


def axis_indices(flow: Flow, operand: Flow) -> tuple[AxisIndex, ...] | None:
    """Where a virtual step reads its operand; None where a reshape merges axes."""
    match flow.step.op.body:
        case View(index):
            x = TensorType(operand.dtype, operand.shape)
            y = TensorType(flow.dtype, flow.shape)
            return index(x, y, flow.step.attributes)
        case Reduce():
            axes = iter(range(len(flow.shape)))
            reduced = flow.step.attributes["axes"]
            return tuple(
                AxisIndex() if k in reduced else AxisIndex(((next(axes), 1),))
                for k in range(len(operand.shape))
            )
        case _:
            return _reshape_indices(flow.shape, operand.shape)


def _reshape_indices(new: Shape, old: Shape) -> tuple[AxisIndex, ...] | None:
    """Axis by axis, each old axis is a run of new ones with the same product."""
    indices: list[AxisIndex] = []
    k = 0
    for extent in old:
        if extent == 1:
            indices.append(AxisIndex())
            continue
        while k < len(new) and new[k] == 1:
            k += 1
        run = []
        while k < len(new):
            run.append(k)
            k += 1
            total = product(new[a] for a in run)
            if total == extent:
                break
        else:
            return None
        indices.append(
            AxisIndex(tuple((a, product(new[b] for b in run if b > a)) for a in run if new[a] != 1))
        )
    return tuple(indices) if all(e == 1 for e in new[k:]) else None


def _resolve(flow: Flow, flows: Flows) -> None:
    if isinstance(flow.step.op.body, Join):
        (part,) = (flows.all[a] for a in flow.args if flows.all[a].role != "leaf")
        flow.base, flow.kept, flow.padded = part.base, None, True
        return
    if isinstance(flow.step.op.body, Reshape):
        flow.args = (_reshaped(flow.args[0], flows.all),)
    operand = flows.all[flow.args[0]]
    indices = axis_indices(flow, operand)
    if indices is None and (operand.scattered or operand.role in ("virtual", "inline", "leaf")):
        flow.args = (flows.copy(flow.args[0]),)
        operand = flows.all[flow.args[0]]
    flow.cost, flow.base, flow.padded = operand.cost, operand.base, operand.padded
    flow.kept = None if indices is None else _kept(flow, operand, indices)


def _reshaped(place: int, flows: list[Flow]) -> int:
    """The operand of the first of a chain of reshapes."""
    while flows[place].role == "virtual" and isinstance(flows[place].step.op.body, Reshape):
        place = flows[place].args[0]
    return place


def _kept(flow: Flow, operand: Flow, indices: tuple[AxisIndex, ...]) -> tuple[int, ...] | None:
    if operand.kept is None:
        return None
    kept: list[int] = []
    for axis in operand.kept:
        index = indices[axis]
        if index.offset != 0 or len(index.terms) != 1 or index.terms[0][1] != 1:
            return None
        kept.append(index.terms[0][0])
    whole = all(flow.shape[k] == operand.shape[a] for k, a in zip(kept, operand.kept, strict=True))
    return tuple(kept) if whole else None


def _consider_inline(flow: Flow, flows: list[Flow]) -> None:
    cost = step_cost(flow)
    for a in flow.args:
        operand = flows[a]
        if flows[operand.base].role not in ("source", "leaf", "inline"):
            return
        cost += operand.cost
    if cost <= CHEAP and isinstance(flow.step.op.body, (Scalar, Item)):
        flow.role = "inline"
        flow.cost = cost


def points(domain: Shape) -> int:
    """About how many points a domain has."""
    return estimate(product(domain))


def step_cost(flow: Flow) -> float:
    """Work of one element, in float32 additions."""
    cost = flow.step.op.cost
    return cost if isinstance(cost, (int, float)) else 0.0
