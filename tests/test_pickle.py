"""Expressions and shared variables that are pickled together stay together."""

import copy
import pickle

import numpy as np
import pytest

import egtensor as et


def through(method, *things):
    """A copy of ``things``, made all at once."""
    return pickle.loads(pickle.dumps(things)) if method == "pickle" else copy.deepcopy(things)


@pytest.mark.parametrize("method", ["pickle", "deepcopy"])
def test_expressions_copied_together_share_their_symbols_and_sizes(method):
    n = et.size("n")
    x, y = et.tensor("x", shape=(n,)), et.tensor("y", shape=(2 * n,))
    x2, y2, z2 = through(method, x, y, et.concatenate([x, x]) + y + et.arange(2 * n))
    fn = et.function([x2, y2], z2)
    np.testing.assert_array_equal(fn(np.ones(1), np.zeros(2)), [1, 2])
    with pytest.raises(et.errors.ShapeError, match=r"size 3 along axis 0, not 2"):
        fn(np.ones(1), np.zeros(3))


@pytest.mark.parametrize("method", ["pickle", "deepcopy"])
def test_sizes_of_shared_variables_survive(method):
    w = et.shared(np.ones(3), "w")
    w2, z2, n2 = through(method, w, et.zeros_like(w), w.shape[0])
    assert et.function([], [w2, z2, n2 + z2])()[2].shape == (3,)


@pytest.mark.parametrize("method", ["pickle", "deepcopy"])
def test_random_draws_go_on_after_a_copy(method):
    drawn = et.random.RandomStream(1).uniform((3,))
    (again,) = through(method, drawn)
    fn, expected = et.function([], again), et.function([], drawn)
    for _ in range(2):
        np.testing.assert_array_equal(fn(), expected())
    assert not np.array_equal(fn(), fn())


def test_a_copy_of_an_expression_is_itself():
    x = et.vector("x")
    assert copy.copy(x) is x
