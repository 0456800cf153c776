"""Expressions as text: the form in which they are pickled, cached, compared and hashed.

One JSON document: sizes in order of first mention, then nodes, operands first.  Inputs are numbered in
order of first mention, so that the same program written twice gives the same text.  Symbols, sizes and
shared variables are pickled beside the text, so that expressions pickled together still share them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from egtensor.lang.constant import ConstantData
from egtensor.lang.dims import (
    Dim,
    Extent,
    Size,
    SizeCall,
    floordiv,
    maximum,
    minimum,
)
from egtensor.lang.expr import Expr, make, new_serial, toposort
from egtensor.lang.facts import Fact
from egtensor.lang.number import Number
from egtensor.lang.op import OPS
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import TensorType


class _Writer:
    """Encodes attributes, numbering sizes and inputs as they come."""

    def __init__(self, keep_numbers: bool = False) -> None:
        self.keep_numbers = keep_numbers
        self.sizes: dict[Size, int] = {}
        self.inputs: dict[Any, int] = {}
        self.symbols: dict[Expr, int] = {}
        self.containers: dict[Any, int] = {}

    def number(self, size: Size) -> int:
        return self.sizes.setdefault(size, len(self.sizes))

    def extent(self, extent: Extent) -> Any:
        if isinstance(extent, int):
            return extent
        return [[c, [[self.atom(a), p] for a, p in monomial]] for monomial, c in extent.terms]

    def atom(self, atom: Size | SizeCall) -> Any:
        if isinstance(atom, Size):
            return self.number(atom)
        return [atom.function, *map(self.extent, atom.args)]

    def attr(self, value: Any) -> Any:
        match value:
            case Number():
                return {"number": value.key}
            case TensorType(dtype, shape):
                return {"type": [dtype.name, [self.extent(e) for e in shape]]}
            case Dim():
                return {"extent": self.extent(value)}
            case tuple():
                return {"tuple": [self.attr(v) for v in value]}
            case np.dtype():
                return {"dtype": value.name}
            case ConstantData():
                raw = base64.b64encode(value.array.tobytes()).decode()
                return {"constant": [self.attr(value.type), raw]}
            case SubGraph(inputs, outputs):
                nodes = self.nodes([*inputs, *outputs])
                return {"subgraph": [nodes, len(inputs)]}
            case Fact():
                return {"fact": int(value)}
            case bool() | int() | str() | None:
                return value
            case _:
                return {"container": self.containers.setdefault(value, len(self.containers))}

    def number_of_input(self, node: Expr) -> int:
        if self.keep_numbers:
            return int(node.attrs[0])
        if node.op.name == "input":
            self.symbols[node] = self.inputs.get((node.op.name, node.attrs[0]), len(self.inputs))
        return self.inputs.setdefault((node.op.name, node.attrs[0]), len(self.inputs))

    def nodes(self, roots: Sequence[Expr]) -> Any:
        order = toposort(roots)
        place = {node: k for k, node in enumerate(order)}
        written = []
        for node in order:
            attrs = list(node.attrs)
            if node.op.name in ("input", "shared"):
                attrs[0] = self.number_of_input(node)
            written.append(
                [node.op.name, [place[a] for a in node.args], [self.attr(a) for a in attrs]]
            )
        return [written, [place[r] for r in roots]]


def dump_roots(roots: Sequence[Expr]) -> str:
    """The text of some expressions; the values of shared variables are not in it."""
    return _text(writer := _Writer(), writer.nodes(roots))


def _text(writer: _Writer, nodes: Any) -> str:
    document = {"sizes": [[s.name, s.hint] for s in writer.sizes], "nodes": nodes}
    return json.dumps(document, separators=(",", ":"))


def dump_numbered(roots: Sequence[Expr]) -> str:
    """The text of expressions whose inputs are numbered by position; the numbers are kept."""
    writer = _Writer(keep_numbers=True)
    return _text(writer, writer.nodes(roots))


def dump_root(root: Expr) -> tuple[Any, ...]:
    """What ``load_root`` takes: the text; and the containers, sizes and symbols it mentions by number."""
    writer = _Writer()
    text = _text(writer, writer.nodes([root]))
    symbols = {} if root.op.name == "input" else writer.symbols
    numbered = tuple((k, symbol) for symbol, k in symbols.items())
    return text, tuple(writer.containers), tuple(writer.sizes), numbered


def dump_extent(extent: Extent) -> tuple[Any, tuple[Size, ...]]:
    """What ``load_extent`` takes."""
    writer = _Writer()
    return writer.extent(extent), tuple(writer.sizes)


def load_extent(written: Any, sizes: Sequence[Size]) -> Extent:
    """The extent over these sizes."""
    return _Reader(sizes, ()).extent(written)


class _Reader:
    """Decodes attributes; sizes and inputs become new ones."""

    def __init__(
        self, sizes: Iterable[Size], containers: Sequence[Any], symbols: Iterable[Any] = ()
    ) -> None:
        self.containers = containers
        self.sizes = [Dim((((((size, 1),)), 1),)) for size in sizes]
        self.symbols = dict(symbols)
        self.serials: dict[int, int] = {}

    def extent(self, written: Any) -> Extent:
        if isinstance(written, int):
            return written
        total: Extent = 0
        for coefficient, monomial in written:
            value: Extent = coefficient
            for atom, power in monomial:
                for _ in range(power):
                    value = value * self.atom(atom)
            total = total + value
        return total

    def atom(self, written: Any) -> Extent:
        if isinstance(written, int):
            return self.sizes[written]
        function, a, b = written
        build = {"floordiv": floordiv, "min": minimum, "max": maximum}[function]
        return build(self.extent(a), self.extent(b))

    def attr(self, written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        ((kind, value),) = written.items()
        match kind:
            case "number":
                return Number.of(float.fromhex(value) if isinstance(value, str) else value)
            case "type":
                return TensorType(np.dtype(value[0]), tuple(map(self.extent, value[1])))
            case "extent":
                return self.extent(value)
            case "tuple":
                return tuple(map(self.attr, value))
            case "dtype":
                return np.dtype(value)
            case "constant":
                type_ = self.attr(value[0])
                raw = np.frombuffer(base64.b64decode(value[1]), type_.dtype)
                return ConstantData.of(raw.reshape(type_.shape))
            case "subgraph":
                roots = self.nodes(value[0])
                return SubGraph(tuple(roots[: value[1]]), tuple(roots[value[1] :]))
            case "fact":
                return Fact(value)
            case "container":
                return self.containers[value]
            case _:
                raise ValueError(f"unknown attribute kind {kind!r} in a serialised expression")

    def nodes(self, written: Any) -> list[Expr]:
        made: list[Expr] = []
        for name, args, attrs in written[0]:
            values = [self.attr(a) for a in attrs]
            if name == "shared":
                made.append(values[3].variable)
                continue
            if name == "input" and attrs[0] in self.symbols:
                made.append(self.symbols[attrs[0]])
                continue
            if name == "input":
                if attrs[0] not in self.serials:
                    self.serials[attrs[0]] = new_serial()
                values[0] = self.serials[attrs[0]]
            made.append(make(OPS[name], tuple(made[a] for a in args), tuple(values)))
        return [made[r] for r in written[1]]


def load_roots(text: str, containers: Sequence[Any] = ()) -> list[Expr]:
    """The expressions of a text, over new inputs and new sizes, and the shared variables given."""
    document = json.loads(text)
    return _Reader(_sizes(document), containers).nodes(document["nodes"])


def _sizes(document: Any) -> list[Size]:
    return [Size(name, hint) for name, hint in document["sizes"]]


def load_numbered(text: str) -> list[Expr]:
    """The expressions of a text whose inputs are numbered by position, numbers kept."""
    document = json.loads(text)
    reader = _Reader(_sizes(document), ())
    written = document["nodes"]
    reader.serials = {a[0]: a[0] for name, _, a in written[0] if name == "input"}
    return reader.nodes(written)


def load_root(
    text: str,
    containers: Sequence[Any],
    sizes: Sequence[Size],
    symbols: Sequence[tuple[int, Expr]],
) -> Expr:
    """The one expression of a text, over these shared variables, sizes and symbols."""
    return _Reader(sizes, containers, symbols).nodes(json.loads(text)["nodes"])[0]
