"""What jit accepts besides arrays by position."""

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import InputError


@et.jit
def difference(x, y):
    """A small function."""
    return x - y


def test_arguments_of_jit_may_be_named():
    np.testing.assert_array_equal(difference(y=np.ones(2), x=np.zeros(2)), [-1, -1])
    with pytest.raises(InputError, match="missing a required argument: 'y'"):
        difference(np.ones(2), z=np.ones(2))


def test_a_jitted_function_is_part_of_expressions_that_call_it():
    @et.jit
    def outer(x):
        return difference(x, 2 * x)

    np.testing.assert_array_equal(outer(np.ones(2)), [-1, -1])
    x = et.vector("x")
    assert difference(x, 1).op.name == "subtract"
