"""Bounds on saturation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How far a saturation may go.

    rows     e-nodes, not counting those of the program as written
    explore  explore iterations; None: by the size of the program
    """

    rows: int = 20_000
    explore: int | None = None
