"""Exponentials and logarithms.  Derivatives: NIST DLMF 4.2, 4.7."""

from __future__ import annotations

import math

import numpy as np

from egtensor.lang.facts import (
    FINITE,
    GE0,
    GE1,
    GEM1,
    LE0,
    LE1,
    NONZERO,
    NOTNAN,
    always,
    given,
    kept,
)
from egtensor.lang.op import Op
from egtensor.lang.ops.elementwise import CALL, SLOW_CALL, equal, primitive, where
from egtensor.lang.ops.special import sigmoid
from egtensor.lang.types import like_ufunc

LN2, LN10 = math.log(2), math.log(10)
_GROWTH = (*always(GE0), *kept(NOTNAN), *given(FINITE, then=NONZERO), *given(LE0, then=LE1), *given(GE0, then=GE1),
           *given(FINITE, then=FINITE))  # fmt: skip
_LOGARITHM = (*given(GE0 | NOTNAN, then=NOTNAN), *given(GE1, then=GE0), *given(LE1, then=LE0),
              *given(FINITE | NONZERO, then=FINITE))  # fmt: skip

exp: Op = Op(
    name="exp", numpy=np.exp, promote=like_ufunc(np.exp), body=primitive("exp"), arity=1,
    partials=lambda x, y: (y,), real="exp({0})", cost=CALL, facts=_GROWTH,
)  # fmt: skip
exp2: Op = Op(
    name="exp2", numpy=np.exp2, promote=like_ufunc(np.exp2), body=primitive("exp2"), arity=1,
    partials=lambda x, y: (LN2 * y,), real="2**{0}", cost=CALL, facts=_GROWTH,
)  # fmt: skip
expm1: Op = Op(
    name="expm1", numpy=np.expm1, promote=like_ufunc(np.expm1), body=primitive("expm1"), arity=1,
    partials=lambda x, y: (exp(x),), real="exp({0}) - 1", cost=CALL,
    facts=(*always(GEM1), *kept(NOTNAN, FINITE, NONZERO, GE0, LE0, GE1)),
)  # fmt: skip
log: Op = Op(
    name="log", numpy=np.log, promote=like_ufunc(np.log), body=primitive("log"), arity=1,
    vjp=lambda g, y, x: (g / x,), real="log({0})", defined="{0} >= 0", cost=CALL, facts=_LOGARITHM,
)  # fmt: skip
log2: Op = Op(
    name="log2", numpy=np.log2, promote=like_ufunc(np.log2), body=primitive("log2"), arity=1,
    vjp=lambda g, y, x: (g / (LN2 * x),), real="log({0}) / log(2)", defined="{0} >= 0", cost=CALL, facts=_LOGARITHM,
)  # fmt: skip
log10: Op = Op(
    name="log10", numpy=np.log10, promote=like_ufunc(np.log10), body=primitive("log10"), arity=1,
    vjp=lambda g, y, x: (g / (LN10 * x),), real="log({0}) / log(10)", defined="{0} >= 0", cost=CALL,
    facts=_LOGARITHM,
)  # fmt: skip
log1p: Op = Op(
    name="log1p", numpy=np.log1p, promote=like_ufunc(np.log1p), body=primitive("log1p"), arity=1,
    vjp=lambda g, y, x: (g / (1 + x),), real="log(1 + {0})", defined="{0} >= -1", cost=CALL,
    facts=(*kept(GE0, LE0, LE1, NONZERO), *given(GEM1 | NOTNAN, then=NOTNAN), *given(GE0 | FINITE, then=FINITE)),
)  # fmt: skip
# on ties the weights are equal, infinities included
logaddexp: Op = Op(
    name="logaddexp", numpy=np.logaddexp, promote=like_ufunc(np.logaddexp), body=primitive("logaddexp"), arity=2,
    partials=lambda x, y, z: (where(equal(x, y), 0.5, sigmoid(x - y)), where(equal(x, y), 0.5, sigmoid(y - x))),
    real="log(exp({0}) + exp({1}))", commutative=True, associative=True, cost=SLOW_CALL,
    facts=(*kept(NOTNAN, FINITE, GE0, GE1, GEM1, arity=2), *given(GE0, GE0, then=NONZERO)),
)  # fmt: skip
logaddexp2: Op = Op(
    name="logaddexp2", numpy=np.logaddexp2, promote=like_ufunc(np.logaddexp2), body=primitive("logaddexp2"), arity=2,
    partials=lambda x, y, z: (where(equal(x, y), 0.5, sigmoid(LN2 * (x - y))),
                              where(equal(x, y), 0.5, sigmoid(LN2 * (y - x)))),
    real="log(2**{0} + 2**{1}) / log(2)", commutative=True, associative=True, cost=SLOW_CALL,
    facts=(*kept(NOTNAN, FINITE, GE1, GE0, GEM1, arity=2), *given(GE0, GE0, then=GE1)),
)  # fmt: skip
