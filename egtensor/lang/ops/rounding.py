"""Rounding to integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.lang.facts import FINITE, GE0, GE1, GEM1, INTEGER, LE0, LE1, LEM1, NOTNAN, given, kept
from egtensor.lang.op import Op, composed
from egtensor.lang.ops.elementwise import SIMPLE, by_kind, primitive
from egtensor.lang.types import like_ufunc

_FACTS = (*kept(NOTNAN, FINITE, GE0, LE0, GE1, LE1, GEM1, LEM1), *given(FINITE, then=INTEGER))

floor: Op = Op(
    name="floor", numpy=np.floor, promote=like_ufunc(np.floor), body=by_kind("f", "floor", lambda x: x), arity=1,
    partials=lambda x, y: (None,), real="floor({0})", cost=SIMPLE, facts=_FACTS,
)  # fmt: skip
ceil: Op = Op(
    name="ceil", numpy=np.ceil, promote=like_ufunc(np.ceil), body=by_kind("f", "ceil", lambda x: x), arity=1,
    partials=lambda x, y: (None,), real="ceiling({0})", cost=SIMPLE, facts=_FACTS,
)  # fmt: skip
rint: Op = Op(
    name="rint", numpy=np.rint, promote=like_ufunc(np.rint), body=primitive("rint"), arity=1,
    partials=lambda x, y: (None,), cost=SIMPLE, facts=_FACTS,
    doc="The nearest integer, the even one of two.",
)  # fmt: skip


@composed(numpy=np.round)
def round_(x: Any, decimals: int = 0) -> Any:
    """Round to ``decimals`` digits after the point, halves to even.

    source  NumPy: scale by a power of ten, round, scale back
    """
    from egtensor.lang.expr import as_expr, cast

    x = as_expr(x)
    if x.dtype.kind in "biu":
        if decimals >= 0:
            return x
        scale = 10**-decimals
        return cast(rint(x / scale) * scale, x.dtype)
    if decimals == 0:
        return rint(x)
    scale = float(10 ** abs(decimals))
    return rint(x * scale) / scale if decimals > 0 else rint(x / scale) * scale
