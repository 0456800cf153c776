"""From the tables of a saturated e-graph to EClasses, numbered by the program and the rules alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from egtensor.errors import ContradictionError, EngineError
from egtensor.lang.expr import Line
from egtensor.lang.number import Number
from egtensor.lang.op import Derived, Types
from egtensor.lang.types import TensorType
from egtensor.rules.classes import EClasses, ENode
from egtensor.rules.compile import LOSSY
from egtensor.rules.constructors import HANDLE, LEAF, LITERAL, Constructor, literal_op, order_of_ops
from egtensor.rules.egraph import EGraph
from egtensor.rules.tables import Interner

# literals of one class may differ by the rounding of folded constants, which REAL allows
TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
Key = tuple[
    str, tuple[int, ...], tuple[int, ...]
]  # constructor, attributes, classes of the operands


@dataclass
class Tables:
    """Rows of the e-graph, with classes numbered as they are met.

    keys    per e-node
    owner   per e-node, its class
    handle  per node of the program as written, its class
    types   per class, the id of its type
    maker   per e-node, the number of the rule that made it, where recorded
    lossy   e-nodes that have a more accurate form
    """

    keys: list[Key] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    handle: dict[int, int] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)
    maker: dict[Key, int] = field(default_factory=dict)
    lossy: set[Key] = field(default_factory=set)
    count: int = 0


def read(egraph: EGraph) -> EClasses:
    """All e-classes that the results can be computed from.

    raises  ContradictionError where two different things became equal
    """
    tables = _tables(egraph)
    _check_consistent(tables, egraph.ids)
    source = _written(egraph, tables)
    roots = [tables.handle[k] for k in _places(egraph)]
    live, members = _live(tables, roots)
    number = _numbered(tables, egraph, source, live, members)
    return _classes(egraph, tables, source, roots, members, number)


def _places(egraph: EGraph) -> list[int]:
    place = {node: k for k, node in enumerate(egraph.order)}
    return [place[r] for r in egraph.roots]


def _tables(egraph: EGraph) -> Tables:
    functions, integer = egraph.frozen()
    tables = Tables()
    numbers: dict[Any, int] = {}
    for row in functions[HANDLE].rows:
        tables.handle[integer(row.inputs[0])] = numbers.setdefault(row.output, len(numbers))
    constructors = egraph.engine.constructors
    for name, arity in (
        (LITERAL, 0),
        (LEAF, 0),
        *((c.name, c.arity) for c in constructors.values()),
    ):
        if name in constructors and isinstance(constructors[name].op.body, Derived):
            continue
        for row in functions[name].rows:
            inputs = row.inputs
            args = tuple([numbers.setdefault(v, len(numbers)) for v in inputs[:arity]])
            attrs = tuple(map(integer, inputs[arity:]))
            tables.keys.append((name, attrs, args))
            tables.owner.append(numbers.setdefault(row.output, len(numbers)))
    for row in functions["ty"].rows:
        c = numbers.get(row.inputs[0])
        if c is not None:
            tables.types[c] = integer(row.output)
    for made in egraph.engine.lossy.values():
        for row in functions[f"{LOSSY}{made.name}"].rows:
            tables.lossy.add(_key(made, row, integer, numbers))
    if egraph.engine.record:
        _read_makers(egraph, tables, functions, integer, numbers)
    tables.count = len(numbers)
    return tables


def _read_makers(
    egraph: EGraph, tables: Tables, functions: Any, integer: Any, numbers: dict[Any, int]
) -> None:
    for made in egraph.engine.constructors.values():
        for row in functions[f"by_{made.name}"].rows:
            tables.maker[_key(made, row, integer, numbers)] = integer(row.output)


def _key(made: Constructor, row: Any, integer: Any, numbers: dict[Any, int]) -> Key:
    args = tuple([numbers.setdefault(v, len(numbers)) for v in row.inputs[: made.arity]])
    return made.name, tuple(map(integer, row.inputs[made.arity :])), args


def _check_consistent(tables: Tables, ids: Interner) -> None:
    """Two types, two inputs or two different literals in one class cannot be."""
    conflict = next((t for t in tables.types.values() if t < 0), None)
    if conflict is not None:
        raise _contradiction("two different types")
    leaf: dict[int, int] = {}
    literal: dict[int, Number] = {}
    for (name, attrs, _), c in zip(tables.keys, tables.owner, strict=True):
        if name == LEAF and leaf.setdefault(c, attrs[0]) != attrs[0]:
            raise _contradiction("two different inputs")
        if name == LITERAL:
            number, type_ = ids.numbers[attrs[0]], ids.types[attrs[1]]
            first = literal.setdefault(c, number)
            if first != number and not _alike(first, number, type_):
                raise _contradiction(f"the literals {first} and {number}")


def _contradiction(what: str) -> ContradictionError:
    return ContradictionError(
        f"rules made {what} equal\n"
        f"  one of the rules used is wrong, or its conditions were not met\n"
        f"  fix: report this as a defect of egtensor, or of your rules"
    )


def _alike(a: Number, b: Number, type_: Types) -> bool:
    assert isinstance(type_, TensorType)
    x, y = float(a.value), float(b.value)
    if x == y:
        return True
    if not (math.isfinite(x) and math.isfinite(y)):
        return False
    return abs(x - y) <= TOLERANCE.get(str(type_.dtype), 0.0) * max(abs(x), abs(y))


@dataclass
class _Source:
    """The program as written, in terms of the tables.

    node   per class, the e-node that computes it
    order  classes in the order in which the program as written computes them
    type   per class, the type written
    lines  per class, lines of the user's file
    """

    node: dict[int, int] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    type: dict[int, Types] = field(default_factory=dict)
    lines: dict[int, dict[Line, None]] = field(default_factory=dict)

    def put(self, c: int, node: int) -> None:
        """Let ``node`` compute class ``c``, unless an earlier one does: this keeps the choice acyclic."""
        if c not in self.node:
            self.node[c] = node
            self.order.append(c)


def _written(egraph: EGraph, tables: Tables) -> _Source:
    index = {key: n for n, key in enumerate(tables.keys)}
    source = _Source()
    for k, (node, (name, attrs, args)) in enumerate(
        zip(egraph.order, _source_rows(egraph, tables), strict=True)
    ):
        c = tables.handle[k]
        source.type.setdefault(c, node.type)
        if node.line is not None:
            source.lines.setdefault(c, {})[node.line] = None
        if isinstance(node.op.body, Derived):
            _put_derivative(egraph, tables, source, index, name, args, node.type, node.line)
        else:
            found = index.get((name, attrs, args))
            if found is None:
                raise EngineError(
                    f"the e-graph lost {node}\n"
                    f"  what is inserted stays\n"
                    f"  fix: report this as a defect of egtensor"
                )
            source.put(c, found)
    return source


def _source_rows(egraph: EGraph, tables: Tables) -> list[Key]:
    return [
        (name, attrs, tuple([tables.handle[a] for a in args]))
        for name, attrs, args in egraph.written
    ]


def _put_derivative(
    egraph: EGraph,
    tables: Tables,
    source: _Source,
    index: dict[Key, int],
    name: str,
    args: tuple[int, ...],
    type_: Types,
    line: Line,
) -> None:
    """Choose the e-nodes that the derivative rule made; without them the class has no written form."""
    compiled = egraph.engine.derivations[name]
    *operands, y, g = args
    classes = {f"v_x{k}": c for k, c in enumerate(operands)} | {"v_y": y, "v_g": g}
    ids = egraph.ids
    for step, made, names, attrs in compiled.steps:
        if made == LITERAL:
            assert isinstance(type_, TensorType)
            rounded = Number.of(attrs[0].array(type_.dtype))
            key: Key = (LITERAL, (ids.number(rounded), ids.type(type_)), ())
        else:
            key = (made, tuple(map(ids.attribute, attrs)), tuple([classes[n] for n in names]))
        found = index.get(key)
        if found is None:
            return
        classes[step] = tables.owner[found]
        source.put(classes[step], found)
        if line is not None:
            source.lines.setdefault(classes[step], {}).setdefault(line)


def _live(tables: Tables, roots: list[int]) -> tuple[set[int], list[list[int]]]:
    members: list[list[int]] = [[] for _ in range(tables.count)]
    for n, c in enumerate(tables.owner):
        members[c].append(n)
    live, stack = set(roots), list(roots)
    while stack:
        for n in members[stack.pop()]:
            for a in tables.keys[n][2]:
                if a not in live:
                    live.add(a)
                    stack.append(a)
    return live, members


def _numbered(
    tables: Tables, egraph: EGraph, source: _Source, live: set[int], members: list[list[int]]
) -> dict[int, int]:
    """Final numbers of classes: as written first, then rounds of what can be computed from those."""
    number: dict[int, int] = {}
    for c in source.order:
        if c in live and all(a in number for a in tables.keys[source.node[c]][2]):
            number[c] = len(number)
    rank = _ranks(egraph)
    left = [
        n
        for c in live
        if c not in number
        for n in members[c]
        if all(a in live for a in tables.keys[n][2])
    ]
    while left:
        best: dict[int, Any] = {}
        waiting = []
        for n in left:
            name, attrs, args = tables.keys[n]
            if all(a in number for a in args):
                key = (rank[name], attrs, tuple([number[a] for a in args]))
                c = tables.owner[n]
                if c not in best or key < best[c]:
                    best[c] = key
            else:
                waiting.append(n)
        if not best:
            break  # only classes without any finite term are left
        for c in sorted(best, key=best.__getitem__):
            number[c] = len(number)
        left = [n for n in waiting if tables.owner[n] not in number]
    return number


def _ranks(egraph: EGraph) -> dict[str, tuple[int, str]]:
    order = order_of_ops()
    ranks = {c.name: (order[c.op], c.name) for c in egraph.engine.constructors.values()}
    return ranks | {LITERAL: (-2, ""), LEAF: (-1, "")}


def _classes(
    egraph: EGraph,
    tables: Tables,
    source: _Source,
    roots: list[int],
    members: list[list[int]],
    number: dict[int, int],
) -> EClasses:
    rank = _ranks(egraph)
    nodes: list[ENode] = []
    class_of: list[int] = []
    of_class: list[tuple[int, ...]] = []
    chosen: list[int] = []
    lossy: list[int] = []
    by_number = sorted(number, key=number.__getitem__)
    if any(r not in number for r in roots):
        raise EngineError(
            "a result of the e-graph has no form without derivatives to be resolved\n"
            "  the program as written is used instead\n"
            "  fix: report this as a defect of egtensor"
        )
    for c in by_number:
        entries = []
        for n in members[c]:
            name, attrs, args = tables.keys[n]
            if all(a in number for a in args):
                entries.append((rank[name], attrs, tuple([number[a] for a in args]), n))
        entries.sort()
        first = len(nodes)
        place = -1
        for _, attrs, args, n in entries:
            made = _node(egraph, tables, n, attrs, args)
            if made is None:
                continue
            if source.node.get(c) == n:
                place = len(nodes)
            if tables.keys[n] in tables.lossy:
                lossy.append(len(nodes))
            nodes.append(made)
            class_of.append(number[c])
        of_class.append(tuple(range(first, len(nodes))))
        chosen.append(place)
    return EClasses(
        nodes=tuple(nodes),
        class_of=tuple(class_of),
        members=tuple(of_class),
        source=tuple(chosen),
        types=tuple(_type(egraph.ids, tables, source, c) for c in by_number),
        lines=_lines(source, by_number, nodes, of_class),
        roots=tuple(number[r] for r in roots),
        lossy=frozenset(lossy),
    )


def _type(ids: Interner, tables: Tables, source: _Source, c: int) -> Types | None:
    written = source.type.get(c)
    if written is not None:
        return written
    found = tables.types.get(c)
    return None if found is None else ids.types[found]


def _node(
    egraph: EGraph, tables: Tables, n: int, attrs: tuple[int, ...], args: tuple[int, ...]
) -> ENode | None:
    """The e-node as the stages after this one know it; None for a literal its dtype does not have."""
    name = tables.keys[n][0]
    ids = egraph.ids
    if name == LEAF:
        node = egraph.order[attrs[0]]
        return ENode(node.op, node.attrs, ())
    if name == LITERAL:
        type_ = ids.types[attrs[1]]
        assert isinstance(type_, TensorType)
        try:
            rounded = Number.of(ids.numbers[attrs[0]].array(type_.dtype))
        except (OverflowError, ValueError):
            return None
        return ENode(literal_op(), (rounded, type_), ())
    made = egraph.engine.constructors[name]
    rule_id = tables.maker.get(tables.keys[n], 0)
    rule = egraph.engine.rule_names[rule_id] if rule_id else None
    return ENode(made.op, tuple([ids.attributes[a] for a in attrs]), args, rule)


def _lines(
    source: _Source, order: list[int], nodes: list[ENode], members: list[tuple[int, ...]]
) -> tuple[tuple[Line, ...], ...]:
    """Lines per class; what rules made has the lines of the nearest term it is part of."""
    lines: list[tuple[Line, ...]] = [tuple(source.lines.get(c, ())) for c in order]
    pending = [k for k, found in enumerate(lines) if found]
    for k in pending:  # grows while it is walked: breadth first
        for n in members[k]:
            for a in nodes[n].args:
                if not lines[a]:
                    lines[a] = lines[k][:1]
                    pending.append(a)
    return tuple(lines)
