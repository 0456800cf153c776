"""What a target is: limits for the scheduler, a renderer and a builder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from egtensor.lang.expr import Line

if TYPE_CHECKING:
    from egtensor.kernels.plan import KernelPlan


@dataclass(frozen=True, slots=True)
class Site:
    """Something that can fail while running.

    message  what went wrong; ``{0}`` to ``{3}`` stand for details known then
    kind     "size", "index", "value": the class of the error
    line     the user's line
    """

    message: str
    kind: str = "size"
    line: Line = None


@dataclass(frozen=True)
class Limits:
    """What the scheduler needs to know of a target.

    parallel  work, in float32 additions, from which a kernel is split over threads
    """

    parallel: float = 100_000.0


@dataclass(frozen=True)
class Source:
    """The text of a compiled function, and what its caller must know.

    flags       of the compiler
    sites       ``sites[k - 1]`` explains error code k
    needs_blas  whether it calls BLAS or LAPACK
    dynamic     outputs whose sizes are only known after the call
    """

    text: str
    flags: tuple[str, ...]
    sites: tuple[Site, ...] = ()
    needs_blas: bool = False
    dynamic: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``from_json`` reads."""
        return {
            "text": self.text,
            "flags": list(self.flags),
            "sites": [[s.message, s.kind, s.line] for s in self.sites],
            "needs_blas": self.needs_blas,
            "dynamic": list(self.dynamic),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Source:
        """The source that ``to_json`` wrote."""
        return Source(
            data["text"],
            tuple(data["flags"]),
            tuple(Site(m, kind, tuple(line) if line else None) for m, kind, line in data["sites"]),
            data["needs_blas"],
            tuple(data["dynamic"]),
        )


@dataclass(frozen=True)
class Target:
    """A place where compiled functions run.

    render  KernelPlan -> Source
    build   (Source, cache directory) -> an open library with ``symbol(name)``
    """

    name: str
    limits: Limits
    render: Callable[[KernelPlan], Source]
    build: Callable[..., Any]
