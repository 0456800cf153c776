"""Rewrite rules, and the e-graph that applies them."""

from __future__ import annotations

from importlib import import_module

from egtensor.rules.rule import REAL, Domain
from egtensor.rules.ruleset import RuleSet

__all__ = ["RuleSet", "default", "none"]


def default(allow: Domain = REAL) -> RuleSet:
    """The rules of the catalogue that ``allow`` admits."""
    # the catalogue is written in terms of this package, so it can only be imported when asked for
    catalogue: RuleSet = import_module("rules_catalog").rules(allow)
    return catalogue


def none() -> RuleSet:
    """No rules."""
    return RuleSet()
