"""What may be known of the values of a tensor, as bits of a mask of facts shown true.

Every fact but NOTNAN reads "each element is NaN, or ...", so that facts hold of tensors with NaNs.
They speak of real values: rounding and underflow do not count (``exp(x) > 0`` for finite x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np

from egtensor.lang.number import Number


class Fact(IntFlag):
    """One bit per fact; a mask is the conjunction of its bits."""

    NOTNAN = 1
    FINITE = 2
    INTEGER = 4
    NONZERO = 8
    GE0 = 16
    LE0 = 32
    GE1 = 64
    LE1 = 128
    GEM1 = 256
    LEM1 = 512


NOTNAN, FINITE, INTEGER, NONZERO, GE0, LE0, GE1, LE1, GEM1, LEM1 = Fact
NOTHING = Fact(0)
POSITIVE, NEGATIVE = GE0 | NONZERO, LE0 | NONZERO
IMPLIED = {
    GE1: GE0 | NONZERO | GEM1,
    LEM1: LE0 | NONZERO | LE1,
    GE0: GEM1,
    LE0: LE1,
    GE0 | INTEGER | NONZERO: GE1,
    LE0 | INTEGER | NONZERO: LEM1,
}


@dataclass(frozen=True)
class Clause:
    """If every operand i has the facts ``given[i]``, the result has the facts ``then``."""

    given: tuple[Fact, ...]
    then: Fact


def close(mask: Fact) -> Fact:
    """The mask with everything it implies."""
    while True:
        closed = mask
        for premise, conclusion in IMPLIED.items():
            if premise & mask == premise:
                closed |= conclusion
        if closed == mask:
            return mask
        mask = closed


def always(then: Fact, arity: int = 1) -> tuple[Clause, ...]:
    """The result has ``then`` whatever the operands are."""
    return (Clause((NOTHING,) * arity, then),)


def given(*facts: Fact, then: Fact) -> tuple[Clause, ...]:
    """The result has ``then`` if operand i has ``facts[i]``."""
    return (Clause(facts, then),)


def kept(*bits: Fact, arity: int = 1) -> tuple[Clause, ...]:
    """The result has each of ``bits`` that all operands have."""
    return tuple(Clause((bit,) * arity, bit) for bit in bits)


def facts_of_number(number: Number) -> Fact:
    """All facts that hold of one number."""
    x = number.value
    if x != x:
        return Fact(0)
    tests = {
        FINITE: not math.isinf(x),
        INTEGER: not math.isinf(x) and x == math.floor(x),
        NONZERO: x != 0,
        GE0: x >= 0,
        LE0: x <= 0,
        GE1: x >= 1,
        LE1: x <= 1,
        GEM1: x >= -1,
        LEM1: x <= -1,
    }
    mask = NOTNAN
    for fact, holds in tests.items():
        if holds:
            mask |= fact
    return mask


def facts_of_dtype(dtype: np.dtype[Any]) -> Fact:
    """What every tensor of a dtype satisfies."""
    match dtype.kind:
        case "b":
            return close(NOTNAN | FINITE | INTEGER | GE0 | LE1)
        case "u":
            return close(NOTNAN | FINITE | INTEGER | GE0)
        case "i":
            return NOTNAN | FINITE | INTEGER
        case _:
            return NOTHING


def facts_of_array(values: Any) -> Fact:
    """All facts that hold of an array."""
    mask = NOTHING
    for bit in Fact:
        if holds(bit, values):
            mask |= bit
    return mask


def holds(fact: Fact, values: Any) -> bool:
    """Whether an array satisfies every bit of ``fact``: the definition the tests check against."""
    x = np.asarray(values)
    nan = np.isnan(x)
    finite = np.isfinite(x)
    with np.errstate(invalid="ignore"):
        meaning = {
            NOTNAN: ~nan,
            FINITE: finite | nan,
            INTEGER: nan | (finite & (np.floor(x) == x)) if x.dtype.kind == "f" else finite,
            NONZERO: x != 0,
            GE0: nan | (x >= 0),
            LE0: nan | (x <= 0),
            GE1: nan | (x >= 1),
            LE1: nan | (x <= 1),
            GEM1: nan | (x >= -1),
            LEM1: nan | (x <= -1),
        }
    return all(bool(np.all(meaning[bit])) for bit in Fact if bit in fact)
