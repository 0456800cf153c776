"""Random numbers: a stream is a key and a shared counter, which every call of a function that draws moves on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from egtensor.config import config
from egtensor.errors import TypeRuleError
from egtensor.lang import dims
from egtensor.lang.expr import Expr, as_expr, cast, scalar
from egtensor.lang.ops.bitwise import left_shift
from egtensor.lang.ops.creation import as_shape
from egtensor.lang.ops.elementwise import add, multiply, where
from egtensor.lang.ops.explog import log
from egtensor.lang.ops.leaf import iota
from egtensor.lang.ops.random import philox_bits
from egtensor.lang.ops.reshaping import reshape
from egtensor.lang.ops.trigonometric import cos
from egtensor.lang.types import TensorType, as_dtype
from egtensor.shared import SharedVariable, shared

__all__ = ["RandomStream"]
UINT64 = np.dtype(np.uint64)


class RandomStream:
    """A stream of random numbers (Philox4x32-10, counter based).

    seed   an integer; equal seeds give equal streams
    state  a shared variable: the number of the next call; set its value to go back

    Each draw has its own key and each call its own counters, so that all numbers are different ones.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = int(seed)
        self.state: SharedVariable = shared(np.uint64(0), name="random_state")
        self.state.container.default_update = add(self.state, scalar(1, self.state.type))
        self._draws = 0

    def updates(self) -> list[tuple[SharedVariable, Expr]]:
        """The new value of the state after a call; functions that draw apply it by themselves."""
        update = self.state.container.default_update
        assert update is not None
        return [(self.state, update)]

    def bits(self, shape: Any) -> Expr:
        """64 random bits for each element, as uint64."""
        wanted = as_shape(shape)
        sequence = np.random.SeedSequence((self.seed, self._draws))
        self._draws += 1
        key = scalar(int(sequence.generate_state(1, np.uint64)[0]), self.state.type)
        # the number of the call above, that of the element below
        element = iota(extent=dims.product(wanted), dtype=UINT64)
        counter = add(left_shift(self.state, scalar(32, self.state.type)), element)
        return reshape(philox_bits(counter, key), wanted)  # type: ignore[no-any-return]

    def uniform(self, shape: Any = (), low: Any = 0.0, high: Any = 1.0, dtype: Any = None) -> Expr:
        """Numbers from the uniform distribution on [low, high)."""
        unit = self._unit(shape, _float(dtype))
        if (
            isinstance(low, (int, float))
            and low == 0
            and isinstance(high, (int, float))
            and high == 1
        ):
            return unit
        lo, hi = (cast(as_expr(v), unit.dtype) for v in (low, high))
        return add(multiply(unit, hi - lo), lo)  # type: ignore[no-any-return]

    def _unit(self, shape: Any, dtype: Any) -> Expr:
        digits = np.finfo(dtype).nmant + 1
        kept = self.bits(shape) >> (64 - digits)
        return multiply(cast(kept, dtype), scalar(2.0**-digits, TensorType(dtype, ())))  # type: ignore[no-any-return]

    def normal(self, shape: Any = (), loc: Any = 0.0, scale: Any = 1.0, dtype: Any = None) -> Expr:
        """Numbers from the normal distribution (Box and Muller 1958)."""
        made = _float(dtype)
        radius, angle = self._unit(shape, made), self._unit(shape, made)
        one = scalar(1, TensorType(made, ()))
        z = (-2 * log(one - radius)) ** 0.5 * cos(2 * math.pi * angle)
        lo, width = (cast(as_expr(v), made) for v in (loc, scale))
        return add(multiply(z, width), lo)  # type: ignore[no-any-return]

    def bernoulli(self, shape: Any = (), p: Any = 0.5, dtype: Any = "int64") -> Expr:
        """1 with probability ``p``, else 0."""
        drawn = self._unit(shape, np.dtype("float64")) < p
        return where(drawn, 1, 0).astype(dtype)  # type: ignore[no-any-return]


def _float(dtype: Any) -> Any:
    made = as_dtype(config.floatX if dtype is None else dtype)
    if made.kind != "f":
        raise TypeRuleError(
            f"random numbers of dtype {made}\n"
            f"  they are drawn as float32 or float64\n"
            f"  fix: convert the result with .astype"
        )
    return made
