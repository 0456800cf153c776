"""Arrays that are part of a program, compared by content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from egtensor.lang.types import TensorType


@dataclass(frozen=True, slots=True)
class ConstantData:
    """A read-only array and the digest that stands for it in keys."""

    digest: str
    type: TensorType
    array: Any = field(compare=False, repr=False)

    @staticmethod
    def of(array: Any) -> ConstantData:
        """Take a read-only, C-contiguous copy of ``array``."""
        copy = np.array(array, order="C", copy=True)
        copy.flags.writeable = False
        type_ = TensorType(copy.dtype, tuple(int(n) for n in copy.shape))
        digest = hashlib.sha256(str(type_).encode() + copy.tobytes()).hexdigest()[:32]
        return ConstantData(digest, type_, copy)

    def __str__(self) -> str:
        return f"array<{self.type}:{self.digest[:6]}>"
