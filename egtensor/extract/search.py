"""Choosing one e-node per e-class so that the whole program, shared parts counted once, costs least.

Exact choice is NP-hard.  The start is the cheapest tree (Knuth 1977), the cheapest program under greedy
sharing, or the program as written; each is improved by local search with exact marginal costs, kept by
reference counts, until no single change helps.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

INFINITE = float("inf")
Choice = list[int]


@dataclass(frozen=True)
class Graph:
    """The parts of an e-graph that a search needs; dead classes and dominated e-nodes are gone.

    cost      per e-node
    operands  per e-node, the distinct classes it uses
    members   per class, its e-nodes
    owner     per e-node, its class
    users     per class, the e-nodes that use it
    live      classes reachable from the roots, in order
    roots     classes of the results
    """

    cost: Sequence[float]
    operands: Sequence[tuple[int, ...]]
    members: Sequence[Sequence[int]]
    owner: Sequence[int]
    users: Sequence[Sequence[int]]
    live: Sequence[int]
    roots: Sequence[int]


def prune(
    cost: Sequence[float],
    operands: Sequence[tuple[int, ...]],
    members: Sequence[Sequence[int]],
    owner: Sequence[int],
    roots: Sequence[int],
) -> Graph:
    """Keep what is reachable; of e-nodes with the same operands only the cheapest; none that uses itself."""
    kept: list[list[int]] = [[] for _ in members]
    seen = dict.fromkeys(roots)
    stack = list(seen)
    distinct = [tuple(dict.fromkeys(a)) for a in operands]
    while stack:
        c = stack.pop()
        best: dict[tuple[int, ...], int] = {}
        for n in members[c]:
            key = tuple(sorted(distinct[n]))
            if c not in key and (key not in best or cost[n] < cost[best[key]]):
                best[key] = n
        kept[c] = list(best.values())
        for key in best:
            for d in key:
                if d not in seen:
                    seen[d] = None
                    stack.append(d)
    users: list[list[int]] = [[] for _ in members]
    live = sorted(seen)
    for c in live:
        for n in kept[c]:
            for d in distinct[n]:
                users[d].append(n)
    return Graph(cost, distinct, kept, owner, users, live, roots)


def selected(graph: Graph, choice: Choice) -> list[int]:
    """The classes that the choice computes."""
    seen = dict.fromkeys(graph.roots)
    stack = list(seen)
    while stack:
        for d in graph.operands[choice[stack.pop()]]:
            if d not in seen:
                seen[d] = None
                stack.append(d)
    return list(seen)


def total(graph: Graph, choice: Choice) -> float:
    """The cost of the program, each class counted once."""
    return sum(graph.cost[choice[c]] for c in selected(graph, choice))


def cheapest_tree(
    graph: Graph, free: frozenset[int] = frozenset(), start: Choice | None = None
) -> Choice:
    """For each class the e-node whose tree costs least, classes in ``free`` costing nothing."""
    choice = list(start) if start is not None else [-1] * len(graph.members)
    best = [INFINITE] * len(graph.members)
    pending = [0] * len(graph.cost)
    sums = [0.0] * len(graph.cost)
    heap: list[tuple[float, int]] = []
    for c in graph.live:
        if c in free:
            continue
        for n in graph.members[c]:
            pending[n] = sum(d not in free for d in graph.operands[n])
            sums[n] = graph.cost[n]
            if not pending[n] and sums[n] < best[c]:
                best[c], choice[c] = sums[n], n
                heapq.heappush(heap, (sums[n], c))
    done = [False] * len(graph.members)
    while heap:
        _, c = heapq.heappop(heap)
        if done[c]:
            continue
        done[c] = True
        for n in graph.users[c]:
            d = graph.owner[n]
            if d in free or done[d]:
                continue
            pending[n] -= 1
            sums[n] += best[c]
            if not pending[n] and sums[n] < best[d]:
                best[d], choice[d] = sums[n], n
                heapq.heappush(heap, (sums[n], d))
    return choice


class _References:
    """Reference counts of the classes a choice computes; edges are removed and added with their cost."""

    def __init__(self, graph: Graph, choice: Choice) -> None:
        self.graph, self.choice = graph, choice
        self.rank = _ranks(graph, choice)
        self.uses = [0] * len(graph.members)
        for c in selected(graph, choice):
            for d in graph.operands[choice[c]]:
                self.uses[d] += 1
        for r in graph.roots:
            self.uses[r] += 1

    def remove(self, node: int) -> float:
        """Take the edges of ``node`` away; what the program then saves."""
        saved = self.graph.cost[node]
        stack = list(self.graph.operands[node])
        while stack:
            d = stack.pop()
            self.uses[d] -= 1
            if not self.uses[d]:
                saved += self._own_cost(d)
                stack += self._operands(d)
        return saved

    def add(self, node: int) -> float:
        """Put the edges of ``node`` in; what the program then costs more."""
        cost = self.graph.cost[node]
        stack = list(self.graph.operands[node])
        while stack:
            d = stack.pop()
            self.uses[d] += 1
            if self.uses[d] == 1:
                cost += self._own_cost(d)
                stack += self._operands(d)
        return cost

    def _own_cost(self, c: int) -> float:
        node = self.choice[c]
        return self.graph.cost[node] if node >= 0 else INFINITE

    def _operands(self, c: int) -> tuple[int, ...]:
        node = self.choice[c]
        return self.graph.operands[node] if node >= 0 else ()

    def reaches(self, node: int, target: int) -> bool:
        """Whether ``node`` depends on class ``target``: choosing it there would make a cycle."""
        rank, floor = self.rank, self.rank[target]
        stack = [d for d in self.graph.operands[node] if rank[d] >= floor]
        seen = set(stack)
        while stack:
            d = stack.pop()
            if d == target or self.choice[d] < 0:
                return True
            for e in self.graph.operands[self.choice[d]]:
                # what a class depends on has a lower rank, so the target cannot be below its own
                if rank[e] >= floor and e not in seen:
                    seen.add(e)
                    stack.append(e)
        return False

    def choose(self, c: int, node: int) -> None:
        """Let ``node`` compute class ``c``, and raise the ranks that this makes too low."""
        self.choice[c] = node
        stack = [c]
        while stack:
            d = stack.pop()
            needed = 1 + max((self.rank[e] for e in self._operands(d)), default=0)
            if needed > self.rank[d]:
                self.rank[d] = needed
                stack += [
                    self.graph.owner[u]
                    for u in self.graph.users[d]
                    if self.choice[self.graph.owner[u]] == u
                ]


def _ranks(graph: Graph, choice: Choice) -> list[int]:
    """For each class a number above those of the classes that its chosen e-node uses."""
    rank = [0] * len(graph.members)
    for root in graph.live:
        stack = [root]
        while stack:
            c = stack[-1]
            operands = graph.operands[choice[c]] if choice[c] >= 0 else ()
            waiting = [d for d in operands if not rank[d]]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            rank[c] = 1 + max((rank[d] for d in operands), default=0)
    return rank


def _improve_once(graph: Graph, choice: Choice) -> bool:
    """Change single choices while that helps; whether any did."""
    references = _References(graph, choice)
    improved = False
    for c in graph.live:
        if not references.uses[c] or len(graph.members[c]) < 2:
            continue
        before = choice[c]
        best, best_cost = before, references.remove(before)
        for n in graph.members[c]:
            if n == before or graph.cost[n] >= best_cost:
                continue
            cost = references.add(n)
            references.remove(n)
            # the walk is long, so it comes last
            if cost < best_cost * (1 - 1e-9) and not references.reaches(n, c):
                best, best_cost = n, cost
        if best != before:
            references.choose(c, best)
            improved = True
        references.add(best)
    return improved


def local_search(graph: Graph, choice: Choice, rounds: int = 3) -> Choice:
    """Improve a choice until nothing helps or ``rounds`` are over; the result is acyclic if it was."""
    best, best_cost = choice, total(graph, choice)
    for _ in range(rounds):
        candidate = _reconsider(graph, best)
        for _ in range(2):
            if not _improve_once(graph, candidate):
                break
        cost = total(graph, candidate)
        if cost >= best_cost * (1 - 1e-9):
            break
        best, best_cost = candidate, cost
    return best


def _reconsider(graph: Graph, choice: Choice) -> Choice:
    """Choose anew in classes not computed, given that those computed are there for free."""
    return cheapest_tree(graph, frozenset(selected(graph, choice)), choice)


def greedy_sharing(graph: Graph, passes: int = 2) -> Choice:
    """The cheapest tree, with the cost of each class divided by how often the last choice used it."""
    choice = cheapest_tree(graph)
    for _ in range(passes):
        uses = _References(graph, choice).uses
        shared = [graph.cost[n] / max(1, uses[graph.owner[n]]) for n in range(len(graph.cost))]
        choice = cheapest_tree(
            Graph(
                shared,
                graph.operands,
                graph.members,
                graph.owner,
                graph.users,
                graph.live,
                graph.roots,
            )
        )
    return choice
