"""egtensor as it is by default."""

from benchmarks.peers._egtensor import COMPILES_ON_FIRST_CALL, build, to_numpy, version

__all__ = ["COMPILES_ON_FIRST_CALL", "build", "to_numpy", "version"]
