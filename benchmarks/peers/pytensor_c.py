"""PyTensor, compiled to C."""

from functools import partial

from pytensor.compile.mode import Mode

from benchmarks.peers import _pytensor
from benchmarks.peers._pytensor import COMPILES_ON_FIRST_CALL, to_numpy, version

__all__ = ["COMPILES_ON_FIRST_CALL", "build", "to_numpy", "version"]

build = partial(_pytensor.build, mode=Mode(linker="cvm", optimizer="fast_run"))
