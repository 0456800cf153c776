"""Proofs by SymPy that two terms are one function of real variables.

A term that SymPy does not simplify as it is may yield where the signs of its variables are known, or
their order: a proof of every case is a proof, except on a set without interior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

import numpy as np

from egtensor.lang.expr import Expr
from egtensor.lang.facts import GE0, GE1, GEM1, INTEGER, LE0, LE1, LEM1, NONZERO, Fact
from egtensor.lang.pattern import AttrCall, Variable
from egtensor.lang.types import BOOL
from egtensor.rules.rule import Rule
from egtensor.rules.sample import Instance

MOST_SYMBOLS = 3  # beyond that, cases are too many
# beyond a bound other than zero: the bound, and the sign of the distance
BOUNDS = {GE1: (1, 1), LEM1: (-1, -1), LE1: (1, -1), GEM1: (-1, 1)}
PROBES = (0.37, 0.61, 0.83)


def symbol_arrays(rule: Rule, made: Instance) -> Iterator[dict[Expr, Any]]:
    """Arrays of SymPy symbols for the variables of a rule; booleans are true, then false."""
    facts: dict[str, Fact] = {}
    for c in rule.when:
        if not isinstance(c, AttrCall) and isinstance(c.subject, Variable):
            facts[c.subject.name] = facts.get(c.subject.name, Fact(0)) | c.fact
    booleans = [n for n, s in made.symbols.items() if s.dtype == BOOL]
    for chosen in product((True, False), repeat=len(booleans)):
        fixed = dict(zip(booleans, chosen, strict=True))
        yield {
            s: np.full(tuple(map(int, s.shape)), fixed[n])
            if n in fixed
            else _symbols(n, tuple(map(int, s.shape)), facts.get(n, Fact(0)))
            for n, s in made.symbols.items()
        }


def _symbols(name: str, shape: tuple[int, ...], fact: Fact) -> Any:
    import sympy

    known = {"integer": INTEGER, "nonzero": NONZERO, "nonnegative": GE0, "nonpositive": LE0}
    assumptions = {k: True for k, bit in known.items() if bit in fact}
    bound = next((b for bit, b in BOUNDS.items() if bit in fact), None)
    if bound is not None:
        assumptions = {"nonnegative": True}
    made = np.empty(shape, dtype=object)
    for k, place in enumerate(np.ndindex(*shape)):
        s = sympy.Symbol(f"{name}{k}", real=True, **assumptions)
        made[place] = s if bound is None else bound[0] + bound[1] * s
    return made


def proved_equal(a: Any, b: Any) -> bool:
    """Whether SymPy can show that two terms are equal, at once or case by case."""
    import sympy

    a, b = sympy.sympify(a), sympy.sympify(b)
    if _simplifies(a, b):
        return True
    free = sorted((a.free_symbols | b.free_symbols), key=str)
    if not free or len(free) > MOST_SYMBOLS:
        return False
    return any(_all_cases(a, b, cases) for cases in (_signs(free), _orders(free)))


def _all_cases(a: Any, b: Any, cases: list[dict[Any, Any]]) -> bool:
    proved = 0
    for case in cases:
        left, right = a.subs(case, simultaneous=True), b.subs(case, simultaneous=True)
        if _is_defined(left):
            if not _simplifies(left, right):
                return False
            proved += 1
    return proved > 0


def _is_truth(term: Any) -> bool:
    from sympy.logic.boolalg import BooleanAtom, BooleanFunction

    return bool(term.is_Relational) or isinstance(term, (BooleanAtom, BooleanFunction))


def _is_defined(term: Any) -> bool:
    free = sorted(term.free_symbols, key=str)
    at = term.subs(dict(zip(free, PROBES, strict=False)))
    return _is_truth(at) or bool(at.evalf().is_real)


def _signs(free: list[Any]) -> list[dict[Any, Any]]:
    import sympy

    def options(s: Any) -> list[Any]:
        p = sympy.Symbol(f"{s}_p", positive=True)
        return [p] if s.is_nonnegative else [-p] if s.is_nonpositive else [p, -p]

    return [dict(zip(free, chosen, strict=True)) for chosen in product(*(options(s) for s in free))]


def _orders(free: list[Any]) -> list[dict[Any, Any]]:
    import sympy

    p = sympy.Symbol("above", positive=True)
    one, *others = next(iter(combinations(free, 2)), free)
    if not others:
        return [{}]
    (two,) = others
    signs = _signs(free[2:]) if free[2:] else [{}]
    return [sign | case for sign in signs for case in ({one: two + p}, {two: one + p})]


def _simplifies(a: Any, b: Any) -> bool:
    import sympy

    if a == b:
        return True
    if _is_truth(a) or _is_truth(b):
        both = _is_truth(a) and _is_truth(b)
        return both and sympy.simplify(sympy.Equivalent(a, b)) is sympy.true
    forms: tuple[Callable[[Any], Any], ...] = (
        sympy.expand,
        lambda d: sympy.expand_log(sympy.expand(d)),
        lambda d: sympy.expand(sympy.powsimp(sympy.expand(d))),
        lambda d: sympy.expand(sympy.piecewise_fold(d)),
        sympy.simplify,
        lambda d: sympy.expand(d.rewrite(sympy.erf)),
        lambda d: sympy.simplify(sympy.expand_log(d.rewrite(sympy.log), force=False)),
        lambda d: sympy.simplify(sympy.expand(d.rewrite(sympy.exp))),
        lambda d: sympy.simplify(sympy.expand_log(sympy.powdenest(d))),
    )
    return any(form(a - b) == 0 for form in forms)
