"""The e-graph: egglog's, with our types, facts and literals.  The only file that imports egglog.

Equality saturation: Willsey et al., egg (POPL 2021); Zhang et al., egglog (PLDI 2023).  An Engine keeps a
warm e-graph that holds rules and no terms; each EGraph is what is pushed onto it for one program.
"""

from __future__ import annotations

import ctypes
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from egtensor.errors import EngineError
from egtensor.lang.expr import Expr, toposort
from egtensor.lang.facts import Fact, facts_of_number
from egtensor.lang.op import OPS, Derived, Leaf, Op
from egtensor.lang.pattern import Node
from egtensor.rules.compile import (
    LOSSY,
    NEED,
    Compiled,
    Context,
    choices,
    compile_choice,
    derivative_rule,
)
from egtensor.rules.constructors import (
    LEAF,
    LITERAL,
    Constructor,
    constructor_of,
    order_of_ops,
)
from egtensor.rules.declare import INSERT, base, declaration, typing_rule
from egtensor.rules.domain import FINITE, REAL, STABLE
from egtensor.rules.facts import facts_of_expr
from egtensor.rules.infer import subterms
from egtensor.rules.regroup import regrouped
from egtensor.rules.rule import Rule
from egtensor.rules.ruleset import RuleSet
from egtensor.rules.tables import Functions, Interner

DERIVATIVES = 1_000_000  # numbers of rules from here on are derivatives
RECYCLE = 100  # programs after which a warm e-graph is made anew: each leaves some memory behind


_forked = [False]  # whether egglog was loaded before this process was forked


def keep_forever(engines: Iterable[Engine]) -> None:
    """Never free what egglog holds: it would wait for a thread that the fork left behind."""
    for engine in engines:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine._egraph))


def release(engines: Iterable[Engine]) -> None:
    """Undo ``keep_forever``."""
    for engine in engines:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(engine._egraph))


def after_fork() -> None:
    """In a forked process: engines are used once each, and kept."""
    _forked[0] = "egglog.bindings" in sys.modules


@lru_cache(maxsize=1)
def _bindings() -> Any:
    # loading it takes longer than most compilations of small programs
    import egglog.bindings

    return egglog.bindings


@dataclass
class RunReport:
    """What one iteration did: whether anything changed, and how often each rule matched."""

    updated: bool
    matches: dict[str, int]

    @property
    def asks(self) -> bool:
        """Whether rows of the on-demand table may be missing."""
        return any(name.startswith(NEED) for name in self.matches)


