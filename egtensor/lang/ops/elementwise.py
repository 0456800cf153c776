"""Elementwise arithmetic, comparison, selection and casts.

Derivatives of powers, logarithms and trigonometric functions: NIST DLMF chapter 4.
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
    NONZERO,
    NOTHING,
    NOTNAN,
    Clause,
    always,
    given,
    kept,
)
from egtensor.lang.op import Missing, Op, Scalar
from egtensor.lang.scalar import Term, cast as cast_term, select, term
from egtensor.lang.types import Promotion, TensorType, like_ufunc

# per element, in float32 additions; benchmarks/calibrate_costs.py measures them
SIMPLE, DIVIDE, CALL, SLOW_CALL = 1.0, 4.0, 10.0, 30.0
BOOLEAN = Missing("the result is boolean")


def primitive(name: str) -> Scalar:
    """The body that is one primitive."""
    return Scalar(lambda *operands: term(name, *operands))


def _by_kind(boolean: str, other: str) -> Scalar:
    """NumPy's arithmetic on booleans is logic."""
    return Scalar(lambda *x: term(boolean if x[0].dtype.kind == "b" else other, *x))


add = Op(
    name="add", numpy=np.add, promote=like_ufunc(np.add), body=_by_kind("or", "add"), arity=2,
    partials=lambda x, y, z: (1, 1), real="{0} + {1}", commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, GE0, LE0, FINITE, arity=2), *given(FINITE | NOTNAN, NOTNAN, then=NOTNAN),
           *given(NOTNAN, FINITE | NOTNAN, then=NOTNAN), *given(GE0 | NONZERO, GE0, then=NONZERO),
           *given(GE0, GE0 | NONZERO, then=NONZERO), *given(GE1, GE0, then=GE1), *given(GE0, GE1, then=GE1)),
)  # fmt: skip
subtract = Op(
    name="subtract", numpy=np.subtract, promote=like_ufunc(np.subtract), body=primitive("sub"), arity=2,
    partials=lambda x, y, z: (1, -1), real="{0} - {1}", cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, arity=2), *given(FINITE | NOTNAN, NOTNAN, then=NOTNAN),
           *given(NOTNAN, FINITE | NOTNAN, then=NOTNAN), *given(GE0, LE0, then=GE0), *given(LE0, GE0, then=LE0),
           *given(GE1, LE1, then=GE0)),
)  # fmt: skip
multiply = Op(
    name="multiply", numpy=np.multiply, promote=like_ufunc(np.multiply), body=_by_kind("and", "mul"), arity=2,
    partials=lambda x, y, z: (y, x), real="{0} * {1}", commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, GE0, GE1, NONZERO, arity=2), *given(LE0, LE0, then=GE0),
           *given(GE0, LE0, then=LE0), *given(LE0, GE0, then=LE0),
           *given(FINITE | NOTNAN, FINITE | NOTNAN, then=NOTNAN)),
)  # fmt: skip
divide = Op(
    name="divide", numpy=np.divide, promote=like_ufunc(np.divide), body=primitive("div"), arity=2,
    partials=lambda x, y, z: (1 / y, -z / y), real="{0} / {1}", defined="Ne({1}, 0)", cost=DIVIDE,
    facts=(*given(GE0, GE0 | NONZERO, then=GE0), *given(LE0, GE0 | NONZERO, then=LE0),
           *given(FINITE, NONZERO, then=FINITE), *given(FINITE | NOTNAN, NONZERO | NOTNAN, then=NOTNAN),
           *given(NONZERO, FINITE, then=NONZERO)),
)  # fmt: skip
negative = Op(
    name="negative", numpy=np.negative, promote=like_ufunc(np.negative), body=primitive("neg"), arity=1,
    partials=lambda x, y: (-1,), real="-{0}", cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, NOTNAN, NONZERO), *given(LE0, then=GE0), *given(GE0, then=LE0)),
)  # fmt: skip
exp = Op(
    name="exp", numpy=np.exp, promote=like_ufunc(np.exp), body=primitive("exp"), arity=1,
    partials=lambda x, y: (y,), real="exp({0})", cost=CALL,
    facts=(*always(GE0), *kept(NOTNAN), *given(FINITE, then=NONZERO), *given(LE0, then=LE1), *given(GE0, then=GE1),
           *given(FINITE, then=FINITE)),
)  # fmt: skip
log = Op(
    name="log", numpy=np.log, promote=like_ufunc(np.log), body=primitive("log"), arity=1,
    partials=lambda x, y: (1 / x,), real="log({0})", defined="{0} >= 0", cost=CALL,
    facts=(*given(GE0 | NOTNAN, then=NOTNAN), *given(GE1, then=GE0), *given(LE1, then=LE0),
           *given(FINITE | NONZERO, then=FINITE)),
)  # fmt: skip
log1p = Op(
    name="log1p", numpy=np.log1p, promote=like_ufunc(np.log1p), body=primitive("log1p"), arity=1,
    partials=lambda x, y: (1 / (1 + x),), real="log(1 + {0})", defined="{0} >= -1", cost=CALL,
    facts=(*kept(GE0, LE0), *given(GEM1 | NOTNAN, then=NOTNAN)),
)  # fmt: skip
sqrt = Op(
    name="sqrt", numpy=np.sqrt, promote=like_ufunc(np.sqrt), body=primitive("sqrt"), arity=1,
    partials=lambda x, y: (0.5 / y,), real="sqrt({0})", defined="{0} >= 0", cost=DIVIDE,
    facts=(*always(GE0), *kept(FINITE, NONZERO, GE1, LE1), *given(GE0 | NOTNAN, then=NOTNAN)),
)  # fmt: skip
square = Op(
    name="square", numpy=np.square, promote=like_ufunc(np.square),
    body=Scalar(lambda x: term("mul", x, x)), arity=1,
    partials=lambda x, y: (2 * x,), real="{0}**2", cost=SIMPLE,
    facts=(*always(GE0), *kept(FINITE, NONZERO, INTEGER, NOTNAN, GE1)),
)  # fmt: skip
tanh = Op(
    name="tanh", numpy=np.tanh, promote=like_ufunc(np.tanh), body=primitive("tanh"), arity=1,
    partials=lambda x, y: (1 - square(y),), real="tanh({0})", cost=CALL,
    facts=(*always(LE1 | GEM1 | FINITE), *kept(NOTNAN, GE0, LE0, NONZERO)),
)  # fmt: skip
maximum = Op(
    name="maximum", numpy=np.maximum, promote=like_ufunc(np.maximum), body=_by_kind("or", "max"), arity=2,
    partials=lambda x, y, z: tie_weights(x, y, greater), real="Max({0}, {1})",
    commutative=True, associative=True, cost=SIMPLE,
    facts=(*kept(INTEGER, FINITE, LE0, LE1, NOTNAN, arity=2), *given(GE0, NOTNAN, then=GE0)),
)  # fmt: skip


