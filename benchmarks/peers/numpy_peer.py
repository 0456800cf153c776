"""NumPy, the reference text as written."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from benchmarks.workloads import WORKLOADS, Array, Case

COMPILES_ON_FIRST_CALL = False


def version() -> str:
    """Return the library and its version."""
    return f"numpy {np.__version__}"


def build(case: Case, inputs: Mapping[str, Array]) -> Callable[[], list[Array]]:
    """Bind the reference to ``inputs``; every step starts from the same state."""
    return partial(WORKLOADS[case.workload].reference, *inputs.values())


def to_numpy(result: list[Array]) -> list[Array]:
    """Copy a result to NumPy."""
    return [np.array(value) for value in result]
