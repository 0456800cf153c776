"""Rendered kernels compute what the interpreter computes."""

import numpy as np
import pytest

from egtensor.lang.dims import size
from egtensor.lang.expr import broadcast
from egtensor.lang.op import OPS
from tests.kernels.native import agree, plan_of, symbol

add, multiply, exp, tanh = (OPS[n] for n in ("add", "multiply", "exp", "tanh"))
total, largest, reshape = OPS["reduce_sum"], OPS["reduce_max"], OPS["reshape"]
SHAPES = [(0, 3), (1, 1), (3, 5), (7, 16), (2, 129), (5, 4100), (300, 517)]


def draw(shape, dtype=np.float32, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)


def keep(y, x, axes):
    shape = tuple(1 if k in axes else e for k, e in enumerate(x.shape))
    return broadcast(reshape(y, shape=shape), x.shape)


def softmax(x, axes):
    e = exp(x - keep(largest(x, axes=axes), x, axes))
    return e / keep(total(e, axes=axes), x, axes)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_elementwise_group_and_its_sum_share_a_kernel(cache, shape, dtype):
    n, m = size("n"), size("m")
    x, b = symbol(0, "x", dtype, (n, m)), symbol(1, "b", dtype, (m,))
    y = tanh(x * x + b)
    values = {x: draw(shape, dtype), b: draw(shape[1:], dtype, 1)}
    agree([y, total(y, axes=(0, 1))], values, cache)


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_softmax_is_one_visit_of_a_row(cache, shape, axes):
    x = symbol(0, "x", "float32", (size("n"), size("m")))
    agree([softmax(x, axes)], {x: draw(shape)}, cache)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (2, 130, 3)])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_reductions_over_any_axes(cache, shape, axes):
    x = symbol(0, "x", "float64", (size("n"), size("m"), size("k")))
    y = exp(x)
    agree([total(y, axes=axes), largest(x, axes=axes), y], {x: draw(shape, "float64")}, cache)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_arguments_of_sines_are_computed_again(cache, dtype):
    x = symbol(0, "x", dtype, (size("n"), size("m")))
    y = OPS["sin"](x) + OPS["cos"](x * 2)
    value = draw((30, 50), dtype)
    value[3, 4], value[29, 49] = 1e12, 1e30
    agree([y, total(y, axes=(0, 1)), total(y, axes=(1,)), total(y, axes=(0,))], {x: value}, cache)


def test_a_sum_of_what_a_row_kernel_computes_needs_no_array_of_its_own(cache):
    n, m = size("n"), size("m")
    x = symbol(0, "x", "float32", (n, m))
    p = softmax(x, (1,))
    roots = [p, total(p * x, axes=(0, 1))]
    plan = plan_of(roots, [x])
    assert all(len(b.shape) < 2 for b in plan.buffers if b.kind == "temporary")
    agree(roots, {x: draw((300, 40))}, cache)
