"""NumPy's indexing, on sizes that are known and sizes that are not."""

import numpy as np
import pytest
from agreement import assert_agree, static, symbolic

import egtensor as et
from egtensor.errors import IndexingError, ShapeError, UnsupportedError
from egtensor.lang import dims

rng = np.random.default_rng(3)
MATRIX = rng.normal(size=(4, 5))
TENSOR = rng.normal(size=(4, 3, 5, 2))
ROWS = np.array([3, 0, -1, 2])
MASK = np.array([True, False, True, True])
INDICES = [
    np.s_[1], np.s_[-1], np.s_[1:], np.s_[::-1], np.s_[1:3, 2], np.s_[..., 1], np.s_[None, 1], np.s_[:, None, 2:4],
    np.s_[[0, 2]], np.s_[[0, 2], 1:3], np.s_[[0, 2], [1, 3]], np.s_[1, [0, 2]], np.s_[:, [0, -1], None],
    np.s_[[[0, 1], [2, 3]]], np.s_[::2, ::-2], np.s_[-3:-1], np.s_[10:], np.s_[3:1], np.s_[-1:-10:-1], np.s_[:0:-2],
    np.s_[...], np.s_[1:1, 0], np.s_[MASK], np.s_[None, [1, 2], :, None], np.s_[ROWS], np.s_[ROWS, ROWS],
    np.s_[-10:2], np.s_[2:-10], np.s_[:-1], np.s_[5:2:-1], np.s_[[]],
]  # fmt: skip
DEEP = [
    np.s_[[0, 1], :, [1, 2]], np.s_[:, [0, 1], [1, 2]], np.s_[0, :, [1, 2]], np.s_[:, 0, [1, 2]], np.s_[..., [0, 1]],
    np.s_[[0, 1], ..., [1, 0]], np.s_[1:, [[0], [1]], [1, 2]], np.s_[None, 0, ..., None], np.s_[:, MASK[:3]],
    np.s_[[0, 1], None, [1, 2]], np.s_[..., 1, :], np.s_[2, 1, 0, 1],
]  # fmt: skip


@pytest.mark.parametrize("make", [symbolic, static])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_a_matrix(index, make):
    assert_agree(lambda x: x[index], lambda x: x[index], MATRIX, make=make)


@pytest.mark.parametrize("make", [symbolic, static])
@pytest.mark.parametrize("index", DEEP, ids=str)
def test_placement_of_indexed_axes_is_numpys(index, make):
    assert_agree(lambda x: x[index], lambda x: x[index], TENSOR, make=make)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("step", [None, 1, 2, 3, -1, -2])
def test_slices_are_clamped_for_every_size(n, step):
    x = np.arange(float(n))
    bounds = (None, 0, 1, 2, 4, 9, -1, -2, -7)
    sym, stat = symbolic(x), static(x)
    built, wanted = [], []
    for start in bounds:
        for stop in bounds:
            built += [sym[start:stop:step], stat[start:stop:step]]
            wanted += [x[start:stop:step]] * 2
    for got, value in zip(et.interpret(built, {sym: x, stat: x}), wanted, strict=True):
        np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize(
    "index",
    [np.s_[1:], np.s_[:-1], np.s_[::2], np.s_[::-1], np.s_[4:0:-3], np.s_[1:4:2], np.s_[9:]],
)
def test_gradients_of_slices_put_the_cotangent_back(index, n):
    value = np.arange(1.0, n + 1)
    for x in (symbolic(value), static(value)):
        wanted = np.zeros(n)
        wanted[index] = 2 * value[index]
        np.testing.assert_array_equal(
            et.interpret(et.grad((x[index] ** 2).sum(), x), {x: value}), wanted
        )


def test_gradients_of_gathers_add_duplicates():
    x, i = symbolic(MATRIX), et.lvector("i")
    rows = np.array([0, 2, 2, -4])
    wanted = np.zeros_like(MATRIX)
    np.add.at(wanted, rows, 2 * MATRIX[rows])
    got = et.interpret(et.grad((x[i] ** 2).sum(), x), {x: MATRIX, i: rows})
    np.testing.assert_allclose(got, wanted)


