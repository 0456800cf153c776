"""Which parts of a rule have one and the same type, or dtype, so that literals and new terms can be typed.

Operands and result of an elementwise operator have one shape; which of them have one dtype is found by
asking the operator's promotion.  Unification: Milner 1978.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from egtensor.errors import RuleError, TypeRuleError
from egtensor.lang.op import (
    Derived,
    Gather,
    Item,
    Join,
    Leaf,
    Op,
    Prefix,
    Reduce,
    Region,
    Reshape,
    Scatter,
    View,
)
from egtensor.lang.pattern import AttrCall, LiteralPattern, Node, Pattern, Variable, as_pattern
from egtensor.lang.types import DTYPES

Path = tuple[int, ...]
Key = tuple[str, Any]

# operators that hand on elements of any dtype alike: one e-graph constructor serves all dtypes
KINDLESS = (View, Reshape, Join, Gather, Item, Derived, Region, Leaf)


def as_side(value: Any) -> Pattern:
    """A side of a rule: a pattern, or a number as a literal.

    raises  RuleError for anything else
    """
    try:
        return as_pattern(value)
    except (TypeError, ValueError):
        raise RuleError(
            f"a side of a rule is a pattern or a number, not {value!r}\n"
            f"  operators applied to numbers alone make expressions\n"
            f"  fix: mention a variable of egtensor.rules.dsl, or compute the number"
        ) from None


def subject_of(condition: Any) -> Any:
    """What a condition speaks of."""
    return condition if isinstance(condition, AttrCall) else condition.subject


def subterms(p: Pattern, path: Path = ()) -> Iterator[tuple[Path, Pattern]]:
    """All occurrences of terms in a pattern, outermost first."""
    yield path, p
    if isinstance(p, Node):
        for k, a in enumerate(p.args):
            yield from subterms(a, (*path, k))


def attributes_of(p: Pattern) -> Iterator[Any]:
    """All attributes in a pattern."""
    for _, term in subterms(p):
        if isinstance(term, Node):
            yield from term.attrs


@cache
def probes(op: Op) -> tuple[tuple[Any, ...], ...]:
    """Dtypes of operands and results, for each dtype that all operands can have."""
    assert op.promote is not None and op.arity is not None
    found = []
    for d in DTYPES:
        try:
            found.append(tuple(op.promote(op.name, (d,) * op.arity)))
        except TypeRuleError:
            continue
    return tuple(found)


@cache
def dtype_groups(op: Op) -> tuple[int, ...]:
    """For each operand, then each result: the first of them that always has the same dtype."""
    columns = list(zip(*probes(op), strict=True))
    assert op.arity is not None
    places = (op.arity or 0) + (op.results or 1)
    return tuple(columns.index(c) for c in columns) if columns else tuple(range(places))


@cache
def principal(op: Op) -> int | None:
    """The operand whose dtype tells the versions of an operator apart, or None where there is one version."""
    if isinstance(op.body, KINDLESS) or not op.arity:
        return None
    if op.promote is None:
        return 0
    columns = list(zip(*probes(op), strict=True))[: op.arity]
    return next((k for k, c in enumerate(columns) if len({d.kind for d in c}) > 1), 0)


@cache
def kinds_of(op: Op) -> str:
    """The kinds of dtype that the principal operand can have."""
    position = principal(op)
    if position is None or op.promote is None:
        return "biuf"
    return "".join(dict.fromkeys(p[position].kind for p in probes(op)))


class Classes:
    """Terms of a rule that are alike, found by unification.

    alike  "type": dtype and shape; "dtype": the dtype alone
    """

    def __init__(self, lhs: Pattern, rhs: Pattern, alike: str, assume_root: bool = True) -> None:
        self._parent: dict[Key, Key] = {}
        self.fixed: dict[Key, str] = {}
        self._alike = alike
        if assume_root and isinstance(rhs, Variable):
            self._union(("root", ()), key_of("rhs", (), rhs))
        for side, pattern in (("lhs", lhs), ("rhs", rhs)):
            for path, term in subterms(pattern):
                if isinstance(term, Node):
                    self._apply(side, path, term)
        self._left: dict[Key, tuple[Path, Pattern]] = {}
        for path, term in subterms(lhs):
            self._left.setdefault(self.find(key_of("lhs", path, term)), (path, term))

    def on_the_left(self, path: Path, term: Pattern) -> tuple[Path, Pattern] | None:
        """A term of the left side that is alike to the term at ``path`` of the right side, or None."""
        return self._left.get(self.find(key_of("rhs", path, term)))

    def find(self, key: Key) -> Key:
        """The representative of a term."""
        while key in self._parent:
            key = self._parent[key]
        return key

    def _apply(self, side: str, path: Path, term: Node) -> None:
        op = term.op
        keys = [key_of(side, (*path, k), a) for k, a in enumerate(term.args)]
        keys.append(key_of(side, path, term))
        if isinstance(op.body, Derived):
            self._union(*keys)
        elif op.promote is not None and op.results == 1:
            for key, first in zip(keys, dtype_groups(op), strict=True):
                self._union(keys[first], key)
            if self._alike == "dtype" and probes(op):
                for key, column in zip(keys, zip(*probes(op), strict=True), strict=True):
                    if len({d.kind for d in column}) == 1:
                        self.fixed[self.find(key)] = column[0].kind
        elif self._alike == "dtype":
            self._moved(term, keys)

    def _moved(self, term: Node, keys: list[Key]) -> None:
        match term.op.body:
            case View() | Reshape() | Join() | Reduce() | Prefix():
                self._union(*keys)
            case Gather():
                self._union(keys[0], keys[-1])
            case Scatter():
                self._union(keys[0], keys[1], keys[-1])
            case _:
                for value in term.attrs:
                    if isinstance(value, np.dtype):
                        self.fixed[self.find(keys[-1])] = value.kind

    def _union(self, first: Key, *others: Key) -> None:
        for other in others:
            a, b = self.find(first), self.find(other)
            if a != b:
                self._parent[b] = a
                if b in self.fixed:
                    self.fixed.setdefault(a, self.fixed[b])


def key_of(side: str, path: Path, p: Pattern) -> Key:
    """The name of a term of a rule; all occurrences of a variable, and both roots, are one."""
    if isinstance(p, Variable):
        return "variable", p.name
    return ("root", ()) if not path else (side, path)


def untyped_literal(lhs: Pattern, rhs: Pattern) -> Pattern | None:
    """A literal of the right side whose type the left side does not determine, or None."""
    types = Classes(lhs, rhs, "type")
    for path, term in subterms(rhs):
        if isinstance(term, LiteralPattern) and types.on_the_left(path, term) is None:
            return term
    return None
