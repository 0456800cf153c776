"""C: KernelPlan to source text to a loaded library."""

from typing import Any

from egtensor.kernels.target import Limits, Target


def _render(plan: Any) -> Any:
    # at first need: a function from the disk cache is not rendered again
    from egtensor.emit_c.render import render

    return render(plan)


def _build(source: Any, *options: Any, **named: Any) -> Any:
    from egtensor.emit_c.build import build

    return build(source, *options, **named)


C = Target("c", Limits(), _render, _build)

__all__ = ["C"]
