"""Gradients as users ask for them: meaning, size, special points, errors."""

import numpy as np
import pytest
from values import differences, symbol, value

from egtensor.diff.grad import grad, hessian, hvp, jacobian, value_and_grad, vjp
from egtensor.diff.jvp import jvp
from egtensor.errors import GradientError
from egtensor.lang.dims import size
from egtensor.lang.expr import as_expr, toposort
from egtensor.lang.ops.elementwise import (
    add,
    cast,
    greater,
    maximum,
    multiply,
    sqrt,
    square,
    where,
)  # fmt: skip
from egtensor.lang.ops.explog import exp, log
from egtensor.lang.ops.linalg import matmul
from egtensor.lang.ops.reduction import max_, sum_
from egtensor.lang.ops.shape import transpose
from egtensor.lang.ops.trigonometric import tanh


def total(y):
    return sum_(y, axes=tuple(range(y.ndim)))


def test_a_gradient_has_the_type_of_what_it_is_taken_by():
    x, b = symbol("x", (3, 2), "float32"), symbol("b", (2,), "float64")
    cost = total(tanh(x * 2.0) + b)
    gx, gb = grad(cost, [x, b])
    assert gx.type == x.type
    assert gb.type == b.type
    np.testing.assert_array_equal(
        value(gb, {x: np.zeros((3, 2), "float32"), b: np.ones(2)}), [3, 3]
    )


def test_symbolic_sizes_sum_over_what_was_stretched():
    n = size("n")
    x, b, s = symbol("x", (n, 2)), symbol("b", (1, 2)), symbol("s")
    cost = total(multiply(x + b, s))
    values = {x: np.arange(6.0).reshape(3, 2), b: np.ones((1, 2)), s: np.float64(2)}
    gb, gs = grad(cost, [b, s])
    assert gb.type == b.type
    np.testing.assert_array_equal(value(gb, values), [[6, 6]])
    assert value(gs, values) == 21


def test_a_shared_subexpression_collects_from_all_its_uses():
    x = symbol("x", (3,))
    u = exp(x)
    cost = total(u * u + log(u) * x)
    at = np.array([0.1, -0.4, 0.7])
    slope = differences(lambda v: value(cost, {x: v}), at)
    np.testing.assert_allclose(value(grad(cost, x), {x: at}), slope, rtol=1e-9)


def test_the_gradient_by_an_intermediate_expression():
    x = symbol("x", (3,))
    u = exp(x)
    gu, gx = grad(total(square(u)), [u, x])
    at = {x: np.array([0.0, 1.0, 2.0])}
    np.testing.assert_allclose(value(gu, at), 2 * np.exp(at[x]))
    np.testing.assert_allclose(value(gx, at), 2 * np.exp(2 * at[x]))


def test_value_and_grad_returns_the_cost_itself():
    x = symbol("x")
    cost = square(x)
    same, g = value_and_grad(cost, x)
    assert same is cost
    assert value(g, {x: 3.0}) == 6


def test_the_size_of_a_gradient_grows_with_the_number_of_layers():
    def nodes(layers):
        x = symbol("x", (4,))
        y = x
        for _ in range(layers):
            y = tanh(y) * y + exp(y)
        return len(toposort([grad(total(y), x)]))

    assert nodes(200) - nodes(100) == nodes(300) - nodes(200)


def test_sizes_stay_linear_under_conditions():
    def nodes(layers):
        x = symbol("x", (4,))
        y = x
        for k in range(layers):
            y = where(greater(y, float(k)), y * exp(y), tanh(y))
        return len(toposort([grad(total(y), x)]))

    assert nodes(30) - nodes(20) == nodes(20) - nodes(10)


def test_deep_expressions_need_no_recursion():
    x = symbol("x")
    y = x
    for _ in range(5000):
        y = tanh(y)
    assert np.isfinite(value(grad(y, x), {x: 0.5}))


