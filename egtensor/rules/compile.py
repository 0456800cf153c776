"""From rewrite rules to egglog's rules.

Nothing here runs an e-graph.  One rule becomes several: one for each way to exchange the operands of
commutative operators on its left side, and one for each kind of dtype it holds for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from egtensor.lang.number import Number
from egtensor.lang.op import OPS, Derived, Missing, Op, Scalar
from egtensor.lang.pattern import (
    AttrCall,
    AttrVariable,
    LiteralPattern,
    Node,
    Pattern,
    Variable,
    variables,
)
from egtensor.lang.types import DTYPES
from egtensor.rules.constructors import LITERAL, Constructor, constructor
from egtensor.rules.domain import EXACT, MODULAR, REAL, SHAPE, STABLE, Domain
from egtensor.rules.infer import Classes, Key, Path, key_of, kinds_of, principal, subterms
from egtensor.rules.rule import Holds, Rule
from egtensor.rules.tables import (
    COLUMNS,
    Functions,
    Interner,
    attribute_answer,
    dtype_kind_answer,
    leaves_of,
    round_answer,
)

SIMPLIFY, EXPLORE, DERIVE = "simplify", "explore", "derive"
LOSSY = "lossy_"  # relations of terms that have a more accurate form
NEED = "need:"  # names rules that only ask for rows of the on-demand table
KINDS = "biuf"


@dataclass
class Context:
    """What is shared by the rules of one e-graph: numbers of what they mention, and of what they call."""

    ids: Interner = field(default_factory=Interner)
    functions: Functions = field(default_factory=Functions)
    record: bool = False


@dataclass(frozen=True)
class Compiled:
    """egglog's form of a rule for one choice of operand orders and kinds of dtype.

    left, right  the constructors that are matched, and those that are made
    untyped      of those made, the ones whose type must be asked for
    texts        the rules, one parse each
    steps        what is made: (name, constructor, operands, attributes), literals with their number
    result       the name of what the left side becomes
    lossy        the constructor of left sides whose right side is more accurate, or None
    """

    left: frozenset[Constructor]
    right: frozenset[Constructor]
    untyped: frozenset[Constructor]
    texts: tuple[str, ...]
    steps: tuple[tuple[str, str, tuple[str, ...], tuple[Any, ...]], ...]
    result: str
    lossy: Constructor | None = None


@dataclass(frozen=True)
class Choice:
    """One choice of operand orders and of kinds of dtype for the classes of terms with one dtype."""

    lhs: Node
    kinds: dict[Key, str]
    number: int


def phase_of(rule: Rule) -> str:
    """Where a rule is applied: to a fixpoint if it makes terms smaller, else a few times."""
    if isinstance(rule.lhs, Node) and isinstance(rule.lhs.op.body, Derived):
        return DERIVE
    directed = rule.directed
    if directed is None:
        directed = size(rule.rhs) < size(rule.lhs)
    return SIMPLIFY if directed else EXPLORE


def size(p: Pattern) -> int:
    """The number of operators in a pattern."""
    return sum(isinstance(term, Node) for _, term in subterms(p))


@cache
def choices(rule: Rule) -> tuple[Choice, ...]:
    """All choices, each once up to names of variables and orders of commutative operands."""
    return tuple(_choices(rule))


def _choices(rule: Rule) -> Iterator[Choice]:
    seen: set[Any] = set()
    number = 0
    for lhs in orders(rule.lhs):
        assert isinstance(lhs, Node)
        names: dict[str, str] = {}
        key = (canonical(lhs, names, False), canonical(rule.rhs, names, True),
               tuple(sorted(_shown(c, names) for c in rule.when)))  # fmt: skip
        if key in seen:
            continue
        seen.add(key)
        for kinds in assignments(lhs, rule.rhs, rule.over):
            yield Choice(lhs, kinds, number)
            number += 1


def orders(p: Pattern) -> list[Pattern]:
    """The pattern with operands of commutative operators in every order, and literals in every rounding."""
    if isinstance(p, LiteralPattern):
        return [LiteralPattern(n) for n in roundings(p.number)]
    if not isinstance(p, Node):
        return [p]
    found: list[Pattern] = []
    for args in product(*map(orders, p.args)):
        found.append(Node(p.op, args, p.attrs))
        if p.op.commutative and len(args) == 2 and args[0] is not args[1]:
            found.append(Node(p.op, (args[1], args[0]), p.attrs))
    return found


@cache
def roundings(number: Number) -> tuple[Number, ...]:
    """What a number is in each floating dtype."""
    with np.errstate(all="ignore"):
        rounded = (Number.of(number.array(d)) for d in DTYPES if d.kind == "f")
        return tuple(dict.fromkeys((number, *rounded)))


def canonical(p: Any, names: dict[str, str], unordered: bool) -> Any:
    """A key that is equal for patterns that differ in names only; and in order, if ``unordered``."""
    match p:
        case Variable(name) | AttrVariable(name):
            return names.setdefault(name, f"v{len(names)}")
        case LiteralPattern(number):
            return str(number)
        case Node(op, args, attrs):
            inner = [canonical(a, names, unordered) for a in args]
            if unordered and op.commutative:
                inner.sort(key=repr)
            return (op.name, *inner, *(canonical(a, names, unordered) for a in attrs))
        case AttrCall(function, args):
            return (function, *(canonical(a, names, unordered) for a in args))
        case _:
            return repr(p)


def _unordered(p: Pattern) -> Any:
    return canonical(p, {name: name for name in variables(p)}, True)


def _shown(c: Any, names: dict[str, str]) -> str:
    if isinstance(c, Holds):
        return repr((canonical(c.subject, names, True), int(c.fact)))
    return repr(canonical(c, names, True))


def assignments(lhs: Node, rhs: Pattern, over: Domain) -> Iterator[dict[Key, str]]:
    """Kinds of dtype for the terms of a rule, where the domain and all operators admit them."""
    classes = Classes(lhs, rhs, "dtype")
    allowed: dict[Key, str] = {}
    for side, pattern in (("lhs", lhs), ("rhs", rhs)):
        for path, term in subterms(pattern):
            key = classes.find(key_of(side, path, term))
            if isinstance(term, LiteralPattern) and key in allowed:
                allowed[key] = "".join(k for k in allowed[key] if represents(k, term.number))
            if not isinstance(term, Node) or (place := principal(term.op)) is None:
                continue
            operand = classes.find(key_of(side, (*path, place), term.args[place]))
            before = allowed.get(operand, classes.fixed.get(operand, domain_kinds(over)))
            allowed[operand] = "".join(k for k in before if k in kinds_of(term.op))
    for side, pattern in (("lhs", lhs), ("rhs", rhs)):
        for path, term in subterms(pattern):
            key = classes.find(key_of(side, path, term))
            if isinstance(term, LiteralPattern) and key in allowed:
                allowed[key] = "".join(k for k in allowed[key] if represents(k, term.number))
    for kinds in product(*allowed.values()):
        yield dict(zip(allowed, kinds, strict=True))


def domain_kinds(over: Domain) -> str:
    """The kinds of dtype that a rule over a domain is about."""
    if over is MODULAR:
        return "iu"
    return KINDS if over in (EXACT, SHAPE) else "f"


def represents(kind: str, number: Number) -> bool:
    """Whether some dtype of this kind has the number."""
    if kind == "f":
        return True
    x = number.key
    return isinstance(x, int) and (x in (0, 1) if kind == "b" else x >= 0 if kind == "u" else True)


def compile_choice(rule: Rule, choice: Choice, context: Context, rule_id: int) -> Compiled:
    """egglog's rules for one choice."""
    return _Writer(rule, choice, context, rule_id).compiled()