def tie_weights(x: Any, y: Any, wins: Op) -> tuple[Any, Any]:
    """1 where an operand wins, 0 where it loses, shared equally on ties."""
    return where(wins(x, y), 1, where(equal(x, y), 0.5, 0)), where(
        wins(y, x), 1, where(equal(x, y), 0.5, 0)
    )


def _comparison(name: str, symbol: str, prim: str, ufunc: Any, commutative: bool = False) -> Op:
    return Op(
        name=name, numpy=ufunc, promote=like_ufunc(ufunc), body=primitive(prim), arity=2, partials=BOOLEAN,
        real=symbol, commutative=commutative, cost=SIMPLE,
    )  # fmt: skip


less = _comparison("less", "{0} < {1}", "lt", np.less)
less_equal = _comparison("less_equal", "{0} <= {1}", "le", np.less_equal)
greater = _comparison("greater", "{0} > {1}", "gt", np.greater)
greater_equal = _comparison("greater_equal", "{0} >= {1}", "ge", np.greater_equal)
equal = _comparison("equal", "Eq({0}, {1})", "eq", np.equal, commutative=True)
not_equal = _comparison("not_equal", "Ne({0}, {1})", "ne", np.not_equal, commutative=True)


def _where_dtypes(dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    x, y = dtypes[1:]
    if isinstance(x, type) or isinstance(y, type):
        common = np.multiply.resolve_dtypes((x, y, None))[0]
    else:
        common = np.result_type(x, y)
    return np.dtype(bool), common, common, common


where = Op(
    name="where", numpy=np.where, promote=Promotion(_where_dtypes), body=Scalar(select), arity=3,
    vjp=lambda g, z, c, x, y: (None, where(c, g, 0), where(c, 0, g)),
    real="Piecewise(({1}, {0}), ({2}, True))", cost=SIMPLE,
    facts=tuple(Clause((NOTHING, b, b), b)
                for b in (NOTNAN, FINITE, INTEGER, NONZERO, GE0, LE0, GE1, LE1, GEM1)),
)  # fmt: skip


def _cast_term(x: Term, *, dtype: Any) -> Term:
    return cast_term(x, dtype)


def _cast_vjp(g: Any, y: Any, x: Any, *, dtype: Any) -> tuple[Any, ...]:
    from egtensor.lang.expr import cast as convert

    return (convert(g, x.dtype) if x.dtype.kind == "f" and y.dtype.kind == "f" else None,)


cast = Op(
    name="cast", numpy=lambda x, *, dtype: x.astype(dtype), body=Scalar(_cast_term), arity=1, attrs=("dtype",),
    type_rule=lambda op, types, attrs, _: TensorType(attrs["dtype"], types[0].shape),
    vjp=_cast_vjp, cost=SIMPLE,
)  # fmt: skip
