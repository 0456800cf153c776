"""The e-graph: egglog's, with our types, facts and literals.  The only file that imports egglog.

Equality saturation: Willsey et al., egg (POPL 2021); Zhang et al., egglog (PLDI 2023).  An Engine keeps a
warm e-graph that holds rules and no terms; each EGraph is what is pushed onto it for one program.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from egtensor.errors import EngineError
from egtensor.lang.expr import Expr, toposort
from egtensor.lang.facts import Fact, facts_of_number
from egtensor.lang.op import Derived, Leaf, Op, Reshape, Scalar, View
from egtensor.lang.pattern import Node
from egtensor.rules.compile import (
    DERIVE,
    EXPLORE,
    NEED,
    SIMPLIFY,
    Compiled,
    Context,
    choices,
    compile_choice,
    derivative_rule,
)
from egtensor.rules.constructors import (
    HANDLE,
    LEAF,
    LITERAL,
    Constructor,
    constructor_of,
)
from egtensor.rules.domain import FINITE, REAL, STABLE
from egtensor.rules.facts import facts_expression, facts_of_expr
from egtensor.rules.infer import principal, probes, subterms
from egtensor.rules.rule import Rule
from egtensor.rules.ruleset import RuleSet
from egtensor.rules.tables import COLUMNS, Functions, Interner, fold_answer, type_answer

INSERT, ANALYSE = "insert", "analyse"
RECYCLE = 100  # programs after which a warm e-graph is made anew: each leaves some memory behind
EXACT_COST = 4.0  # operators up to this cost are correctly rounded by every library
# a type merged with another becomes negative, and stays so: that is a contradiction
CONFLICT = "(max -1000000000000 (- (max old new) (* 1000000 (- (max old new) (min old new)))))"


_forked = [False]  # whether egglog was loaded before this process was forked


def keep_forever(engines: Iterable[Engine]) -> None:
    """Never free what egglog holds: it would wait for a thread that the fork left behind."""
    for engine in engines:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine._egraph))


def after_fork(engines: Iterable[Engine]) -> None:
    """In a forked process: engines are used once each, and kept."""
    if "egglog.bindings" in sys.modules:
        _forked[0] = True
        keep_forever(engines)


@lru_cache(maxsize=1)
def _bindings() -> Any:
    # loading it takes longer than most compilations of small programs
    import egglog.bindings

    return egglog.bindings


def _names(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{k}" for k in range(count))


def _integers(count: int) -> str:
    return " ".join(["i64"] * count)


def _rule(query: str, actions: str, ruleset: str, name: str = "") -> str:
    """A rule of the engine itself; egglog would make the whole text its name."""
    label = name or f"own-{hashlib.sha256(f'{query} {actions}'.encode()).hexdigest()[:12]}"
    return f'(rule (({query})) (({actions})) :ruleset {ruleset} :name "{label}")'


def _base() -> list[str]:
    row = _names("c", COLUMNS + 1)
    return [
        "(sort T)",
        f"(constructor {LITERAL} (i64 i64) T)",
        f"(constructor {LEAF} (i64) T)",
        f"(constructor {HANDLE} (i64) T :unextractable)",
        f"(function ty (T) i64 :merge {CONFLICT})",
        "(function facts (T) i64 :merge (| old new))",
        "(function numfacts (i64) i64 :merge (| old new))",
        "(relation untyped (T))",
        f"(relation need ({_integers(COLUMNS + 1)}))",
        f"(function tab ({_integers(COLUMNS + 1)}) i64 :merge (min old new))",
        f"(relation wants (T {_integers(COLUMNS + 1)}))",
        f"(relation folds (T i64 {_integers(COLUMNS + 1)}))",
        *(f"(ruleset {r})" for r in (INSERT, ANALYSE, SIMPLIFY, EXPLORE, DERIVE)),
        "(relation in_Lit (i64 i64 i64))",
        _rule("in_Lit o n t", f"union ({HANDLE} o) ({LITERAL} n t)", INSERT),
        "(relation in_Leaf (i64 i64))",
        _rule("in_Leaf o k", f"union ({HANDLE} o) ({LEAF} k)", INSERT),
        "(relation in_node (i64 i64 i64))",
        _rule("in_node o t f", f"set (ty ({HANDLE} o)) t) (set (facts ({HANDLE} o)) f", INSERT),
        "(relation in_num (i64 i64))",
        _rule("in_num n f", "set (numfacts n) f", INSERT),
        _rule(f"= e ({LITERAL} n t)", "set (ty e) t", ANALYSE),
        _rule(f"= e ({LITERAL} n t)) (= f (numfacts n)", "set (facts e) f", ANALYSE),
        _rule(f"wants e {row}) (= t (tab {row})", "set (ty e) t", ANALYSE),
        _rule(f"folds e s {row}) (= n (tab {row})", f"union e ({LITERAL} n s)", ANALYSE),
    ]


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
        self.rule_names: list[str] = []
        self.folds_calls = any(r.over in (REAL, STABLE, FINITE) for r in rules)
        self._typed_on_demand: set[str] = set()
        self._ops: set[Op] = set()
        self._rules = [r for rule in rules for r in _directions(rule)]
        self._pending: list[tuple[Compiled, ...]] = []
        self._waiting: list[Compiled] = []
        self._numbers_told = 1
        self._egraph = _bindings().EGraph()
        if _forked[0]:
            keep_forever([self])
        for text in _base():
            self._run_text(text)

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
        loaded = True
        while loaded:
            loaded = self._load_rules()
        self._tell_numbers()

    def run(self, *rulesets: str) -> list[RunReport]:
        """One iteration of each ruleset, in order."""
        b, span = _bindings(), _span()
        commands = [b.RunSchedule(b.Run(span, b.RunConfig(r))) for r in rulesets]
        return [
            RunReport(o.report.updated, dict(o.report.num_matches_per_rule))
            for o in self.execute(*commands)
        ]

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
            raise EngineError(
                f"the e-graph engine failed: {str(error)[:200]}\n"
                f"  the program as written is used instead\n"
                f"  fix: report this as a defect of egtensor"
            ) from error

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

    def _run_text(self, text: str) -> None:
        self.execute(*self._egraph.parse_program(text))

    def _declare(self, made: Constructor) -> None:
        if made.name in self.constructors:
            return
        self.constructors[made.name] = made
        self._ops.add(made.op)
        for text in declaration(made, self.context, self.folds_calls):
            self._run_text(text)
        if isinstance(made.op.body, Derived):
            assert made.fixed is not None
            rule = derivative_rule(made.op, *made.fixed)
            if rule is not None:
                (choice,) = choices(rule)
                compiled = compile_choice(rule, choice, self.context, self._rule_id(rule))
                self.derivations[made.name] = compiled
                self._load(compiled)

    def _rule_id(self, rule: Rule) -> int:
        self.rule_names.append(str(rule))
        return len(self.rule_names)

    def _load_rules(self) -> bool:
        """Load what has become possible; returns whether that declared new constructors."""
        before = len(self.constructors)
        remaining = []
        for rule in self._rules:
            if all(t.op in self._ops for _, t in subterms(rule.lhs) if isinstance(t, Node)):
                number = self._rule_id(rule)
                self._waiting += [
                    compile_choice(rule, c, self.context, number) for c in choices(rule)
                ]
            else:
                remaining.append(rule)
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
                for text in typing_rule(made, self.context):
                    self._run_text(text)
        for text in compiled.texts:
            self._run_text(text)

    def _tell_numbers(self) -> None:
        for k in range(self._numbers_told, len(self.ids.numbers)):
            self._run_text(f"(set (numfacts {k}) {int(facts_of_number(self.ids.numbers[k]))})")
        self._numbers_told = len(self.ids.numbers)


def _directions(rule: Rule) -> list[Rule]:
    return [rule, rule.inverse()] if rule.both_ways else [rule]


def declaration(made: Constructor, context: Context, folds_calls: bool) -> list[str]:
    """egglog's declaration of a constructor, its loader, and the rules that its record implies."""
    operands, attrs = _names("v", made.arity), _names("k", len(made.attributes))
    handles = " ".join(f"({HANDLE} v{k})" for k in range(made.arity))
    row = f"o {operands} {attrs}"
    texts = [
        f"(constructor {made.name} ({made.signature}) T)",
        f"(relation in_{made.name} ({_integers(1 + made.arity + len(made.attributes))}))",
    ]
    actions = f"union ({HANDLE} o) ({made.name} {handles} {attrs})"
    if context.record:
        texts.append(f"(function by_{made.name} ({made.signature}) i64 :merge (min old new))")
        actions += f") (set (by_{made.name} {handles} {attrs}) 0"
    texts.append(_rule(f"in_{made.name} {row}", actions, INSERT))
    if isinstance(made.op.body, Derived):
        return texts
    term = f"({made.name} {operands} {attrs})"
    texts.append(_facts_rule(made, term))
    if made.op.commutative and made.arity == 2:
        query = f"= e ({made.name} v0 v1)) (= d ({made.name} v1 v0)"
        texts.append(_rule(query, "union e d", SIMPLIFY))
    if isinstance(made.op.body, (View, Reshape)):
        query = f"= e ({made.name} ({LITERAL} n t) {attrs})) (= s (ty e)"
        texts.append(_rule(query, f"union e ({LITERAL} n s)", ANALYSE))
    if _can_fold(made, folds_calls):
        texts.append(_fold_rule(made, context))
    return texts


