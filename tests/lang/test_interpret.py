"""Interpretation: values, sizes, shared variables, precision, errors."""

import numpy as np
import pytest
import scipy.special

import egtensor as et
from egtensor.errors import InputError, ShapeError


def test_results_have_the_declared_dtypes_in_every_precision():
    x, n = et.fvector("x"), et.lscalar("n")
    for precision in (None, "high"):
        got = et.interpret(
            [x * 2, et.sqrt(n), x > 0, x.astype("int8")], {x: [1.0, 4.0], n: 9}, precision
        )
        assert [str(g.dtype) for g in got] == ["float32", "float64", "bool", "int8"]


def test_high_precision_is_closer_to_the_truth():
    x = et.fvector("x")
    value = np.linspace(0.1, 0.9, 50, dtype=np.float32)
    y = et.log(1 + x * 1e-4) / 1e-4
    exact = (np.log1p(value.astype(float) * 1e-4) / 1e-4).astype(np.float32)
    ordinary, high = (et.interpret(y, {x: value}, p) for p in (None, "high"))
    assert np.abs(high - exact).max() <= np.spacing(np.float32(1))
    assert np.abs(ordinary - exact).max() > 1e-4


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "gammaln", "digamma", "trigamma", "sigmoid", "xlogy"]
)
def test_special_functions_have_a_high_precision_too(name):
    x = et.vector("x")
    value = np.array([0.3, 1.5, 7.25, np.inf, np.nan])
    operands = (x, x) if name == "xlogy" else (x,)
    high = et.interpret(getattr(et, name)(*operands), {x: value}, "high")
    ordinary = et.interpret(getattr(et, name)(*operands), {x: value})
    np.testing.assert_allclose(high, ordinary, rtol=1e-13)


def test_inputs_by_size_may_be_unused_and_shared_variables_have_their_values():
    x = et.vector("x")
    np.testing.assert_array_equal(et.interpret(et.arange(x.shape[0]), {x: np.zeros(3)}), [0, 1, 2])
    w = et.shared(np.array([1.0, 2.0]), name="w")
    np.testing.assert_array_equal(et.interpret(w * 2), [2.0, 4.0])
    np.testing.assert_array_equal(et.interpret(w * 2, {w: np.array([5.0])}), [10.0])


def test_sizes_named_once_are_one_size():
    n = et.size("n")
    x, y = et.tensor("x", shape=(n, 2)), et.tensor("y", shape=(2, n))
    assert (x @ y).shape == (n, n)
    with pytest.raises(ShapeError, match="is 3 elsewhere"):
        et.interpret(x.sum() + y.sum(), {x: np.zeros((3, 2)), y: np.zeros((2, 4))})


def test_an_expression_may_be_as_deep_as_one_likes():
    x = et.scalar("x")
    y = x
    for _ in range(20_000):
        y = y + 1
    assert et.interpret(y, {x: 0.0}) == 20_000


def test_scipy_agrees_through_interpretation():
    x = et.vector("x")
    value = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(et.interpret(et.erf(x), {x: value}), scipy.special.erf(value))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({}, InputError, "no value for the input 'x'"),
        ({"x": np.zeros((2, 2))}, InputError, "does not fit float32"),
        ({"x": np.zeros(2)}, InputError, "does not fit float32"),
        ({"x": np.zeros(3, "f4")}, ShapeError, "must be equal"),
        ({"x": np.zeros(1, "f4")}, ShapeError, "must be equal"),
    ],
)
def test_errors_say_what_where_and_how_to_fix(values, error, message):
    x, y = et.fvector("x"), et.fvector("y")
    given = {y: np.zeros(2, "f4")} | dict.fromkeys([x] * len(values), values.get("x"))
    with pytest.raises(error, match=message) as caught:
        et.interpret(x + y, given)
    assert len(str(caught.value).splitlines()) == 3
    assert "fix:" in str(caught.value)
