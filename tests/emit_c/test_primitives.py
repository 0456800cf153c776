"""The C text of every primitive, for every dtype, against NumPy, SciPy and mpmath.

One gcc run compiles all of them as array loops, with the flags of generated kernels.  Exact results
are compared with NumPy bit for bit; elementary functions with float64 (for float32) or mpmath (for
float64), within ERROR units of the last place.
"""

import ctypes
import itertools
import platform
import subprocess
from functools import cache

import mpmath
import numpy as np
import pytest
import scipy.special

from egtensor.emit_c.primitives import (
    PRELUDE,
    c_type,
    expression,
    guard,
    literal,
    support,
    vectorises,
)
from egtensor.lang.prim import DTYPES, PRIMS

FLAGS = (
    "-O2 -fno-math-errno -fno-trapping-math -fwrapv -ffp-contract=off -ftree-loop-vectorize"
    " -fvect-cost-model=unlimited -fopenmp-simd -shared -fPIC"
).split()
NATIVE = ("-march=native", "-mprefer-vector-width=512")
# one copy of each loop, and no memcpy: each is to be seen in the report
PLAIN = ("-fno-ipa-icf", "-fno-tree-loop-distribute-patterns")
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
INT8, BOOL = np.dtype(np.int8), np.dtype(np.bool_)

LIBM = "arccos arccosh arcsin arcsinh arctan2 arctanh cbrt erfc hypot tan".split()
ERROR = (
    dict.fromkeys("exp exp2 expm1 log log2 log10 log1p pow".split(), 1)
    | dict.fromkeys("tanh cosh sigmoid softplus erf arctan sin cos".split(), 2)
    | dict.fromkeys(LIBM, 2)
    | {"sinh": 3, "cbrt": 4}  # the latter is glibc's, in float64
    | {
        "logaddexp": 2,
        "logaddexp2": 2,
        "log1mexp": 4,
        "xlogy": 4,
        "gammaln": 4,
        "digamma": 8,
        "fma": 0.501,
    }
)


def log1mexp(x):
    with np.errstate(all="ignore"):
        return np.where(x > -0.7, np.log(-np.expm1(x)), np.log1p(-np.exp(x))).astype(x.dtype)


def truncated_power(x, y):
    if x.dtype.kind == "u":
        return np.power(x, y)
    negative = np.where(x == 1, 1, np.where(x == -1, np.where(y & 1, -1, 1), 0))
    return np.where(y < 0, negative, np.power(x, np.maximum(y, 0))).astype(x.dtype)


def sigmoid(x):
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), scipy.special.expit(x)).astype(x.dtype)


def gammaln(x):
    subnormal = np.abs(x) < np.finfo(x.dtype).tiny
    return np.where(subnormal, -np.log(np.abs(x)), scipy.special.gammaln(x)).astype(x.dtype)


NUMPY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "min": np.minimum,
    "max": np.maximum,
    "neg": np.negative,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "popcount": np.bitwise_count,
    "select": np.where,
    "sigmoid": sigmoid,
    "gammaln": gammaln,
    "softplus": lambda x: np.logaddexp(x.dtype.type(0), x),
    "log1mexp": log1mexp,
    "digamma": scipy.special.digamma,
    "frexp_mantissa": lambda x: np.frexp(x)[0],
    "frexp_exponent": lambda x: np.frexp(x)[1],
    "fma": lambda x, y, z: (x.astype(np.longdouble) * y + z).astype(x.dtype),
}

MPMATH = {
    "exp2": lambda x: mpmath.power(2, x),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "fma": lambda x, y, z: x * y + z,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "arccos": mpmath.acos,
    "arcsin": mpmath.asin,
    "arctan": mpmath.atan,
    "arctan2": mpmath.atan2,
    "arccosh": mpmath.acosh,
    "arcsinh": mpmath.asinh,
    "arctanh": mpmath.atanh,
    "pow": mpmath.power,
    "gammaln": mpmath.loggamma,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "log1mexp": lambda x: mpmath.log1p(-mpmath.exp(x)) if x < -1 else mpmath.log(-mpmath.expm1(x)),
    "logaddexp": lambda x, y: max(x, y) + mpmath.log1p(mpmath.exp(-abs(x - y))),
    "logaddexp2": lambda x, y: (
        max(x, y) + mpmath.log1p(mpmath.power(2, -abs(x - y))) / mpmath.log(2)
    ),
    "xlogy": lambda x, y: x * mpmath.log(y),
}


def numpy_function(name):
    return NUMPY.get(name) or getattr(np, name, None) or getattr(scipy.special, name)


def mpmath_function(name):
    return MPMATH.get(name) or getattr(mpmath, name)


