"""Sets of rules: the catalogue, parts of it, and rules of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from egtensor.errors import RuleError
from egtensor.rules.domain import Domain
from egtensor.rules.rule import Rule, admitted


class RuleSet:
    """Rules in the order given, each once."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(dict.fromkeys(rules))
        names: dict[str, Rule] = {}
        for r in self._rules:
            if names.setdefault(str(r), r) is not r:
                raise RuleError(
                    f"rule {r} is in the set twice, with different sides\n"
                    f"  a rule is named by its family and name\n"
                    f"  fix: rename one of them, or drop one with .without({str(r)!r})"
                )

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __contains__(self, rule: object) -> bool:
        return any(r is rule or str(r) == rule for r in self._rules)

    def __hash__(self) -> int:
        return hash(self._rules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleSet) and self._rules == other._rules

    def __add__(self, other: Any) -> RuleSet:
        return RuleSet((*self._rules, *((other,) if isinstance(other, Rule) else other)))

    def __repr__(self) -> str:
        return f"<{len(self)} rules>"

    @property
    def digest(self) -> str:
        """Equal for sets of rules that say the same, in the same order."""
        text = "\n".join(f"{r} {r.statement} {r.over} {r.directed}" for r in self._rules)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def without(self, *names: str) -> RuleSet:
        """All rules but those named, e.g. ``"explog/log-mul"`` or ``"explog/*"``."""
        return self._select(names, kept=False)

    def only(self, *names: str) -> RuleSet:
        """Only the rules named, e.g. ``"explog/log-mul"`` or ``"explog/*"``."""
        return self._select(names, kept=True)

    def allowed(self, allow: Domain) -> RuleSet:
        """Only the rules that ``allow`` admits."""
        domains = admitted(allow)
        return RuleSet(r for r in self._rules if r.over in domains)

    def _select(self, names: tuple[str, ...], kept: bool) -> RuleSet:
        for name in names:
            if not any(fnmatchcase(str(r), name) for r in self._rules):
                raise RuleError(
                    f"no rule is named {name!r}\n"
                    f"  rules are named family/name; family/* names a whole family\n"
                    f"  fix: python -m egtensor rules lists them"
                )
        chosen = (r for r in self._rules if any(fnmatchcase(str(r), n) for n in names) is kept)
        return RuleSet(chosen)
