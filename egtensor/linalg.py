"""Linear algebra, by the names of ``numpy.linalg``."""

from egtensor.lang.ops import linalg as _functions

det = _functions.det
inv = _functions.inverse
norm = _functions.norm
slogdet = _functions.sign_and_log_determinant
solve = _functions.solution

__all__ = ["det", "inv", "norm", "slogdet", "solve"]
