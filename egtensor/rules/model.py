"""What both sides of a rule mean: values over the extended reals, SymPy terms, and floats.

Over the extended reals undefined is NaN: infinity minus infinity, zero times infinity, anything
divided by zero, arguments outside ``Op.defined``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from egtensor.lang.expr import Expr, fold
from egtensor.lang.op import Leaf, Missing, Op, Reduce, Scalar
from egtensor.lang.types import BOOL

DIGITS = 80
Values = dict[Expr, Any]
Element = Callable[..., Any]

# SymPy's names of connectives
LOGIC: dict[Any, str] = {
    np.logical_not: "Not",
    np.logical_and: "And",
    np.logical_or: "Or",
    np.logical_xor: "Xor",
}
# NumPy has no loops over objects for these
CLASSIFICATIONS: dict[Any, str] = {np.isnan: "isnan", np.isinf: "isinf", np.isfinite: "isfinite"}


def numpy_values(roots: list[Expr], given: Mapping[Expr, Any]) -> list[Any]:
    """The roots by the NumPy functions of the operators."""

    def node(e: Expr, args: list[Any]) -> Any:
        return given[e] if e in given else e.op.numpy(*args, **e.attributes)

    with np.errstate(all="ignore"):
        values = fold(roots, node)
    return [np.asarray(values[r]) for r in roots]


def real_values(roots: list[Expr], given: Mapping[Expr, Any]) -> Values:
    """Every node over the extended reals, in object arrays of mpmath numbers."""
    import mpmath

    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        return fold(roots, lambda e, args: given[e] if e in given else _real(e, args))


def sympy_values(roots: list[Expr], given: Mapping[Expr, Any]) -> list[Any]:
    """The roots as object arrays of SymPy terms."""

    def node(e: Expr, args: list[Any]) -> Any:
        if e in given:
            return given[e]
        return _of_elements(e, args, _sympy_number, _sympy_element, SYMPY_FOLDS)

    values = fold(roots, node)
    return [values[r] for r in roots]


def as_reals(x: Any) -> Any:
    """An array of floats as mpmath numbers, of booleans and integers as they are."""
    import mpmath

    x = np.asarray(x)
    if x.dtype.kind != "f":
        return x.astype(object) if x.dtype.kind in "iu" else x
    return elementwise(mpmath.mpf, x.astype(object))


def _real(e: Expr, args: list[Any]) -> Any:
    if e.op.numpy in CLASSIFICATIONS:
        import mpmath

        return elementwise(getattr(mpmath, CLASSIFICATIONS[e.op.numpy]), *args).astype(bool)
    is_logic = e.dtype == BOOL and e.op.is_elementwise
    if is_logic or e.op.numpy is np.where:
        return e.op.numpy(*args).astype(bool if e.dtype == BOOL else object)
    return _of_elements(e, args, _real_number, real_element, REAL_FOLDS)


def _of_elements(
    e: Expr, args: list[Any], number: Element, element: Element, folds: Mapping[str, Element]
) -> Any:
    match e.op.body:
        case Scalar() if "dtype" in e.op.attrs:
            return _converted(args[0], e, number)
        case Scalar():
            return elementwise(element(e.op), *args)
        case Reduce(prim, identity):
            x = args[0]
            if x.size == 0:
                return np.full(tuple(map(int, e.shape)), number(identity(e.dtype)), dtype=object)
            combine = np.frompyfunc(folds[prim], 2, 1)
            with np.errstate(all="ignore"):
                for axis in sorted(e.attributes["axes"], reverse=True):
                    x = combine.reduce(x, axis=axis)
            return np.asarray(x, dtype=object)
        case Leaf():
            made = np.asarray(e.op.numpy(**e.attributes))
            return made if made.dtype == BOOL else elementwise(number, made.astype(object))
        case _:
            return np.asarray(e.op.numpy(*args, **e.attributes), dtype=object)


def elementwise(f: Element, *args: Any) -> Any:
    """An object array of ``f`` of each element."""
    with np.errstate(all="ignore"):
        return np.asarray(np.frompyfunc(f, len(args), 1)(*args), dtype=object)


def _converted(x: Any, e: Expr, number: Element) -> Any:
    source = e.args[0].dtype
    if e.dtype.kind == "f":
        return x if source.kind == "f" else elementwise(lambda v: number(int(v)), x)
    raise NotImplementedError(f"a cast from {source} to {e.dtype} has no meaning over the reals")


@cache
def real_element(op: Op) -> Element:
    """The scalar function of an operator over the extended reals, NaN where undefined."""
    import mpmath
    import sympy

    function, defined = _lambdified(op, op.real, "mpmath"), _lambdified(op, op.defined, "mpmath")

    def element(*x: Any) -> Any:
        if any(mpmath.isnan(v) for v in x):
            return mpmath.nan
        try:
            if not defined(*x):
                return mpmath.nan
            value = function(*x)
            if value != value and any(mpmath.isinf(v) for v in x):
                return _at_infinity(op, x)
        except (ZeroDivisionError, OverflowError, ValueError):
            return mpmath.nan
        if isinstance(value, mpmath.mpc) or (isinstance(value, sympy.Basic) and not value.is_real):
            return mpmath.nan
        return mpmath.mpf(value)

    return element


def _at_infinity(op: Op, x: tuple[Any, ...]) -> Any:
    """The value IEEE 754 gives where a formula has none, such as infinity to the power zero."""
    import mpmath

    with np.errstate(all="ignore"):
        return mpmath.mpf(float(op.numpy(*(np.float64(float(v)) for v in x))))


@cache
def _sympy_element(op: Op) -> Element:
    import sympy

    if op.numpy is np.where:
        return lambda c, x, y: sympy.Piecewise((x, c), (y, True))
    if op.numpy in LOGIC:
        return getattr(sympy, LOGIC[op.numpy])  # type: ignore[no-any-return]
    names, parsed = _parsed(op, op.real)
    return lambda *x: parsed.xreplace(dict(zip(names, map(sympy.sympify, x), strict=True)))


def _lambdified(op: Op, formula: str | Missing, modules: str) -> Element:
    import sympy

    names, parsed = _parsed(op, formula)
    made: Element = sympy.lambdify(names, parsed, modules)
    return made


def _parsed(op: Op, formula: str | Missing) -> tuple[Any, Any]:
    import sympy

    if isinstance(formula, Missing):
        raise NotImplementedError(f"{op} has no meaning over the reals: {formula.why}")
    names = sympy.symbols(f"a:{op.arity}", real=True)
    parsed = sympy.sympify(formula.format(*names), locals={str(n): n for n in names})
    return names, sympy.sympify(parsed)


def _real_number(v: Any) -> Any:
    import mpmath

    return mpmath.mpf(v)


def _sympy_number(v: Any) -> Any:
    import sympy

    return sympy.nsimplify(v) if isinstance(v, float) else sympy.Integer(v)


def _extreme(pick: Element) -> Element:
    def choose(a: Any, b: Any) -> Any:
        return a if a != a else b if b != b else pick(a, b)

    return choose


def _sympy_extreme(name: str) -> Element:
    def choose(a: Any, b: Any) -> Any:
        import sympy

        return getattr(sympy, name)(a, b)

    return choose


_ARITHMETIC: dict[str, Element] = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b}
REAL_FOLDS = _ARITHMETIC | {"max": _extreme(max), "min": _extreme(min)}
SYMPY_FOLDS = _ARITHMETIC | {"max": _sympy_extreme("Max"), "min": _sympy_extreme("Min")}
