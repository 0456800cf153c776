"""Every elementwise operator of the registry: types, values, bodies, facts, derivatives."""

import numpy as np
import pytest
import sympy
from operand_samples import (
    ELEMENTWISE,
    all_pairs,
    dtype_combinations,
    moderate,
    operand_dtypes,
    satisfying,
)
from scalar_terms import evaluate

import egtensor as et
from egtensor.diff.pullback import derivative_patterns
from egtensor.errors import TypeRuleError
from egtensor.lang.expr import fold
from egtensor.lang.facts import Fact, close, facts_of_dtype, holds
from egtensor.lang.interpret import interpret
from egtensor.lang.op import OPS, Missing
from egtensor.lang.scalar import operand

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
CLAUSES = [(op, c) for op in ELEMENTWISE for c in op.facts]


def in_numpy(op, operands):
    with np.errstate(all="ignore"):
        made = op.numpy(*operands)
    return made if op.results > 1 else (made,)


def symbols_like(arrays):
    return [et.tensor(f"x{k}", a.dtype, (None,) * a.ndim) for k, a in enumerate(arrays)]


def applied(op, xs):
    made = op(*xs)
    return made if op.results > 1 else (made,)


def assert_close(got, wanted, wide):
    """Equal up to the rounding of the narrowest float dtype that took part."""
    assert got.dtype == wanted.dtype
    if wanted.dtype.kind == "f":
        eps = max(np.finfo(d).eps for d in (got.dtype, wide) if d.kind == "f")
        np.testing.assert_allclose(got, wanted, rtol=16 * eps, atol=1e-300)
    else:
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_types_and_values_are_numpys(op):
    for dtypes in dtype_combinations(op):
        given = all_pairs(dtypes)
        xs = symbols_like(given)
        computed = op.promote(op.name, dtypes)
        wanted = in_numpy(op, [g.astype(d) for g, d in zip(given, computed, strict=False)])
        got = interpret(list(applied(op, xs)), dict(zip(xs, given, strict=True)))
        for k, (a, b) in enumerate(zip(got, wanted, strict=True)):
            assert a.dtype == computed[op.arity + k]
            np.testing.assert_array_equal(a, b.astype(a.dtype))


@pytest.mark.parametrize(
    "op", [op for op in ELEMENTWISE if isinstance(op.numpy, np.ufunc)], ids=str
)
def test_dtypes_are_those_of_the_ufunc(op):
    for dtypes in dtype_combinations(op):
        with np.errstate(all="ignore"):
            wanted = op.numpy(*(np.ones(1, d) for d in dtypes))
        made = applied(op, [et.tensor(dtype=d, shape=(1,)) for d in dtypes])
        for y, w in zip(made, wanted if op.results > 1 else (wanted,), strict=True):
            assert y.dtype == (np.float32 if w.dtype == np.float16 else w.dtype)


@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_the_body_computes_the_numpy_function(op):
    for dtypes in dtype_combinations(op):
        computed = op.promote(op.name, dtypes)
        given = all_pairs(computed[: op.arity])
        terms = op.body.expand(*(operand(k, d) for k, d in enumerate(computed[: op.arity])))
        terms = terms if isinstance(terms, tuple) else (terms,)
        with np.errstate(all="ignore"):
            got = [np.broadcast_to(evaluate(t, given), given[0].shape) for t in terms]
        for a, b, d in zip(got, in_numpy(op, given), computed[op.arity :], strict=True):
            assert_close(a, np.asarray(b).astype(d), computed[0])


@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_operands_broadcast_over_ranks_and_empty_axes(op):
    dtypes = operand_dtypes(op)
    shapes = [(), (3,), (2, 1), (2, 3), (0,), (1, 0), (2, 1, 3)]
    for shape in shapes:
        other = (3,) if shape[-1:] == (3,) else shape[-1:]
        given = [np.ones(s, d) for s, d in zip((shape, other, ()), dtypes, strict=False)]
        xs = [et.tensor(dtype=a.dtype, shape=a.shape) for a in given]
        got = interpret(list(applied(op, xs)), dict(zip(xs, given, strict=True)))
        for a, b in zip(got, in_numpy(op, given), strict=True):
            assert a.shape == b.shape


@pytest.mark.parametrize("value", [2, 3.0])
@pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "int64"])
@pytest.mark.parametrize("op", ["add", "divide", "power", "maximum", "less", "arctan2"])
def test_python_numbers_are_weak(op, dtype, value):
    x = et.tensor(dtype=dtype, shape=(2,))
    wanted = getattr(np, op)(np.ones(2, dtype), value).dtype
    assert OPS[op](x, value).dtype == (np.float32 if wanted == np.float16 else wanted)


@pytest.mark.parametrize(
    ("op", "clause"), CLAUSES, ids=lambda v: str(v) if v in ELEMENTWISE else ""
)
def test_facts_hold_of_samples(op, clause):
    dtypes = operand_dtypes(op)
    given = satisfying(clause.given, dtypes)
    if op.name in ("left_shift", "right_shift", "ldexp"):
        given[1] = np.abs(given[1])
    (result, *_) = in_numpy(op, given)
    for bit in Fact:
        if bit in clause.then:
            assert holds(bit, result), (clause, bit.name)


def test_closing_a_mask_adds_only_what_holds():
    for value in moderate(np.dtype(float)):
        mask = Fact(sum(b for b in Fact if holds(b, value)))
        assert close(mask) == mask, value
    for dtype in ("bool", "uint8", "int32", "float64"):
        assert holds(facts_of_dtype(np.dtype(dtype)), moderate(np.dtype(dtype)))


