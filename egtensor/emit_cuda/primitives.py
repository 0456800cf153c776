"""CUDA text of the scalar primitives: expressions over device functions that need no header."""

from __future__ import annotations

from typing import Final

import numpy as np

from egtensor.lang.number import Number
from egtensor.lang.types import DType

TYPES: Final = {
    "bool": "bool", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int",
    "uint64": "unsigned long long", "float32": "float", "float64": "double",
}  # fmt: skip

# {0} {1} {2} operands; {f} suffix of C's float functions; {t} the type
ANY: Final = {
    "add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "neg": "(-{0})",
    "lt": "({0} < {1})", "le": "({0} <= {1})", "gt": "({0} > {1})", "ge": "({0} >= {1})",
    "eq": "({0} == {1})", "ne": "({0} != {1})", "select": "({0} ? {1} : {2})",
    "and": "({0} & {1})", "or": "({0} | {1})", "xor": "({0} ^ {1})",
}  # fmt: skip
INTEGER: Final = {
    "min": "({0} < {1} ? {0} : {1})", "max": "({0} > {1} ? {0} : {1})",
    "abs": "({0} < 0 ? -{0} : {0})", "sign": "({t})(({0} > 0) - ({0} < 0))", "invert": "(~{0})",
    "mod": "egt_mod({0}, {1})", "floordiv": "egt_floordiv({0}, {1})", "popcount": "__popcll({0})",
}  # fmt: skip
NAMES: Final = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "gammaln": "lgamma",
}  # fmt: skip
FUNCTIONS: Final = frozenset(
    "sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh floor ceil trunc rint erf"
    " erfc hypot copysign nextafter fmod fmin fmax fma pow ldexp".split()
)
FLOAT: Final = {
    "abs": "fabs{f}({0})",
    "div": "({0} / {1})", "reciprocal": "(({t})1 / {0})",
    "min": "(({0} < {1} || {0} != {0}) ? {0} : {1})",
    "max": "(({0} > {1} || {0} != {0}) ? {0} : {1})",
    "sign": "({0} != {0} ? {0} : ({t})(({0} > 0) - ({0} < 0)))",
    "isnan": "({0} != {0})", "isinf": "(fabs{f}({0}) == ({t})INFINITY)",
    "isfinite": "(fabs{f}({0}) < ({t})INFINITY)", "signbit": "(copysign{f}(({t})1, {0}) < 0)",
    "sigmoid": "(({t})1 / (({t})1 + exp{f}(-{0})))",
    "softplus": "(fmax{f}({0}, ({t})0) + log1p{f}(exp{f}(-fabs{f}({0}))))",
    "log1mexp": "({0} > ({t})-0.6931471805599453 ? log{f}(-expm1{f}({0})) : log1p{f}(-exp{f}({0})))",
    "logaddexp": "(({0} == {1}) ? {0} + ({t})0.6931471805599453"
                 " : fmax{f}({0}, {1}) + log1p{f}(exp{f}(-fabs{f}({0} - {1}))))",
    "xlogy": "(({0} == 0 && {1} == {1}) ? ({t})0 : {0} * log{f}({1}))",
}  # fmt: skip
BOOL: Final = {"invert": "(!{0})", "min": "({0} && {1})", "max": "({0} || {1})"}

PRELUDE: Final = """\
#define int64_t long long
#define uint64_t unsigned long long
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fc00000)
#endif
template <class T> static __device__ __forceinline__ T egt_floordiv(T a, T b)
{
    return b ? a / b - (a % b && (a < 0) != (b < 0)) : 0;
}
template <class T> static __device__ __forceinline__ T egt_mod(T a, T b)
{
    return b ? a - egt_floordiv(a, b) * b : 0;
}
static __device__ __forceinline__ int64_t egt_size_floordiv(int64_t a, int64_t b) { return egt_floordiv(a, b); }
static __device__ __forceinline__ int64_t egt_size_min(int64_t a, int64_t b) { return a < b ? a : b; }
static __device__ __forceinline__ int64_t egt_size_max(int64_t a, int64_t b) { return a > b ? a : b; }"""


def c_type(dtype: DType) -> str:
    """The CUDA type of a dtype."""
    return TYPES[dtype.name]


def expression(prim: str, dtype: DType, operands: tuple[str, ...], result: DType) -> str | None:
    """A primitive applied to operands, or None where CUDA has no text for it."""
    if prim == "cast":
        return (
            f"({operands[0]} != 0)" if result.kind == "b" else f"(({c_type(result)}){operands[0]})"
        )
    f = "f" if dtype.name == "float32" else ""
    if dtype.kind == "f":
        name = NAMES.get(prim, prim)
        if prim in FUNCTIONS or prim in NAMES:
            return f"{name}{f}({', '.join(operands)})"
    table = {"f": FLOAT, "b": BOOL}.get(dtype.kind, INTEGER)
    text = table.get(prim) or ANY.get(prim)
    return None if text is None else text.format(*operands, f=f, t=c_type(dtype))


def literal(value: object, dtype: DType) -> str:
    """A number as a constant of the CUDA type of ``dtype``."""
    item = value.array(dtype) if isinstance(value, Number) else np.asarray(value).astype(dtype)[()]
    if dtype.kind == "b":
        return "true" if item else "false"
    if dtype.kind != "f":
        return f"({c_type(dtype)}){int(item)}{'ull' if dtype.kind == 'u' else 'll'}"
    f = "f" if dtype.itemsize == 4 else ""
    if np.isnan(item):
        return f"(({c_type(dtype)})NAN)"
    if np.isinf(item):
        return f"(({c_type(dtype)}){'-' if item < 0 else ''}INFINITY)"
    return f"({float(item).hex()}{f})" if np.signbit(item) else f"{float(item).hex()}{f}"
