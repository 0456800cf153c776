"""Choosing programs from a saturated e-graph: the cheapest few, and always the one as written."""

from __future__ import annotations

from dataclasses import dataclass

from egtensor.extract.cost import NEVER, CostModel, elements
from egtensor.extract.program import Program, Step
from egtensor.extract.search import (
    Choice,
    Graph,
    cheapest_tree,
    greedy_sharing,
    local_search,
    prune,
    selected,
    total,
)
from egtensor.lang.op import Types
from egtensor.lang.types import TensorType
from egtensor.rules.classes import EClasses
from egtensor.rules.tables import result_type

# work per element that a form is charged where a stable rule has a more accurate one: 8 bits of error, at
# so many float32 additions each
WORK_OF_LOSS = {"fast": 0.0, "balanced": 8 * 8.0, "best": 8 * 1e6}
PATTERN_DEPTH = 3
GREEDY_LIMIT = 4000  # classes above which the second start costs more than it finds


@dataclass(frozen=True)
class Extracted:
    """A program and its estimated cost in seconds.

    loss  what of the cost is no time, but charged for forms that have a more accurate one
    """

    program: Program
    cost: float
    loss: float = 0.0


def extract(
    classes: EClasses, cost_model: CostModel, k: int = 3, accuracy: str = "balanced"
) -> tuple[Extracted, ...]:
    """The ``k`` cheapest programs found, cheapest first, and then the program as written.

    accuracy  "fast", "balanced" or "best": how much time accuracy is worth
    """
    types = infer_types(classes)
    losses = _losses(classes, types, cost_model, WORK_OF_LOSS[accuracy])
    graph = _priced(classes, types, cost_model, losses)
    tree = cheapest_tree(graph)
    written = [s if s >= 0 else t for s, t in zip(classes.source, tree, strict=True)]
    starts = [written, tree]
    if len(graph.live) <= GREEDY_LIMIT:
        starts.append(greedy_sharing(graph))
    found: dict[frozenset[int], tuple[float, Choice]] = {}
    for start in sorted(starts, key=lambda c: total(graph, c))[:2]:
        choice = local_search(graph, start)
        chosen = frozenset(choice[c] for c in selected(graph, choice))
        found.setdefault(chosen, (total(graph, choice), choice))
    ranked = sorted(found.values(), key=lambda item: item[0])[: k - 1]

    def extracted(choice: Choice, cost: float) -> Extracted:
        loss = sum(losses.get(choice[c], 0.0) for c in selected(graph, choice))
        return Extracted(_program(classes, types, choice), cost, loss)

    results = [extracted(c, cost) for cost, c in ranked]
    as_written = extracted(written, total(graph, written))
    return (*(r for r in results if r.program != as_written.program), as_written)


def _losses(
    classes: EClasses, types: list[Types | None], cost_model: CostModel, work: float
) -> dict[int, float]:
    """What each less accurate form is charged."""
    charged = {}
    for n in classes.lossy:
        spoilt = _widest(classes, types, n)
        if spoilt is not None:
            charged[n] = cost_model.work(work, spoilt)
    return charged


def _widest(classes: EClasses, types: list[Types | None], n: int) -> TensorType | None:
    """The type of the largest tensor a form is made from, as deep as the patterns of rules reach.

    A sum of exponentials overflows once for many of them, and avoiding that costs work for each.
    """
    found = [types[classes.class_of[n]]]
    near = [n]
    for _ in range(PATTERN_DEPTH):
        operands = dict.fromkeys(a for m in near for a in classes.nodes[m].args)
        found += [types[a] for a in operands]
        near = [classes.members[a][0] for a in operands if classes.members[a]]
    tensors = [t for t in found if isinstance(t, TensorType)]
    return max(tensors, key=lambda t: elements(t.shape), default=None)


def _priced(
    classes: EClasses,
    types: list[Types | None],
    cost_model: CostModel,
    losses: dict[int, float],
) -> Graph:
    costs = []
    roots = set(classes.roots)
    for n, node in enumerate(classes.nodes):
        operands = tuple(types[a] for a in node.args)
        result = types[classes.class_of[n]]
        if result is None or None in operands:
            costs.append(NEVER)
            continue
        attrs = dict(zip(node.op.attrs, node.attrs, strict=True))
        cost = cost_model.node(node.op, attrs, operands, result)  # type: ignore[arg-type]  # none is None
        written = cost_model.result(result) if classes.class_of[n] in roots else 0.0
        costs.append(cost + written + losses.get(n, 0.0))
    return prune(
        costs, [n.args for n in classes.nodes], classes.members, classes.class_of, classes.roots
    )


def infer_types(classes: EClasses) -> list[Types | None]:
    """The type of every class; those only rules made get theirs from the type rules."""
    types = list(classes.types)
    changed = None in types
    while changed:
        changed = False
        for n, node in enumerate(classes.nodes):
            c = classes.class_of[n]
            if types[c] is None and all(types[a] is not None for a in node.args):
                types[c] = result_type(node.op, node.attrs, tuple(types[a] for a in node.args))
                changed = True
    return types


def _program(classes: EClasses, types: list[Types | None], choice: Choice) -> Program:
    """The steps of the chosen e-nodes, operands first."""
    place: dict[int, int] = {}
    steps: list[Step] = []
    for root in classes.roots:
        stack = [(root, 0)]
        while stack:
            c, k = stack.pop()
            if c in place:
                continue
            node = classes.nodes[choice[c]]
            while k < len(node.args) and node.args[k] in place:
                k += 1
            if k < len(node.args):
                stack += [(c, k + 1), (node.args[k], 0)]
                continue
            place[c] = len(steps)
            type_ = types[c]
            assert type_ is not None, f"class {c} has no type"
            rules = (node.rule,) if node.rule is not None else ()
            steps.append(
                Step(
                    node.op,
                    tuple(place[a] for a in node.args),
                    node.attrs,
                    type_,
                    classes.lines[c],
                    rules,
                )
            )
    return Program(tuple(steps), tuple(place[r] for r in classes.roots))
