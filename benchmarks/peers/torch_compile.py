"""PyTorch through torch.compile, for the very sizes of the case."""

from functools import partial

import torch

from benchmarks.peers import _torch
from benchmarks.peers._torch import to_numpy, version

__all__ = ["COMPILES_ON_FIRST_CALL", "build", "to_numpy", "version"]

COMPILES_ON_FIRST_CALL = True


def _compile(program):
    torch.compiler.reset()
    return torch.compile(program, dynamic=False, fullgraph=True)


build = partial(_torch.build, prepare=_compile)