def test_sizes_of_slices_that_are_equal_are_equal_objects():
    x = et.vector("x")
    assert x[1:].shape == x[:-1].shape
    assert x[::-1].shape == x.shape
    assert (x[1:] - x[:-1]).equalities == ()


def test_symbolic_positions_and_bounds():
    x, i = symbolic(MATRIX), et.lvector("i")
    n = x.shape[0]
    given = {x: MATRIX, i: ROWS}
    for built, wanted in (
        (x[et.arange(n), i], MATRIX[np.arange(4), ROWS]), (x[i[0]], MATRIX[3]), (x[n - 1], MATRIX[3]),
        (x[: n - 1], MATRIX[:3]), (x[-n:], MATRIX), (x[:, i], MATRIX[:, ROWS]), (x[i > 0], MATRIX[ROWS > 0]),
        (x[x > 0], MATRIX[MATRIX > 0]), (x[i > 0, 1], MATRIX[ROWS > 0, 1]), (x[i[1], i[3]], MATRIX[0, 2]),
    ):  # fmt: skip
        np.testing.assert_array_equal(et.interpret(built, given), wanted)


def test_results_of_data_dependent_size_can_be_used_further():
    x = et.vector("x")
    kept = x[x > 0]
    value = np.array([1.0, -1.0, 2.0, 3.0])
    got = et.interpret([kept.sum() / kept.shape[0], et.arange(kept.shape[0]), kept[1:]], {x: value})
    np.testing.assert_array_equal(got[0], 2.0)
    np.testing.assert_array_equal(got[1], np.arange(3))
    np.testing.assert_array_equal(got[2], [2.0, 3.0])


def test_two_calls_of_nonzero_have_sizes_of_their_own():
    x = et.vector("x") > 0
    (a,), (b,) = et.nonzero(x), et.nonzero(x)
    assert a.shape != b.shape


def test_indices_outside_are_errors_when_run():
    x, i = symbolic(MATRIX), et.lvector("i")
    with pytest.raises(IndexError):
        et.interpret(x[i], {x: MATRIX, i: np.array([4])})
    with pytest.raises(ShapeError, match="the size x_0 is 4, it must be at least 5"):
        et.interpret(x[4], {x: MATRIX})
    with pytest.raises(ShapeError, match="the size x_0-5 is -1, it must be at least 0"):
        et.interpret(x[-5], {x: MATRIX})


X = et.tensor("x", shape=(3, 4))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: X[3], IndexingError, "index 3 is out of bounds"),
        (lambda: X[0, 0, 0], IndexingError, "too many indices"),
        (lambda: X[..., ...], IndexingError, "2 ellipses"),
        (lambda: X[1.5], IndexingError, "used as an index"),
        (lambda: X[X], IndexingError, "an index of type"),
        (lambda: X[::0], IndexingError, "a slice with step 0"),
        (lambda: X["a"], IndexingError, "used as an index"),
        (lambda: X[True], UnsupportedError, "the Python boolean"),
        (lambda: X[et.lscalar() :], IndexingError, "used as an index or bound"),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_how_to_fix(build, error, message):
    with pytest.raises(error, match=message) as caught:
        build()
    assert len(str(caught.value).splitlines()) == 3
    assert "fix:" in str(caught.value)


def test_scatter_and_gather_are_each_others_transposes():
    from egtensor.lang.ops.indexing import gather, scatter_add

    x, g = symbolic(TENSOR), symbolic(rng.normal(size=(4, 4, 5)))
    i = et.lvector("i")
    updates = rng.normal(size=(4, 4, 5))
    index = np.array([1, 0, 1, -1])
    read = gather(x, i, i, axes=(1, 3))
    base = et.zeros_like(x)
    written = scatter_add(base, g, i, i, axes=(1, 3))
    given = {x: TENSOR, g: updates, i: index}
    left, right = et.interpret([(read * g).sum(), (x * written).sum()], given)
    np.testing.assert_allclose(left, right)
    assert isinstance(x.shape[0], dims.Dim)