class _Writer:
    """The atoms of the query and the actions of one egglog rule, as they are found."""

    def __init__(self, rule: Rule, choice: Choice, context: Context, rule_id: int) -> None:
        self.rule, self.choice, self.context, self.rule_id = rule, choice, context, rule_id
        self.types = Classes(choice.lhs, rule.rhs, "type")
        self.dtypes = Classes(choice.lhs, rule.rhs, "dtype")
        self.atoms: list[str] = []
        self.actions: list[str] = []
        self.asked: dict[Any, tuple[str, str]] = {}
        self.typed: dict[str, str] = {}
        self.left: list[Constructor] = []
        self.right: list[Constructor] = []
        self.untyped: list[Constructor] = []
        self.names: dict[Path, str] = {}
        self.subsumed = ""
        self.steps: list[tuple[str, str, tuple[str, ...], tuple[Any, ...]]] = []

    def compiled(self) -> Compiled:
        root = self.match(self.choice.lhs, ())
        for c in self.rule.when:
            self.condition(c)
        self.pin_kinds()
        made = self.result(root)
        label = f"{self.rule}#{self.rule_id}.{self.choice.number}"
        ruleset = phase_of(self.rule)
        asks = [f"(need {call})" for call, _ in self.asked.values()]
        answers = [f"(= {name} (tab {call}))" for call, name in self.asked.values()]
        texts = []
        if asks:
            texts.append(_rule(self.atoms, asks, ruleset, NEED + label))
        texts.append(_rule([*self.atoms, *answers], self.actions, ruleset, label))
        return Compiled(
            frozenset(self.left), frozenset(self.right), frozenset(self.untyped), tuple(texts),
            tuple(self.steps), made, self.left[0] if self.rule.over is STABLE else None,
        )  # fmt: skip

    def match(self, p: Pattern, path: Path, side: str = "lhs") -> str:
        """Atoms that match ``p``; returns the variable of its class."""
        if isinstance(p, Variable):
            self.names[path] = f"v_{p.name}"
            return f"v_{p.name}"
        name = f"n_{side}" + "_".join(map(str, path)).replace("-", "m")
        self.names[path] = name
        if isinstance(p, LiteralPattern):
            self.atoms.append(
                f"(= {name} ({LITERAL} {self.context.ids.number(p.number)} t_{name}))"
            )
            self.typed[name] = f"t_{name}"
            return name
        assert isinstance(p, Node)
        made = self.constructor(p, path, side)
        self.left.append(made)
        args = [self.match(a, (*path, k), side) for k, a in enumerate(p.args)]
        columns = [] if made.fixed is not None else [self.attribute(a) for a in p.attrs]
        term = f"({made.name} {' '.join(args + columns)})"
        self.atoms.append(f"(= {name} {term})")
        if not path and side == "lhs":
            self.subsumed = term
        return name

    def condition(self, c: Any) -> None:
        if isinstance(c, AttrCall):
            self.atoms_after(c)
            return
        if isinstance(c.subject, Variable):
            subject = f"v_{c.subject.name}"
        elif (path := self._place_of(c.subject)) is not None:
            subject = self.names[path]
        else:
            subject = self.match(c.subject, (-1 - len(self.names),), "when")
        fact = int(c.fact)
        self.atoms.append(f"(= f_{len(self.atoms)} (facts {subject}))")
        self.atoms.append(f"(= {fact} (& f_{len(self.atoms) - 1} {fact}))")

    def _place_of(self, subject: Pattern) -> Path | None:
        """Where the left side has the subject of a condition, in any order of commutative operands."""
        wanted = _unordered(subject)
        for path, term in subterms(self.choice.lhs):
            if _unordered(term) == wanted:
                return path
        return None

    def atoms_after(self, c: AttrCall) -> None:
        """A condition on attributes: the table must answer 1."""
        self.ask(("condition", c), c, is_condition=True)

    def attribute(self, a: Any) -> str:
        if isinstance(a, AttrVariable):
            return f"a_{a.name}"
        if isinstance(a, AttrCall):
            return self.ask(("attribute", a), a, is_condition=False)
        return str(self.context.ids.attribute(a))

    def ask(self, key: Any, call: AttrCall, is_condition: bool) -> str:
        leaves = leaves_of(call)
        names: dict[str, str] = {}
        shown = (canonical(call, names, False), is_condition)
        number = self.context.functions.number(shown, attribute_answer(call, is_condition))
        args = [
            f"a_{x.name}" if isinstance(x, AttrVariable) else self.type_of(f"v_{x}") for x in leaves
        ]
        return self.call(key, number, args, "1" if is_condition else f"x_{len(self.asked)}")

    def call(self, key: Any, function: int, args: list[str], result: str) -> str:
        if key not in self.asked:
            columns = [str(function), *args, *["0"] * (COLUMNS - len(args))]
            self.asked[key] = (" ".join(columns), result)
        return self.asked[key][1]

    def type_of(self, name: str) -> str:
        """The variable that holds the id of the type of a matched class."""
        if name not in self.typed:
            self.typed[name] = f"t_{name}"
            self.atoms.append(f"(= t_{name} (ty {name}))")
        return self.typed[name]

    def pin_kinds(self) -> None:
        """Ask for the kind of dtype of terms that no matched constructor tells."""
        if isinstance(self.choice.lhs.op.body, Derived):
            return  # only floating values have derivatives
        told = {self.dtype_key("lhs", p, t) for p, t in self.principals(self.choice.lhs)}
        for key, kind in self.choice.kinds.items():
            if key in told:
                continue
            found = self.dtypes._left.get(key)
            if found is not None:
                number = self.context.functions.number("kind", dtype_kind_answer)
                name = self.names[found[0]]
                self.call(("kind", key), number, [self.type_of(name)], str(ord(kind)))

    def principals(self, p: Pattern) -> Iterator[tuple[Path, Pattern]]:
        for path, term in subterms(p):
            if isinstance(term, Node) and (place := principal(term.op)) is not None:
                yield (*path, place), term.args[place]

    def dtype_key(self, side: str, path: Path, term: Pattern) -> Key:
        return self.dtypes.find(key_of(side, path, term))

    def constructor(self, p: Node, path: Path, side: str) -> Constructor:
        if isinstance(p.op.body, Derived):
            return constructor(p.op, "", len(p.args), p.attrs)
        place = principal(p.op)
        if place is None:
            return constructor(p.op, "", len(p.args))
        key = self.dtype_key(side, (*path, place), p.args[place])
        kind = self.choice.kinds.get(key) or self.dtypes.fixed.get(key)
        if kind is None:
            kind = next(k for k in "fiub" if k in kinds_of(p.op))
        return constructor(p.op, kind, len(p.args))

    def result(self, root: str) -> str:
        rhs = self.rule.rhs
        if isinstance(rhs, Variable):
            strict = Classes(self.choice.lhs, self.choice.lhs, "type")
            if strict.find(("root", ())) != strict.find(("variable", rhs.name)):
                name = self.type_of(root)
                self.atoms.append(f"(= {name} (ty v_{rhs.name}))")
        made = self.make(rhs, ())
        self.actions.append(f"(union {root} {made})")
        phase = phase_of(self.rule)
        if phase == DERIVE or (phase == SIMPLIFY and not self.rule.both_ways):
            self.actions.append(f"(subsume {self.subsumed})")
        if self.rule.over is STABLE:
            self.actions.append(f"({LOSSY}{self.subsumed[1:]}")
        return made

    def make(self, p: Pattern, path: Path) -> str:
        """Actions that make ``p``; returns the variable of its class."""
        if isinstance(p, Variable):
            return f"v_{p.name}"
        name = "r" + "_".join(map(str, path))
        alike = self.types.on_the_left(path, p)
        type_ = self.type_of(self.names[alike[0]]) if alike else ""
        if isinstance(p, LiteralPattern):
            self.actions.append(f"(let {name} ({LITERAL} {self.number(p, path, type_)} {type_}))")
            self.steps.append((name, LITERAL, (), (p.number,)))
            return name
        assert isinstance(p, Node)
        made = self.constructor(p, path, "rhs")
        self.right.append(made)
        args = [self.make(a, (*path, k)) for k, a in enumerate(p.args)]
        columns = " ".join(args + [self.attribute(a) for a in p.attrs])
        self.actions.append(f"(let {name} ({made.name} {columns}))")
        self.steps.append((name, made.name, tuple(args), p.attrs))
        if self.context.record:
            self.actions.append(f"(set (by_{made.name} {columns}) {self.rule_id})")
        if path and type_:
            self.actions.append(f"(set (ty {name}) {type_})")
        elif path:
            self.untyped.append(made)
            self.actions.append(f"(untyped {name})")
        return name

    def number(self, p: LiteralPattern, path: Path, type_: str) -> str:
        key = self.dtype_key("rhs", path, p)
        kind = self.choice.kinds.get(key) or self.dtypes.fixed.get(key) or "f"
        number = self.context.ids.number(p.number)
        if is_exact(kind, p.number):
            return str(number)
        function = self.context.functions.number("round", round_answer)
        return self.call(
            ("round", type_, number), function, [str(number), type_], f"x_{len(self.asked)}"
        )


