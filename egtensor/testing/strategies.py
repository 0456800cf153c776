"""Hypothesis strategies over the generator of programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from egtensor.testing.generate import Kind, Sample, Special, generate
from egtensor.testing.layouts import LAYOUTS, relaid


class _Drawn:
    """Decisions drawn by hypothesis, so that failures shrink."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))

    def array(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        return self._draw(arrays(dtype, shape))


def arrays(dtype: Any, shape: tuple[int, ...]) -> Any:
    """Arrays of moderate numbers, for which most operators can be judged."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        # eighths: far enough from each other and from 0 that no rounding changes an order
        elements: Any = st.integers(-64, 64).map(lambda v: v / 8)
        return hnp.arrays(np.float64, shape, elements=elements).map(lambda x: x.astype(dtype))
    low = 0 if dtype.kind in "bu" else -9
    high = 1 if dtype.kind == "b" else 9
    return hnp.arrays(np.int64, shape, elements=st.integers(low, high)).map(
        lambda x: x.astype(dtype)
    )


def laid_out(x: Any) -> Any:
    """``x`` in any memory layout: strided, reversed, broadcast, unaligned, read-only."""
    return st.sampled_from(sorted(LAYOUTS)).map(lambda how: relaid(x, how))


@st.composite
def samples(draw: Any, steps: int = 5, special: Special = "none") -> Sample:
    """Typed programs over all operators, with matching inputs.

    steps    how many operators at most
    special  "nan" or "all": input elements may be NaN, or also infinite and -0.0
    """
    return generate(_Drawn(draw), Kind(steps=draw(st.integers(1, steps)), special=special))
