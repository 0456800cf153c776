"""The rules egtensor knows, one file per family of operators; each file names its Family ``F``."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from pkgutil import iter_modules

from egtensor.rules.domain import REAL, Domain
from egtensor.rules.dsl import Family
from egtensor.rules.ruleset import RuleSet


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """All families of the catalogue, by name."""
    modules = sorted(m.name for m in iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{m}").F for m in modules)


@cache
def rules(allow: Domain = REAL) -> RuleSet:
    """The rules of the catalogue that ``allow`` admits."""
    return RuleSet(r for family in families() for r in family).allowed(allow)
