"""Patterns: expressions over pattern variables, the sides of rewrite rules.

They look like expressions and are built by the same operators, but have no types: a rule holds for
every dtype and shape its domain allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from egtensor.errors import RuleError
from egtensor.lang.number import Number
from egtensor.lang.op import OPS, Op


class Pattern:
    """A pattern variable, a literal, or an operator applied to patterns."""

    def __add__(self, other: Any) -> Any:
        return OPS["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return OPS["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return OPS["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return OPS["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return OPS["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return OPS["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return OPS["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return OPS["divide"](other, self)

    def __pow__(self, other: Any) -> Any:
        return OPS["power"](self, other)

    def __neg__(self) -> Any:
        return OPS["negative"](self)

    def __matmul__(self, other: Any) -> Any:
        return OPS["matmul"](self, other)

    def __lt__(self, other: Any) -> Any:
        return OPS["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return OPS["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return OPS["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return OPS["greater_equal"](self, other)

    def __eq__(self, other: object) -> Any:
        return OPS["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        return OPS["not_equal"](self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise RuleError(
            f"the truth of the pattern {self} is not known\n"
            f"  a rule is data: its conditions go into when=[...]\n"
            f"  fix: pass the comparison in when, without and, or, not"
        )


@dataclass(frozen=True, eq=False)
class Variable(Pattern):
    """Matches any tensor; the same variable matches the same tensor."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class AttrVariable:
    """Matches any value of an attribute, e.g. the axes of a sum."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class AttrCall:
    """An attribute computed from matched ones, by a function registered with the rule language.

    args  attribute variables, constants, and Variables (whose types the function is given)
    """

    function: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, eq=False)
class LiteralPattern(Pattern):
    """Matches this number, in any dtype and shape."""

    number: Number

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, eq=False)
class Node(Pattern):
    """An operator applied to patterns; ``attrs`` are values, AttrVariables or AttrCalls."""

    op: Op
    args: tuple[Pattern, ...]
    attrs: tuple[Any, ...] = ()

    def __str__(self) -> str:
        shown = [str(a) for a in self.args]
        shown += [f"{n}={a}" for n, a in zip(self.op.attrs, self.attrs, strict=True)]
        return f"{self.op.name}({', '.join(shown)})"


def as_pattern(value: Any) -> Pattern:
    """A pattern as it is, a Python number as a literal."""
    return value if isinstance(value, Pattern) else LiteralPattern(Number.of(value))


def apply(op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Node:
    """The pattern ``op(operands, **attrs)``."""
    missing = [n for n in op.attrs if n not in attrs]
    if missing or len(attrs) != len(op.attrs):
        raise RuleError(
            f"{op.name}: a pattern must give exactly the attributes {', '.join(op.attrs)}\n"
            f"  got {', '.join(attrs) or 'none'}\n"
            f"  fix: name each attribute, with a value or an attribute variable"
        )
    return Node(op, tuple(map(as_pattern, operands)), tuple(attrs[n] for n in op.attrs))


def variables(p: Any) -> dict[str, Any]:
    """Variables and attribute variables of a pattern, by name, in order of appearance."""
    found: dict[str, Any] = {}

    def walk(q: Any) -> None:
        match q:
            case Variable(name) | AttrVariable(name):
                found.setdefault(name, q)
            case Node(_, args, attrs):
                for a in (*args, *attrs):
                    walk(a)
            case AttrCall(_, args):
                for a in args:
                    walk(a)

    walk(p)
    return found