@cache
def is_exact(kind: str, number: Number) -> bool:
    """Whether all dtypes of this kind have the number."""
    try:
        with np.errstate(all="ignore"):
            rounded = [Number.of(number.array(d)) for d in DTYPES if d.kind == kind]
    except (OverflowError, ValueError):
        return False
    return all(n == number for n in rounded)


def _rule(atoms: list[str], actions: list[str], ruleset: str, name: str) -> str:
    return f'(rule ({" ".join(atoms)}) ({" ".join(actions)}) :ruleset {ruleset} :name "{name}")'


@cache
def derivative_rule(derived: Op, of: str, operand: int) -> Rule | None:
    """The rule that resolves the derivative of operator ``of`` by one operand; None where it is no pattern."""
    op = OPS[of]
    derivative = op.derivative
    if not isinstance(op.body, Scalar) or isinstance(derivative, Missing) or op.arity is None:
        return None
    operands = tuple(Variable(f"x{k}") for k in range(op.arity))
    y, g = Variable("y"), Variable("g")
    made = derivative(g, y, *operands)[operand]
    if made is None:
        return None
    name = f"{of.replace('_', '-')}-{operand}"
    lhs = Node(derived, (*operands, y, g), (of, operand))
    return Rule("derivative", name, lhs, made, REAL, ref="the operator record")
