"""Programs that random testing found to be compiled wrongly once."""

import numpy as np

import egtensor as et


def test_kernels_over_blocks_of_no_columns_do_nothing():
    x = et.tensor3("x")
    fn = et.function([x], x.max(axis=1))
    assert fn(np.zeros((3, 4, 0))).shape == (3, 0)


def test_blocks_of_columns_are_counted_per_row():
    x = et.tensor3("x")
    value = np.arange(100 * 2 * 100.0).reshape(100, 2, 100)
    np.testing.assert_array_equal(et.function([x], x.max(axis=1))(value), value.max(axis=1))


def test_python_numbers_are_compared_as_numbers():
    x = et.vector("x")
    fn = et.function([x], x + et.linspace(0, 1, 3))
    np.testing.assert_array_equal(fn(np.zeros(3)), [0, 0.5, 1])


def test_integers_and_python_numbers_keep_their_promotion():
    n = et.tensor("n", dtype="int64", shape=(2,))
    assert (n + n).dtype == np.int64
    assert (n + 1).dtype == np.int64


def test_tiles_are_counted_per_row():
    x = et.tensor("x", dtype="int32", shape=(None, None, None))
    value = np.arange(7 * 16 * 3, dtype=np.int32).reshape(7, 16, 3)
    y = x.transpose([2, 1, 0]).astype("float64")
    np.testing.assert_allclose(et.function([x], y.var(axis=1))(value), value.T.var(axis=1))


def test_a_loop_and_a_routine_may_both_have_results_that_nobody_reads():
    x = et.tensor3("x")
    total, _ = et.scan(lambda row, last: row + last, x, et.zeros_like(x[0]))
    fn = et.function([x], [total, et.nonzero(x)[0]])
    value = np.arange(12.0).reshape(2, 2, 3)
    got, places = fn(value)
    np.testing.assert_array_equal(got, np.cumsum(value, axis=0))
    np.testing.assert_array_equal(places, np.nonzero(value)[0])


def test_a_branch_may_hold_a_derivative():
    x, b = et.vector("x"), et.scalar("b", dtype="bool")
    fn = et.function([b, x], et.ifelse(b, et.grad((x * x).sum(), x), x))
    np.testing.assert_array_equal(fn(True, np.ones(3)), [2, 2, 2])
    np.testing.assert_array_equal(fn(False, np.ones(3)), [1, 1, 1])
