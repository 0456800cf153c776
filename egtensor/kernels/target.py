"""What a target is: limits for the scheduler, a renderer and a builder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from egtensor.kernels.plan import KernelPlan, Site


@dataclass(frozen=True)
class Limits:
    """What the scheduler needs to know of a target.

    parallel  work, in float32 additions, from which a kernel is split over threads
    """

    parallel: float = 100_000.0


@dataclass(frozen=True)
class Source:
    """The text of a compiled function, and what its caller must know.

    flags      of the compiler
    sites      ``sites[k]`` explains error code k
    inputs     (dtype name, shape as text) in the order of the arguments
    outputs    (dtype name, rank) of each result
    dynamic    outputs whose sizes are only known after the call
    """

    text: str
    flags: tuple[str, ...]
    sites: tuple[Site, ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()
    dynamic: tuple[int, ...] = ()
    constants: tuple[Any, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Target:
    """A place where compiled functions run."""

    name: str
    limits: Limits
    render: Callable[[KernelPlan], Source]
    build: Callable[..., Any]
