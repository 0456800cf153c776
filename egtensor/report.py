"""What is known about how a function was compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class FunctionReport:
    """How a function came about.

    seconds       wall time of each stage; only the stages that ran
    nodes         nodes of the expressions as written
    cost_written  estimated seconds per call of the program as written
    cost          estimated seconds per call of the chosen program
    saturation    what the e-graph did; None where it did not run
    cached        whether the program came from the disk cache
    reproducible  whether the same input gives the same program again
    specialised   sizes that tracing fixed
    """

    seconds: dict[str, float] = field(default_factory=dict)
    nodes: int = 0
    cost_written: float = 0.0
    cost: float = 0.0
    saturation: Any = None
    cached: bool = False
    reproducible: bool = True
    specialised: tuple[str, ...] = ()

    @property
    def optimiser_seconds(self) -> float:
        """Time spent in the e-graph and in extraction."""
        return sum(self.seconds.get(k, 0.0) for k in ("saturate", "extract"))

    def __str__(self) -> str:
        lines = [
            f"nodes as written     {self.nodes}",
            f"estimated cost       {self.cost_written:.3g} s as written, {self.cost:.3g} s chosen",
            *(f"{stage:<20} {1e3 * t:.1f} ms" for stage, t in self.seconds.items()),
        ]
        if self.cached:
            lines.append("taken from the disk cache")
        if self.saturation is not None:
            lines.append(str(self.saturation))
        return "\n".join(lines)