# derivatives, proven at points where both sides are algebraic numbers or 30 digits agree
A, B, C, G = sympy.symbols("a b c g", real=True)
POINTS = [sympy.Rational(p, 7) for p in (-17, -5, -2, 3, 5, 9, 23)]


def formula(op, operands):
    names = {f"v{k}": v for k, v in enumerate(operands)}
    return sympy.sympify(op.real.format(*names), locals=names)


def in_sympy(expr, symbols):
    def node(e, args):
        match e.op.name:
            case "input":
                return symbols[e]
            case "literal":
                return sympy.Float(e.attrs[0].value, 40)
            case "cast" | "broadcast_to":
                return args[0]
            case _:
                return formula(e.op, args)

    return fold([expr], node)[expr]


def is_provable(op):
    scalar = op.results == 1 and not isinstance(op.real, Missing)
    dtypes = operand_dtypes(op)
    return scalar and not isinstance(op.derivative, Missing) and all(d.kind == "f" for d in dtypes)


def domain_points(op, symbols):
    """Points where the formula is a finite real function, operands unequal."""
    inside = sympy.sympify(op.defined.format(*symbols), locals={str(s): s for s in symbols})
    inside = sympy.S.true if inside is True else inside
    shifted = [[p + sympy.Rational(k, 11) for p in POINTS] for k in range(op.arity)]
    for i in range(len(POINTS)):
        for j in range(len(POINTS) if op.arity > 1 else 1):
            point = dict(zip(symbols, (shifted[0][i], *(s[j] for s in shifted[1:])), strict=False))
            if inside.subs(point) is sympy.S.true:
                yield point


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if is_provable(op)], ids=str)
def test_derivatives_are_those_of_the_formula(op):
    symbols = (A, B, C)[: op.arity]
    xs = [et.scalar(str(s)) for s in symbols]
    y, g = et.scalar("y"), et.scalar("g")
    real = formula(op, symbols)
    known = {**dict(zip(xs, symbols, strict=True)), y: real, g: G}
    given = op.derivative(g, y, *xs)
    tested = 0
    for symbol, cotangent in zip(symbols, given, strict=True):
        claimed = sympy.Integer(0) if cotangent is None else in_sympy(cotangent, known)
        for point in domain_points(op, symbols):
            slope = numerical_slope(real, symbol, point)
            if slope is None:
                continue
            found = sympy.N(claimed.subs({**point, G: 3}), 25)
            if found.is_real is False or found is sympy.nan:
                continue  # not differentiable by this operand here
            assert abs(found - 3 * slope) <= 1e-13 * (1 + abs(3 * slope)), (point, symbol)
            tested += 1
    assert tested >= 2 or op.name == "stop_gradient"


def numerical_slope(real, symbol, point):
    """The derivative by SymPy's rules; by central differences where those leave it unevaluated."""
    rest = {k: v for k, v in point.items() if k != symbol}
    function = real.subs(rest)
    derivative = sympy.diff(function, symbol)
    if derivative.has(sympy.Derivative, sympy.Subs):
        h = sympy.Rational(1, 10**12)
        ends = [sympy.N(function.subs(symbol, point[symbol] + s * h), 40) for s in (1, -1)]
        value = (ends[0] - ends[1]) / (2 * h)
    else:
        value = sympy.N(derivative.subs(symbol, point[symbol]), 30)
    return value if value.is_real and value.is_finite else None


@pytest.mark.parametrize("op", OPS.values(), ids=str)
def test_no_facet_is_silently_absent(op):
    assert op.partials is not None or op.vjp is not None
    assert op.numpy is not None
    assert isinstance(op.real, (str, Missing))
    for facet in (op.partials, op.vjp, op.real):
        if isinstance(facet, Missing):
            assert facet.why
    if op.is_elementwise and op.commutative:
        assert op.arity == 2


@pytest.mark.parametrize("op", [o for o in ELEMENTWISE if o.commutative], ids=str)
def test_commutative_operators_commute_bit_for_bit(op):
    given = all_pairs(operand_dtypes(op))
    np.testing.assert_array_equal(in_numpy(op, given)[0], in_numpy(op, given[::-1])[0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: et.add(et.vector("x", shape=(3,)), et.vector("y", shape=(4,))), "cannot broadcast"),
        (lambda: et.subtract(et.tensor(dtype="bool"), et.tensor(dtype="bool")), "no loop for operands"),
        (lambda: et.bitwise_and(et.scalar(), et.scalar()), "no loop for operands"),
        (lambda: et.exp(1j), "complex numbers are not supported"),
        (lambda: et.exp("text"), "cannot use str"),
        (lambda: et.exp(et.scalar(), et.scalar()), "takes 1 operands, got 2"),
        (lambda: et.tensor(dtype="int8") + 300, "does not fit int8"),
        (lambda: et.lscalar() ** -1, "integers have no integer inverse"),
        (lambda: et.tensor(dtype="complex64"), "dtype complex64 is not supported"),
        (lambda: bool(et.scalar() > 0), "the truth of a symbolic expression is not known"),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_how_to_fix(build, message):
    with pytest.raises((TypeRuleError, et.errors.UnsupportedError), match=message) as caught:
        build()
    assert len(str(caught.value).splitlines()) == 3
    assert "fix:" in str(caught.value)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if is_provable(op)], ids=str)
def test_derivatives_can_be_written_as_patterns(op):
    assert derivative_patterns(op) is not None
