"""Random streams: the generator's published answers, distributions, independence of draws and calls."""

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import TypeRuleError
from egtensor.lang.ops.random import LOW, philox

# Random123, examples/kat_vectors: philox4x32 with 10 rounds
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((LOW,) * 4, (LOW,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]  # fmt: skip


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, wanted):
    assert philox(counter, key, lambda x: x & LOW, lambda x: x >> 32) == wanted


def test_numbers_are_uniform_and_normal():
    stream = et.random.RandomStream(5)
    u = et.interpret(stream.uniform((20_000,), -1, 3))
    assert -1 <= u.min() < -0.99
    assert 2.99 < u.max() < 3
    # means and variances of 20,000 numbers, to five standard deviations
    assert abs(u.mean() - 1) < 5 * 4 / np.sqrt(12 * 20_000)
    z = et.interpret(stream.normal((20_000,), 2, 3))
    assert abs(z.mean() - 2) < 5 * 3 / np.sqrt(20_000)
    assert abs(z.std() - 3) < 5 * 3 / np.sqrt(2 * 20_000)
    b = et.interpret(stream.bernoulli((20_000,), 0.25))
    assert b.dtype == np.int64
    assert abs(b.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 20_000)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_interval_is_half_open(dtype):
    u = et.random.RandomStream(1).uniform((1000, 2), dtype=dtype)
    value = et.interpret(u)
    assert value.dtype == dtype
    assert value.shape == (1000, 2)
    assert value.min() >= 0
    assert value.max() < 1


def test_draws_and_calls_differ_and_seeds_repeat():
    one, two = et.random.RandomStream(7), et.random.RandomStream(7)
    a, b = one.uniform((4,)), one.uniform((4,))
    first, second = et.interpret([a, b])
    assert not np.intersect1d(first, second).size
    np.testing.assert_array_equal(first, et.interpret(two.uniform((4,))))
    ((state, new),) = one.updates()
    assert state.container.default_update is new
    state.set_value(et.interpret(new))
    assert not np.intersect1d(first, et.interpret(a)).size


def test_sizes_of_draws_may_be_symbolic():
    x = et.matrix("x")
    u = et.random.RandomStream(2).uniform(x.shape)
    assert et.interpret(u, {x: np.zeros((3, 2))}).shape == (3, 2)


def test_integers_are_not_uniform_on_an_interval():
    with pytest.raises(TypeRuleError, match="random numbers of dtype int64"):
        et.random.RandomStream(0).uniform((2,), dtype="int64")
