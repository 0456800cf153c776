"""Explanations: which rules made a program what it is, and what that saved.

Rules are recorded only where an explanation is asked for: the same request is saturated once more, with
recording on.  Saturation is reproducible, so the program explained is the program that runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from textwrap import shorten
from typing import Any

from egtensor.extract.program import Program


@dataclass(frozen=True)
class UsedRule:
    """A rule, how many steps of the chosen program it made, and its statement."""

    name: str
    steps: int
    statement: str


@dataclass(frozen=True)
class Explanation:
    """What became of a program.

    rules         rules that made steps of the chosen program, most used first
    cost_before   estimated seconds per call of the program as written
    cost_after    estimated seconds per call of the chosen program
    steps_before  steps of the program as written
    program       the chosen program
    """

    rules: tuple[UsedRule, ...]
    cost_before: float
    cost_after: float
    steps_before: int
    program: Program

    @property
    def speedup(self) -> float:
        """Estimated cost as written over estimated cost chosen."""
        return self.cost_before / self.cost_after if self.cost_after else 1.0

    def __str__(self) -> str:
        head = (
            f"estimated cost: {self.cost_before:.3g} s as written, {self.cost_after:.3g} s chosen"
            f" ({self.speedup:.2f} times less)\n"
            f"steps: {self.steps_before} as written, {len(self.program.steps)} chosen"
        )
        width = max((len(r.name) for r in self.rules), default=0)
        lines = [f"  {r.name:<{width}}  {r.steps:>3}x  {_short(r.statement)}" for r in self.rules]
        return "\n".join([head, "rules used:" if lines else "no rule was used", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(r.name)}</td><td>{r.steps}</td><td><code>{escape(r.statement)}</code></td></tr>"
            for r in self.rules
        )
        return (
            f"<p>Estimated cost {self.cost_before:.3g} s as written, {self.cost_after:.3g} s chosen.</p>"
            f"<table><tr><th>rule</th><th>steps</th><th>statement</th></tr>{rows}</table>"
            f"<pre>{escape(str(self.program))}</pre>"
        )


def _short(statement: str) -> str:
    # rules of reductions fill lines; .rules and docs/rules.md have them whole
    return shorten(statement, 100, placeholder=" ...")


def explain(history: Any) -> Explanation:
    """The explanation of a compiled function, from its history."""
    from egtensor.extract.extract import extract
    from egtensor.rules.saturate import optimise_space

    options = history.options
    written = len(history.exprs)
    if not options.rules:
        return Explanation((), 0.0, 0.0, len(history.program.steps), history.program)
    classes, _ = optimise_space(history.exprs, options.rules, options.limits, record=True)
    candidates = extract(classes, options.cost_model, accuracy=options.accuracy)
    statements = {str(r): r.statement for r in options.rules}
    chosen = min(candidates, key=lambda c: (c.program != history.program, c.cost))
    counts = Counter(rule for step in chosen.program.steps for rule in step.rules)
    used = tuple(
        UsedRule(name, n, statements.get(name, "derivative of the operator"))
        for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    written = len(candidates[-1].program.steps)
    return Explanation(used, candidates[-1].cost, chosen.cost, written, chosen.program)