@pytest.mark.parametrize("function", [log, sqrt], ids=str)
def test_where_leaks_no_nan(function):
    x = symbol("x", (3,))
    at = {x: np.array([-1.0, 0.0, 4.0])}
    safe = where(greater(x, 0.0), function(x) * 2.0 + function(x), 0.0)
    first = grad(total(safe), x)
    second = grad(total(first), x)
    assert np.all(np.isfinite(value(first, at)))
    assert np.all(np.isfinite(value(second, at)))
    np.testing.assert_array_equal(value(first, at)[:2], [0, 0])
    np.testing.assert_array_equal(value(jvp(safe, x, np.ones(3)), at), value(first, at))


def test_nested_conditions_leak_no_nan():
    x = symbol("x", (4,))
    inner = where(greater(x, 1.0), sqrt(x - 1.0), log(x))
    cost = total(where(greater(x, 0.0), inner, -x))
    got = value(grad(cost, x), {x: np.array([-1.0, 0.0, 0.5, 2.0])})
    np.testing.assert_allclose(got, [-1, -1, 2, 0.5])


def test_conditions_move_with_the_elements_they_select():
    x = symbol("x", (2, 3))
    moved = log(x).reshape((3, 2)).T
    cost = total(where(greater(moved, -100.0), moved, 0.0))
    at = np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 0.0]])
    expected = np.divide(1, at, out=np.zeros((2, 3)), where=at > 0)
    np.testing.assert_allclose(value(grad(cost, x), {x: at}), expected)


def test_ties_share_weight_one():
    x, y = symbol("x", (3,)), symbol("y", (3,))
    at = {x: np.array([1.0, 2.0, 3.0]), y: np.array([1.0, 3.0, 2.0])}
    gx, gy = grad(total(maximum(x, y)), [x, y])
    np.testing.assert_array_equal(value(gx, at), [0.5, 0, 1])
    np.testing.assert_array_equal(value(gy, at), [0.5, 1, 0])
    g = grad(total(max_(x, axes=(0,))), x)
    np.testing.assert_array_equal(value(g, {x: np.array([2.0, 5, 5])}), [0, 0.5, 0.5])


def test_casts_convert_cotangents_back():
    x = symbol("x", (2,), "float32")
    g = grad(total(square(cast(x, dtype=np.dtype("float64")))), x)
    assert g.dtype == np.float32
    np.testing.assert_array_equal(value(g, {x: np.array([1, 2], "float32")}), [2, 4])


def test_no_derivative_flows_through_integers():
    x = symbol("x", (2,))
    whole = cast(x, dtype=np.dtype("int64"))
    g = grad(total(x * whole), x)
    np.testing.assert_array_equal(value(g, {x: np.array([2.5, 3.5])}), [2, 3])


def test_what_does_not_change_the_cost_has_gradient_zero():
    x = symbol("x", (2,))
    g = grad(total(cast(greater(x, 0.0), dtype=np.dtype("float64"))), x)
    np.testing.assert_array_equal(value(g, {x: np.ones(2)}), [0, 0])


def test_consider_constant_stops_the_gradient():
    x = symbol("x")
    u = square(x)
    g = grad(u * x, x, consider_constant=[u])
    assert value(g, {x: 3.0}) == 9


def test_known_grads_replace_computed_ones():
    x = symbol("x")
    u = square(x)
    assert value(grad(None, x, known_grads={u: 10.0}), {x: 3.0}) == 60
    assert value(grad(exp(u) + x, x, known_grads={u: 10.0}), {x: 3.0}) == 61


def test_vjp_takes_several_results():
    x, g = symbol("x", (2,)), symbol("g", (2,))
    made = vjp([exp(x), x * 3.0], x, [g, np.ones(2)])
    at = {x: np.array([0.0, 1.0]), g: np.array([2.0, 3.0])}
    np.testing.assert_allclose(value(made, at), [5, 3 + 3 * np.e])


def test_jacobians_and_hessians():
    x, w = symbol("x", (3,)), symbol("w", (2, 3))
    at = {x: np.array([0.3, -0.2, 0.9]), w: np.arange(6.0).reshape(2, 3)}
    y = sum_(tanh(w * x), axes=(1,))
    expected = at[w] * (1 - np.tanh(at[w] * at[x]) ** 2)
    np.testing.assert_allclose(value(jacobian(y, x), at), expected)
    quartic = total(square(square(x))) + square(total(x))
    expected = np.diag(12 * at[x] ** 2) + 2
    np.testing.assert_allclose(value(hessian(quartic, x), at), expected, atol=1e-12)
    v = np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose(value(hvp(quartic, x, v), at), expected @ v, atol=1e-12)


