"""A mask has the sizes of the axes it is for."""

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import IndexingError, InputError, ShapeError


def mask(*shape):
    """A symbolic mask."""
    return et.tensor("b", dtype="bool", shape=shape)


@pytest.mark.parametrize("target", ["c", "interpret"])
@pytest.mark.parametrize("sizes", [(4, 3), (3, 4), (4, 1), (1, 4)])
def test_a_mask_of_another_size_is_an_error(target, sizes):
    x, b = et.vector("x"), mask(None)
    fn = et.function([x, b], x[b] * 2, target=target)
    n, m = sizes
    with pytest.raises(ShapeError):
        fn(np.arange(float(n)), np.arange(m) == 0)
    holds = np.arange(n) % 2 == 0
    np.testing.assert_array_equal(fn(np.arange(float(n)), holds), 2 * np.arange(n)[holds])


def test_masks_of_several_axes_and_among_other_indices():
    m, b2, b = et.matrix("m"), mask(None, None), mask(None)
    value, holds = np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3) % 2 == 0
    fn = et.function([m, b2], m[b2])
    np.testing.assert_array_equal(fn(value, holds), value[holds])
    with pytest.raises(ShapeError):
        fn(value, holds.T)
    for index, expected in [
        ((slice(None), b), value[:, holds[0]]),
        ((..., b), value[..., holds[0]]),
        ((..., b), value[..., holds[0]]),
    ]:
        last = et.function([m, b], m[index])
        np.testing.assert_array_equal(last(value, holds[0]), expected)
        with pytest.raises(ShapeError):
            last(value, holds[0, :2])


def test_constant_masks_and_declared_sizes_are_compared():
    x, three = et.vector("x"), et.tensor("x", shape=(3,))
    with pytest.raises(IndexingError, match="does not fit"):
        three[np.array([True, False])]
    fn = et.function([x], x[np.array([True, False])])
    np.testing.assert_array_equal(fn(np.arange(2.0)), [0])
    with pytest.raises((ShapeError, InputError)):
        fn(np.arange(3.0))
    one = et.function([x], x[np.array([True])])
    with pytest.raises((ShapeError, InputError)):
        one(np.arange(3.0))
