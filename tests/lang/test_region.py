"""Conditionals and loops: values, laziness, gradients, errors."""

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import ShapeError, TypeRuleError, UnsupportedError
from egtensor.lang.serialize import dump_roots, load_roots

VALUE = np.arange(1.0, 6.0)


def slope(function, at, step=1e-6):
    """The gradient by central differences."""
    at = np.asarray(at, float)
    made = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        moved = np.zeros_like(at)
        moved[place] = step
        made[place] = (function(at + moved) - function(at - moved)) / (2 * step)
    return made


def test_only_the_chosen_branch_is_computed():
    c, x, i = et.scalar("c"), et.vector("x"), et.lvector("i")
    y = et.ifelse(c > 0, x[i], x * 2)
    given = {x: VALUE, i: np.array([0, 1, 2, 3, 99])}
    np.testing.assert_array_equal(et.interpret(y, {c: -1.0, **given}), VALUE * 2)
    with pytest.raises(IndexError):
        et.interpret(y, {c: 1.0, **given})


def test_a_gradient_is_that_of_the_chosen_branch():
    c, x = et.scalar("c"), et.vector("x")
    g = et.grad(et.ifelse(c > 0, x**2, et.log(x)).sum(), x)
    np.testing.assert_allclose(et.interpret(g, {x: VALUE, c: 1.0}), 2 * VALUE)
    np.testing.assert_allclose(et.interpret(g, {x: VALUE, c: -1.0}), 1 / VALUE)


def test_several_results_and_functions_as_branches():
    c, x = et.scalar("c"), et.vector("x")
    both = et.ifelse(c, [x, x.sum()], [x + 1, x.max()])
    assert [b.ndim for b in both] == [1, 0]
    y = et.cond(c, lambda a: a + 1, lambda a: a - 1, x)
    np.testing.assert_array_equal(et.interpret(y, {x: VALUE, c: 0.0}), VALUE - 1)


def recurrent(values, w):
    h, states = 0.0, []
    for v in values:
        h = np.tanh(h * w + v)
        states.append(h)
    return np.array(states)


def build_recurrent():
    x, w = et.vector("x"), et.scalar("w")
    states, updates = et.scan(
        lambda v, h, w: et.tanh(h * w + v), sequences=x, outputs_info=et.zeros(()), non_sequences=w
    )
    assert updates == {}
    return x, w, states


def test_a_loop_stacks_what_each_step_returns():
    x, w, states = build_recurrent()
    assert states.shape == x.shape
    np.testing.assert_allclose(
        et.interpret(states, {x: VALUE / 9, w: 0.5}), recurrent(VALUE / 9, 0.5)
    )
    np.testing.assert_array_equal(et.interpret(states, {x: np.zeros(0), w: 0.5}), np.zeros(0))


def test_gradients_of_loops_are_slopes():
    x, w, states = build_recurrent()
    cost = (states**2).sum() + states[-1]
    gx, gw = et.interpret(et.grad(cost, [x, w]), {x: VALUE / 9, w: 0.5})

    def total(values, weight):
        made = recurrent(values, weight)
        return (made**2).sum() + made[-1]

    np.testing.assert_allclose(gx, slope(lambda v: total(v, 0.5), VALUE / 9), rtol=1e-7)
    np.testing.assert_allclose(gw, slope(lambda v: total(VALUE / 9, v), 0.5), rtol=1e-7)


def test_second_derivatives_of_loops():
    x, w, states = build_recurrent()
    first = et.grad((states**2).sum(), w)
    second = et.interpret(et.grad(first, w), {x: VALUE / 9, w: 0.5})
    wanted = slope(lambda v: et.interpret(first, {x: VALUE / 9, w: float(v)}), 0.5)
    np.testing.assert_allclose(second, wanted, rtol=1e-6)


def test_forward_mode_of_loops():
    x, w, states = build_recurrent()
    given = {x: VALUE / 9, w: 0.5}
    moved = et.interpret(et.jvp(states, w, et.as_expr(1.0)), given)
    ends = [recurrent(VALUE / 9, 0.5 + s) for s in (1e-6, -1e-6)]
    np.testing.assert_allclose(moved, (ends[0] - ends[1]) / 2e-6, rtol=1e-7)


