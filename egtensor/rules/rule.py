"""Rewrite rules as data, and the checks that refuse an ill-formed one where it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.errors import RuleError
from egtensor.lang.facts import (
    FINITE as FINITE_FACT,
)
from egtensor.lang.facts import (
    GE0,
    GE1,
    GEM1,
    INTEGER,
    LE0,
    LE1,
    LEM1,
    NEGATIVE,
    NONZERO,
    NOTNAN,
    POSITIVE,
    Fact,
)
from egtensor.lang.pattern import AttrCall, LiteralPattern, Node, Pattern, variables
from egtensor.rules import attributes, infer
from egtensor.rules.domain import EXACT, FINITE, MODULAR, REAL, SHAPE, STABLE, Domain

ADMITTED = {
    EXACT: frozenset((EXACT, MODULAR, SHAPE)),
    REAL: frozenset((EXACT, MODULAR, SHAPE, REAL, STABLE)),
    FINITE: frozenset(Domain),
}


def admitted(allow: Domain) -> frozenset[Domain]:
    """The domains whose rules ``allow`` admits.

    raises  RuleError unless ``allow`` is EXACT, REAL or FINITE
    """
    try:
        return ADMITTED[allow]
    except (KeyError, TypeError):
        raise RuleError(
            f"allow={allow} is not a level of permission\n"
            f"  allow is one of {', '.join(map(str, ADMITTED))}\n"
            f"  fix: pass et.EXACT, et.REAL or et.FINITE"
        ) from None


@dataclass(frozen=True, eq=False)
class Holds:
    """A condition of a rule: every element of ``subject`` has been shown to have ``fact``."""

    subject: Pattern
    fact: Fact

    def __str__(self) -> str:
        return f"{' and '.join(f.name or '?' for f in self.fact)}({self.subject})"


Condition = Holds | AttrCall

# comparisons with -1, 0, 1 as facts, by the NumPy function of the comparison
COMPARISONS: dict[tuple[Any, int], Fact] = {
    (np.greater, 0): POSITIVE,
    (np.greater_equal, 0): GE0,
    (np.less, 0): NEGATIVE,
    (np.less_equal, 0): LE0,
    (np.not_equal, 0): NONZERO,
    (np.greater_equal, 1): GE1,
    (np.less_equal, 1): LE1,
    (np.greater_equal, -1): GEM1,
    (np.less_equal, -1): LEM1,
}
PREDICATES: dict[Any, Fact] = {np.isfinite: FINITE_FACT | NOTNAN}


def condition(given: Any) -> Condition | None:
    """What stands in ``when`` as a condition, or None where it is neither a fact nor a test of attributes."""
    match given:
        case Holds() | AttrCall():
            return given
        case Node(op, (subject, LiteralPattern(number))) if number.key in (-1, 0, 1):
            fact = COMPARISONS.get((op.numpy, int(number.value)))
            return None if fact is None else Holds(subject, fact)
        case Node(op, (subject,)) if op.numpy in PREDICATES:
            return Holds(subject, PREDICATES[op.numpy])
        case _:
            return None


def notnan(x: Pattern) -> Holds:
    """No element of ``x`` is NaN."""
    return Holds(x, NOTNAN)


def finite(x: Pattern) -> Holds:
    """No element of ``x`` is NaN or infinite."""
    return Holds(x, FINITE_FACT | NOTNAN)


def is_integer(x: Pattern) -> Holds:
    """Every element of ``x`` is a whole number, or NaN."""
    return Holds(x, INTEGER)


@dataclass(frozen=True, eq=False)
class Rule:
    """``lhs`` may become ``rhs`` on ``over``, given ``when``; and back, with ``both_ways``.

    ref       where the identity is proved
    proved    None where SymPy proves it; else ``sampled: <why>``
    directed  the right side replaces the left one, which is not matched again; None: where it is smaller
    """

    family: str
    name: str
    lhs: Pattern
    rhs: Pattern
    over: Domain
    when: tuple[Any, ...] = ()
    ref: str = ""
    both_ways: bool = False
    proved: str | None = None
    directed: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lhs", infer.as_side(self.lhs))
        object.__setattr__(self, "rhs", infer.as_side(self.rhs))
        object.__setattr__(self, "when", tuple(self._condition(c) for c in self.when))
        self._check_name()
        self._check_sides(self.lhs, self.rhs)
        if self.both_ways:
            self._check_sides(self.rhs, self.lhs)

    def __str__(self) -> str:
        return f"{self.family}/{self.name}"

    __repr__ = __str__

    @property
    def statement(self) -> str:
        """The sides and conditions in one line."""
        arrow = "<=>" if self.both_ways else "=>"
        when = f" when {', '.join(map(str, self.when))}" if self.when else ""
        return f"{self.lhs} {arrow} {self.rhs}{when}"

    def inverse(self) -> Rule:
        """The rule from right to left."""
        return Rule(
            self.family, self.name, self.rhs, self.lhs, self.over, self.when, self.ref, True, self.proved
        )  # fmt: skip

    def _check_name(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise RuleError(
                f"rule {self}: the name is not in kebab-case\n"
                f"  a name is words of small letters and digits, joined by hyphens\n"
                f"  fix: name the left side, then what happens, e.g. log-mul"
            )
        if not isinstance(self.over, Domain):
            raise RuleError(
                f"rule {self}: over={self.over!r} is not a domain\n"
                f"  a domain is one of {', '.join(map(str, Domain))}\n"
                f"  fix: import one from egtensor.rules.dsl"
            )
        if self.over is STABLE and self.both_ways:
            raise RuleError(
                f"rule {self}: a STABLE rule goes one way\n"
                f"  it promises that the right side is never less accurate\n"
                f'  fix: write "=>", or over=REAL'
            )

    def _check_sides(self, lhs: Pattern, rhs: Pattern) -> None:
        if not isinstance(lhs, Node):
            raise RuleError(
                f"rule {self}: a bare variable or literal on the left matches every e-class\n"
                f"  lhs: {lhs}\n"
                f"  fix: swap the two sides, or put an operator on the left"
            )
        bound = variables(lhs)
        self._check_bound(lhs, rhs, bound)
        computed = next((a for a in infer.attributes_of(lhs) if isinstance(a, AttrCall)), None)
        if computed is not None:
            raise RuleError(
                f"rule {self}: the attribute {computed} on the left would have to be solved for\n"
                f"  attributes on the left are values or attribute variables\n"
                f"  fix: match a variable, and state the relation in when"
            )
        for call in (*infer.attributes_of(rhs), *self.when):
            self._check_function(call)
        unknown = infer.untyped_literal(lhs, rhs)
        if unknown is not None:
            raise RuleError(
                f"rule {self}: the type of the literal {unknown} on the right cannot be inferred\n"
                f"  rhs: {rhs}\n"
                f"  fix: give it a partner in an elementwise operator, whose type it takes"
            )

    def _check_bound(self, lhs: Pattern, rhs: Pattern, bound: dict[str, Any]) -> None:
        unbound = [n for n in variables(rhs) if n not in bound]
        if unbound:
            raise RuleError(
                f"rule {self}: the right-hand side uses {', '.join(unbound)}, which the left-hand"
                f" side does not bind\n"
                f"  lhs: {lhs}\n  rhs: {rhs}\n"
                f"  fix: mention it on the left, or swap the two sides"
            )
        for c in self.when:
            unbound = [n for n in variables(infer.subject_of(c)) if n not in bound]
            if unbound:
                raise RuleError(
                    f"rule {self}: the condition {c} uses {', '.join(unbound)}, which the left-hand"
                    f" side does not bind\n"
                    f"  lhs: {lhs}\n"
                    f"  fix: mention it on the left, or drop the condition"
                )

    def _check_function(self, call: Any) -> None:
        if not isinstance(call, AttrCall):
            return
        if call.function not in attributes.ATTRIBUTE_FUNCTIONS:
            raise RuleError(
                f"rule {self}: {call.function} is not an attribute function\n"
                f"  known are {', '.join(sorted(attributes.ATTRIBUTE_FUNCTIONS))}\n"
                f"  fix: define it in egtensor/rules/attributes.py with @attribute_function"
            )
        for a in call.args:
            self._check_function(a)

    def _condition(self, given: Any) -> Condition:
        made = condition(given)
        if made is None:
            raise RuleError(
                f"rule {self}: the condition {given} is not a fact\n"
                f"  facts compare with 0, 1 or -1 (>, >= , <, <=, != with 0; >=, <= with 1 and -1) or are"
                f" isfinite, notnan, is_integer\n"
                f"  fix: use one of these, or an attribute function"
            )
        return made


@dataclass(frozen=True, eq=False)
class Refuted:
    """A tempting rule that is false, and a point that shows it."""

    family: str
    name: str
    lhs: Pattern
    rhs: Pattern
    at: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.family}/{self.name}"