def _facts_rule(made: Constructor, term: str) -> str:
    expression = facts_expression(made, result_kind(made))
    used = set(re.findall(r"f\d+", expression))
    needed = "".join(f"(= f{k} (facts v{k})) " for k in range(made.arity) if f"f{k}" in used)
    actions = f"set (facts e) {expression}"
    return f'(rule ({needed}(= e {term})) (({actions})) :ruleset {ANALYSE} :name "own-facts-{made.name}")'


def result_kind(made: Constructor) -> str:
    """The kind of the result's dtype, or the empty string where it is not known."""
    place = principal(made.op)
    if place is None or made.op.results != 1:
        return ""
    if made.op.promote is None:
        return ""
    kinds = {p[-1].kind for p in probes(made.op) if p[place].kind == made.kind}
    return kinds.pop() if len(kinds) == 1 else ""


def _can_fold(made: Constructor, folds_calls: bool) -> bool:
    op = made.op
    return (
        isinstance(op.body, Scalar)
        and op.results == 1
        and not op.fallible
        and made.arity <= 3
        and len(op.attrs) <= 1
        and (folds_calls or (isinstance(op.cost, (int, float)) and op.cost <= EXACT_COST))
    )


def _fold_rule(made: Constructor, context: Context) -> str:
    place = principal(made.op) or 0
    function = context.functions.number(("fold", made.op), fold_answer(made.op, place))
    operands = " ".join(f"({LITERAL} n{k} t{k})" for k in range(made.arity))
    attrs = _names("k", len(made.attributes))
    numbers = [f"n{k}" for k in range(made.arity)] + ["0"] * (3 - made.arity)
    row = f"{function} {' '.join(numbers)} t{place} s {attrs or '0'}"
    query = f"= e ({made.name} {operands} {attrs})) (= s (ty e)"
    return _rule(query, f"need {row}) (folds e s {row}", ANALYSE, f"{NEED}fold-{made.name}")


