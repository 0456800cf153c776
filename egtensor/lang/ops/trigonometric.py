"""Trigonometric and hyperbolic functions and their inverses.  Derivatives: NIST DLMF 4.20, 4.24, 4.34, 4.37."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from egtensor.lang.facts import (
    FINITE,
    GE0,
    GE1,
    GEM1,
    LE0,
    LE1,
    LEM1,
    NONZERO,
    NOTNAN,
    always,
    given,
    kept,
)
from egtensor.lang.op import Op, Scalar
from egtensor.lang.ops.elementwise import (
    CALL,
    DEFINED,
    SIMPLE,
    SLOW_CALL,
    equal,
    hypot,
    primitive,
    sqrt,
    square,
    unless_zero,
    where,
)
from egtensor.lang.types import like_ufunc

_BOUNDED = (*always(GEM1 | LE1 | FINITE), *given(DEFINED, then=NOTNAN))
_ODD = kept(NOTNAN, GE0, LE0, NONZERO)

sin: Op = Op(
    name="sin", numpy=np.sin, promote=like_ufunc(np.sin), body=primitive("sin"), arity=1,
    partials=lambda x, y: (cos(x),), real="sin({0})", cost=CALL, facts=_BOUNDED,
)  # fmt: skip
cos: Op = Op(
    name="cos", numpy=np.cos, promote=like_ufunc(np.cos), body=primitive("cos"), arity=1,
    partials=lambda x, y: (-sin(x),), real="cos({0})", cost=CALL, facts=_BOUNDED,
)  # fmt: skip
tan: Op = Op(
    name="tan", numpy=np.tan, promote=like_ufunc(np.tan), body=primitive("tan"), arity=1,
    partials=lambda x, y: (1 + square(y),), real="tan({0})", cost=SLOW_CALL,
    facts=(*always(FINITE), *given(DEFINED, then=NOTNAN)),
)  # fmt: skip
arcsin: Op = Op(
    name="arcsin", numpy=np.arcsin, promote=like_ufunc(np.arcsin), body=primitive("arcsin"), arity=1,
    vjp=lambda g, y, x: (unless_zero(g, g / sqrt((1 - x) * (1 + x))),), real="asin({0})", defined="Abs({0}) <= 1",
    cost=SLOW_CALL,
    facts=(*always(FINITE), *kept(GE0, LE0, NONZERO, GE1, LEM1), *given(NOTNAN | GEM1 | LE1, then=NOTNAN)),
)  # fmt: skip
arccos: Op = Op(
    name="arccos", numpy=np.arccos, promote=like_ufunc(np.arccos), body=primitive("arccos"), arity=1,
    vjp=lambda g, y, x: (unless_zero(g, -g / sqrt((1 - x) * (1 + x))),), real="acos({0})", defined="Abs({0}) <= 1",
    cost=SLOW_CALL, facts=(*always(FINITE | GE0), *given(NOTNAN | GEM1 | LE1, then=NOTNAN), *given(LE0, then=GE1)),
)  # fmt: skip
arctan: Op = Op(
    name="arctan", numpy=np.arctan, promote=like_ufunc(np.arctan), body=primitive("arctan"), arity=1,
    vjp=lambda g, y, x: (g / (1 + square(x)),), real="atan({0})", cost=SLOW_CALL,
    facts=(*always(FINITE), *_ODD, *kept(LE1, GEM1)),
)  # fmt: skip


def _arctan2_vjp(g: Any, z: Any, y: Any, x: Any) -> tuple[Any, ...]:
    # divided twice: the square of the distance may overflow; constant at the origin
    r = hypot(x, y)
    at_origin = equal(r, 0)
    return where(at_origin, 0, g * (x / r / r)), where(at_origin, 0, -(g * (y / r / r)))


arctan2: Op = Op(
    name="arctan2", numpy=np.arctan2, promote=like_ufunc(np.arctan2), body=primitive("arctan2"), arity=2,
    vjp=_arctan2_vjp, real="atan2({0}, {1})", defined="Ne({0}, 0) | Ne({1}, 0)", cost=SLOW_CALL,
    facts=(*always(FINITE, 2), *kept(NOTNAN, arity=2), *given(NONZERO, FINITE, then=NONZERO)),
)  # fmt: skip
sinh: Op = Op(
    name="sinh", numpy=np.sinh, promote=like_ufunc(np.sinh), body=primitive("sinh"), arity=1,
    partials=lambda x, y: (cosh(x),), real="sinh({0})", cost=CALL, facts=(*_ODD, *kept(FINITE, GE1, LEM1)),
)  # fmt: skip
cosh: Op = Op(
    name="cosh", numpy=np.cosh, promote=like_ufunc(np.cosh), body=primitive("cosh"), arity=1,
    partials=lambda x, y: (sinh(x),), real="cosh({0})", cost=CALL, facts=(*always(GE1), *kept(NOTNAN, FINITE)),
)  # fmt: skip
tanh: Op = Op(
    name="tanh", numpy=np.tanh, promote=like_ufunc(np.tanh), body=primitive("tanh"), arity=1,
    partials=lambda x, y: (1 - square(y),), real="tanh({0})", cost=CALL,
    facts=(*always(LE1 | GEM1 | FINITE), *_ODD),
)  # fmt: skip
arcsinh: Op = Op(
    name="arcsinh", numpy=np.arcsinh, promote=like_ufunc(np.arcsinh), body=primitive("arcsinh"), arity=1,
    vjp=lambda g, y, x: (g / hypot(x, 1),), real="asinh({0})", cost=SLOW_CALL,
    facts=(*_ODD, *kept(FINITE, LE1, GEM1)),
)  # fmt: skip
arccosh: Op = Op(
    name="arccosh", numpy=np.arccosh, promote=like_ufunc(np.arccosh), body=primitive("arccosh"), arity=1,
    vjp=lambda g, y, x: (unless_zero(g, g / (sqrt(x - 1) * sqrt(x + 1))),), real="acosh({0})", defined="{0} >= 1",
    cost=SLOW_CALL, facts=(*always(GE0), *kept(FINITE), *given(GE1 | NOTNAN, then=NOTNAN)),
)  # fmt: skip
arctanh: Op = Op(
    name="arctanh", numpy=np.arctanh, promote=like_ufunc(np.arctanh), body=primitive("arctanh"), arity=1,
    vjp=lambda g, y, x: (g / ((1 - x) * (1 + x)),), real="atanh({0})", defined="Abs({0}) <= 1", cost=SLOW_CALL,
    facts=(*kept(GE0, LE0, NONZERO), *given(NOTNAN | GEM1 | LE1, then=NOTNAN)),
)  # fmt: skip
deg2rad: Op = Op(
    name="deg2rad", numpy=np.deg2rad, promote=like_ufunc(np.deg2rad), arity=1,
    body=Scalar(lambda x: x * (math.pi / 180)), partials=lambda x, y: (math.pi / 180,), real="{0} * pi / 180",
    cost=SIMPLE, facts=(*_ODD, *kept(FINITE, LE1, GEM1)),
)  # fmt: skip
rad2deg: Op = Op(
    name="rad2deg", numpy=np.rad2deg, promote=like_ufunc(np.rad2deg), arity=1,
    body=Scalar(lambda x: x * (180 / math.pi)), partials=lambda x, y: (180 / math.pi,), real="{0} * 180 / pi",
    cost=SIMPLE, facts=(*_ODD, *kept(FINITE, GE1, LEM1)),
)  # fmt: skip
