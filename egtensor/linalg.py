"""Linear algebra, by the names of ``numpy.linalg``."""

from egtensor.lang.ops.linalg import (
    det,
    inverse as inv,
    norm,
    sign_and_log_determinant as slogdet,
    solution as solve,
)

__all__ = ["det", "inv", "norm", "slogdet", "solve"]
