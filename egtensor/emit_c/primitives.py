"""C text of the scalar primitives: expressions, and the support functions they call.

A kernel is a loop over scalars that gcc vectorises, so the support functions (``support/*.c.txt``)
are branch-free wherever a vector form exists; the others call libm.  Largest errors, in units of
the last place of the exact result, as tests/emit_c/test_primitives.py checks them:

    1      exp exp2 expm1 log log2 log10 log1p pow
    2      tanh cosh sigmoid softplus erf arctan; what calls glibc
    2      sin cos; 3 where |x| > 10000
    3      sinh;  cbrt (glibc's): 4
    2      logaddexp logaddexp2: of the largest among the result, the operands and log(2)
    4      log1mexp xlogy gammaln
    8      digamma: of the result, and of the largest term of the reflection where x < 0
    exact  all others

``sin`` and ``cos`` give NaN where the vector form cannot reduce its argument, |x| > EGT_TRIG_LIMIT.
``guard`` is the condition of that; ``careful`` expressions are right everywhere, and scalar.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from egtensor.lang.prim import DTYPES, PRIMS, DType

Use = tuple[str, DType] | tuple[str, DType, DType | None]

PRELUDE: Final = """\
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef uint8_t egt_bool;
#define EGT_INLINE static inline __attribute__((always_inline, unused))
/* gcc makes min and max instructions of compares only with a constant whose value it cannot see */
#define EGT_CONSTANT(type, name, value) \\
    static const type name##_value __asm__(#name) __attribute__((used)) = value; \\
    extern const type name __attribute__((visibility("hidden")))
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define EGT_HAS_FMA 1
#define EGT_FMA(a, b, c) __builtin_fma(a, b, c)
#define EGT_FMAF(a, b, c) __builtin_fmaf(a, b, c)
#define EGT_TRIG_LIMIT_F32 0x1.9p22f
#define EGT_TRIG_LIMIT_F64 0x1p50
#else
#define EGT_HAS_FMA 0
#define EGT_FMA(a, b, c) ((a) * (b) + (c))
#define EGT_FMAF(a, b, c) ((a) * (b) + (c))
#define EGT_TRIG_LIMIT_F32 0x1p20f
#define EGT_TRIG_LIMIT_F64 0x1p20
#endif
"""

# {0} {1} {2} operands; {s} suffix of the dtype, {t} its C type, {f} suffix of C's float functions
_OPERATORS: Final = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "neg": "(-{0})",
    "lt": "({0} < {1})",
    "le": "({0} <= {1})",
    "gt": "({0} > {1})",
    "ge": "({0} >= {1})",
    "eq": "({0} == {1})",
    "ne": "({0} != {1})",
    "select": "({0} ? {1} : {2})",
}

_LIBM: Final = tuple(
    "arccos arccosh arcsin arcsinh arctan2 arctanh cbrt erfc fmod hypot ldexp nextafter tan".split()
)

_BUILTIN: Final = "sqrt floor ceil trunc rint copysign".split()

_FLOAT: Final = (
    {
        "abs": "__builtin_fabs{f}({0})",
        "div": "({0} / {1})",
        "reciprocal": "(1 / {0})",
        "fma": "EGT_FMA{F}({0}, {1}, {2})",
        "signbit": "(egt_bits_{s}({0}) >> {last} != 0)",
        "isnan": "(!({0} == {0}))",
        "isinf": "(__builtin_fabs{f}({0}) == __builtin_inf{f}())",
        "isfinite": "(__builtin_fabs{f}({0}) < __builtin_inf{f}())",
    }
    | {name: f"__builtin_{name}{{f}}({{args}})" for name in _BUILTIN}
    | {name: f"__builtin_{name.replace('arc', 'a')}{{f}}({{args}})" for name in _LIBM}
)

_FLOAT32: Final = {
    "gammaln": "(float)egt_gammaln_f64({0})",
    "digamma": "(float)egt_digamma_f64({0})",
    "erfc": "(float)__builtin_erfc({0})",
}

_INTEGER: Final = {
    "and": "({t})({0} & {1})",
    "or": "({t})({0} | {1})",
    "xor": "({t})({0} ^ {1})",
    "invert": "({t})(~{0})",
    "popcount": "(uint8_t)__builtin_popcountll((uint{w}_t)egt_abs_{s}({0}))",
}

_BOOL: Final = {"invert": "(!{0})"}

_CAREFUL: Final = {name: f"__builtin_{name}{{f}}({{0}})" for name in ("sin", "cos")}

_SCALAR: Final = {
    "f": {*_LIBM, *"mod floordiv frexp_mantissa frexp_exponent gammaln digamma".split()},
    "i": {"pow", "gcd", "lcm"},
    "u": {"pow", "gcd", "lcm"},
    "b": set[str](),
}


@cache
def c_type(dtype: DType) -> str:
    """Name the C type of ``dtype``, as PRELUDE declares it."""
    match dtype.name:
        case "bool":
            return "egt_bool"
        case "float32":
            return "float"
        case "float64":
            return "double"
        case integer:
            return f"{integer}_t"


@cache
def suffix(dtype: DType) -> str:
    """Name ``dtype`` in a C identifier: f32, i8, u64, bool."""
    return "bool" if dtype.kind == "b" else f"{dtype.kind}{8 * dtype.itemsize}"


def literal(value: object, dtype: DType) -> str:
    """Write ``value`` as an exact constant expression of the C type of ``dtype``."""
    item = np.asarray(value).astype(dtype).item()
    match dtype.kind:
        case "b":
            return "1" if item else "0"
        case "f":
            return _float_literal(item, "f" if dtype.itemsize == 4 else "")
        case "u":
            return f"{item}u" if dtype.itemsize >= 4 else f"({c_type(dtype)}){item}"
        case _:
            return _signed_literal(item, dtype)


def _float_literal(item: float, f: str) -> str:
    sign = "-" if np.signbit(item) else ""
    if np.isnan(item):
        text = f'__builtin_nan{f}("")'
    elif np.isinf(item):
        text = f"__builtin_inf{f}()"
    else:
        text = re.sub(r"\.?0*p", "p", abs(item).hex()) + f
    return f"({sign}{text})" if sign else text


def _signed_literal(item: int, dtype: DType) -> str:
    if item == np.iinfo(dtype).min and dtype.itemsize >= 4:
        return f"({item + 1} - 1)"
    if dtype.itemsize >= 4:
        return f"({item})" if item < 0 else f"{item}"
    return f"({c_type(dtype)}){item}" if item >= 0 else f"(({c_type(dtype)}){item})"


def expression(
    prim: str, dtype: DType, *operands: str, to: DType | None = None, careful: bool = False
) -> str:
    """Write a primitive applied to operands as a C expression.

    dtype     that of the operands (PRIMS[prim].operand_dtypes)
    operands  C expressions, evaluated once or twice: names or literals
    to        the dtype a ``cast`` gives
    careful   the form without the limit that ``guard`` states, which does not vectorise
    returns   an expression, parenthesised; it needs ``support`` of the same use
    """
    record = PRIMS[prim]
    assert record.accepts(dtype), f"{prim} is not defined for {dtype}"
    assert len(operands) == record.arity, f"{prim} takes {record.arity} operands"
    if prim == "cast":
        assert to is not None, "cast needs the dtype to cast to"
        return _cast(dtype, to, operands[0])
    text = _template(prim, dtype, careful).format(
        *operands,
        args=", ".join(operands),
        s=suffix(dtype),
        t=c_type(dtype),
        f="f" if dtype.name == "float32" else "",
        F="F" if dtype.name == "float32" else "",
        w=8 * dtype.itemsize,
        last=8 * dtype.itemsize - 1,
    )
    narrow = dtype.kind in "iu" and dtype.itemsize < 4 and record.result == "same"
    return f"(({c_type(dtype)}){text})" if narrow and not text.startswith("egt_") else text


def _template(prim: str, dtype: DType, careful: bool) -> str:
    tables = {
        "f": (_FLOAT32 if dtype.name == "float32" else {}, _FLOAT, _OPERATORS),
        "i": (_INTEGER, _OPERATORS),
        "u": (_INTEGER, _OPERATORS),
        "b": (_BOOL, _INTEGER, _OPERATORS),
    }[dtype.kind]
    if careful and dtype.kind == "f" and prim in _CAREFUL:
        return _CAREFUL[prim]
    for table in tables:
        if prim in table:
            return table[prim]
    return f"egt_{prim}_{{s}}({{args}})"


def _cast(dtype: DType, to: DType, operand: str) -> str:
    if dtype == to:
        return operand
    if to.kind == "b":
        return f"({operand} != 0)"
    if dtype.kind == "f" and to.kind in "iu":
        wide = {"uint64": "u64", "int64": "i64", "uint32": "i64"}.get(to.name, "i32")
        return f"(({c_type(to)})egt_cast_{suffix(dtype)}_{wide}({operand}))"
    return f"(({c_type(to)}){operand})"


def guard(prim: str, dtype: DType, *operands: str) -> str | None:
    """Write the condition under which only the ``careful`` expression is right, if there is one."""
    if dtype.kind != "f" or prim not in _CAREFUL:
        return None
    s = suffix(dtype)
    f = "f" if dtype.name == "float32" else ""
    magnitude = f"__builtin_fabs{f}({operands[0]})"
    return f"(({magnitude} > EGT_TRIG_LIMIT_{s.upper()}) & ({magnitude} < __builtin_inf{f}()))"


def vectorises(prim: str, dtype: DType, to: DType | None = None) -> bool:
    """Tell whether gcc turns a loop over the expression into vector code, given AVX-512."""
    if prim in ("floordiv", "mod", "fmod") and dtype.kind in "iu":
        return dtype.itemsize < 8
    return prim not in _SCALAR[dtype.kind]


def support(used: Iterable[Use]) -> str:
    """Give the text of the functions that the uses (prim, dtype) or (prim, dtype, to) need.

    returns   C text to follow PRELUDE: callees first, each once, in an order fixed by ``used``
    """
    blocks = _blocks()
    chosen: dict[str, str] = {}

    def add(text: str) -> None:
        for name in _NAME.findall(text):
            if name in blocks and name not in chosen and blocks[name] is not text:
                add(blocks[name])
                chosen.setdefault(name, blocks[name])

    for use in used:
        prim, dtype, to = use if len(use) == 3 else (*use, None)
        operands = ["x"] * PRIMS[prim].arity
        add(expression(prim, dtype, *operands, to=to))
    return "\n".join(chosen.values())


_NAME: Final = re.compile(r"\begt_\w+")
_HEADER: Final = re.compile(r"^//// (\w+|[\w@]+ for [\w ]+)\n", re.MULTILINE)


@cache
def _blocks() -> dict[str, str]:
    """Read the support functions: name -> C text, one entry per dtype for templates."""
    blocks: dict[str, str] = {}
    by_suffix = {suffix(dtype): dtype for dtype in DTYPES}
    folder = files("egtensor.emit_c") / "support"
    for part in ("float32", "float64", "floats", "integers"):
        text = (folder / f"{part}.c.txt").read_text(encoding="utf-8")
        pieces = _HEADER.split(text)[1:]
        for header, body in zip(pieces[::2], pieces[1::2], strict=True):
            name, _, suffixes = header.partition(" for ")
            for s in suffixes.split() or [""]:
                block = _instantiate(body, by_suffix[s]) if s else body
                blocks[name.replace("@s@", s)] = block.strip() + "\n"
    return blocks


def _instantiate(text: str, dtype: DType) -> str:
    width = 8 * dtype.itemsize
    replacements = {
        "@s@": suffix(dtype),
        "@t@": c_type(dtype),
        "@u@": f"uint{width}_t",
        "@m@": f"uint{max(width, 32)}_t",
        "@w@": str(width),
        "@last@": str(width - 1),
        "@f@": "f" if dtype.name == "float32" else "",
    }
    for token, replacement in replacements.items():
        text = text.replace(token, replacement)
    return text