def test_matrices_moved_and_multiplied():
    a, b = symbol("a", (3, 2)), symbol("b", (2, 4))
    cost = total(square(matmul(transpose(b, axes=(1, 0)), transpose(a, axes=(1, 0)))))
    rng = np.random.default_rng(0)
    at = {a: rng.normal(size=(3, 2)), b: rng.normal(size=(2, 4))}
    slope = differences(lambda v: value(cost, at | {a: v}), at[a])
    np.testing.assert_allclose(value(grad(cost, a), at), slope, rtol=1e-7)


ERRORS = [
    (lambda x: grad(exp(x), x), r"exp\(x\) is float64\[2\], not a scalar\n.*\(2\)\n  fix: reduce it"),
    (lambda x: grad(as_expr(3), x), r"grad: 3 is int64\[\]\n.*int64 values\n  fix: declare"),
    (lambda x: grad(1.5, x), r"grad: cannot differentiate float '1.5'"),
    (lambda x: grad(total(x), symbol("k", (), "int32")), r"grad: k is int32\[\]\n"),
    (lambda x: grad(total(x), symbol("x", (2,))), r"does not depend on x\n  two inputs of one name"),
    (lambda x: grad(total(x), exp(x)), r"does not depend on exp\(x\)\n.*this very expression"),
    (lambda x: grad(None, x), r"cost is None and known_grads is empty"),
    (lambda x: grad(total(x), x, disconnected_inputs="warn"), r"disconnected_inputs is 'warn'"),
    (lambda x: vjp(x, x, np.ones(3)), r"vjp: float64\[3\] cannot be a cotangent or tangent of x"),
    (lambda x: vjp([x], x, [1.0, 2.0]), r"vjp: 1 expressions and 2 cotangents"),
    (lambda x: jvp(x, [x], [1.0, 2.0]), r"jvp: 1 expressions and 2 tangents"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "message"), ERRORS, ids=lambda p: p if isinstance(p, str) else "")
def test_errors_name_the_type_the_rule_and_the_fix(ask, message):
    with pytest.raises(GradientError, match=message) as caught:
        ask(symbol("x", (2,)))
    assert len(str(caught.value).splitlines()) == 3
    assert "\n  fix: " in str(caught.value)


def test_disconnected_inputs_can_be_ignored():
    x, z = symbol("x", (2,)), symbol("z", (3,))
    gx, gz = grad(total(x), [x, z], disconnected_inputs="ignore")
    np.testing.assert_array_equal(value(gz, {}), np.zeros(3))
    np.testing.assert_array_equal(value(gx, {x: np.zeros(2)}), np.ones(2))


@pytest.mark.parametrize("extent", [size("n"), 3, 11], ids=str)
def test_jacobians_of_any_size(extent):
    x = symbol("x", (extent,))
    at = np.linspace(-1, 1, extent if isinstance(extent, int) else 5)
    y = tanh(x) * sum_(x, axes=(0,))
    expected = np.diag((1 - np.tanh(at) ** 2) * at.sum()) + np.tanh(at)[:, None]
    np.testing.assert_allclose(value(jacobian(y, x), {x: at}), expected, atol=1e-14)
    cube = total(x * x * x)
    np.testing.assert_allclose(value(hessian(cube, x), {x: at}), np.diag(6 * at), atol=1e-14)


def test_gradients_of_gradients_add_up():
    x, y = symbol("x"), symbol("y")
    f = add(exp(x * y), square(x) * y)
    gx = grad(f, x)
    gxy = grad(gx, y)
    at = {x: 0.3, y: 0.7}
    e = np.exp(0.21)
    np.testing.assert_allclose(value(gxy, at), e + 0.21 * e + 0.6)
    gxx = grad(grad(gx, x), x)
    np.testing.assert_allclose(value(gxx, at), 0.7**3 * e)
