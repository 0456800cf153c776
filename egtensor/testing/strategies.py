"""Hypothesis strategies over the generator of expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from egtensor.testing.generate import Sample, generate


class _Drawn:
    """Decisions drawn by hypothesis, so that failures shrink."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))

    def array(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        if dtype.kind == "f":
            elements: Any = st.floats(-8, 8, width=32).map(lambda v: v if abs(v) > 1e-3 else 0.0)
            return self._draw(hnp.arrays(np.float64, shape, elements=elements)).astype(dtype)
        low = 0 if dtype.kind in "bu" else -9
        high = 1 if dtype.kind == "b" else 9
        return self._draw(hnp.arrays(np.int64, shape, elements=st.integers(low, high))).astype(dtype)


@st.composite
def samples(draw: Any, steps: int = 5, special: bool = False) -> Sample:
    """Typed expressions over all operators, with matching inputs.

    steps    how many operators at most
    special  let values be infinite or NaN
    """
    return generate(_Drawn(draw), draw(st.integers(1, steps)), special)