USES = [
    (prim.name, dtype, to)
    for prim in PRIMS.values()
    for dtype in DTYPES
    if prim.accepts(dtype)
    for to in (DTYPES if prim.name == "cast" else [None])
]
CAREFUL_NAMES = ("sin", "cos")
CAREFUL = [(name, dtype, None) for name in CAREFUL_NAMES for dtype in FLOATS]


def label(use):
    name, dtype, to = use
    return f"{name}-{dtype}" + (f"-{to}" if to is not None else "")


def loop(symbol, use, careful=False):
    name, dtype, to = use
    operands = PRIMS[name].operand_dtypes(dtype)
    places = range(len(operands))
    result = c_type(PRIMS[name].result_dtype(dtype, to))
    parameters = ", ".join(f"const {c_type(o)} *restrict a{j}" for j, o in enumerate(operands))
    loads = " ".join(f"const {c_type(o)} x{j} = a{j}[i];" for j, o in enumerate(operands))
    text = expression(name, dtype, *(f"x{j}" for j in places), to=to, careful=careful)
    return (
        f"void {symbol}(int64_t n, {parameters}, {result} *restrict z)\n{{\n#pragma omp simd\n"
        f"    for (int64_t i = 0; i < n; ++i) {{ {loads} z[i] = {text}; }}\n}}\n"
    )


def symbol(use, careful=False):
    return ("careful_" if careful else "loop_") + label(use).replace("-", "_")