class Engine:
    """A warm e-graph with the rules of one set; used by the thread that made it."""

    def __init__(self, rules: RuleSet, record: bool = False) -> None:
        self.context = Context(record=record)
        self.record = record
        self.uses = 0
        self.constructors: dict[str, Constructor] = {}
        self.derivations: dict[str, Compiled] = {}
        self.lossy: dict[str, Constructor] = {}
        self.has_rules = len(rules) > 0
        self.folds_calls = any(r.over in (REAL, STABLE, FINITE) for r in rules)
        self._typed_on_demand: set[str] = set()
        self._ops: set[Op] = set()
        directed = [r for rule in rules for r in _directions(rule)]
        self.rule_names: dict[int, str] = {k: str(r) for k, r in enumerate(directed, 1)}
        self._rules = list(enumerate(directed, 1))
        self._waiting: list[Compiled] = []
        self._texts: list[str] = []
        self._numbers_told = 1
        self._egraph = _bindings().EGraph()
        if _forked[0]:
            keep_forever([self])
        self.load(base())

    @property
    def ids(self) -> Interner:
        """Ids of what the rules mention."""
        return self.context.ids

    @property
    def functions(self) -> Functions:
        """The functions that rules ask for."""
        return self.context.functions

    def require(self, needed: Iterable[Constructor]) -> None:
        """Declare constructors, and load the rules that can match once they exist."""
        for made in needed:
            self._declare(made)
        while self._load_rules():
            pass
        for k in range(self._numbers_told, len(self.ids.numbers)):
            facts = int(facts_of_number(self.ids.numbers[k]))
            self._texts.append(f"(set (numfacts {k}) {facts})")
        self._numbers_told = len(self.ids.numbers)
        texts, self._texts = self._texts, []
        self.load(texts)

    def run(self, *rulesets: str) -> tuple[list[RunReport], int]:
        """One iteration of each ruleset, in order; and the number of e-nodes then."""
        b, span = _bindings(), _span()
        commands = [b.RunSchedule(b.Run(span, b.RunConfig(r))) for r in rulesets]
        *outputs, tables = self.execute(*commands, b.PrintSize(span, None))
        rows = sum(n for name, n in tables.sizes if name.startswith(("t_", LITERAL, LEAF)))
        reports = [
            RunReport(o.report.updated, dict(o.report.num_matches_per_rule)) for o in outputs
        ]
        return reports, rows

    def execute(self, *commands: Any) -> list[Any]:
        """Run commands of the bindings; whatever goes wrong inside egglog is an EngineError."""
        try:
            return self._egraph.run_program(*commands)  # type: ignore[no-any-return]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # a panic of the engine is no Exception, but must not end the user's program
            if isinstance(error, (SystemExit, GeneratorExit, MemoryError)):
                raise
            raise _failure(error) from error

    @contextmanager
    def pushed(self) -> Iterator[None]:
        """Whatever is inserted inside is forgotten at the end."""
        if _forked[0]:
            yield
            self.uses = RECYCLE
            return
        b = _bindings()
        self.execute(b.Push(1))
        yield
        self.execute(b.Pop(_span(), 1))
        self.uses += 1

    def load(self, texts: Iterable[str]) -> None:
        """Declarations and rules, each parsed by itself: egglog's parser is quadratic."""
        parse = self._egraph.parse_program
        try:
            commands = [c for text in texts for c in parse(text)]
        except Exception as error:
            raise _failure(error) from error
        if commands:
            self.execute(*commands)

    def _declare(self, made: Constructor) -> None:
        if made.name in self.constructors:
            return
        self.constructors[made.name] = made
        self._ops.add(made.op)
        self._texts += declaration(made, self.context, self.folds_calls)
        if isinstance(made.op.body, Derived):
            assert made.fixed is not None
            rule = derivative_rule(made.op, *made.fixed)
            if rule is not None:
                number = DERIVATIVES + 10 * order_of_ops()[OPS[made.fixed[0]]] + made.fixed[1]
                self.rule_names[number] = str(rule)
                (choice,) = choices(rule)
                compiled = compile_choice(rule, choice, self.context, number)
                self.derivations[made.name] = compiled
                self._load(compiled)

    def _load_rules(self) -> bool:
        """Load what has become possible; returns whether that declared new constructors."""
        before = len(self.constructors)
        remaining = []
        for number, rule in self._rules:
            if operators(rule) <= self._ops:
                self._waiting += [
                    compile_choice(rule, c, self.context, number) for c in choices(rule)
                ]
            else:
                remaining.append((number, rule))
        self._rules = remaining
        waiting, self._waiting = self._waiting, []
        for compiled in waiting:
            if all(c.name in self.constructors for c in compiled.left):
                self._load(compiled)
            else:
                self._waiting.append(compiled)
        return len(self.constructors) > before

    def _load(self, compiled: Compiled) -> None:
        for made in sorted(compiled.right, key=lambda c: c.name):
            self._declare(made)
        for made in sorted(compiled.untyped, key=lambda c: c.name):
            if made.name not in self._typed_on_demand:
                self._typed_on_demand.add(made.name)
                self._texts += typing_rule(made, self.context)
        if compiled.lossy is not None and compiled.lossy.name not in self.lossy:
            self.lossy[compiled.lossy.name] = compiled.lossy
            self._texts.append(
                f"(relation {LOSSY}{compiled.lossy.name} ({compiled.lossy.signature}))"
            )
        self._texts += compiled.texts


def _failure(error: BaseException) -> EngineError:
    return EngineError(
        f"the e-graph engine failed: {str(error)[:200]}\n"
        f"  the program as written is used instead\n"
        f"  fix: report this as a defect of egtensor"
    )


@cache
def operators(rule: Rule) -> frozenset[Op]:
    """The operators on the left side of a rule."""
    return frozenset(t.op for _, t in subterms(rule.lhs) if isinstance(t, Node))


def _directions(rule: Rule) -> list[Rule]:
    return [rule, rule.inverse()] if rule.both_ways else [rule]


@lru_cache(maxsize=1)
def _span() -> Any:
    return _bindings().RustSpan("egtensor", 0, 0)


