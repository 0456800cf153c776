"""C: KernelPlan to source text to a loaded library."""

from egtensor.emit_c.build import build
from egtensor.emit_c.render import render
from egtensor.kernels.target import Limits, Target

C = Target("c", Limits(), render, build)

__all__ = ["C"]
