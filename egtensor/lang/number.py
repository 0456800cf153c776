"""Numbers of literals, compared by mathematical value so that 1, 1.0 and True are one number.

The sign of zero counts, and NaN equals itself: both are needed where literals are hash-consed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Number:
    """A real number, signed zero, infinity or NaN."""

    key: int | str
    value: int | float = field(compare=False)

    @staticmethod
    def of(value: Any) -> Number:
        """The number that a Python or NumPy scalar stands for."""
        if isinstance(value, (bool, np.bool_, int, np.integer)):
            return Number(int(value), int(value))
        x = float(value)
        if math.isfinite(x) and x.is_integer() and (x != 0 or math.copysign(1, x) > 0):
            return Number(int(x), int(x))
        return Number("nan" if x != x else x.hex(), x)

    def array(self, dtype: np.dtype[Any]) -> Any:
        """The number as a NumPy scalar of ``dtype``."""
        if self.key == "-0x0.0p+0" and dtype.kind != "f":
            return dtype.type(0)
        return dtype.type(self.value)

    def __str__(self) -> str:
        return repr(self.value)
