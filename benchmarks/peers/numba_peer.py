"""numba.njit without fastmath: array expressions where they compile well, loops where natural.

Loops are parallel only when more than one thread is asked for: that form costs microseconds a call.
"""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np
from numba import prange

from benchmarks.workloads import LEARNING_RATE, WORKLOADS, Array, Case

COMPILES_ON_FIRST_CALL = True
THREADS = int(os.environ.get("NUMBA_NUM_THREADS", "1"))
PROGRAMS: dict[str, Any] = {}


def version() -> str:
    """Return the library and its version."""
    return f"numba {numba.__version__}"


def _program(function: Callable[..., Any]) -> Any:
    PROGRAMS[function.__name__] = numba.njit(parallel=THREADS > 1, cache=True)(function)
    return PROGRAMS[function.__name__]


@_program
def warm_up(a):
    return np.exp(a) - 3


@_program
def call_1(a):
    return a * 2 + 1


@_program
def call_10(x0, x1, x2, x3, x4, x5, x6, x7, x8, x9):
    return x0 + 2 * x1 + 3 * x2 + 4 * x3 + 5 * x4 + 6 * x5 + 7 * x6 + 8 * x7 + 9 * x8 + 10 * x9


@_program
def ew_a1(a):
    return a + 1


@_program
def ew_2a3b(a, b):
    return 2 * a + 3 * b


@_program
def ew_sq(a, b):
    return a**2 + b**2 + 2 * a * b


@_program
def ew_b10(a, b):
    return 2 * a + b**10


@_program
def softplus(x):
    z = np.empty_like(x)
    zero = x.dtype.type(0)
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            v = x[i, j]
            z[i, j] = max(v, zero) + math.log1p(math.exp(-abs(v)))
    return z


@_program
def gelu(x):
    z = np.empty_like(x)
    scale, cubic = x.dtype.type(0.7978845608028654), x.dtype.type(0.044715)
    half, one = x.dtype.type(0.5), x.dtype.type(1)
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            v = x[i, j]
            z[i, j] = half * v * (one + math.tanh(scale * (v + cubic * v * v * v)))
    return z


@_program
def softmax(x):
    z = np.empty_like(x)
    for i in prange(x.shape[0]):
        greatest = x[i, 0]
        for j in range(x.shape[1]):
            greatest = max(greatest, x[i, j])
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            z[i, j] = math.exp(x[i, j] - greatest)
            total += z[i, j]
        for j in range(x.shape[1]):
            z[i, j] /= total
    return z


@_program
def layer_norm(x, scale, shift):
    z = np.empty_like(x)
    n, epsilon = x.dtype.type(x.shape[1]), x.dtype.type(1e-5)
    for i in prange(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        mean = total / n
        squares = x.dtype.type(0)
        for j in range(x.shape[1]):
            squares += (x[i, j] - mean) ** 2
        inverse = 1 / math.sqrt(squares / n + epsilon)
        for j in range(x.shape[1]):
            z[i, j] = (x[i, j] - mean) * inverse * scale[j] + shift[j]
    return z


@numba.njit(cache=True)
def _cross_entropy(logits, labels):
    """Return the loss, and leave its gradient in ``logits``."""
    n = logits.shape[0]
    count, loss = logits.dtype.type(n), logits.dtype.type(0)
    for i in range(n):
        row = logits[i]
        greatest = row.max()
        picked = row[labels[i]]
        total = logits.dtype.type(0)
        for j in range(row.shape[0]):
            row[j] = math.exp(row[j] - greatest)
            total += row[j]
        loss += greatest + math.log(total) - picked
        for j in range(row.shape[0]):
            row[j] /= total * count
        row[labels[i]] -= 1 / count
    return loss / count


@_program
def logistic_step(w, b, x, labels):
    g = np.dot(x, w) + b
    loss = _cross_entropy(g, labels)
    rate = x.dtype.type(LEARNING_RATE)
    return np.array(loss), w - rate * np.dot(x.T, g), b - rate * g.sum(0)


@_program
def mlp_step(w1, b1, w2, b2, x, labels):
    hidden = np.tanh(np.dot(x, w1) + b1)
    g2 = np.dot(hidden, w2) + b2
    loss = _cross_entropy(g2, labels)
    rate = x.dtype.type(LEARNING_RATE)
    g1 = np.dot(g2, w2.T) * (1 - hidden * hidden)
    return (
        np.array(loss),
        w1 - rate * np.dot(x.T, g1),
        b1 - rate * g1.sum(0),
        w2 - rate * np.dot(hidden.T, g2),
        b2 - rate * g2.sum(0),
    )


def build(case: Case, inputs: Mapping[str, Array]) -> Callable[[], Any]:
    """Bind the compiled program to ``inputs``; a step keeps its state from call to call."""
    program = PROGRAMS[case.workload]
    count = len(WORKLOADS[case.workload].state)
    values = tuple(np.array(value) for value in inputs.values())
    if not count:
        return lambda: program(*values)
    state, data = values[:count], values[count:]

    def step() -> Any:
        nonlocal state
        result = program(*state, *data)
        state = result[1:]
        return result

    return step


def to_numpy(result: Any) -> list[Array]:
    """Copy a result to NumPy."""
    return [np.array(value) for value in (result if isinstance(result, tuple) else (result,))]
