"""Loops and conditionals run in native code."""

import numpy as np
import pytest

from egtensor.diff.grad import grad
from egtensor.diff.pullback import resolve
from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS, OPS
from tests.kernels.native import agree, symbol

F = FUNCTIONS


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


def draw(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_one_branch_of_a_conditional_runs(cache, value):
    x = symbol(0, "x", "float64", (size("n"),))
    c = symbol(1, "c", "float64", ())
    y = F["ifelse"](OPS["greater"](c, 0), OPS["exp"](x) * 2, x[::-1])
    agree([y, F["sum"](y)], {x: draw(5), c: np.array(value)}, cache)


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
def test_a_loop_carries_values_and_stacks_outputs(cache, steps):
    n = size("n")
    x = symbol(0, "x", "float64", (size("t"), n))
    w = symbol(1, "w", "float64", (n, n))
    h0 = symbol(2, "h", "float64", (n,))
    h, _ = F["scan"](
        lambda x, h, w: OPS["tanh"](F["matmul"](h, w) + x),
        sequences=[x], outputs_info=[h0], non_sequences=[w],
    )  # fmt: skip
    values = {x: draw((steps, 4)), w: draw((4, 4), seed=1), h0: draw(4, seed=2)}
    agree([h], values, cache)
    if steps:
        cost = F["sum"](h[-1] * h[-1])
        agree(resolve([cost, *grad(cost, [x, w, h0])]), values, cache)
