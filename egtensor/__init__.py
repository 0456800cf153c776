"""egtensor: array expressions, optimised in an e-graph and compiled to C and CUDA."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from egtensor import errors
from egtensor.config import config
from egtensor.lang import api as _api

__version__ = "0.1.0"

_NAMES = _api.names()
globals().update(_NAMES)

# names whose modules are imported at first use
_LAZY = {
    "function": "function", "optimize": "function", "jit": "tracing", "bisect": "check", "load": "store",
    "CompiledFunction": "compiled", "InterpretedFunction": "compiled", "Limits": "rules.limits",
    "Family": "rules.dsl",
    "shared": "shared", "SharedVariable": "shared",
    "grad": "diff.grad", "value_and_grad": "diff.grad", "jvp": "diff.jvp", "vjp": "diff.grad", "hvp": "diff.grad",
    "jacobian": "diff.grad", "hessian": "diff.grad",
    "interpret": "lang.interpret",
    "EXACT": "rules.domain", "REAL": "rules.domain", "FINITE": "rules.domain",
}  # fmt: skip
_MODULES = ("linalg", "random", "rules", "interop", "nn", "signal", "stats", "testing")

__all__ = ["config", "errors", *_NAMES, *_LAZY, "linalg", "random", "rules"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        found = getattr(import_module(f"egtensor.{_LAZY[name]}"), name)
        globals()[name] = found
        return found
    if name in _MODULES:
        try:
            return import_module(f"egtensor.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"egtensor.{name}":
                raise
    raise AttributeError(f"module 'egtensor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps ``egtensor.function`` the function when the module of that name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and (name in _LAZY or name in _NAMES)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