def build(folder, text, *flags):
    source, library = folder / "k.c", folder / "k.so"
    source.write_text(text)
    command = ["gcc", "-Wall", "-Wextra", "-Werror", *FLAGS, *flags, source, "-o", library, "-lm"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The library of all loops, and the uses whose loop gcc reports as vectorised."""
    folder = tmp_path_factory.mktemp("primitives")
    text = PRELUDE + support(USES) + "".join(loop(symbol(use), use) for use in USES)
    text += "".join(loop(symbol(use, careful=True), use, careful=True) for use in CAREFUL)
    report = folder / "report"
    library = build(folder, text, *NATIVE, *PLAIN, f"-fopt-info-vec-optimized={report}")
    reported = {int(line.split(":")[1]) for line in report.read_text().splitlines()}
    begins = {
        line.partition("(")[0].removeprefix("void "): number
        for number, line in enumerate(text.splitlines(), 1)
        if line.startswith("void loop_")
    }
    at = {use: begins[symbol(use)] for use in USES}
    seen = {use for use in USES if reported & set(range(at[use], at[use] + 5))}
    return ctypes.CDLL(str(library)), seen


@pytest.fixture(scope="session")
def library(built):
    return built[0]


def call(library, use, operands, careful=False):
    name, dtype, to = use
    arrays = [
        np.ascontiguousarray(a, d)
        for a, d in zip(operands, PRIMS[name].operand_dtypes(dtype), strict=True)
    ]
    result = np.empty(arrays[0].shape, PRIMS[name].result_dtype(dtype, to))
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, result)]
    library[symbol(use, careful)](ctypes.c_int64(result.size), *pointers)
    return result


@cache
def specials(dtype):
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info, w = np.iinfo(dtype), 8 * dtype.itemsize
        values = [0, 1, 2, 3, 7, 10, w - 1, w, w + 1, info.max, info.max - 1, info.max // 2]
        values += [info.min, info.min + 1] + ([-1, -2, -3, -7, -w] if dtype.kind == "i" else [])
        return np.unique(np.array(values, dtype))
    info = np.finfo(dtype)
    ones = [
        0.5,
        1,
        1 + info.eps,
        1 - info.epsneg,
        1.5,
        2,
        2.5,
        3,
        7,
        10,
        1000,
        0.1,
        0.7,
        88.5,
        709.7,
    ]
    sizes = [info.tiny, info.smallest_subnormal, info.tiny / 4, info.max, 1e-5, 1e-12, 1e20, 2**31]
    positive = np.array(
        [0.0, np.inf, *ones, *sizes, 2**23, 2**52, 2**63, 2**24 - 1, 104, 746], dtype
    )
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


def random_values(dtype, n, rng):
    if dtype.kind == "b":
        return rng.integers(0, 2, n).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        wide = rng.integers(info.min, info.max, n, dtype, endpoint=True)
        small = rng.integers(max(info.min, -20), 20, n).astype(dtype)
        return np.where(rng.random(n) < 0.5, wide, small)
    bits = rng.integers(0, 2 ** (8 * dtype.itemsize), n, f"u{dtype.itemsize}").view(dtype)
    kinds = [
        bits,
        rng.uniform(-1, 1, n),
        rng.normal(0, 10, n),
        np.exp(rng.uniform(-50, 50, n)),
        1 + rng.normal(0, 0.2, n),
        rng.uniform(-750, 750, n) if dtype == np.float64 else rng.uniform(-105, 105, n),
    ]
    with np.errstate(over="ignore"):
        return np.choose(rng.integers(0, len(kinds), n), [k.astype(dtype) for k in kinds])


def samples(use, n=2000):
    """Operands of one use: all tuples of special values, then random ones."""
    name, dtype, _ = use
    rng = np.random.default_rng(7)
    dtypes = PRIMS[name].operand_dtypes(dtype)
    lists = [specials(d) for d in dtypes]
    if len(lists) == 3:
        lists = [values[:: max(1, len(values) // 12)] for values in lists]
    corner = list(zip(*itertools.product(*lists), strict=True))
    return [
        np.concatenate([np.array(c, d), random_values(d, n, rng)])
        for c, d in zip(corner, dtypes, strict=True)
    ]


def expected_numpy(use, operands):
    name, dtype, to = use
    with np.errstate(all="ignore"):
        if name == "cast":
            return operands[0].astype(to)
        if name == "ldexp":
            return np.ldexp(*operands)
        if name == "pow" and dtype.kind in "iu":
            return truncated_power(*operands)
        return numpy_function(name)(*operands)


def describe(use, operands, got, want, bad):
    at = np.flatnonzero(bad)[:8]
    rows = [f"{[o[i] for o in operands]} -> {got[i]!r}, expected {want[i]!r}" for i in at]
    return f"{label(use)}: {bad.sum()} of {bad.size}\n" + "\n".join(rows)


EXACT = [use for use in USES if use[1].kind != "f" or use[0] not in ERROR]
APPROXIMATE = [use for use in USES if use[1].kind == "f" and use[0] in ERROR]


@pytest.mark.parametrize("use", EXACT, ids=label)
def test_a_primitive_without_rounding_choices_gives_the_bits_of_numpy(library, use):
    operands = samples(use)
    if (
        use[2] == np.uint32 and use[1].kind == "f"
    ):  # elsewhere NumPy's result depends on the machine
        operands = [o[(o > -(2.0**31)) & (o < 2.0**32)] for o in operands]
    got, want = call(library, use, operands), expected_numpy(use, operands)
    assert got.dtype == want.dtype
    same = got == want
    if want.dtype.kind == "f":
        same = (same & (np.signbit(got) == np.signbit(want))) | (np.isnan(got) & np.isnan(want))
    assert same.all(), describe(use, operands, got, want, ~same)


def high_precision(use, operands, finite):
    """The result as a float64 sum high + low, where NumPy's own is finite."""
    name, dtype, _ = use
    high, low = np.zeros(finite.size), np.zeros(finite.size)
    if dtype == np.float32:
        wide = [o[finite].astype(np.float64) for o in operands]
        high[finite] = expected_numpy((name, np.dtype(np.float64), None), wide)
        return high, low
    f = mpmath_function(name)
    with mpmath.workprec(160):
        for i in np.flatnonzero(finite):
            value = f(*(mpmath.mpf(float(o[i])) for o in operands))
            value = mpmath.re(value)
            high[i] = float(value)
            low[i] = float(value - mpmath.mpf(high[i])) if np.isfinite(high[i]) else 0.0
    return high, low


def largest_term(name, operands):
    """Magnitude of what is added last, where that is larger than the result may be."""
    x = np.abs(operands[0])
    if name in ("logaddexp", "logaddexp2"):
        largest = np.fmax(np.fmax(x, np.abs(operands[1])), x.dtype.type(0.69))
        return np.where(np.isfinite(largest), largest, 0)
    if name == "digamma":
        return np.where(operands[0] < 0, np.log(1 + x) + np.abs(np.pi / np.tan(np.pi * x)), 0)
    return x.dtype.type(0)


def ulps(use, operands, got, careful=False):
    """Error of each result in units of the last place; infinite where NaN, inf or zero differ."""
    name, dtype, _ = use
    want = expected_numpy(use, operands)
    finite = np.isfinite(want) & np.isfinite(got) & ~((want == 0) & (got == 0))
    ordinary = finite.copy()
    for operand in operands:
        ordinary &= np.isfinite(operand)
        if name == "arctan2":  # mpmath has one zero
            ordinary &= operand != 0
    high, low = high_precision(use, operands, ordinary)
    high = np.where(ordinary, high, want)
    with np.errstate(all="ignore"):
        rounded = np.clip(np.abs(high), 0, np.finfo(dtype).max).astype(dtype)
        unit = np.spacing(np.fmax(rounded, largest_term(name, operands))).astype(np.float64)
        error = np.abs((got.astype(np.float64) - high) - low) / unit
    same = (got == want) & (np.signbit(got) == np.signbit(want)) | (np.isnan(got) & np.isnan(want))
    # beside the overflow threshold, one of two correct roundings is infinite; likewise zero
    edge = np.isinf(got) & (np.abs(want) >= np.finfo(dtype).max * (1 - 4 * np.finfo(dtype).eps))
    edge |= (got == 0) & (np.abs(want) <= 2 * np.finfo(dtype).smallest_subnormal)
    edge |= (want == 0) & (np.abs(got) <= 2 * np.finfo(dtype).smallest_subnormal)
    return np.where(finite, error, np.where(same | edge, 0, np.inf)), want


def assert_error_is_within_bound(library, use, operands):
    got = call(library, use, operands)
    error, want = ulps(use, operands, got)
    bound = np.full(error.shape, ERROR[use[0]], float)
    if use[0] in CAREFUL_NAMES:
        bound[np.abs(operands[0]) > 10000] = 3
    bad = ~(error <= bound)
    assert not bad.any(), describe(use, operands, got, want, bad) + f"\n{error.max()} ulp"


@pytest.mark.parametrize("use", APPROXIMATE, ids=label)
def test_an_elementary_function_keeps_its_stated_error(library, use):
    name, dtype, _ = use
    operands = samples(use, 8000 if dtype == np.float32 else 600)
    if name in CAREFUL_NAMES:
        limit = 1.5625 * 2**22 if dtype == np.float32 else 2**50
        operands = [o[~(np.abs(o) > limit)] for o in operands]
    assert_error_is_within_bound(library, use, operands)


@pytest.fixture(scope="session")
def old_library(tmp_path_factory):
    uses = [use for use in APPROXIMATE if use[0] != "fma"]
    text = PRELUDE + support(uses) + "".join(loop(symbol(use), use) for use in uses)
    return ctypes.CDLL(str(build(tmp_path_factory.mktemp("old"), text, "-march=x86-64")))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names an x86 machine without FMA")
@pytest.mark.parametrize("use", [use for use in APPROXIMATE if use[0] != "fma"], ids=label)
def test_an_elementary_function_keeps_its_error_without_fma(old_library, use):
    name, dtype, _ = use
    operands = samples(use, 4000 if dtype == np.float32 else 100)
    if name in CAREFUL_NAMES:
        operands = [o[~(np.abs(o) > 2**20)] for o in operands]
    assert_error_is_within_bound(old_library, use, operands)


@pytest.mark.parametrize("use", CAREFUL, ids=label)
def test_the_careful_form_is_right_where_the_guard_holds(library, use):
    operands = [o[np.isfinite(o)] for o in samples(use, 300)]
    error, want = ulps(use, operands, got := call(library, use, operands, careful=True))
    assert (error <= 1).all(), describe(use, operands, got, want, error > 1)
    text = guard(use[0], use[1], "x")
    assert text is not None
    assert "EGT_TRIG_LIMIT" in text


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_literal_is_the_value_to_the_last_bit(dtype, tmp_path):
    values = specials(dtype)
    items = ", ".join(literal(v, dtype) for v in values)
    text = f"{PRELUDE}const {c_type(dtype)} table[] = {{{items}}};\n"
    library = ctypes.CDLL(str(build(tmp_path, text)))
    got = np.frombuffer((ctypes.c_char * values.nbytes).in_dll(library, "table"), dtype)
    np.testing.assert_array_equal(got, values)
    if dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got), np.signbit(values))


def test_only_the_functions_used_are_emitted():
    double = np.dtype(np.float64)
    assert support([("add", double), ("sqrt", double)]) == ""
    text = support([("exp", double)])
    assert "egt_exp_f64" in text
    assert "egt_log" not in text


VECTOR_USES = [use for use in USES if vectorises(*use)]
SCALAR_USES = [use for use in USES if not vectorises(*use)]


def has_avx512():
    command = ["gcc", "-march=native", "-dM", "-E", "-x", "c", "/dev/null"]
    macros = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "__AVX512DQ__" in macros and "__AVX512VPOPCNTDQ__" in macros


@pytest.mark.skipif(not has_avx512(), reason="the table is about AVX-512")
def test_gcc_vectorises_what_the_table_says_it_does(built):
    vectorised = built[1]
    assert not {label(use) for use in VECTOR_USES if use not in vectorised}
    assert not {label(use) for use in SCALAR_USES if use in vectorised}
