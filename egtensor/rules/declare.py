"""What every e-graph is declared with, in egglog's language; and what an operator's record adds to it.

Facts, folding of literals and typing of new terms are rules made from the records.
"""

from __future__ import annotations

import hashlib
import re

from egtensor.lang.op import Derived, Reshape, Scalar, View
from egtensor.rules.compile import DERIVE, EXPLORE, NEED, SIMPLIFY, Context
from egtensor.rules.constructors import HANDLE, LEAF, LITERAL, Constructor
from egtensor.rules.facts import facts_expression
from egtensor.rules.infer import principal, probes
from egtensor.rules.tables import COLUMNS, fold_answer, type_answer

INSERT, ANALYSE = "insert", "analyse"
EXACT_COST = 4.0  # operators up to this cost are correctly rounded by every library
# a type merged with another becomes negative, and stays so: that is a contradiction
CONFLICT = "(max -1000000000000 (- (max old new) (* 1000000 (- (max old new) (min old new)))))"


def _names(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{k}" for k in range(count))


def _integers(count: int) -> str:
    return " ".join(["i64"] * count)


def _rule(query: str, actions: str, ruleset: str, name: str = "") -> str:
    """A rule of the engine itself; egglog would make the whole text its name."""
    label = name or f"own-{hashlib.sha256(f'{query} {actions}'.encode()).hexdigest()[:12]}"
    return f'(rule (({query})) (({actions})) :ruleset {ruleset} :name "{label}")'


def base() -> list[str]:
    """The sort of terms, tables, rule sets, and the rules that need no operator."""
    row = _names("c", COLUMNS + 1)
    return [
        "(sort T)",
        f"(constructor {LITERAL} (i64 i64) T)",
        f"(constructor {LEAF} (i64) T)",
        f"(constructor {HANDLE} (i64) T :unextractable)",
        f"(function ty (T) i64 :merge {CONFLICT})",
        "(function facts (T) i64 :merge (| old new))",
        "(function numfacts (i64) i64 :merge (| old new))",
        "(relation untyped (T))",
        f"(relation need ({_integers(COLUMNS + 1)}))",
        f"(function tab ({_integers(COLUMNS + 1)}) i64 :merge (min old new))",
        f"(relation wants (T {_integers(COLUMNS + 1)}))",
        f"(relation folds (T i64 {_integers(COLUMNS + 1)}))",
        *(f"(ruleset {r})" for r in (INSERT, ANALYSE, SIMPLIFY, EXPLORE, DERIVE)),
        "(relation in_Lit (i64 i64 i64))",
        _rule("in_Lit o n t", f"union ({HANDLE} o) ({LITERAL} n t)", INSERT),
        "(relation in_Leaf (i64 i64))",
        _rule("in_Leaf o k", f"union ({HANDLE} o) ({LEAF} k)", INSERT),
        "(relation in_node (i64 i64 i64))",
        _rule("in_node o t f", f"set (ty ({HANDLE} o)) t) (set (facts ({HANDLE} o)) f", INSERT),
        "(relation in_same (i64 i64))",
        _rule("in_same o p", f"union ({HANDLE} o) ({HANDLE} p)", INSERT),
        "(relation in_num (i64 i64))",
        _rule("in_num n f", "set (numfacts n) f", INSERT),
        _rule(f"= e ({LITERAL} n t)", "set (ty e) t", ANALYSE),
        _rule(f"= e ({LITERAL} n t)) (= f (numfacts n)", "set (facts e) f", ANALYSE),
        _rule(f"wants e {row}) (= t (tab {row})", "set (ty e) t", ANALYSE),
        _rule(f"folds e s {row}) (= n (tab {row})", f"union e ({LITERAL} n s)", ANALYSE),
    ]


def declaration(made: Constructor, context: Context, folds_calls: bool) -> list[str]:
    """egglog's declaration of a constructor, its loader, and the rules that its record implies."""
    operands, attrs = _names("v", made.arity), _names("k", len(made.attributes))
    handles = " ".join(f"({HANDLE} v{k})" for k in range(made.arity))
    row = f"o {operands} {attrs}"
    texts = [
        f"(constructor {made.name} ({made.signature}) T)",
        f"(relation in_{made.name} ({_integers(1 + made.arity + len(made.attributes))}))",
    ]
    actions = f"union ({HANDLE} o) ({made.name} {handles} {attrs})"
    if context.record:
        texts.append(f"(function by_{made.name} ({made.signature}) i64 :merge (min old new))")
        actions += f") (set (by_{made.name} {handles} {attrs}) 0"
    texts.append(_rule(f"in_{made.name} {row}", actions, INSERT))
    if isinstance(made.op.body, Derived):
        return texts
    term = f"({made.name} {operands} {attrs})"
    texts.append(_facts_rule(made, term))
    if made.op.commutative and made.arity == 2:
        query = f"= e ({made.name} v0 v1)) (= d ({made.name} v1 v0)"
        texts.append(_rule(query, "union e d", SIMPLIFY))
    if isinstance(made.op.body, (View, Reshape)):
        query = f"= e ({made.name} ({LITERAL} n t) {attrs})) (= s (ty e)"
        texts.append(_rule(query, f"union e ({LITERAL} n s)", ANALYSE))
    if _can_fold(made, folds_calls):
        texts.append(_fold_rule(made, context))
    return texts


def _facts_rule(made: Constructor, term: str) -> str:
    expression = facts_expression(made, result_kind(made))
    used = set(re.findall(r"f\d+", expression))
    needed = "".join(f"(= f{k} (facts v{k})) " for k in range(made.arity) if f"f{k}" in used)
    actions = f"set (facts e) {expression}"
    return f'(rule ({needed}(= e {term})) (({actions})) :ruleset {ANALYSE} :name "own-facts-{made.name}")'


def result_kind(made: Constructor) -> str:
    """The kind of the result's dtype, or the empty string where it is not known."""
    place = principal(made.op)
    if place is None or made.op.results != 1:
        return ""
    if made.op.promote is None:
        return ""
    kinds = {p[-1].kind for p in probes(made.op) if p[place].kind == made.kind}
    return kinds.pop() if len(kinds) == 1 else ""


def _can_fold(made: Constructor, folds_calls: bool) -> bool:
    op = made.op
    return (
        isinstance(op.body, Scalar)
        and op.results == 1
        and not op.fallible
        and made.arity <= 3
        and len(op.attrs) <= 1
        and (folds_calls or (isinstance(op.cost, (int, float)) and op.cost <= EXACT_COST))
    )


def _fold_rule(made: Constructor, context: Context) -> str:
    place = principal(made.op) or 0
    function = context.functions.number(("fold", made.op), fold_answer(made.op, place))
    operands = " ".join(f"({LITERAL} n{k} t{k})" for k in range(made.arity))
    attrs = _names("k", len(made.attributes))
    numbers = [f"n{k}" for k in range(made.arity)] + ["0"] * (3 - made.arity)
    row = f"{function} {' '.join(numbers)} t{place} s {attrs or '0'}"
    query = f"= e ({made.name} {operands} {attrs})) (= s (ty e)"
    return _rule(query, f"need {row}) (folds e s {row}", ANALYSE, f"{NEED}fold-{made.name}")


def typing_rule(made: Constructor, context: Context) -> list[str]:
    """The rule that asks for the type of terms whose type their maker did not know."""
    columns = len(made.attributes) + made.arity
    if columns > COLUMNS:
        return []
    function = context.functions.number(
        ("type", made.op, made.arity), type_answer(made.op, made.arity)
    )
    operands, attrs = _names("v", made.arity), _names("k", len(made.attributes))
    types = " ".join(f"(= t{k} (ty v{k}))" for k in range(made.arity))
    zeros = " ".join(["0"] * (COLUMNS - columns))
    row = f"{function} {attrs} {_names('t', made.arity)} {zeros}"
    query = f"untyped e) {types} (= e ({made.name} {operands} {attrs})"
    return [_rule(query, f"need {row}) (wants e {row}", ANALYSE, f"{NEED}type-{made.name}")]
