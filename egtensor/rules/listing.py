"""The catalogue as text: the command ``python -m egtensor rules`` and docs/rules.md."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from egtensor.lang.facts import Fact
from egtensor.lang.pattern import AttrCall, Node, Pattern
from egtensor.lang.show import INFIX
from egtensor.rules.check import check_rules
from egtensor.rules.rule import COMPARISONS, PREDICATES, Refuted, Rule

HEADER = """# The rules

Each line is a rewrite rule and the reason why it may be used; `python -m egtensor rules` prints this list.
The domains say what is promised: EXACT the same bits, MODULAR the same integers, SHAPE only moved elements,
REAL the same value and the same domain over the extended reals, STABLE besides no greater error, FINITE the
same value where every operation of the program is inside its domain and finite. Arrows to both sides are
applied both ways. Rules marked * rest on samples, all others on a proof or on a comparison of bits.
"""
COLUMNS = ("name", "from", "", "to", "over", "if", "source")


def main(action: str, names: list[str]) -> int:
    """The command ``rules list`` or ``rules check``; its exit status."""
    families = import_module("rules_catalog").families()
    if action == "list":
        print(listing(families, names))
        return 0
    rules = [r for f in families for r in f if _is_named(r, names)]
    refutations = [r for f in families for r in f.refutations if _is_named(r, names)]
    report = check_rules(rules, refutations)
    print(report)
    return 1 if report.failures else 0


def _is_named(rule: Rule | Refuted, names: list[str]) -> bool:
    return not names or any(fnmatchcase(str(rule), n) for n in names)


def listing(families: Iterable[Any], names: list[str]) -> str:
    """The catalogue in Markdown."""
    lines = [HEADER]
    for family in families:
        chosen = [r for r in family if _is_named(r, names)]
        false = [r for r in family.refutations if _is_named(r, names)]
        if chosen:
            lines += [f"## {family.name}", "", _row(COLUMNS), _row(["---"] * len(COLUMNS))]
            lines += [_row(_cells(r)) for r in chosen]
            lines.append("")
        if false:
            lines += [f"False rules of {family.name}, and where they fail:", ""]
            lines += [_refutation(r) for r in false]
            lines.append("")
    return "\n".join(lines).rstrip()


def _cells(rule: Rule) -> tuple[str, ...]:
    arrow = "<=>" if rule.both_ways else "=>"
    over = f"{rule.over}{'*' if rule.proved else ''}"
    conditions = ", ".join(f"`{condition_text(c)}`" for c in rule.when)
    lhs, rhs = (f"`{pattern_text(side)}`" for side in (rule.lhs, rule.rhs))
    return rule.name, lhs, arrow, rhs, over, conditions, rule.ref


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _refutation(claim: Refuted) -> str:
    at = ", ".join(f"{n} = {v}" for n, v in claim.at.items())
    return f"- `{pattern_text(claim.lhs)}` is not `{pattern_text(claim.rhs)}` at {at}"


def pattern_text(p: Pattern, inside: bool = False) -> str:
    """A pattern as it is written in a catalogue file, with Python's operators."""
    if not isinstance(p, Node):
        return str(p)
    symbol = INFIX.get(p.op.name)
    if symbol is not None and len(p.args) == 2:
        text = f" {symbol} ".join(pattern_text(a, inside=True) for a in p.args)
        return f"({text})" if inside else text
    shown = [pattern_text(a) for a in p.args]
    shown += [f"{n}={a}" for n, a in zip(p.op.attrs, p.attrs, strict=True)]
    return f"{p.op.name}({', '.join(shown)})"


def condition_text(c: Any) -> str:
    """A condition as it is written in a catalogue file."""
    if isinstance(c, AttrCall):
        return str(c)
    subject = pattern_text(c.subject)
    for (ufunc, number), fact in COMPARISONS.items():
        if fact == c.fact:
            symbol = next(s for name, s in INFIX.items() if name == ufunc.__name__)
            return f"{subject} {symbol} {number}"
    if c.fact in PREDICATES.values():
        return f"finite({subject})"
    return " and ".join(f"{f.name.lower()}({subject})" for f in Fact if f in c.fact and f.name)
