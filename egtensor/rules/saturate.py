"""The schedule of a saturation: derivatives, then simplification to a fixpoint, then some exploration.

Every decision counts rows and iterations, never time, so that a program is optimised alike everywhere.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from egtensor.errors import ContradictionError, EngineError
from egtensor.lang.expr import Expr
from egtensor.rules.classes import EClasses
from egtensor.rules.compile import DERIVE, EXPLORE, NEED, SIMPLIFY
from egtensor.rules.declare import ANALYSE
from egtensor.rules.egraph import (
    RECYCLE,
    EGraph,
    Engine,
    RunReport,
    after_fork,
    constructors_of,
    insert,
    keep_forever,
    release,
)
from egtensor.rules.limits import Limits
from egtensor.rules.readout import read
from egtensor.rules.ruleset import RuleSet

ENGINES = 4  # warm e-graphs that one thread keeps
SIMPLIFY_ITERATIONS = 40  # pairs of analysis and simplification
EXPLORE_BY_SIZE = ((200, 4), (2000, 2))  # nodes up to which so many explore iterations are made
TRIALS = 60  # saturations spent on finding the rules that contradict each other


@dataclass
class SaturationReport:
    """What a saturation did.

    matches         per rule, how often it matched
    stopped         why it stopped: "saturated", "explored", "rows", "contradiction" or "engine"
    rows            e-nodes after each phase
    pullbacks       derivatives in the program as written
    resolved        how many of them the e-graph resolved
    fallbacks       how often the e-graph was given up for the program as written
    contradiction   rules that together made different things equal
    times           seconds per stage; not part of any decision
    """

    matches: dict[str, int] = field(default_factory=dict)
    stopped: str = "saturated"
    rows: dict[str, int] = field(default_factory=dict)
    pullbacks: int = 0
    resolved: int = 0
    fallbacks: int = 0
    iterations: int = 0
    contradiction: tuple[str, ...] = ()
    times: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = ", ".join(f"{phase} {n}" for phase, n in self.rows.items())
        used = sorted(self.matches.items(), key=lambda item: (-item[1], item[0]))
        lines = [f"stopped: {self.stopped} after {self.iterations} iterations; rows: {rows}"]
        if self.pullbacks:
            lines.append(f"derivatives: {self.resolved} of {self.pullbacks} resolved by rules")
        if self.contradiction:
            lines.append(f"contradiction between {', '.join(self.contradiction)}")
        return "\n".join([*lines, *(f"{n:6d}  {rule}" for rule, n in used)])

    def count(self, reports: Sequence[RunReport]) -> None:
        """Add the matches of some iterations."""
        for name, n in ((k, v) for r in reports for k, v in r.matches.items()):
            if n and "/" in name and not name.startswith(NEED):
                rule = name.partition("#")[0]
                self.matches[rule] = self.matches.get(rule, 0) + n


def optimise_space(
    roots: Sequence[Expr], rules: RuleSet, limits: Limits | None = None, record: bool = False
) -> tuple[EClasses, SaturationReport]:
    """All that the rules know to be equal to ``roots``, with the program as written among it.

    roots    expressions whose sizes have been unified
    record   keep the rule that made each e-node, for explanations
    returns  the e-classes, and what was done; where the rules contradict each other or the engine fails,
             the program as written, with its derivatives resolved
    """
    limits = limits or Limits()
    try:
        return _optimised(roots, rules, limits, record)
    except _FoundContradictionError as error:
        guilty = _guilty(roots, RuleSet(r for r in rules if str(r) in error.report.matches), limits)
        stopped, shown = "contradiction", f"{error}\n  rules: {', '.join(map(str, guilty))}"
        contradiction = tuple(map(str, guilty))
    except EngineError as error:
        stopped, shown, contradiction = "engine", str(error), ()
    warnings.warn(shown, RuntimeWarning, stacklevel=2)
    classes, report = _optimised(roots, RuleSet(), Limits(explore=0), record=False)
    report.stopped, report.contradiction, report.fallbacks = stopped, contradiction, 1
    return classes, report


def _optimised(
    roots: Sequence[Expr], rules: RuleSet, limits: Limits, record: bool
) -> tuple[EClasses, SaturationReport]:
    clock = time.perf_counter
    start = clock()
    engine = _engine(rules, record)
    try:
        engine.require(constructors_of(roots))
        prepared = clock()
        with engine.pushed():
            egraph = insert(engine, roots)
            inserted = clock()
            report = saturate(egraph, limits)
            saturated = clock()
            classes = _read(egraph, report)  # fails where a derivative is left
            report.resolved = report.pullbacks
            done = clock()
    except BaseException:
        # whatever was interrupted may have left the engine half way; it is made anew
        _forget(rules, record)
        raise
    report.times = {
        "prepare": prepared - start,
        "insert": inserted - prepared,
        "saturate": saturated - inserted,
        "read": done - saturated,
    }
    return classes, report


class _FoundContradictionError(ContradictionError):
    """A contradiction, and what was done until then."""

    def __init__(self, error: ContradictionError, report: SaturationReport) -> None:
        super().__init__(*error.args)
        self.report = report


def _read(egraph: EGraph, report: SaturationReport) -> EClasses:
    try:
        return read(egraph)
    except ContradictionError as error:
        raise _FoundContradictionError(error, report) from None


def saturate(egraph: EGraph, limits: Limits) -> SaturationReport:
    """Apply the rules until nothing changes or a limit is reached."""
    report = SaturationReport()
    budget = limits.rows + len(egraph.order)
    report.pullbacks = sum(name in egraph.engine.derivations for name, _, _ in egraph.written)
    while report.pullbacks and _iterate(egraph, report, DERIVE):
        pass
    report.stopped = "rows"
    within = _simplify(egraph, report, budget)
    before, rows = 0, egraph.rows
    report.rows["simplify"] = rows
    for k in range(_explorations(egraph, limits)):
        growth = max(1.2, rows / before) if before else 2.0
        if not within or rows * growth > budget:
            return report
        changed = _iterate(egraph, report, EXPLORE)
        within = _simplify(egraph, report, budget)
        before, rows = rows, egraph.rows
        report.rows[f"explore {k + 1}"] = rows
        if within and not changed:
            report.stopped = "saturated"
            return report
    if within:
        report.stopped = "explored"
    return report


def _explorations(egraph: EGraph, limits: Limits) -> int:
    if limits.explore is not None:
        return limits.explore
    size = len(egraph.order)
    return next((n for nodes, n in EXPLORE_BY_SIZE if size <= nodes), 1)


def _simplify(egraph: EGraph, report: SaturationReport, budget: int) -> bool:
    """Analyse and simplify until nothing changes; returns whether the rows stayed within the budget."""
    for _ in range(SIMPLIFY_ITERATIONS // 2):
        # two iterations for each crossing of the border to the engine, which costs as much as a small one
        changed = _iterate(egraph, report, ANALYSE, SIMPLIFY, ANALYSE, SIMPLIFY)
        if egraph.rows > budget:
            return False
        if not changed:
            return True
    return True


def _iterate(egraph: EGraph, report: SaturationReport, *rulesets: str) -> bool:
    """One iteration of each ruleset; whether the last two changed anything."""
    reports = egraph.run(*rulesets)
    report.iterations += len(rulesets)
    report.count(reports)
    return any(r.updated for r in reports[-2:])


def _guilty(roots: Sequence[Expr], rules: RuleSet, limits: Limits) -> list[object]:
    """A small set of rules that contradict each other on this program: delta debugging (Zeller 2002)."""
    left = list(rules)
    trials = TRIALS
    step = max(1, len(left) // 2)
    while trials:
        k = 0
        while k < len(left) and trials:
            trials -= 1
            fewer = left[:k] + left[k + step :]
            if _contradicts(roots, RuleSet(fewer), limits):
                left = fewer
            else:
                k += step
        if step == 1:
            break
        step //= 2
    return list(left)


def _contradicts(roots: Sequence[Expr], rules: RuleSet, limits: Limits) -> bool:
    try:
        _optimised(roots, rules, limits, record=False)
    except ContradictionError:
        return True
    finally:
        _forget(rules, record=False)
    return False


class _Engines(threading.local):
    """The warm engines of one thread, the one used last at the end."""

    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[RuleSet, bool], Engine] = OrderedDict()


_engines = _Engines()


def _engine(rules: RuleSet, record: bool) -> Engine:
    kept = _engines.kept
    engine = kept.pop((rules, record), None)
    if engine is None or engine.uses >= RECYCLE:
        engine = Engine(rules, record)
        _alive[id(engine)] = engine
    kept[rules, record] = engine
    while len(kept) > ENGINES:
        kept.popitem(last=False)
    return engine


def _forget(rules: RuleSet, record: bool) -> None:
    _engines.kept.pop((rules, record), None)


def _forget_all() -> None:
    _engines.kept.clear()


# engines of all threads: a forked process drops those of the threads it has not, which only they may do
_alive: WeakValueDictionary[int, Engine] = WeakValueDictionary()
_held: list[Engine] = []


def _before_fork() -> None:
    _held.extend(engine for r in _alive.valuerefs() if (engine := r()) is not None)
    keep_forever(_held)


def _after_fork_in_parent() -> None:
    release(_held)
    _held.clear()


def _after_fork_in_child() -> None:
    _held.clear()
    after_fork()
    _forget_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
