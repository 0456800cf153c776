"""The operators, one file per family; importing this package registers all of them."""

from egtensor.lang.ops import (
    bitwise,
    elementwise,
    explog,
    indexing,
    leaf,
    linalg,
    reduction,
    rounding,
    shape,
    special,
    trigonometric,
)

__all__ = [
    "bitwise", "elementwise", "explog", "indexing", "leaf", "linalg", "reduction", "rounding", "shape", "special",
    "trigonometric",
]  # fmt: skip
