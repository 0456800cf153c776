"""Scalar terms over primitives: what one element of an elementwise operator computes.

The bodies of operators are written with them, and the kernels that the emitters render consist of them.
Terms are hash-consed: equal terms are one object.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from egtensor.lang.number import Number
from egtensor.lang.types import BOOL, DType


class Term:
    """A primitive applied to terms; ``operand`` terms stand for loaded values, ``const`` for numbers."""

    __slots__ = ("__weakref__", "args", "dtype", "prim", "value")

    prim: str
    args: tuple[Term, ...]
    dtype: DType
    value: Any

    def __add__(self, other: Operand) -> Term:
        return term("add", self, other)

    def __radd__(self, other: Operand) -> Term:
        return term("add", other, self)

    def __sub__(self, other: Operand) -> Term:
        return term("sub", self, other)

    def __rsub__(self, other: Operand) -> Term:
        return term("sub", other, self)

    def __mul__(self, other: Operand) -> Term:
        return term("mul", self, other)

    def __rmul__(self, other: Operand) -> Term:
        return term("mul", other, self)

    def __truediv__(self, other: Operand) -> Term:
        return term("div", self, other)

    def __rtruediv__(self, other: Operand) -> Term:
        return term("div", other, self)

    def __neg__(self) -> Term:
        return term("neg", self)

    def __lt__(self, other: Operand) -> Term:
        return term("lt", self, other)

    def __le__(self, other: Operand) -> Term:
        return term("le", self, other)

    def __gt__(self, other: Operand) -> Term:
        return term("gt", self, other)

    def __ge__(self, other: Operand) -> Term:
        return term("ge", self, other)

    def __and__(self, other: Operand) -> Term:
        return term("and", self, other)

    def __or__(self, other: Operand) -> Term:
        return term("or", self, other)

    def __xor__(self, other: Operand) -> Term:
        return term("xor", self, other)

    def __invert__(self) -> Term:
        return term("invert", self)

    def equals(self, other: Operand) -> Term:
        """The term ``self == other``."""
        return term("eq", self, other)

    def differs(self, other: Operand) -> Term:
        """The term ``self != other``."""
        return term("ne", self, other)

    def __str__(self) -> str:
        if self.prim == "const":
            return str(self.value)
        if self.prim == "operand":
            return f"%{self.value}"
        return f"{self.prim}({', '.join(map(str, self.args))})"


Operand = Term | int | float | bool
_TERMS: WeakValueDictionary[tuple[Any, ...], Term] = WeakValueDictionary()
# the result of these primitives is boolean whatever the operands are
PREDICATES = frozenset("lt le gt ge eq ne isnan isinf isfinite signbit".split())


def make_term(prim: str, args: tuple[Term, ...], dtype: DType, value: Any = None) -> Term:
    """The one term with these parts."""
    key = (prim, *map(id, args), dtype, value)
    found = _TERMS.get(key)
    if found is None:
        found = Term()
        found.prim, found.args, found.dtype, found.value = prim, args, dtype, value
        _TERMS[key] = found
    return found


def operand(index: Any, dtype: DType) -> Term:
    """The value of operand ``index``."""
    return make_term("operand", (), dtype, index)


def const(value: Any, dtype: DType) -> Term:
    """A number, in ``dtype``."""
    return make_term("const", (), dtype, value if isinstance(value, Number) else Number.of(value))


def term(prim: str, *args: Operand) -> Term:
    """Apply a primitive; Python numbers take the dtype of the terms beside them."""
    dtype = next(a.dtype for a in args if isinstance(a, Term))
    terms = tuple(a if isinstance(a, Term) else const(a, dtype) for a in args)
    return make_term(prim, terms, BOOL if prim in PREDICATES else dtype)


def select(condition: Term, x: Operand, y: Operand) -> Term:
    """``x`` where ``condition`` holds, else ``y``."""
    dtype = next(a.dtype for a in (x, y) if isinstance(a, Term))
    x, y = (a if isinstance(a, Term) else const(a, dtype) for a in (x, y))
    return make_term("select", (condition, x, y), dtype)


def cast(x: Term, dtype: Any) -> Term:
    """``x`` converted to ``dtype`` as NumPy's ``astype`` does."""
    d = np.dtype(dtype)
    return x if x.dtype == d else make_term("cast", (x,), d)
