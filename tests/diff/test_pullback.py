"""Every derivative in the registry, against differences."""

import itertools
from functools import partial

import numpy as np
import pytest
from values import differences, symbol, value

from egtensor.diff.jvp import jvp
from egtensor.diff.pullback import derivative_patterns, pull_back
from egtensor.lang.expr import as_expr, constant
from egtensor.lang.op import OPS, Missing, Scalar
from egtensor.lang.ops.elementwise import multiply, stop_gradient
from egtensor.lang.ops.reduction import sum_

FLOAT = np.dtype("float64")
# fourth-order differences: error about step**4 + eps / step, for derivatives of order one
TOLERANCE = 2e-7
RANGES = ((0.2, 0.8), (1.2, 2.5), (-0.8, -0.2), (-2.5, -1.2))

# operators that are no scalar functions: shapes of their operands, and attributes
EXAMPLES = {
    "permute": [([(2, 3, 2)], {"axes": (1, 2, 0)})],
    "broadcast_to": [([(2, 1)], {"shape": (3, 2, 4)}), ([()], {"shape": (2,)})],
    "reshape": [([(2, 3)], {"shape": (3, 1, 2)})],
    "slice": [([(5, 3)], {"starts": (4, 1), "steps": (-2, 1), "sizes": (2, 2)})],
    "join": [([(2, 2), (1, 2), (2, 2)], {"axis": 0})],
    "inv": [([(2, 3, 3)], {})],
    "slogdet": [([(2, 3, 3)], {})],
    "solve": [([(3, 3), (3, 2)], {})],
    "reduce_sum": [([(2, 3)], {"axes": (0,)}), ([(2, 3)], {"axes": ()})],
    "reduce_max": [([(2, 3)], {"axes": (1,)})],
    "reduce_min": [([(2, 3)], {"axes": (1,)})],
    "reduce_prod": [([(2, 3)], {"axes": (1,)})],
    "matmul": [([(2, 3), (3, 2)], {}), ([(2, 2, 3), (2, 3, 1)], {})],
    "cumsum": [([(2, 3)], {"axis": 1})],
    "cumprod": [([(2, 3)], {"axis": 1})],
}  # fmt: skip


def operand_dtypes(op):
    """The dtypes of operands an elementwise operator takes, floats where it can."""
    for dtypes in itertools.product((FLOAT, np.dtype("int32")), repeat=op.arity):
        try:
            return op.promote(op.name, dtypes)[: op.arity]
        except TypeError:
            continue
    return None


def draw(dtype, bounds, rng, shape=(3,)):
    if dtype.kind == "f":
        return rng.uniform(*bounds, shape)
    return rng.integers(0, 2, shape).astype(dtype)


def cases_of(op):
    rng = np.random.default_rng(7)
    if isinstance(op.body, Scalar) and op.promote is not None and not op.attrs:
        dtypes = operand_dtypes(op)
        for bounds in itertools.product(RANGES, repeat=op.arity):
            given = [draw(d, b, rng) for d, b in zip(dtypes, bounds, strict=True)]
            with np.errstate(all="ignore"):
                results = op.numpy(*given)
            if np.all(np.isfinite(results)):
                yield given, {}
    for shapes, attrs in EXAMPLES.get(op.name, ()):
        yield [rng.uniform(0.5, 2, s) for s in shapes], attrs


def is_tested(op):
    return not isinstance(op.derivative, Missing) and next(cases_of(op), None) is not None


# the derivative of stop_gradient is by intention not that of its value
TESTED = [op for op in OPS.values() if is_tested(op) and op is not stop_gradient]


def weighted_sum(ys, weights, env, x, moved):
    """The sum of ``weights * ys`` where ``x`` has the value ``moved``."""
    at = env | {x: moved}
    return sum(np.sum(w * value(y, at)) for w, y in zip(weights, ys, strict=True))


def applied(op, given, attrs):
    """Symbols, and the sum of the float results of the operator on them, each weighted."""
    xs = [symbol(f"x{k}", v.shape, v.dtype) for k, v in enumerate(given)]
    made = op(*xs, **attrs)
    ys = [y for y in (made if isinstance(made, tuple) else (made,)) if y.dtype.kind == "f"]
    return xs, ys


@pytest.mark.parametrize("op", TESTED, ids=str)
def test_pulled_back_cotangents_are_slopes(op):
    rng = np.random.default_rng(3)
    for given, attrs in cases_of(op):
        xs, ys = applied(op, given, attrs)
        weights = [rng.uniform(0.5, 2, y.shape) for y in ys]
        floats = [k for k, x in enumerate(xs) if x.dtype.kind == "f"]
        found = pull_back(ys, [constant(v) for v in weights], [xs[k] for k in floats])
        env = dict(zip(xs, given, strict=True))
        for k, g in zip(floats, found, strict=True):
            total = partial(weighted_sum, ys, weights, env, xs[k])
            slope = differences(total, given[k])
            got = np.zeros_like(slope) if g is None else value(g, env)
            assert got.shape == given[k].shape
            np.testing.assert_allclose(got, slope, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("op", TESTED, ids=str)
def test_forward_and_reverse_mode_agree(op):
    rng = np.random.default_rng(5)
    given, attrs = next(cases_of(op))
    xs, ys = applied(op, given, attrs)
    env = dict(zip(xs, given, strict=True))
    floats = [x for x in xs if x.dtype.kind == "f"]
    tangents = [rng.uniform(0.5, 2, env[x].shape) for x in floats]
    weights = [rng.uniform(0.5, 2, y.shape) for y in ys]
    pushed = jvp(ys, floats, tangents)
    pulled = pull_back(ys, [constant(v) for v in weights], floats)
    forward = sum(np.sum(w * value(d, env)) for w, d in zip(weights, pushed, strict=True))
    reverse = sum(
        np.sum(t * value(g, env)) for t, g in zip(tangents, pulled, strict=True) if g is not None
    )
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", TESTED, ids=str)
def test_derivatives_of_derivatives_are_slopes(op):
    given, attrs = next(cases_of(op))
    xs, ys = applied(op, given, attrs)
    env = dict(zip(xs, given, strict=True))
    k = next(k for k, x in enumerate(xs) if x.dtype.kind == "f")
    first = [g for g in pull_back(ys, [multiply(y, 0.5) for y in ys], [xs[k]]) if g is not None]
    cost = sum_(first[0], axes=tuple(range(first[0].ndim))) if first else as_expr(0.0)
    try:
        (second,) = pull_back([cost], [as_expr(1.0)], [xs[k]])
    except TypeError as error:
        pytest.skip(str(error).splitlines()[0])

    slope = differences(lambda v: value(cost, env | {xs[k]: v}), given[k])
    got = np.zeros_like(slope) if second is None else value(second, env)
    np.testing.assert_allclose(got, slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", OPS.values(), ids=str)
def test_scalar_operators_have_derivatives_that_are_patterns(op):
    plain = op.is_elementwise and op.promote and not op.attrs and op.results == 1
    if plain and not isinstance(op.derivative, Missing):
        assert derivative_patterns(op) is not None
