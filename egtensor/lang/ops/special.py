"""Special functions, with SciPy's values.

Derivatives of erf, gamma and polygamma functions: NIST DLMF 7.2, 5.2, 5.15.  Trigamma: recurrence, the
asymptotic series (DLMF 5.15.8) from 10 on, and reflection (5.15.6).  log(1 - exp(x)): Maechler 2012.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from egtensor.lang import facts as f
from egtensor.lang.facts import FINITE, GE0, GEM1, LE0, LE1, NONZERO, NOTNAN, always, given, kept
from egtensor.lang.op import Missing, Op, Scalar
from egtensor.lang.scalar import Term, select, term
from egtensor.lang.types import like_ufunc

UNARY, BINARY = like_ufunc(np.exp), like_ufunc(np.logaddexp)
SLOW = 30.0


def _primitive(name: str) -> Scalar:
    return Scalar(lambda *operands: term(name, *operands))


def _scipy(name: str, *leading: Any) -> Any:
    """A function of scipy.special, which is imported when called."""

    def call(*x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*leading, *x)

    return call


def _square(x: Any) -> Any:
    from egtensor.lang.ops.elementwise import square

    return square(x)


def _exp(x: Any) -> Any:
    from egtensor.lang.ops.explog import exp

    return exp(x)


erf: Op = Op(
    name="erf", numpy=_scipy("erf"), promote=UNARY, body=_primitive("erf"), arity=1,
    partials=lambda x, y: ((2 / math.sqrt(math.pi)) * _exp(-_square(x)),), real="erf({0})", cost=SLOW,
    facts=(*always(GEM1 | LE1 | FINITE), *kept(NOTNAN, GE0, LE0, NONZERO)),
)  # fmt: skip
erfc: Op = Op(
    name="erfc", numpy=_scipy("erfc"), promote=UNARY, body=_primitive("erfc"), arity=1,
    partials=lambda x, y: ((-2 / math.sqrt(math.pi)) * _exp(-_square(x)),), real="erfc({0})", cost=SLOW,
    facts=(*always(GE0 | FINITE), *kept(NOTNAN), *given(FINITE, then=NONZERO), *given(GE0, then=LE1),
           *given(LE0, then=f.GE1)),
)  # fmt: skip
gammaln: Op = Op(
    name="gammaln", numpy=_scipy("gammaln"), promote=UNARY, body=_primitive("gammaln"), arity=1,
    partials=lambda x, y: (digamma(x),), real="log(Abs(gamma({0})))", cost=SLOW,
    facts=(*given(GE0 | NOTNAN, then=NOTNAN), *given(GE0 | NONZERO | FINITE, then=FINITE)),
)  # fmt: skip
digamma: Op = Op(
    name="digamma", numpy=_scipy("digamma"), promote=UNARY, body=_primitive("digamma"), arity=1,
    partials=lambda x, y: (trigamma(x),), real="polygamma(0, {0})", cost=SLOW,
    facts=(*given(GE0 | NONZERO | NOTNAN, then=NOTNAN), *given(GE0 | NONZERO | FINITE, then=FINITE)),
)  # fmt: skip

# Bernoulli numbers B2, B4, ...: coefficients of the asymptotic series
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_STEPS = 10


def _trigamma(x: Term) -> Term:
    mirrored = x < 0.5
    t = select(mirrored, 1 - x, x)
    total: Any = 0.0
    for k in range(_STEPS):
        r = term("reciprocal", t + float(k))
        total = r * r if k == 0 else total + r * r
    r = term("reciprocal", t + float(_STEPS))
    r2 = r * r
    series: Any = _BERNOULLI[-1]
    for b in reversed(_BERNOULLI[:-1]):
        series = r2 * series + b
    total = total + (r + r2 * 0.5 + r * r2 * series)
    s = term("sin", (x - term("rint", x)) * math.pi)
    ratio = math.pi * term("reciprocal", s)
    # SciPy's value at -inf, where there is no limit
    reflected = select(term("isinf", x), math.inf, ratio * ratio - total)
    return select(mirrored, reflected, total)


trigamma: Op = Op(
    name="trigamma", numpy=_scipy("polygamma", 1), promote=UNARY, body=Scalar(_trigamma), arity=1,
    partials=Missing("the polygamma function of order 2 is not an operator"), real="polygamma(1, {0})", cost=3 * SLOW,
    facts=(*always(GE0), *given(FINITE | NOTNAN, then=NOTNAN), *given(GE0 | FINITE | NONZERO, then=NONZERO | FINITE)),
    doc="The derivative of digamma.",
)  # fmt: skip
sigmoid: Op = Op(
    name="sigmoid", numpy=_scipy("expit"), promote=UNARY, body=_primitive("sigmoid"), arity=1,
    partials=lambda x, y: (y * sigmoid(-x),), real="1 / (1 + exp(-{0}))", cost=10,
    facts=(*always(GE0 | LE1 | FINITE), *kept(NOTNAN), *given(FINITE, then=NONZERO)),
    doc="1 / (1 + exp(-x)), accurate for all x.",
)  # fmt: skip
softplus: Op = Op(
    name="softplus", numpy=lambda x: np.logaddexp(x, x.dtype.type(0)), promote=UNARY, body=_primitive("softplus"),
    arity=1, partials=lambda x, y: (sigmoid(x),), real="log(1 + exp({0}))", cost=SLOW,
    facts=(*always(GE0), *kept(NOTNAN, FINITE, f.GE1), *given(FINITE, then=NONZERO)),
    doc="log(1 + exp(x)), accurate for all x.",
)  # fmt: skip


def _log1mexp_numpy(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where(x > -math.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x))).astype(
            x.dtype
        )


def _expm1(x: Any) -> Any:
    from egtensor.lang.ops.explog import expm1

    return expm1(x)


log1mexp: Op = Op(
    name="log1mexp", numpy=_log1mexp_numpy, promote=UNARY, body=_primitive("log1mexp"), arity=1,
    vjp=lambda g, y, x: (-g / _expm1(-x),), real="log(1 - exp({0}))", defined="{0} <= 0", cost=SLOW,
    facts=(*always(LE0), *given(LE0 | NOTNAN, then=NOTNAN), *given(LE0 | NONZERO | FINITE, then=FINITE)),
    doc="log(1 - exp(x)) for x <= 0, accurate for all of them.",
)  # fmt: skip


def _xlogy_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    from egtensor.lang.ops.elementwise import equal, where

    return xlogy(g, y), where(equal(x, 0), 0, g * (x / y))


xlogy: Op = Op(
    name="xlogy", numpy=_scipy("xlogy"), promote=BINARY, body=_primitive("xlogy"), arity=2,
    vjp=_xlogy_vjp, real="{0} * log({1})", defined="{1} > 0", cost=SLOW,
    facts=(*given(GE0, f.GE1, then=GE0), *given(LE0, f.GE1, then=LE0), *given(GE0, LE1, then=LE0),
           *given(LE0, LE1, then=GE0), *given(FINITE | NOTNAN, GE0 | NONZERO | FINITE | NOTNAN, then=NOTNAN | FINITE)),
    doc="x log y, and 0 where x is 0.",
)  # fmt: skip
