"""Symbols and values for the tests of derivatives."""

from __future__ import annotations

from itertools import count

import numpy as np

from egtensor.lang.expr import make
from egtensor.lang.facts import NOTHING
from egtensor.lang.interpret import interpret
from egtensor.lang.op import OPS
from egtensor.lang.types import TensorType

_serial = count(10**6)


def symbol(name="x", shape=(), dtype="float64"):
    """An input."""
    return make(
        OPS["input"],
        (),
        (next(_serial), name, TensorType(np.dtype(dtype), shape), NOTHING),
    )


def value(expr, env):
    """The value of an expression, as written."""
    return interpret(expr, env)


def differences(f, x, step=2e-4):
    """The gradient of a function of one array, by central differences of fourth order."""
    slope = np.zeros(x.shape)
    for k in np.ndindex(*x.shape):
        total = 0.0
        for shift, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
            moved = x.copy()
            moved[k] += shift * step
            total += weight * float(f(moved))
        slope[k] = total / (12 * step)
    return slope
