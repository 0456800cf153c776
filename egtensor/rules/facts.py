"""Facts of values: of the program as written, in Python; of terms made by rules, in the e-graph.

Both read the clauses of the operator records.  A fact is a bit that is only ever added, so that the
analysis ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from egtensor.lang.expr import Expr
from egtensor.lang.facts import (
    NOTHING,
    Clause,
    Fact,
    close,
    facts_of_dtype,
    facts_of_number,
    holds,
)
from egtensor.lang.number import Number
from egtensor.lang.op import Op
from egtensor.lang.types import DTYPES, DType, TensorType
from egtensor.rules.constructors import Constructor

SMALL = 4096  # elements of a constant up to which its facts are looked for


def facts_of_expr(expr: Expr, operands: Sequence[Fact]) -> Fact:
    """What is known of the value of an expression, given what is known of its operands."""
    type_ = expr.type
    if not isinstance(type_, TensorType):
        return NOTHING
    if expr.args:
        return _from_clauses(expr.op, type_.dtype, tuple(operands))
    known = facts_of_dtype(type_.dtype)
    for value in expr.attrs:
        if isinstance(value, Number):
            known |= facts_of_number(Number.of(value.array(type_.dtype)))
        elif isinstance(value, Fact):
            known |= value
        elif getattr(value, "array", None) is not None and value.array.size <= SMALL:
            known |= _facts_of_array(value)
    return close(known)


@lru_cache(maxsize=4096)
def _from_clauses(op: Op, dtype: DType, operands: tuple[Fact, ...]) -> Fact:
    known = facts_of_dtype(dtype)
    for clause in op.facts:
        if all(g & mask == g for g, mask in zip(clause.given, operands, strict=False)):
            known |= clause.then
    return close(known)


@lru_cache(maxsize=256)
def _facts_of_array(data: object) -> Fact:
    array = data.array  # type: ignore[attr-defined]  # only called for data with an array
    return Fact(sum(bit for bit in Fact if holds(bit, array)))


@cache
def facts_of_kind(kind: str) -> Fact:
    """What every tensor with a dtype of this kind satisfies."""
    dtypes = [d for d in DTYPES if d.kind == kind]
    known = close(facts_of_dtype(dtypes[0])) if dtypes else NOTHING
    for d in dtypes:
        known &= close(facts_of_dtype(d))
    return known


def facts_expression(made: Constructor, result_kind: str) -> str:
    """An egglog term for the facts of a result, where ``f0 f1 ...`` are those of the operands."""
    parts = [str(int(facts_of_kind(result_kind)))]
    kept = NOTHING
    for clause in made.op.facts:
        given = clause.given[: made.arity]
        if _is_kept(clause, made.arity):
            kept |= clause.then
        implied = close(clause.then) & ~(clause.then if _is_kept(clause, made.arity) else NOTHING)
        if implied:
            parts.append(_when(given, implied))
    if kept:
        parts.append(_fold("&", [f"f{k}" for k in range(made.arity)] + [str(int(kept))]))
    return _fold("|", parts)


def _is_kept(clause: Clause, arity: int) -> bool:
    return (
        len(clause.given) >= arity
        and all(g == clause.then for g in clause.given[:arity])
        and clause.then.bit_count() == 1
    )


def _when(given: Sequence[Fact], then: Fact) -> str:
    shown = [
        f"(>> f{k} {bit.value.bit_length() - 1})" for k, mask in enumerate(given) for bit in mask
    ]
    return f"(* {int(then)} {_fold('&', ['1', *shown])})" if shown else str(int(then))


def _fold(primitive: str, parts: Sequence[str]) -> str:
    text = parts[-1]
    for p in reversed(parts[:-1]):
        text = f"({primitive} {p} {text})"
    return text
