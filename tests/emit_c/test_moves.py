"""Gathers, scatters, joins, running sums, extremes and products of matrices in C."""

import numpy as np
import pytest

from egtensor.diff.grad import grad
from egtensor.diff.pullback import resolve
from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS, OPS
from tests.kernels.native import SiteError, agree, compiled, symbol

F = FUNCTIONS


def draw(shape, dtype=np.float32, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


@pytest.fixture
def x():
    return symbol(0, "x", "float32", (size("n"), size("m")))


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (17, 40)])
def test_transposed_sliced_and_reshaped_values(cache, x, shape):
    n, m = x.shape
    y = OPS["exp"](x)
    roots = [
        F["transpose"](x),
        F["transpose"](y) * 2,
        x[::-1, ::2],
        F["reshape"](F["transpose"](y), (n * m,)),
        F["reshape"](y, (m, n)),
        F["reshape"](F["reshape"](x, (n * m,)), (n, m)) + y,
    ]
    agree(roots, {x: draw(shape)}, cache)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (17, 40), (3, 600)])
def test_joined_values(cache, x, shape):
    y = OPS["exp"](x)
    roots = [F["concatenate"]([x, y, x[:1]], axis=0), F["concatenate"]([y, y * 2], axis=1)]
    roots.append(F["stack"]([x, y], axis=1))
    agree(roots, {x: draw(shape)}, cache)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (17, 40), (600, 3), (3, 600)])
@pytest.mark.parametrize("axis", [0, 1])
def test_running_sums_and_places_of_extremes(cache, x, shape, axis):
    value = draw(shape)
    value[-1, -1] = value[0, 0]
    if shape[0] > 3:
        value[2, 1] = np.nan
    roots = [F["cumsum"](x * 2, axis=axis), F["argmax"](x, axis=axis), F["argmin"](-x, axis=axis)]
    agree(roots, {x: value}, cache)


def test_gathered_and_scattered_values(cache, x):
    i = symbol(1, "i", "int64", (size("k"),))
    j = symbol(2, "j", "int64", (size("k"),))
    y = OPS["exp"](x)
    zeros = F["zeros_like"](x)
    roots = [
        x[i], y[i], x[:, j], x[i, j], F["mean"](OPS["log"](y)[i, j]),
        OPS["scatter_add"](zeros, x[i] * 2, i, axes=(0,)),
        OPS["scatter_add"](x, y[i, j], i, j, axes=(0, 1)),
    ]  # fmt: skip
    values = {x: draw((5, 7)), i: np.array([0, 4, -1, 0, 2]), j: np.array([6, 0, 0, -7, 6])}
    agree(roots, values, cache)


@pytest.mark.parametrize("wrong", [5, -6])
def test_an_index_out_of_bounds_is_reported(cache, x, wrong):
    i = symbol(1, "i", "int64", (size("k"),))
    f = compiled([x[i]], [x, i], cache)
    with pytest.raises(SiteError, match=f"index: index {wrong} is out of bounds.* size 5"):
        f(draw((5, 7)), np.array([1, wrong]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_products_of_matrices_and_of_their_transposes(cache, dtype):
    n, m, k = size("n"), size("m"), size("k")
    a, b = symbol(0, "a", dtype, (n, m)), symbol(1, "b", dtype, (m, k))
    c = symbol(2, "c", dtype, (size("l"), n, m))
    T, dot = F["transpose"], OPS["matmul"]
    roots = [
        dot(a, b), dot(T(b), T(a)), dot(T(a + 1), a), dot(c, F["broadcast_to"](b, (c.shape[0], m, k))),
        dot(a, b) * 2,
    ]  # fmt: skip
    values = {a: draw((5, 7), dtype), b: draw((7, 3), dtype, 1), c: draw((4, 5, 7), dtype, 2)}
    agree(roots, values, cache)


def test_arguments_that_are_not_contiguous(cache, x):
    base = draw((40, 30))
    y = OPS["exp"](x)
    roots = [x * 2 + y, F["sum"](x, axis=0), F["transpose"](x)]
    for value in (base.T, base[::2, ::3], base[::-1], np.broadcast_to(base[:1], (9, 30))):
        agree(roots, {x: value}, cache)


def test_a_view_that_leaves_its_operand_is_reported(cache, x):
    f = compiled([x[5], x[1:3]], [x], cache)
    assert f(draw((6, 2)))[0].shape == (2,)
    with pytest.raises(SiteError, match="size: the size n is 4, it must be at least 6"):
        f(draw((4, 2)))


def test_sizes_that_do_not_agree_are_reported(cache, x):
    y = symbol(1, "y", "float32", (size("a"), size("b")))
    f = compiled([x + y], [x, y], cache)
    with pytest.raises(SiteError, match="size: argument 1 has size 4 along axis 1, not 3"):
        f(draw((2, 3)), draw((2, 4)))


@pytest.mark.parametrize("value", [np.zeros((3, 4)), np.eye(3, 4), np.ones((3, 4))])
def test_sizes_that_values_decide(cache, value):
    x = symbol(0, "x", "float64", (size("n"), size("m")))
    positive = OPS["greater"](x, 0)
    kept = x[positive]
    rows, columns = F["nonzero"](x)
    roots = [
        kept,
        OPS["exp"](kept) * 2,
        F["sum"](kept),
        rows + columns,
        kept[::-1] + 1,
        F["sum"](x),
    ]
    agree(roots, {x: value}, cache)


def test_a_number_of_places_that_does_not_fit_is_reported(cache):
    x = symbol(0, "x", "float64", (size("n"),))
    y = symbol(1, "y", "float64", (size("k"),))
    f = compiled([x[OPS["greater"](x, 0)] + y], [x, y], cache)
    np.testing.assert_array_equal(f(np.array([1.0, -1, 2]), np.ones(2))[0], [2, 3])
    with pytest.raises(SiteError, match="there are 2 elements where 3 must be"):
        f(np.array([1.0, -1, 2]), np.ones(3))


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (17, 40)])
def test_padded_values_are_read_where_they_are(cache, x, shape):
    y = OPS["exp"](x)
    padded = F["pad"](x, ((1, 2), (0, 3)))
    slid = F["pad"](y, ((2, 0), (0, 0)), constant_values=1.5)
    roots = [padded, padded * 2 + 1, F["sum"](slid * slid), slid[1:, ::-1], F["transpose"](padded)]
    values = {x: draw(shape)}
    agree(roots, values, cache)
    cost = F["sum"](x[1:, :-1] * x[:-1, 1:] * 2)
    agree(resolve([cost, *grad(cost, [x])]), values, cache)
