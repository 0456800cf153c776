"""The array compilers that are compared: one module each, loaded inside its own process only.

A peer module has
  version()               -> str
  build(case, inputs)     -> a call without arguments that evaluates once and waits for the result
  to_numpy(result)        -> list of arrays, ordered as the reference: a step gives loss, then state
  COMPILES_ON_FIRST_CALL  whether the first call is still compilation, and no sample of memory
The environment that a library reads is set by `benchmarks.processes.environment`.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from benchmarks.workloads import Array, Case


@dataclass(frozen=True)
class PeerEntry:
    """A row: its name, its module, the package it needs, whether it compiles and keeps a cache."""

    name: str
    module: str
    package: str
    compiles: bool = True
    caches_on_disk: bool = True


PEERS = (
    PeerEntry("numpy", "numpy_peer", "numpy", compiles=False, caches_on_disk=False),
    PeerEntry("numexpr", "numexpr_peer", "numexpr", caches_on_disk=False),
    PeerEntry("numba", "numba_peer", "numba"),
    PeerEntry("pytensor c", "pytensor_c", "pytensor"),
    PeerEntry("pytensor numba", "pytensor_numba", "pytensor"),
    PeerEntry("jax", "jax_peer", "jax"),
    PeerEntry("torch eager", "torch_eager", "torch", compiles=False, caches_on_disk=False),
    PeerEntry("torch compile", "torch_compile", "torch"),
    PeerEntry("egtensor", "egtensor_peer", "egtensor"),
    PeerEntry("egtensor, rules off", "egtensor_rules_off", "egtensor"),
)
OURS, OURS_WITHOUT_RULES = "egtensor", "egtensor, rules off"


class Peer(Protocol):
    """What a peer module offers."""

    COMPILES_ON_FIRST_CALL: bool

    def version(self) -> str:
        """Return the library and its version."""

    def build(self, case: Case, inputs: Mapping[str, Array]) -> Callable[[], Any]:
        """Compile the workload of ``case``; raise NotImplementedError to leave it out."""

    def to_numpy(self, result: Any) -> list[Array]:
        """Copy a result to NumPy."""


def load(entry: PeerEntry) -> Peer:
    """Import the module of ``entry``, and so its library."""
    return cast(Peer, importlib.import_module(f"benchmarks.peers.{entry.module}"))


def entry_named(name: str) -> PeerEntry:
    """Look up the peer called ``name``."""
    return next(entry for entry in PEERS if entry.name == name)
