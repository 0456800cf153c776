"""Which parts of a rule have one and the same type, so that literals and new terms can be typed.

Operands and result of an elementwise operator have one shape; which of them have one dtype is found by
asking the operator's promotion.  Unification: Milner 1978.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from egtensor.errors import TypeRuleError
from egtensor.lang.op import Op
from egtensor.lang.pattern import AttrCall, LiteralPattern, Node, Pattern, Variable, as_pattern
from egtensor.lang.types import DTYPES

Path = tuple[int, ...]
TypeKey = tuple[str, Any]


def as_side(value: Any) -> Pattern:
    """A side of a rule: a pattern, or a number as a literal."""
    return as_pattern(value)


def subject_of(condition: Any) -> Any:
    """What a condition speaks of."""
    return condition if isinstance(condition, AttrCall) else condition.subject


@lru_cache(maxsize=None)
def dtype_groups(op: Op) -> tuple[int, ...]:
    """For each operand, then each result: the first of them that always has the same dtype."""
    assert op.promote is not None and op.arity is not None
    probes = []
    for d in DTYPES:
        try:
            probes.append(op.promote(op.name, (d,) * op.arity))
        except TypeRuleError:
            continue
    columns = list(zip(*probes, strict=True)) or [()] * (op.arity + op.results)
    return tuple(columns.index(c) for c in columns)


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


def _key(side: str, path: Path, p: Pattern) -> TypeKey:
    if isinstance(p, Variable):
        return "variable", p.name
    return ("root", ()) if not path else (side, path)


class Typing:
    """The classes of equal types among the terms of a rule."""

    def __init__(self, lhs: Pattern, rhs: Pattern) -> None:
        self._parent: dict[TypeKey, TypeKey] = {}
        self._known: dict[TypeKey, TypeKey] = {}
        root_of_rhs = _key("rhs", (), rhs)
        if isinstance(rhs, Variable):
            self._union(root_of_rhs, ("root", ()))
        for side, pattern in (("lhs", lhs), ("rhs", rhs)):
            for path, term in subterms(pattern):
                if isinstance(term, Node):
                    self._apply(side, path, term)
        for path, term in subterms(lhs):
            key = _key("lhs", path, term)
            self._known.setdefault(self._find(key), key)

    def of(self, path: Path, term: Pattern) -> TypeKey | None:
        """A term of the left side whose type the term at ``path`` of the right side has, or None."""
        return self._known.get(self._find(_key("rhs", path, term)))

    def _apply(self, side: str, path: Path, term: Node) -> None:
        op = term.op
        if op.promote is None or op.results != 1:
            return
        keys = [_key(side, (*path, k), a) for k, a in enumerate(term.args)]
        keys.append(_key(side, path, term))
        for key, first in zip(keys, dtype_groups(op), strict=True):
            self._union(key, keys[first])

    def _find(self, key: TypeKey) -> TypeKey:
        while key in self._parent:
            key = self._parent[key]
        return key

    def _union(self, a: TypeKey, b: TypeKey) -> None:
        a, b = self._find(a), self._find(b)
        if a != b:
            self._parent[b] = a


def untyped_literal(lhs: Pattern, rhs: Pattern) -> Pattern | None:
    """A literal of the right side whose type the left side does not determine, or None."""
    typing = Typing(lhs, rhs)
    for path, term in subterms(rhs):
        if isinstance(term, LiteralPattern) and typing.of(path, term) is None:
            return term
    return None
