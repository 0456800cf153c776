"""Sizes of a function: where they come from, what replaces them, and what happens to those nobody tells."""

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import FunctionError, ShapeError


def test_givens_replace_the_sizes_of_symbols_too():
    x, y = et.vector("x"), et.vector("y")
    fn = et.function([y], x.shape[0] + et.zeros_like(x), givens=[(x, y[1:])])
    np.testing.assert_array_equal(fn(np.ones(4)), [3, 3, 3])
    swapped = et.function([x, y], [x.shape[0] + 0, et.zeros_like(y)], givens={x: y, y: x})
    n, z = swapped(np.ones(2), np.ones(5))
    assert n == 5
    assert z.shape == (2,)


def test_givens_of_subexpressions_leave_no_size_unknown():
    x, y = et.vector("x"), et.vector("y")
    fn = et.function([y], x * 2 + 1, givens=[(x * 2, y)])
    assert fn.history.source is not None
    np.testing.assert_array_equal(fn(np.ones(2)), [2, 2])


def test_givens_reach_updates_of_variables_with_other_sizes():
    x, w = et.vector("x"), et.shared(np.arange(3.0), "w")
    fn = et.function([], None, updates=[(w, x + 1)], givens=[(x, w)])
    fn()
    np.testing.assert_array_equal(w.get_value(), [1, 2, 3])


@pytest.mark.parametrize("target", ["c", "interpret"])
def test_a_size_that_no_argument_tells_is_an_error(target):
    n = et.size("n")
    c, d = et.tensor("c", shape=(2 * n,)), et.tensor("d", shape=(n,))
    with pytest.raises(FunctionError, match=r"size n of input .*test_sizes.py:.* is not known"):
        et.function([c], c + 1, target=target)
    fn = et.function([c, d], c + 1, on_unused_input="ignore", target=target)
    assert fn(np.ones(4), np.ones(2)).shape == (4,)
    with pytest.raises(FunctionError, match="size n of literal"):
        et.function([], et.zeros((n,)), target=target)


def test_eval_knows_sizes_of_arguments_used_for_them_alone():
    x = et.vector("x")
    assert et.zeros_like(x).eval({x: np.ones(3)}).shape == (3,)


def test_bisect_keeps_the_numbers_of_arguments():
    x, y, z = et.vector("x"), et.vector("y"), et.vector("z")
    fn = et.function([x, y, z], y - et.exp(z), on_unused_input="ignore")
    assert et.bisect(fn, np.ones(3), np.arange(2.0), np.ones(2)) == ()
    from egtensor.function import recompile

    again = recompile(fn, et.rules.default())
    np.testing.assert_allclose(again(np.ones(3), np.arange(2.0), np.zeros(2)), [-1, 0])
    with pytest.raises(ShapeError):
        again(np.ones(3), np.arange(2.0), np.zeros(3))


def test_default_updates_need_their_own():
    stream = et.random.RandomStream(1)
    w = et.shared(np.zeros(2), "w")
    w.container.default_update = stream.uniform((2,))
    fn = et.function([], w * 1)
    values = [fn() for _ in range(4)]
    assert len({tuple(v) for v in values}) == 4


@pytest.mark.parametrize("target", ["c", "interpret"])
def test_check_knows_sizes_of_arguments_used_for_them_alone(target):
    x, y = et.vector("x"), et.vector("y")
    fn = et.function([x, y], et.zeros_like(x) + y, target=target)
    assert fn.check(np.ones(3), np.ones(3))
    only = et.function([x], et.zeros_like(x), target=target)
    assert only.check(np.ones(3))
    assert only(np.ones(4)).shape == (4,)
