"""The operators, one file per family; importing this package registers all of them."""

from egtensor.lang.ops import elementwise, indexing, leaf, linalg, reduction, shape

__all__ = ["elementwise", "indexing", "leaf", "linalg", "reduction", "shape"]
