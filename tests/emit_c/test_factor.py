"""Inverses, solutions and determinants in C."""

import numpy as np
import pytest

from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS, OPS
from tests.kernels.native import SiteError, agree, compiled, symbol


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


@pytest.mark.parametrize("n", [1, 2, 7, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inverses_solutions_and_determinants(cache, n, dtype):
    k, m = size("n"), size("m")
    a, b = symbol(0, "a", dtype, (size("b"), k, k)), symbol(1, "b", dtype, (size("b"), k, m))
    rng = np.random.default_rng(n)
    values = {
        a: (rng.standard_normal((3, n, n)) + 2 * n * np.eye(n)).astype(dtype),
        b: rng.standard_normal((3, n, 2)).astype(dtype),
    }
    sign, magnitude = OPS["slogdet"](a)
    transposed = FUNCTIONS["swapaxes"](a, 1, 2)
    roots = [OPS["inv"](a), OPS["solve"](transposed, b), sign, magnitude, OPS["slogdet"](a * 2)[1]]
    agree(roots, values, cache, ulps=500)


def test_a_singular_matrix_is_reported(cache):
    a = symbol(0, "a", "float64", (size("n"), size("n")))
    f = compiled([OPS["inv"](a)], [a], cache)
    with pytest.raises(SiteError, match=r"value: inv: .*singular"):
        f(np.zeros((3, 3)))
