"""PyTensor, compiled by numba: its default mode."""

from functools import partial

from benchmarks.peers import _pytensor
from benchmarks.peers._pytensor import to_numpy, version

__all__ = ["COMPILES_ON_FIRST_CALL", "build", "to_numpy", "version"]

COMPILES_ON_FIRST_CALL = True
build = partial(_pytensor.build, mode="NUMBA")