@dataclass
class EGraph:
    """One program inside an engine.

    order    the nodes of the program, operands first; a node's place is its handle in the e-graph
    facts    what is known of each
    written  constructor, attributes and operands of each
    rows     e-nodes after the last run
    """

    engine: Engine
    roots: tuple[Expr, ...]
    order: list[Expr]
    facts: list[Fact]
    written: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    ids: Interner
    answered: set[tuple[int, ...]] = field(default_factory=set)
    rows: int = 0

    def run(self, *rulesets: str) -> list[RunReport]:
        """One iteration of each ruleset, then answers to what the rules asked."""
        reports, self.rows = self.engine.run(*rulesets)
        if any(r.asks for r in reports) and self._answer():
            reports[-1].updated = True
        return reports

    def frozen(self) -> tuple[dict[str, Any], Callable[[Any], int]]:
        """All tables, and the function that reads an integer of theirs."""
        return dict(self.engine._egraph.freeze().functions), self.engine._egraph.value_to_i64

    def _answer(self) -> bool:
        b = _bindings()
        mode = b.DefaultPrintFunctionMode()
        (output,) = self.engine.execute(b.PrintFunction(_span(), "need", None, None, mode))
        found = re.findall(r"\(need ([-\d ]+)\) ->", str(output))
        new = sorted({tuple(map(int, row.split())) for row in found} - self.answered)
        self.answered.update(new)
        numbers = len(self.ids.numbers)
        commands = []
        for row in new:
            answer = self.engine.functions(self.ids, row[0], row[1:])
            if answer is not None:
                commands.append(_set("tab", row, answer))
        for k in range(numbers, len(self.ids.numbers)):
            commands.append(_set("numfacts", (k,), int(facts_of_number(self.ids.numbers[k]))))
        if commands:
            self.engine.execute(*commands)
        return bool(commands)


def _set(function: str, key: Sequence[int], value: int) -> Any:
    b, span = _bindings(), _span()
    literal = [b.Lit(span, b.Int(k)) for k in (*key, value)]
    return b.ActionCommand(b.Set(span, function, literal[:-1], literal[-1]))


def insert(engine: Engine, roots: Sequence[Expr]) -> EGraph:
    """Put a program into a pushed engine, with types and facts."""
    order = toposort(roots)
    place = {node: k for k, node in enumerate(order)}
    ids = Interner(engine.ids)
    told = len(ids.numbers)
    for node in order:
        if node.equalities:
            ids.equate(node.equalities)
    tables: dict[str, list[tuple[int, ...]]] = {"node": [], "num": []}
    facts: list[Fact] = []
    written: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    for k, node in enumerate(order):
        args = tuple([place[a] for a in node.args])
        facts.append(facts_of_expr(node, [facts[a] for a in args]))
        tables["node"].append((k, ids.type(node.type), int(facts[k])))
        table, attrs = _row(k, node, ids)
        tables.setdefault(table, []).append((k, *args, *attrs))
        written.append((table, attrs, args))
    tables["same"] = regrouped(order, engine.folds_calls) if engine.has_rules else []
    for n in range(told, len(ids.numbers)):
        tables["num"].append((n, int(facts_of_number(ids.numbers[n]))))
    _load_tables(engine, tables)
    return EGraph(engine, tuple(roots), order, facts, written, ids)


def constructors_of(roots: Sequence[Expr]) -> list[Constructor]:
    """The constructors that inserting a program needs."""
    return list(dict.fromkeys(constructor_of(n) for n in toposort(roots) if not _is_leaf(n)))


def _is_leaf(node: Expr) -> bool:
    return isinstance(node.op.body, Leaf)


def _row(k: int, node: Expr, ids: Interner) -> tuple[str, tuple[int, ...]]:
    """Constructor and attributes of node number ``k``."""
    body = node.op.body
    if isinstance(body, Leaf):
        if body.kind == "literal":
            return LITERAL, (ids.number(node.attrs[0]), ids.type(node.type))
        return LEAF, (k,)
    made = constructor_of(node)
    return made.name, () if made.fixed is not None else tuple(map(ids.attribute, node.attrs))


def _load_tables(engine: Engine, tables: dict[str, list[tuple[int, ...]]]) -> None:
    b, span = _bindings(), _span()
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="egtensor", dir=where) as folder:
        commands = []
        for name, rows in tables.items():
            if rows:
                file = Path(folder, name)
                file.write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
                commands.append(b.Input(span, f"in_{name}", str(file)))
        engine.execute(*commands, b.RunSchedule(b.Run(span, b.RunConfig(INSERT))))
