"""Arithmetic, comparison, selection and casts, element by element.

Derivatives are zero where the cotangent is, even where the function is steep without bound (``sqrt`` at 0).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.lang.facts import (
    FINITE,
    GE0,
    GE1,
    GEM1,
    INTEGER,
    LE0,
    LE1,
    LEM1,
    NONZERO,
    NOTHING,
    NOTNAN,
    Clause,
    always,
    given,
    kept,
)
from egtensor.lang.op import Missing, Op, Scalar
from egtensor.lang.scalar import Term, const, select, term
from egtensor.lang.scalar import cast as cast_term
from egtensor.lang.types import BOOL, INT64, Promotion, TensorType, like_ufunc

# per element, in float32 additions; benchmarks/calibrate_costs.py measures them
SIMPLE, DIVIDE, CALL, SLOW_CALL = 1.0, 4.0, 10.0, 30.0
BOOLEAN = Missing("the result is boolean")
INTEGRAL = Missing("the result is an integer")
ORDER = (NOTNAN, FINITE, INTEGER, NONZERO, GE0, LE0, GE1, LE1, GEM1, LEM1)
DEFINED = NOTNAN | FINITE
POS = GE0 | NONZERO
NEG = LE0 | NONZERO


def primitive(name: str) -> Scalar:
    """The body that is one primitive."""
    return Scalar(lambda *operands: term(name, *operands))


def by_kind(kinds: str, prim: str, otherwise: Any) -> Scalar:
    """A primitive for dtypes of some kinds, another one or a function of terms for the rest."""

    def expand(*x: Term) -> Any:
        if x[0].dtype.kind in kinds:
            return term(prim, *x)
        return term(otherwise, *x) if isinstance(otherwise, str) else otherwise(*x)

    return Scalar(expand)


def unless_zero(g: Any, product: Any) -> Any:
    """``product``, which has the factor ``g``, or 0 where ``g`` is 0 and the other factor may be infinite."""
    return where(equal(g, 0), 0, product)


add: Op = Op(
    name="add", numpy=np.add, promote=like_ufunc(np.add), body=by_kind("b", "or", "add"), arity=2,
    partials=lambda x, y, z: (1, 1), real="{0} + {1}", commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, GE0, LE0, FINITE, arity=2), *given(DEFINED, NOTNAN, then=NOTNAN),
           *given(NOTNAN, DEFINED, then=NOTNAN), *given(POS, GE0, then=NONZERO), *given(GE0, POS, then=NONZERO),
           *given(NEG, LE0, then=NONZERO), *given(LE0, NEG, then=NONZERO),
           *given(GE0 | NOTNAN, GE0 | NOTNAN, then=NOTNAN), *given(LE0 | NOTNAN, LE0 | NOTNAN, then=NOTNAN),
           *given(GE1, GE0, then=GE1), *given(GE0, GE1, then=GE1),
           *given(GE1, GEM1, then=GE0), *given(GEM1, GE1, then=GE0)),
)  # fmt: skip
subtract: Op = Op(
    name="subtract", numpy=np.subtract, promote=like_ufunc(np.subtract), body=primitive("sub"), arity=2,
    partials=lambda x, y, z: (1, -1), real="{0} - {1}", cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, arity=2), *given(DEFINED, NOTNAN, then=NOTNAN),
           *given(NOTNAN, DEFINED, then=NOTNAN), *given(GE0, LE0, then=GE0), *given(LE0, GE0, then=LE0),
           *given(POS, LE0, then=NONZERO), *given(NEG, GE0, then=NONZERO),
           *given(GE0, NEG, then=NONZERO), *given(LE0, POS, then=NONZERO),
           *given(GE1, LE1, then=GE0), *given(LE1, GE1, then=LE0), *given(LE1, GE0, then=LE1)),
)  # fmt: skip
multiply: Op = Op(
    name="multiply", numpy=np.multiply, promote=like_ufunc(np.multiply), body=by_kind("b", "and", "mul"), arity=2,
    partials=lambda x, y, z: (y, x), real="{0} * {1}", commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, GE0, GE1, NONZERO, arity=2), *given(LE0, LE0, then=GE0),
           *given(GE0, LE0, then=LE0), *given(LE0, GE0, then=LE0),
           *given(GE0 | LE1, GE0 | LE1, then=LE1), *given(GEM1 | LE1, GEM1 | LE1, then=GEM1 | LE1),
           *given(DEFINED, DEFINED, then=NOTNAN)),
)  # fmt: skip


def _divide_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    quotient = g / y
    return quotient, -(quotient * z)


divide: Op = Op(
    name="divide", numpy=np.divide, promote=like_ufunc(np.divide), body=primitive("div"), arity=2,
    vjp=_divide_vjp, real="{0} / {1}", defined="Ne({1}, 0)", cost=DIVIDE,
    facts=(*given(GE0, POS, then=GE0), *given(LE0, POS, then=LE0), *given(GE0, NEG, then=LE0),
           *given(LE0, NEG, then=GE0),
           *given(FINITE, NONZERO, then=FINITE), *given(DEFINED, NONZERO | NOTNAN, then=NOTNAN),
           *given(NONZERO, FINITE, then=NONZERO)),
)  # fmt: skip


def _integers(function: Any, ufunc: Any) -> Any:
    # NumPy warns about integers divided by zero, which are 0
    def call(*x: Any) -> Any:
        with np.errstate(all="ignore"):
            return (function if np.asarray(x[0]).dtype.kind in "iu" else ufunc)(*x)

    return call


floor_divide: Op = Op(
    name="floor_divide", numpy=np.floor_divide, promote=like_ufunc(np.floor_divide), body=primitive("floordiv"),
    arity=2, partials=lambda x, y, z: (None, None), real="floor({0} / {1})", defined="Ne({1}, 0)", cost=SLOW_CALL,
    facts=(*given(GE0 | FINITE, POS | FINITE, then=GE0 | INTEGER), *given(FINITE, NONZERO | FINITE, then=INTEGER)),
)  # fmt: skip
remainder: Op = Op(
    name="remainder", numpy=np.remainder, promote=like_ufunc(np.remainder), body=primitive("mod"), arity=2,
    partials=lambda x, y, z: (1, -floor_divide(x, y)), real="{0} - {1} * floor({0} / {1})", defined="Ne({1}, 0)",
    cost=SLOW_CALL,
    facts=(*given(FINITE, POS | FINITE, then=GE0), *given(FINITE, NEG | FINITE, then=LE0),
           *given(INTEGER, INTEGER | NONZERO, then=INTEGER)),
)  # fmt: skip
fmod: Op = Op(
    name="fmod", numpy=np.fmod, promote=like_ufunc(np.fmod), body=primitive("fmod"), arity=2,
    partials=lambda x, y, z: (1, -trunc(x / y)), real="{0} - {1} * sign({0} / {1}) * floor(Abs({0} / {1}))",
    defined="Ne({1}, 0)", cost=SLOW_CALL,
    facts=(*given(GE0, NOTHING, then=GE0), *given(LE0, NOTHING, then=LE0),
           *given(INTEGER, INTEGER | NONZERO, then=INTEGER)),
)  # fmt: skip


def _divmod_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    return g[1], -(g[1] * z[0])


divmod_: Op = Op(
    name="divmod", numpy=np.divmod, promote=like_ufunc(np.divmod), arity=2, results=2,
    body=Scalar(lambda x, y: (term("floordiv", x, y), term("mod", x, y))), vjp=_divmod_vjp, cost=SLOW_CALL,
    doc="Floor of the quotient, and the remainder.",
)  # fmt: skip
trunc: Op = Op(
    name="trunc", numpy=np.trunc, promote=like_ufunc(np.trunc), body=by_kind("f", "trunc", lambda x: x), arity=1,
    partials=lambda x, y: (None,), real="sign({0}) * floor(Abs({0}))", cost=SIMPLE,
    facts=(*kept(NOTNAN, FINITE, GE0, LE0, GE1, LE1, GEM1, LEM1), *given(FINITE, then=INTEGER)),
)  # fmt: skip


def _power(x: Any, y: Any) -> Any:
    # a negative exponent of an integer truncates the quotient
    if np.asarray(x).dtype.kind not in "iu":
        return np.power(x, y)
    with np.errstate(all="ignore"):
        sign = np.where(np.asarray(y) % 2 == 1, x, np.multiply(x, x))
        small = np.where(np.abs(x) == 1, sign, 0).astype(np.asarray(x).dtype)
        return np.where(y < 0, small, np.power(x, np.where(y < 0, 0, y)))


def _power_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    # a constant where y is 0; z log x is 0 where x and z are
    from egtensor.lang.ops.special import xlogy

    return where(equal(y, 0), 0, g * (y * power(x, y - 1))), g * xlogy(z, x)


power: Op = Op(
    name="power", numpy=_power, promote=like_ufunc(np.power), body=primitive("pow"), arity=2,
    vjp=_power_vjp,
    real="{0} ** {1}", defined="({0} > 0) | (({0} >= 0) & ({1} >= 0)) | (Ne({0}, 0) & Eq({1}, floor({1})))",
    cost=SLOW_CALL,
    facts=(*given(GE0, NOTHING, then=GE0), *given(POS | FINITE, FINITE, then=POS | FINITE),
           *given(GE0 | NOTNAN, NOTNAN, then=NOTNAN),
           *given(GE1, GE0, then=GE1), *given(GE1, LE0, then=LE1), *given(GE0 | LE1, GE0, then=LE1),
           *given(INTEGER, INTEGER | GE0, then=INTEGER), *given(FINITE, FINITE | GE0, then=FINITE)),
)  # fmt: skip
float_power: Op = Op(
    name="float_power", numpy=np.float_power, promote=like_ufunc(np.float_power), body=primitive("pow"), arity=2,
    vjp=_power_vjp, real=power.real, defined=power.defined, cost=SLOW_CALL, facts=power.facts,
)  # fmt: skip
negative: Op = Op(
    name="negative", numpy=np.negative, promote=like_ufunc(np.negative), body=primitive("neg"), arity=1,
    partials=lambda x, y: (-1,), real="-{0}", cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, NOTNAN, NONZERO), *given(LE0, then=GE0), *given(GE0, then=LE0),
           *given(GE1, then=LEM1), *given(LEM1, then=GE1), *given(LE1, then=GEM1), *given(GEM1, then=LE1)),
)  # fmt: skip
positive: Op = Op(
    name="positive", numpy=np.positive, promote=like_ufunc(np.positive), body=Scalar(lambda x: x), arity=1,
    partials=lambda x, y: (1,), real="{0}", cost=0, facts=kept(*ORDER),
)  # fmt: skip
_MAGNITUDE = (*always(GE0), *kept(NOTNAN, FINITE, INTEGER, NONZERO, GE1), *given(LEM1, then=GE1),
              *given(GEM1 | LE1, then=LE1))  # fmt: skip
absolute: Op = Op(
    name="absolute", numpy=np.absolute, promote=like_ufunc(np.absolute), arity=1,
    body=by_kind("iuf", "abs", lambda x: x), vjp=lambda g, y, x: (g * sign(x),), real="Abs({0})", cost=SIMPLE,
    facts=_MAGNITUDE,
)  # fmt: skip
fabs: Op = Op(
    name="fabs", numpy=np.fabs, promote=like_ufunc(np.fabs), body=primitive("abs"), arity=1,
    vjp=lambda g, y, x: (g * sign(x),), real="Abs({0})", cost=SIMPLE, facts=_MAGNITUDE,
)  # fmt: skip
sign: Op = Op(
    name="sign", numpy=np.sign, promote=like_ufunc(np.sign), body=primitive("sign"), arity=1,
    partials=lambda x, y: (None,), real="sign({0})", cost=SIMPLE,
    facts=(*always(GEM1 | LE1 | FINITE | INTEGER), *kept(NOTNAN, NONZERO, GE0, LE0, GE1, LEM1)),
)  # fmt: skip


def _heaviside(x: Term, h: Term) -> Term:
    return select(x < 0, 0.0, select(x > 0, 1.0, select(x.equals(0), h, x)))


heaviside: Op = Op(
    name="heaviside", numpy=np.heaviside, promote=like_ufunc(np.heaviside), body=Scalar(_heaviside), arity=2,
    vjp=lambda g, z, x, h: (None, where(equal(x, 0), g, 0)),
    real="Piecewise((0, {0} < 0), (1, {0} > 0), ({1}, True))", cost=SIMPLE,
    facts=(*kept(NOTNAN, arity=2), *given(NOTHING, GE0, then=GE0), *given(NOTHING, LE1, then=LE1),
           *given(NOTHING, FINITE, then=FINITE), *given(NOTHING, INTEGER, then=INTEGER)),
)  # fmt: skip


def _integer_reciprocal(x: Any) -> Any:
    return np.where(np.abs(x) == 1, x, 0).astype(x.dtype)


reciprocal: Op = Op(
    name="reciprocal", numpy=_integers(_integer_reciprocal, np.reciprocal), promote=like_ufunc(np.reciprocal),
    body=by_kind("f", "reciprocal", lambda x: select(term("abs", x).equals(1), x, 0)), arity=1,
    partials=lambda x, y: (-square(y),), real="1 / {0}", defined="Ne({0}, 0)", cost=DIVIDE,
    facts=(*given(POS, then=GE0), *given(NEG, then=LE0), *given(NONZERO, then=FINITE), *given(GE1, then=LE1),
           *given(NONZERO | NOTNAN, then=NOTNAN), *given(LEM1, then=GEM1)),
)  # fmt: skip
square: Op = Op(
    name="square", numpy=np.square, promote=like_ufunc(np.square),
    body=Scalar(lambda x: term("mul", x, x)), arity=1,
    partials=lambda x, y: (2 * x,), real="{0}**2", cost=SIMPLE,
    facts=(*always(GE0), *kept(FINITE, NONZERO, INTEGER, NOTNAN, GE1), *given(LEM1, then=GE1),
           *given(GEM1 | LE1, then=LE1)),
)  # fmt: skip
sqrt: Op = Op(
    name="sqrt", numpy=np.sqrt, promote=like_ufunc(np.sqrt), body=primitive("sqrt"), arity=1,
    vjp=lambda g, y, x: (unless_zero(g, 0.5 * g / y),), real="sqrt({0})", defined="{0} >= 0", cost=DIVIDE,
    facts=(*always(GE0), *kept(FINITE, NONZERO, GE1, LE1), *given(GE0 | NOTNAN, then=NOTNAN)),
)  # fmt: skip
cbrt: Op = Op(
    name="cbrt", numpy=np.cbrt, promote=like_ufunc(np.cbrt), body=primitive("cbrt"), arity=1,
    vjp=lambda g, y, x: (unless_zero(g, g / (3 * square(y))),),
    real="sign({0}) * Abs({0}) ** Rational(1, 3)", cost=SLOW_CALL,
    facts=kept(NOTNAN, FINITE, NONZERO, GE0, LE0, GE1, LE1, GEM1, LEM1),
)  # fmt: skip


def _hypot_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    at_origin = equal(z, 0)
    return where(at_origin, 0, g * (x / z)), where(at_origin, 0, g * (y / z))


hypot: Op = Op(
    name="hypot", numpy=np.hypot, promote=like_ufunc(np.hypot), body=primitive("hypot"), arity=2,
    vjp=_hypot_vjp, real="sqrt({0}**2 + {1}**2)", commutative=True, cost=SLOW_CALL,
    facts=(*always(GE0, 2), *kept(FINITE, NOTNAN, GE1, arity=2), *given(NONZERO, NOTHING, then=NONZERO),
           *given(NOTHING, NONZERO, then=NONZERO)),
)  # fmt: skip


def tie_weights(g: Any, x: Any, y: Any, wins: Op) -> tuple[Any, Any]:
    """The cotangent where an operand wins, 0 where it loses, half of it on ties."""
    tied = where(equal(x, y), 0.5 * g, 0)
    return where(wins(x, y), g, tied), where(wins(y, x), g, tied)


maximum: Op = Op(
    name="maximum", numpy=np.maximum, promote=like_ufunc(np.maximum), body=by_kind("b", "or", "max"), arity=2,
    vjp=lambda g, z, x, y: tie_weights(g, x, y, greater), real="Max({0}, {1})",
    commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, LE0, LE1, LEM1, NOTNAN, NONZERO, arity=2),
           *given(GE0, NOTHING, then=GE0), *given(NOTHING, GE0, then=GE0), *given(GE1, NOTHING, then=GE1),
           *given(NOTHING, GE1, then=GE1), *given(GEM1, NOTHING, then=GEM1), *given(NOTHING, GEM1, then=GEM1)),
)  # fmt: skip
minimum: Op = Op(
    name="minimum", numpy=np.minimum, promote=like_ufunc(np.minimum), body=by_kind("b", "and", "min"), arity=2,
    vjp=lambda g, z, x, y: tie_weights(g, x, y, less), real="Min({0}, {1})",
    commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, GE0, GE1, GEM1, NOTNAN, NONZERO, arity=2),
           *given(LE0, NOTHING, then=LE0), *given(NOTHING, LE0, then=LE0), *given(LE1, NOTHING, then=LE1),
           *given(NOTHING, LE1, then=LE1), *given(LEM1, NOTHING, then=LEM1), *given(NOTHING, LEM1, then=LEM1)),
)  # fmt: skip


def _ignore_nan(g: Any, x: Any, y: Any, wins: Op) -> tuple[Any, Any]:
    first, second = tie_weights(g, x, y, wins)
    return where(not_equal(y, y), g, first), where(not_equal(x, x), g, second)


fmax: Op = Op(
    name="fmax", numpy=np.fmax, promote=like_ufunc(np.fmax), arity=2, body=Scalar(
        lambda x, y: term("fmax" if x.dtype.kind == "f" else "or" if x.dtype.kind == "b" else "max", x, y)),
    vjp=lambda g, z, x, y: _ignore_nan(g, x, y, greater), real="Max({0}, {1})", commutative=True,
    associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, LE0, LE1, LEM1, NONZERO, GE0, GE1, GEM1, arity=2),
           *given(NOTNAN, NOTHING, then=NOTNAN), *given(NOTHING, NOTNAN, then=NOTNAN)),
)  # fmt: skip
fmin: Op = Op(
    name="fmin", numpy=np.fmin, promote=like_ufunc(np.fmin), arity=2, body=Scalar(
        lambda x, y: term("fmin" if x.dtype.kind == "f" else "and" if x.dtype.kind == "b" else "min", x, y)),
    vjp=lambda g, z, x, y: _ignore_nan(g, x, y, less), real="Min({0}, {1})", commutative=True,
    associative=True, cost=SIMPLE, facts=fmax.facts,
)  # fmt: skip


def _copysign_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    return where(equal(signbit(x), signbit(y)), g, -g), None


copysign: Op = Op(
    name="copysign", numpy=np.copysign, promote=like_ufunc(np.copysign), body=primitive("copysign"), arity=2,
    vjp=_copysign_vjp, real="Abs({0}) * sign({1})", defined="Ne({1}, 0)", cost=SIMPLE,
    facts=(*given(NOTNAN, NOTHING, then=NOTNAN), *given(FINITE, NOTHING, then=FINITE),
           *given(INTEGER, NOTHING, then=INTEGER), *given(NONZERO, NOTHING, then=NONZERO),
           *given(NOTHING, POS | NOTNAN, then=GE0), *given(NOTHING, NEG | NOTNAN, then=LE0),
           *given(GEM1 | LE1, NOTHING, then=GEM1 | LE1)),
)  # fmt: skip
ROUNDING_GRID = Missing("it depends on how numbers are represented")
nextafter: Op = Op(
    name="nextafter", numpy=np.nextafter, promote=like_ufunc(np.nextafter), body=primitive("nextafter"), arity=2,
    partials=ROUNDING_GRID, real=ROUNDING_GRID, cost=CALL, facts=kept(NOTNAN, arity=2),
)  # fmt: skip
spacing: Op = Op(
    name="spacing", numpy=np.spacing, promote=like_ufunc(np.spacing), body=primitive("spacing"), arity=1,
    partials=ROUNDING_GRID, real=ROUNDING_GRID, cost=CALL, facts=given(DEFINED, then=NOTNAN),
)  # fmt: skip


def _modf(x: Term) -> tuple[Term, Term]:
    whole = term("trunc", x)
    fraction = select(term("isinf", x), 0.0, x - whole)
    return term("copysign", fraction, x), whole


modf: Op = Op(
    name="modf", numpy=np.modf, promote=like_ufunc(np.modf), body=Scalar(_modf), arity=1, results=2,
    vjp=lambda g, y, x: (g[0],), cost=SIMPLE, doc="Fractional and integral part, both with the sign of x.",
)  # fmt: skip
frexp: Op = Op(
    name="frexp", numpy=np.frexp, promote=like_ufunc(np.frexp), arity=1, results=2,
    body=Scalar(lambda x: (term("frexp_mantissa", x), frexp_exponent(x))),
    vjp=lambda g, y, x: (ldexp(g[0], -y[1]),), cost=CALL,
    doc="Mantissa in [0.5, 1) and exponent: x = mantissa * 2**exponent.",
)  # fmt: skip


def frexp_exponent(x: Term) -> Term:
    """The exponent of ``frexp``."""
    from egtensor.lang.scalar import make_term

    return make_term("frexp_exponent", (x,), np.dtype(np.int32))


def _ldexp(x: Term, exponent: Term) -> Term:
    if exponent.dtype.itemsize > 4:
        # beyond these every float has over- or underflowed
        exponent = term("max", term("min", exponent, 5000), -5000)
    return term("ldexp", x, cast_term(exponent, np.int32))


ldexp: Op = Op(
    name="ldexp", numpy=np.ldexp, promote=like_ufunc(np.ldexp), body=Scalar(_ldexp), arity=2,
    vjp=lambda g, z, x, i: (ldexp(g, i), None), cost=CALL,
    facts=tuple(Clause((b, NOTHING), b) for b in (NOTNAN, FINITE, NONZERO, GE0, LE0)),
    doc="x * 2**i.",
)  # fmt: skip


def _mixed_signs(prim: str) -> Scalar:
    """Comparison of a signed with an unsigned integer is by value, as in NumPy."""
    mirrored = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}.get(prim, prim)

    def expand(x: Term, y: Term) -> Term:
        if x.dtype == y.dtype:
            return term(prim, x, y)
        signed, unsigned, relation = (x, y, prim) if x.dtype.kind == "i" else (y, x, mirrored)
        compared = term(relation, cast_term(signed, unsigned.dtype), unsigned)
        if relation in ("lt", "le", "ne"):
            return (signed < 0) | compared
        return (signed >= 0) & compared

    return Scalar(expand)


def _comparison(name: str, symbol: str, prim: str, ufunc: Any, commutative: bool = False) -> Op:
    return Op(
        name=name, numpy=ufunc, promote=like_ufunc(ufunc), body=_mixed_signs(prim), arity=2, partials=BOOLEAN,
        real=symbol, commutative=commutative, cost=SIMPLE,
    )  # fmt: skip


less: Op = _comparison("less", "{0} < {1}", "lt", np.less)
less_equal: Op = _comparison("less_equal", "{0} <= {1}", "le", np.less_equal)
greater: Op = _comparison("greater", "{0} > {1}", "gt", np.greater)
greater_equal: Op = _comparison("greater_equal", "{0} >= {1}", "ge", np.greater_equal)
equal: Op = _comparison("equal", "Eq({0}, {1})", "eq", np.equal, commutative=True)
not_equal: Op = _comparison("not_equal", "Ne({0}, {1})", "ne", np.not_equal, commutative=True)


def _classify(name: str, ufunc: Any, real: str, of_integers: bool, cost: float = SIMPLE) -> Op:
    def expand(x: Term) -> Term:
        return term(name, x) if x.dtype.kind == "f" else const(of_integers, BOOL)

    return Op(
        name=name, numpy=ufunc, promote=like_ufunc(ufunc), body=Scalar(expand), arity=1, partials=BOOLEAN,
        real=real, cost=cost,
    )  # fmt: skip


isnan: Op = _classify("isnan", np.isnan, "False", False)
isinf: Op = _classify("isinf", np.isinf, "Eq(Abs({0}), oo)", False)
isfinite: Op = _classify("isfinite", np.isfinite, "Abs({0}) < oo", True)
signbit: Op = Op(
    name="signbit", numpy=np.signbit, promote=like_ufunc(np.signbit), body=primitive("signbit"), arity=1,
    partials=BOOLEAN, real="{0} < 0", defined="Ne({0}, 0)", cost=SIMPLE,
)  # fmt: skip


def _where_dtypes(dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    x, y = dtypes[1:]
    weak = isinstance(x, type) or isinstance(y, type)
    common = _weak_common(x, y) if weak else np.result_type(x, y)
    return np.dtype(bool), common, common, common


def _weak_common(x: Any, y: Any) -> Any:
    common = np.multiply.resolve_dtypes((x, y, None))[0]
    return np.dtype(np.float32) if common == np.float16 else common


where: Op = Op(
    name="where", numpy=np.where, promote=Promotion(_where_dtypes), body=Scalar(select), arity=3,
    vjp=lambda g, z, c, x, y: (None, where(c, g, 0), where(c, 0, g)),
    real="Piecewise(({1}, {0}), ({2}, True))", cost=SIMPLE,
    facts=tuple(Clause((NOTHING, b, b), b) for b in ORDER),
)  # fmt: skip


def _cast_term(x: Term, *, dtype: Any) -> Term:
    return cast_term(x, dtype)


def _cast_vjp(g: Any, y: Any, x: Any, *, dtype: Any) -> tuple[Any, ...]:
    from egtensor.lang.expr import cast as convert

    return (convert(g, x.dtype) if x.dtype.kind == "f" and y.dtype.kind == "f" else None,)


cast: Op = Op(
    name="cast", numpy=lambda x, *, dtype: x.astype(dtype), body=Scalar(_cast_term), arity=1, attrs=("dtype",),
    type_rule=lambda op, types, attrs, _: TensorType(attrs["dtype"], types[0].shape),
    vjp=_cast_vjp, cost=SIMPLE, facts=kept(NOTNAN, FINITE, INTEGER),
    doc="The elements converted to another dtype, as by NumPy's astype.",
)  # fmt: skip


def _unchanged(dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    d = {int: INT64, float: np.dtype(float)}.get(dtypes[0], dtypes[0])
    return d, d


stop_gradient: Op = Op(
    name="stop_gradient", numpy=lambda x: x, promote=Promotion(_unchanged), body=Scalar(lambda x: x), arity=1,
    vjp=lambda g, y, x: (None,), cost=0, facts=kept(*ORDER),
    doc="The operand, treated as a constant by gradients.",
)  # fmt: skip
