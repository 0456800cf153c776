"""Numbers for what the e-graph cannot hold, and the functions of them that it asks Python for.

Types, literals' numbers and attributes are interned; the e-graph handles their ids alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from egtensor.errors import EgTensorError
from egtensor.lang.dims import Extent
from egtensor.lang.number import Number
from egtensor.lang.op import Op, Types
from egtensor.lang.pattern import AttrCall, AttrVariable, Pattern
from egtensor.lang.types import TensorType
from egtensor.rules.attributes import ATTRIBUTE_FUNCTIONS

COLUMNS = 6  # arguments of an on-demand function; unused ones are 0

# what a function may raise for attributes that the rule was not meant for
NOT_APPLICABLE = (EgTensorError, IndexError, ValueError, KeyError, ZeroDivisionError, OverflowError)


class Interner:
    """Ids of numbers, attributes and types; equal things have equal ids, the first is 1."""

    def __init__(self, base: Interner | None = None) -> None:
        self._ids: dict[Any, int] = dict(base._ids) if base else {}
        self.numbers: list[Number] = list(base.numbers) if base else [Number.of(0)]
        self.attributes: list[Any] = list(base.attributes) if base else [None]
        self.types: list[Types] = list(base.types) if base else [TensorType(np.dtype(bool), ())]
        self.same_size: dict[Extent, Extent] = {}

    def number(self, number: Number) -> int:
        """The id of a literal's number."""
        return self._id(("number", number), number, self.numbers)

    def attribute(self, value: Any) -> int:
        """The id of a value of an attribute; ``1``, ``True`` and ``1.0`` differ."""
        return self._id(("attribute", type(value), value), value, self.attributes)

    def type(self, type_: Types) -> int:
        """The id of a type; sizes that are equal whenever the function runs count as one."""
        key: Any = ("type", type_)
        if self.same_size:
            key = ("type", self._canonical(type_))
        return self._id(key, type_, self.types)

    def equate(self, pairs: Iterable[tuple[Extent, Extent]]) -> None:
        """Record that sizes are equal whenever the function runs."""
        for a, b in pairs:
            a, b = self._representative(a), self._representative(b)
            if a != b:
                self.same_size[b] = a

    def _id(self, key: Any, value: Any, values: list[Any]) -> int:
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(values)
            values.append(value)
        return found

    def _representative(self, extent: Extent) -> Extent:
        while extent in self.same_size:
            extent = self.same_size[extent]
        return extent

    def _canonical(self, type_: Types) -> Any:
        if isinstance(type_, tuple):
            return tuple(map(self._canonical, type_))
        return type_.dtype, tuple(map(self._representative, type_.shape))


Answer = Callable[[Interner, tuple[int, ...]], int | None]


@dataclass
class Functions:
    """The functions that rules may ask for, numbered in the order in which rules name them."""

    names: dict[Any, int] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def number(self, key: Any, answer: Answer) -> int:
        """The number of a function, registered under ``key`` when first asked for."""
        found = self.names.get(key)
        if found is None:
            found = self.names[key] = len(self.answers)
            self.answers.append(answer)
        return found

    def __call__(self, ids: Interner, function: int, args: tuple[int, ...]) -> int | None:
        """The answer, or None where the function does not apply to these arguments."""
        try:
            with np.errstate(all="ignore"):
                return self.answers[function](ids, args)
        except NOT_APPLICABLE:
            return None


def leaves_of(call: AttrCall) -> list[AttrVariable | Pattern]:
    """The variables that an attribute function is computed from, each once."""
    found: dict[int, AttrVariable | Pattern] = {}

    def walk(a: Any) -> None:
        if isinstance(a, AttrCall):
            for inner in a.args:
                walk(inner)
        elif isinstance(a, (AttrVariable, Pattern)):
            found.setdefault(id(a), a)

    walk(call)
    return list(found.values())


def attribute_answer(call: AttrCall, is_condition: bool) -> Answer:
    """The function that computes ``call`` from the ids of its leaves."""
    places = {id(leaf): k for k, leaf in enumerate(leaves_of(call))}

    def value(a: Any, ids: Interner, args: tuple[int, ...]) -> Any:
        if isinstance(a, AttrCall):
            inner = [value(b, ids, args) for b in a.args]
            if any(b is None for b in inner):
                return None
            return ATTRIBUTE_FUNCTIONS[a.function](*inner)
        if isinstance(a, AttrVariable):
            return ids.attributes[args[places[id(a)]]]
        if isinstance(a, Pattern):
            return ids.types[args[places[id(a)]]]
        return a

    def answer(ids: Interner, args: tuple[int, ...]) -> int | None:
        made = value(call, ids, args)
        if made is None:
            return None
        return int(bool(made)) if is_condition else ids.attribute(made)

    return answer


def round_answer(ids: Interner, args: tuple[int, ...]) -> int | None:
    """The number nearest to number ``args[0]`` in the dtype of type ``args[1]``."""
    dtype = _tensor(ids, args[1]).dtype
    return ids.number(Number.of(ids.numbers[args[0]].array(dtype)))


def dtype_kind_answer(ids: Interner, args: tuple[int, ...]) -> int | None:
    """The character code of the kind of type ``args[0]``'s dtype."""
    return ord(_tensor(ids, args[0]).dtype.kind)


def type_answer(op: Op, arity: int) -> Answer:
    """The function from ids of attributes, then of operand types, to the id of the result type."""

    def answer(ids: Interner, args: tuple[int, ...]) -> int | None:
        attrs = tuple(ids.attributes[a] for a in args[: len(op.attrs)])
        operands = tuple(ids.types[a] for a in args[len(op.attrs) : len(op.attrs) + arity])
        return ids.type(result_type(op, attrs, operands))

    return answer


def result_type(op: Op, attrs: tuple[Any, ...], operands: tuple[Any, ...]) -> Types:
    """The type of an operator applied to operands of these types; elementwise ones have one shape."""
    if op.type_rule is not None:
        return op.type_rule(op, operands, dict(zip(op.attrs, attrs, strict=True)), [])
    assert op.promote is not None
    dtypes = op.promote(op.name, tuple(t.dtype for t in operands))[len(operands) :]
    types = tuple(TensorType(d, operands[0].shape) for d in dtypes)
    return types[0] if op.results == 1 else types


def fold_answer(op: Op, principal: int) -> Answer:
    """The function from numbers of literals, a type, the result's type and an attribute to a number."""

    def answer(ids: Interner, args: tuple[int, ...]) -> int | None:
        assert op.arity is not None
        dtype, result = _tensor(ids, args[3]).dtype, _tensor(ids, args[4]).dtype
        attrs = dict.fromkeys(op.attrs, ids.attributes[args[5]])
        dtypes = op.promote(op.name, (dtype,) * op.arity) if op.promote else (dtype,)
        if dtypes[principal] != dtype:
            return None
        operands = [ids.numbers[a].array(d) for a, d in zip(args[: op.arity], dtypes, strict=False)]
        made = np.asarray(op.numpy(*operands, **attrs))
        return ids.number(Number.of(made.astype(result)[()]))

    return answer


def _tensor(ids: Interner, type_id: int) -> TensorType:
    found = ids.types[type_id]
    if not isinstance(found, TensorType):
        raise KeyError(type_id)
    return found
