"""Symbols and values for the tests of derivatives."""

from __future__ import annotations

from itertools import count

import numpy as np

from egtensor.lang import dims
from egtensor.lang.expr import fold, make, resolve
from egtensor.lang.facts import NOTHING
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
    """The value of an expression by the NumPy functions of the operators."""
    sizes = {
        dims.as_size(e): n
        for x, v in env.items()
        for e, n in zip(x.shape, np.shape(v), strict=True)
        if dims.as_size(e) is not None
    }

    def known(attr):
        match attr:
            case dims.Dim():
                return dims.evaluate(attr, sizes)
            case tuple():
                return tuple(map(known, attr))
            case TensorType():
                return attr.with_shape(known(attr.shape))
            case _:
                return attr

    def node(e, args):
        attrs = {name: known(a) for name, a in e.attributes.items()}
        return env[e] if e in env else e.op.numpy(*args, **attrs)

    (root,) = resolve([expr])
    with np.errstate(all="ignore"):
        return fold([root], node)[root]


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
