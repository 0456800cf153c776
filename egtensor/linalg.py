"""Linear algebra, by the names of ``numpy.linalg``."""

from egtensor.lang.ops.linalg import (
    det,
    norm,
)
from egtensor.lang.ops.linalg import (
    inverse as inv,
)
from egtensor.lang.ops.linalg import (
    sign_and_log_determinant as slogdet,
)
from egtensor.lang.ops.linalg import (
    solution as solve,
)

__all__ = ["det", "inv", "norm", "slogdet", "solve"]