def typing_rule(made: Constructor, context: Context) -> list[str]:
    """The rule that asks for the type of terms whose type their maker did not know."""
    columns = len(made.attributes) + made.arity
    if columns > COLUMNS:
        return []
    function = context.functions.number(
        ("type", made.op, made.arity), type_answer(made.op, made.arity)
    )
    operands, attrs = _names("v", made.arity), _names("k", len(made.attributes))
    types = " ".join(f"(= t{k} (ty v{k}))" for k in range(made.arity))
    zeros = " ".join(["0"] * (COLUMNS - columns))
    row = f"{function} {attrs} {_names('t', made.arity)} {zeros}"
    query = f"untyped e) {types} (= e ({made.name} {operands} {attrs})"
    return [_rule(query, f"need {row}) (wants e {row}", ANALYSE, f"{NEED}type-{made.name}")]


@lru_cache(maxsize=1)
def _span() -> Any:
    return _bindings().RustSpan("egtensor", 0, 0)


@dataclass
class EGraph:
    """One program inside an engine.

    order    the nodes of the program, operands first; a node's place is its handle in the e-graph
    facts    what is known of each
    written  constructor, attributes and operands of each
    """

    engine: Engine
    roots: tuple[Expr, ...]
    order: list[Expr]
    facts: list[Fact]
    written: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    ids: Interner
    answered: set[tuple[int, ...]] = field(default_factory=set)

    def run(self, *rulesets: str) -> list[RunReport]:
        """One iteration of each ruleset, then answers to what the rules asked."""
        reports = self.engine.run(*rulesets)
        if any(r.asks for r in reports) and self._answer():
            reports[-1].updated = True
        return reports

    def rows(self) -> int:
        """The number of e-nodes."""
        b = _bindings()
        (output,) = self.engine.execute(b.PrintSize(_span(), None))
        return sum(n for name, n in output.sizes if name.startswith(("t_", LITERAL, LEAF)))

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