def test_captured_matrices_get_gradients():
    W, X = et.matrix("W"), et.matrix("X")
    states, _ = et.scan(
        lambda v, h: et.tanh(h @ W + v), sequences=X, outputs_info=et.zeros((X.shape[1],))
    )
    w, x = np.eye(3) * 0.3, np.random.default_rng(0).normal(size=(4, 3))
    cost = states.sum()
    got = et.interpret(et.grad(cost, W), {W: w, X: x})
    wanted = slope(lambda v: et.interpret(cost, {W: v, X: x}), w)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)


def test_theanos_power_loop():
    a = et.vector("a")
    powers, _ = et.scan(
        fn=lambda prior, a: prior * a, outputs_info=et.ones_like(a), non_sequences=a, n_steps=3
    )
    np.testing.assert_array_equal(et.interpret(powers[-1], {a: VALUE}), VALUE**3)


def test_outputs_without_recurrence_several_sequences_and_backwards():
    x, y = et.vector("x"), et.vector("y")
    (products, totals), _ = et.scan(
        lambda a, b, t: (a * b, t + a * b), sequences=[x, y], outputs_info=[None, et.zeros(())]
    )
    given = {x: VALUE, y: VALUE + 1}
    np.testing.assert_array_equal(et.interpret(products, given), VALUE * (VALUE + 1))
    np.testing.assert_array_equal(et.interpret(totals, given), np.cumsum(VALUE * (VALUE + 1)))
    back, _ = et.scan(
        lambda a, t: t * 2 + a, sequences=x, outputs_info=et.zeros(()), go_backwards=True
    )
    wanted = [VALUE[-1]]
    for v in VALUE[-2::-1]:
        wanted.append(2 * wanted[-1] + v)
    np.testing.assert_array_equal(et.interpret(back, {x: VALUE}), wanted)


def test_a_loop_inside_a_loop():
    x = et.matrix("x")
    rows, _ = et.scan(
        lambda row: et.scan(lambda v, t: t * v, sequences=row, outputs_info=et.ones(()))[0][-1],
        sequences=x,
    )
    value = np.arange(1.0, 7.0).reshape(2, 3)
    np.testing.assert_array_equal(et.interpret(rows, {x: value}), value.prod(1))
    g = et.interpret(et.grad(rows.sum(), x), {x: value})
    np.testing.assert_allclose(g, value.prod(1)[:, None] / value)


def test_loops_written_twice_are_one_expression():
    x = et.vector("x")
    one, two = (
        et.scan(lambda v, t: t + v, sequences=x, outputs_info=et.zeros(()))[0] for _ in range(2)
    )
    assert one is two


def test_loops_can_be_written_and_read():
    x, w, states = build_recurrent()
    (copy,) = load_roots(dump_roots([states]))
    names = {n.attrs[1]: n for n in et.lang.expr.toposort([copy]) if n.op.name == "input"}
    got = et.interpret(copy, {names["x"]: VALUE / 9, names["w"]: 0.5})
    np.testing.assert_array_equal(got, et.interpret(states, {x: VALUE / 9, w: 0.5}))


X = et.tensor("x", shape=(3,))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: et.ifelse(X > 0, X, X), TypeRuleError, "it is a scalar"),
        (lambda: et.ifelse(X[0], X, X[0]), TypeRuleError, "the other float64"),
        (lambda: et.ifelse(X[0], [X, X], [X]), TypeRuleError, "gives 2 results, the other 1"),
        (lambda: et.scan(lambda a: a), ShapeError, "neither sequences nor n_steps"),
        (lambda: et.scan(lambda t: t > 0, outputs_info=X, n_steps=2), TypeRuleError, "a carried value starts as"),
        (lambda: et.scan(lambda a: (a, {X: X}), sequences=X), UnsupportedError, "updates of shared variables"),
        (lambda: et.scan(lambda a: a, sequences={"input": X, "taps": [0, 1]}), UnsupportedError, "one element of each"),
        (lambda: et.scan(lambda a, t: a, sequences=X, outputs_info=[X, X]), TypeError, "positional"),
        (lambda: et.scan(lambda a, t: [a], sequences=X, outputs_info=[X[0], None]), TypeRuleError, "returns 1 outputs"),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_how_to_fix(build, error, message):
    with pytest.raises(error, match=message):
        build()
