"""Rewrite rules, and the e-graph that applies them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from egtensor.rules.domain import Domain

if TYPE_CHECKING:
    from egtensor.rules.ruleset import RuleSet

__all__ = ["RuleSet", "default", "none"]


def default(allow: Domain = Domain.REAL) -> RuleSet:
    """The rules of the catalogue that ``allow`` admits."""
    # the catalogue is written in terms of this package, so it can only be imported when asked for
    catalogue: RuleSet = import_module("rules_catalog").rules(allow)
    return catalogue


def none() -> RuleSet:
    """No rules."""
    made: RuleSet = __getattr__("RuleSet")()
    return made


def __getattr__(name: str) -> Any:
    if name == "RuleSet":
        return import_module("egtensor.rules.ruleset").RuleSet
    raise AttributeError(f"module 'egtensor.rules' has no attribute {name!r}")
