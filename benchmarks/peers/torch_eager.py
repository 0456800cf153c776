"""PyTorch, run eagerly."""

from benchmarks.peers._torch import build, to_numpy, version

__all__ = ["COMPILES_ON_FIRST_CALL", "build", "to_numpy", "version"]

COMPILES_ON_FIRST_CALL = False
