"""Sizes behave like the numbers they stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egtensor.errors import ShapeError
from egtensor.lang.dims import (
    as_size,
    evaluate,
    floordiv,
    maximum,
    minimum,
    size,
    sizes_of,
    substitute,
)

N, M = size("n"), size("m")
LEAVES = st.sampled_from([N, M]) | st.integers(-3, 4)
BINARY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "min": lambda a, b: minimum(a, b),
    "max": lambda a, b: maximum(a, b),
}


def trees(children):
    return st.tuples(st.sampled_from(sorted(BINARY)), children, children)


def build(tree):
    if isinstance(tree, tuple):
        op, a, b = tree
        return BINARY[op](build(a), build(b))
    return tree


def number(tree, env):
    if isinstance(tree, tuple):
        op, a, b = tree
        x, y = number(a, env), number(b, env)
        return {"+": x + y, "-": x - y, "*": x * y, "min": min(x, y), "max": max(x, y)}[op]
    return env[as_size(tree)] if not isinstance(tree, int) else tree


@given(st.recursive(LEAVES, trees, max_leaves=8), st.integers(0, 9), st.integers(0, 9))
def test_a_size_evaluates_to_what_arithmetic_gives(tree, n, m):
    env = {as_size(N): n, as_size(M): m}
    assert evaluate(build(tree), env) == number(tree, env)


@given(st.integers(0, 50), st.integers(1, 9), st.integers(0, 9))
def test_floor_division_agrees_with_python(n, k, c):
    env = {as_size(N): n, as_size(M): 1}
    assert evaluate((N * k + c) // k, env) == (n * k + c) // k
    assert evaluate(floordiv(N + c, k), env) == (n + c) // k


def test_equal_polynomials_are_equal_objects():
    assert (N + 1) * (N - 1) == N * N - 1
    assert (N * M) // M == N
    assert minimum(N, N + 3) == N
    assert maximum(N, 0) == N
    assert N - N == 0


def test_substitution_reaches_into_functions_of_sizes():
    assert substitute(minimum(N, 5) + N, {as_size(N): 3}) == 6
    assert sizes_of(minimum(N, M) * 2) == [as_size(N), as_size(M)]


def test_a_symbolic_size_is_no_number():
    with pytest.raises(ShapeError, match="the size n is not known until the function is called"):
        range(N)
