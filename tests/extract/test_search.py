"""The search finds programs no worse than the written one, acyclic, and near the optimum."""

import itertools
import random

import pytest

from egtensor.extract.search import (
    Graph,
    cheapest_tree,
    greedy_sharing,
    local_search,
    prune,
    selected,
    total,
)


def random_graph(seed: int) -> tuple[Graph, list[int]]:
    """An e-graph of a few classes, and an acyclic choice in it."""
    rng = random.Random(seed)
    classes = rng.randint(2, 7)
    cost, operands, owner, members = [], [], [], [[] for _ in range(classes)]
    written = []
    for c in range(classes):
        for k in range(rng.randint(1, 3)):
            below = rng.sample(range(c), min(c, rng.randint(0, 2)))
            above = [rng.randrange(classes)] if k and rng.random() < 0.3 else []
            members[c].append(len(cost))
            if k == 0:
                written.append(len(cost))
            cost.append(float(rng.randint(1, 9)))
            operands.append(tuple(below + above))
            owner.append(c)
    return prune(cost, operands, members, owner, [classes - 1]), written


def is_acyclic(graph: Graph, choice: list[int]) -> bool:
    state: dict[int, int] = {}

    def visit(c: int) -> bool:
        if state.get(c) == 1:
            return False
        if state.get(c) == 2:
            return True
        state[c] = 1
        ok = all(visit(d) for d in graph.operands[choice[c]])
        state[c] = 2
        return ok

    return all(visit(r) for r in graph.roots)


def optimum(graph: Graph) -> float:
    """The least cost over all acyclic choices, by trying every one."""
    best = float("inf")
    options = [graph.members[c] for c in graph.live]
    for combination in itertools.product(*options):
        choice = [-1] * len(graph.members)
        for c, n in zip(graph.live, combination, strict=True):
            choice[c] = n
        if is_acyclic(graph, choice):
            best = min(best, total(graph, choice))
    return best


@pytest.mark.parametrize("seed", range(150))
def test_search_is_acyclic_and_no_worse_than_its_start(seed):
    graph, _written = random_graph(seed)
    tree = cheapest_tree(graph)
    assert is_acyclic(graph, tree)
    for start in (tree, greedy_sharing(graph)):
        found = local_search(graph, start)
        assert is_acyclic(graph, found)
        assert total(graph, found) <= total(graph, start)
        assert all(found[c] >= 0 for c in selected(graph, found))


def test_search_finds_the_optimum_of_most_small_graphs():
    hits = 0
    for seed in range(150):
        graph, _ = random_graph(seed)
        starts = (cheapest_tree(graph), greedy_sharing(graph))
        found = min(total(graph, local_search(graph, s)) for s in starts)
        best = optimum(graph)
        assert found >= best
        hits += found == best
    assert hits >= 145
