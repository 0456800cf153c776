"""The operators, one file per family; importing this package registers all of them."""

from egtensor.lang.ops import (
    bitwise,
    creation,
    elementwise,
    explog,
    indexing,
    joining,
    leaf,
    linalg,
    padding,
    products,
    random,
    reduction,
    region,
    reshaping,
    rounding,
    shape,
    special,
    statistics,
    trigonometric,
)

__all__ = [
    "bitwise", "creation", "elementwise", "explog", "indexing", "joining", "leaf", "linalg", "padding", "products",
    "random", "reduction", "region", "reshaping", "rounding", "shape", "special", "statistics", "trigonometric",
]  # fmt: skip
