"""Logic, bits, and divisors of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.lang.facts import GE0, INTEGER, NOTHING, always, given, kept
from egtensor.lang.op import Op, Scalar
from egtensor.lang.ops.elementwise import BOOLEAN, INTEGRAL, SIMPLE, SLOW_CALL, primitive
from egtensor.lang.scalar import Term, cast, make_term, term
from egtensor.lang.types import BOOL, like_ufunc


def truth(x: Term) -> Term:
    """Whether a number is not zero; NaN is not."""
    return x if x.dtype == BOOL else x.differs(0)


def _logical(name: str, prim: str, real: str, ufunc: Any) -> Op:
    return Op(
        name=name, numpy=ufunc, promote=like_ufunc(ufunc), arity=2, partials=BOOLEAN, commutative=True,
        body=Scalar(lambda x, y: term(prim, truth(x), truth(y))), associative=True,
        real=real, cost=SIMPLE,
    )  # fmt: skip


logical_and: Op = _logical("logical_and", "and", "Ne({0}, 0) & Ne({1}, 0)", np.logical_and)
logical_or: Op = _logical("logical_or", "or", "Ne({0}, 0) | Ne({1}, 0)", np.logical_or)
logical_xor: Op = _logical("logical_xor", "xor", "Xor(Ne({0}, 0), Ne({1}, 0))", np.logical_xor)
logical_not: Op = Op(
    name="logical_not", numpy=np.logical_not, promote=like_ufunc(np.logical_not), arity=1, partials=BOOLEAN,
    body=Scalar(lambda x: ~truth(x)), real="Eq({0}, 0)", cost=SIMPLE,
)  # fmt: skip


def _bitwise(name: str, prim: str, ufunc: Any, **options: Any) -> Op:
    return Op(
        name=name, numpy=ufunc, promote=like_ufunc(ufunc), arity=ufunc.nin, partials=INTEGRAL,
        body=primitive(prim), cost=SIMPLE, **options,
    )  # fmt: skip


_AC = {"commutative": True, "associative": True}
bitwise_and: Op = _bitwise("bitwise_and", "and", np.bitwise_and, **_AC,
                       facts=(*given(GE0, NOTHING, then=GE0), *given(NOTHING, GE0, then=GE0)))  # fmt: skip
bitwise_or: Op = _bitwise("bitwise_or", "or", np.bitwise_or, **_AC, facts=kept(GE0, arity=2))
bitwise_xor: Op = _bitwise("bitwise_xor", "xor", np.bitwise_xor, **_AC, facts=kept(GE0, arity=2))
invert: Op = _bitwise("invert", "invert", np.invert)
left_shift: Op = _bitwise("left_shift", "shl", np.left_shift)
right_shift: Op = _bitwise(
    "right_shift", "shr", np.right_shift, facts=given(GE0, NOTHING, then=GE0)
)
bitwise_count: Op = Op(
    name="bitwise_count", numpy=np.bitwise_count, promote=like_ufunc(np.bitwise_count), arity=1, partials=INTEGRAL,
    body=Scalar(lambda x: cast(x, np.uint8) if x.dtype == BOOL else make_term("popcount", (x,), np.dtype(np.uint8))),
    facts=always(GE0 | INTEGER), cost=SIMPLE,
)  # fmt: skip
gcd: Op = Op(
    name="gcd", numpy=np.gcd, promote=like_ufunc(np.gcd), arity=2, partials=INTEGRAL, body=primitive("gcd"),
    commutative=True, associative=True, facts=always(GE0, 2), cost=SLOW_CALL,
)  # fmt: skip
lcm: Op = Op(
    name="lcm", numpy=np.lcm, promote=like_ufunc(np.lcm), arity=2, partials=INTEGRAL, body=primitive("lcm"),
    commutative=True, facts=always(GE0, 2), cost=SLOW_CALL,
)  # fmt: skip
