"""Random bits as a function of a counter and a key: Philox4x32-10.

Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.lang.op import Op, Scalar
from egtensor.lang.ops.elementwise import INTEGRAL
from egtensor.lang.scalar import Term, const, term
from egtensor.lang.types import Promotion

UINT64 = np.dtype(np.uint64)
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF


def philox(counter: tuple[Any, ...], key: tuple[Any, ...], low: Any, high: Any) -> tuple[Any, ...]:
    """Four words of 32 bits, each in 64, for a counter of four words and a key of two.

    low, high  the lower and upper 32 bits of 64
    """
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for step in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = high(p1) ^ c1 ^ k0, low(p1), high(p0) ^ c3 ^ k1, low(p0)
        if step + 1 < ROUNDS:
            k0, k1 = low(k0 + WEYL[0]), low(k1 + WEYL[1])
    return c0, c1, c2, c3


def _term(counter: Term, key: Term) -> Any:
    def number(n: int) -> Term:
        return const(n, UINT64)

    def low(x: Term) -> Term:
        return x & number(LOW)

    def high(x: Term) -> Term:
        return term("shr", x, number(32))

    words = (low(counter), high(counter), number(0), number(0))
    c0, c1, _, _ = philox(words, (low(key), high(key)), low, high)
    return c0 | term("shl", c1, number(32))


def _numpy(counter: Any, key: Any) -> Any:
    c, k = np.asarray(counter, UINT64), np.asarray(key, UINT64)
    mask, half, zero = (UINT64.type(n) for n in (LOW, 32, 0))

    def low(x: Any) -> Any:
        return x & mask

    def high(x: Any) -> Any:
        return x >> half

    c0, c1, _, _ = philox((low(c), high(c), zero, zero), (low(k), high(k)), low, high)
    return c0 | (c1 << UINT64.type(32))


philox_bits: Op = Op(
    name="philox_bits", numpy=_numpy, promote=Promotion(lambda dtypes: (UINT64, UINT64, UINT64)), arity=2,
    body=Scalar(_term), partials=INTEGRAL, cost=60,
    doc="64 random bits for a counter and a key: the first two words of a block.",
)  # fmt: skip
