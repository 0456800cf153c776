"""Typed instances of rules, and values for their variables: what obligations are checked on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product
from typing import Any

import numpy as np

from egtensor.errors import EgTensorError, RuleError, ShapeError
from egtensor.lang.expr import Expr, make, scalar
from egtensor.lang.facts import NOTHING, Fact, holds
from egtensor.lang.op import OPS, Op, Reduce, Reshape, Scalar
from egtensor.lang.pattern import (
    AttrCall,
    AttrVariable,
    LiteralPattern,
    Node,
    Pattern,
    Variable,
    variables,
)
from egtensor.lang.types import BOOL, DTYPES, DType, TensorType
from egtensor.rules import attributes
from egtensor.rules.attributes import ATTRIBUTE_FUNCTIONS
from egtensor.rules.domain import EXACT, FINITE, MODULAR, REAL, SHAPE, STABLE, Domain
from egtensor.rules.infer import subterms
from egtensor.rules.rule import Rule

TRIES, WANTED, WANTED_OF_REALS = 600, 6, 14
PATIENCE = 240  # tries without any example after which a dtype is given up
FIRST = 8  # special values that are drawn more often
CONCENTRATED = 3  # different values in one tensor, so that special ones meet
POINTS = 900
DRAWN = 4  # random values beside the special ones
_serial = count(10**9)

# the first few are combined with each other in rules of many variables
FLOATS = (np.inf, 0.0, 2.0, -np.inf, -1.0, np.nan, 1.0, -0.5, 0.5, -2.0, -0.0, 3.0, -3.0, 0.7, -0.7, 1e-9, -1e-9,
          12.0, -12.0)  # fmt: skip


# what operators and attribute functions raise where types and attributes do not fit together
NOT_TYPED = (EgTensorError, AssertionError, IndexError, ValueError)


class DoesNotApplyError(Exception):
    """The rule does not match with these types and attributes."""


@dataclass(frozen=True)
class Instance:
    """Both sides of a rule with types and attributes filled in.

    symbols     the input for each variable
    attributes  the value of each attribute variable
    tests       pairs (subject, fact) that must hold for the rule to fire
    """

    lhs: Expr
    rhs: Expr
    symbols: dict[str, Expr]
    attributes: dict[str, Any]
    tests: tuple[tuple[Expr, Fact], ...]


def is_elementwise(rule: Rule) -> bool:
    """Whether a rule speaks of each element by itself, so that one shape is as good as any."""
    conditions = [c for c in rule.when if isinstance(c, AttrCall)]
    terms = [t for side in (rule.lhs, rule.rhs) for _, t in subterms(side) if isinstance(t, Node)]
    return not conditions and all(isinstance(t.op.body, Scalar) and not t.op.attrs for t in terms)


def dtypes_of(over: Domain) -> tuple[DType, ...]:
    """The dtypes in which a rule over a domain is tried."""
    if over is MODULAR:
        return tuple(np.dtype(d) for d in ("int8", "uint8", "int64", "uint64"))
    if over in (EXACT, SHAPE):
        return tuple(np.dtype(d) for d in ("bool", "int8", "uint8", "int64", "float32", "float64"))
    return (np.dtype("float64"),)


def instances(rule: Rule, rng: Any, points: int = POINTS) -> Iterator[Instance]:
    """Instances of a rule, in each dtype it is about; for rules on tensors, with drawn shapes."""
    flat = is_elementwise(rule)
    for dtype in dtypes_of(rule.over):
        found = 0
        seen = set()
        for tried in range(1 if flat else TRIES):
            if tried > PATIENCE and not found:
                break
            shapes = None if flat else _shapes(rule, rng, 0.8 if tried % 3 == 0 else 0.0)
            made = _typed(rule, dtype, shapes, points, rng)
            key = made and (
                made.lhs.type,
                *(s.type for s in made.symbols.values()),
                repr(made.attributes),
            )
            if made is not None and key not in seen:
                seen.add(key)
                yield made
                found += 1
            if found == (WANTED_OF_REALS if rule.over in (REAL, STABLE, FINITE) else WANTED):
                break


def _shapes(rule: Rule, rng: Any, empty: float) -> dict[str, tuple[int, ...]]:
    base = _shape(rng, empty)
    shapes = {}
    ranks = {c.args[0].name: c.args[1] for c in rule.when if _states_rank(c)}
    for name, v in variables(rule.lhs).items():
        if isinstance(v, Variable):
            shapes[name] = base if rng.random() < 0.5 else _shape(rng, empty)
        if name in ranks:
            shapes[name] = (*shapes[name], 1, 2, 3)[: ranks[name]]
    return shapes


def _states_rank(c: Any) -> bool:
    return isinstance(c, AttrCall) and c.function == attributes.rank_is.__name__


def _shape(rng: Any, empty: float) -> tuple[int, ...]:
    """Up to three axes, one of them without elements at probability ``empty``."""
    extents = rng.integers(1, 4, rng.integers(0, 4))
    if len(extents) and rng.random() < empty:
        extents[rng.integers(len(extents))] = 0
    return tuple(int(n) for n in extents)


def _typed(rule: Rule, dtype: DType, shapes: Any, points: int, rng: Any) -> Instance | None:
    names = [n for n, v in variables(rule.lhs).items() if isinstance(v, Variable)]
    truths = _truths(rule)
    symbols = {
        n: symbol(
            n,
            TensorType(BOOL if n in truths else dtype, (points,) if shapes is None else shapes[n]),
        )
        for n in names
    }
    try:
        return instantiate(rule, symbols, rng)
    except DoesNotApplyError:
        return None


def _truths(rule: Rule) -> set[str]:
    """The variables that stand where an operator takes booleans only."""
    found = set()
    for side in (rule.lhs, rule.rhs):
        for _, term in subterms(side):
            if isinstance(term, Node) and term.op.promote is not None and term.op.arity:
                for v, taken in zip(term.args, _taken(term.op), strict=True):
                    if isinstance(v, Variable) and taken:
                        found.add(v.name)
    return found


def _taken(op: Op) -> tuple[bool, ...]:
    """Which operands are booleans whatever they are given."""
    assert op.promote is not None and op.arity is not None
    for dtype in (np.dtype("float64"), np.dtype("int64"), BOOL):
        try:
            dtypes = op.promote(op.name, (dtype,) * op.arity)
        except EgTensorError:
            continue
        return tuple(d == BOOL != dtype for d in dtypes[: op.arity])
    return (False,) * op.arity


def symbol(name: str, type_: TensorType) -> Expr:
    """An input."""
    return make(OPS["input"], (), (next(_serial), name, type_, NOTHING))


def instantiate(rule: Rule, symbols: dict[str, Expr], rng: Any) -> Instance:
    """Fill in types and attributes.

    raises  DoesNotApplyError where the left side, or a condition on attributes, does not fit;
            RuleError where the right side then has no type
    """
    attributes: dict[str, Any] = {}
    try:
        lhs = build(rule.lhs, symbols, attributes, rng)
        for c in rule.when:
            if isinstance(c, AttrCall) and not _call(c, symbols, attributes):
                raise DoesNotApplyError
    except NOT_TYPED:
        raise DoesNotApplyError from None
    try:
        rhs = build(rule.rhs, symbols, attributes, None)
    except NOT_TYPED as error:
        raise RuleError(
            f"rule {rule}: the right side has no type where the left one is {lhs.type}\n"
            f"  {str(error).splitlines()[0] if str(error) else type(error).__name__}\n"
            f"  fix: add a condition on shapes or attributes"
        ) from error
    if not isinstance(rhs, Expr):
        rhs = scalar(rhs, lhs.type)
    tests = tuple(
        (build(c.subject, symbols, attributes, None), c.fact)
        for c in rule.when
        if not isinstance(c, AttrCall)
    )
    return Instance(lhs, rhs, symbols, attributes, tests)


def build(p: Pattern, symbols: Mapping[str, Expr], attributes: dict[str, Any], rng: Any) -> Any:
    """A pattern as an expression; free attribute variables are drawn with ``rng``."""
    match p:
        case Variable(name):
            return symbols[name]
        case LiteralPattern(number):
            return number.value
        case Node(op, args, attrs):
            made = [build(a, symbols, attributes, rng) for a in args]
            typed = [a for a in made if isinstance(a, Expr)]
            if rng is not None:
                _draw(op, attrs, typed, symbols, attributes, rng)
            given = {
                n: _attribute(a, symbols, attributes) for n, a in zip(op.attrs, attrs, strict=True)
            }
            if op.promote is not None:
                made = [a if isinstance(a, Expr) else _literal(a, typed) for a in made]
                _check_unconverted(op, made)
            result = op(*made, **given)
            if op.promote is not None and any(
                a is not b for a, b in zip(made, result.args, strict=True)
            ):
                raise ShapeError(f"{op.name}: the operands have different shapes")
            if not isinstance(op.body, Scalar):
                _check_attributes(op, made, given, result)
            return result
    raise AssertionError(p)


def _literal(value: Any, partners: list[Expr]) -> Expr:
    """A literal in the dtype of its partner, which must have it."""
    if not partners:
        raise DoesNotApplyError
    partner = next((p for p in reversed(partners) if p.dtype != BOOL), partners[-1])
    if partner.dtype.kind != "f":
        bounds = (0, 1) if partner.dtype == BOOL else np.iinfo(partner.dtype)
        low, high = bounds if isinstance(bounds, tuple) else (bounds.min, bounds.max)
        if not isinstance(value, int) or not low <= value <= high:
            raise DoesNotApplyError
    return scalar(value, partner.type)


def _check_attributes(op: Op, operands: list[Expr], attrs: dict[str, Any], result: Expr) -> None:
    """NumPy accepts the attributes, and makes the shape that the type rule says."""
    zeros = (np.zeros(tuple(map(int, a.shape)), a.dtype) for a in operands)
    if op.numpy(*zeros, **attrs).shape != result.shape:
        raise ShapeError(f"{op.name}: attributes and operands do not fit together")


def _check_unconverted(op: Op, operands: list[Expr]) -> None:
    """An operator in a rule converts nothing: its operands have the dtypes it computes with."""
    assert op.promote is not None
    dtypes = tuple(a.dtype for a in operands)
    try:
        computed = op.promote(op.name, dtypes)
    except EgTensorError:
        raise DoesNotApplyError from None
    if computed[: len(dtypes)] != dtypes:
        raise DoesNotApplyError


def _attribute(a: Any, symbols: Mapping[str, Expr], attributes: Mapping[str, Any]) -> Any:
    match a:
        case AttrVariable(name):
            return attributes[name]
        case AttrCall():
            found = _call(a, symbols, attributes)
            if found is None:
                raise DoesNotApplyError
            return found
        case _:
            return a


def _call(c: AttrCall, symbols: Mapping[str, Expr], attributes: Mapping[str, Any]) -> Any:
    args = []
    for a in c.args:
        args.append(
            symbols[a.name].type if isinstance(a, Variable) else _attribute(a, symbols, attributes)
        )
    return ATTRIBUTE_FUNCTIONS[c.function](*args)


def _draw(
    op: Op, attrs: tuple[Any, ...], operands: list[Expr], symbols: Any, known: Any, rng: Any
) -> None:
    free = {n: a.name for n, a in zip(op.attrs, attrs, strict=True) if isinstance(a, AttrVariable)}
    free = {n: name for n, name in free.items() if name not in known}
    if not free:
        return
    x = operands[0].type
    shape = tuple(int(n) for n in x.shape)
    drawn: dict[str, Any] = {"dtype": DTYPES[rng.integers(len(DTYPES))]}
    if shape:
        drawn["axis"] = int(rng.integers(len(shape)))
    if isinstance(op.body, Reduce):
        drawn["axes"] = tuple(k for k in range(len(shape)) if rng.random() < 0.5)
    else:
        drawn["axes"] = tuple(int(k) for k in rng.permutation(len(shape)))
    others = [tuple(s.shape) for s in symbols.values()]
    if isinstance(op.body, Reshape):
        drawn["shape"] = _refactored(shape, rng)
    else:
        drawn["shape"] = _stretched(shape, others, rng)
    drawn |= _window(shape, rng)
    known |= {name: drawn[n] for n, name in free.items()}


def _refactored(shape: tuple[int, ...], rng: Any) -> tuple[int, ...]:
    made = list(shape)
    if rng.random() < 0.3:
        made = [int(np.prod(shape))]
    for _ in range(rng.integers(0, 3)):
        made.insert(rng.integers(len(made) + 1), 1)
    return tuple(made)


def _stretched(shape: tuple[int, ...], others: list[Any], rng: Any) -> tuple[int, ...]:
    if others and rng.random() < 0.7:
        return others[rng.integers(len(others))]  # type: ignore[no-any-return]
    lead = tuple(int(n) for n in rng.integers(1, 3, rng.integers(0, 2)))
    return lead + tuple(int(rng.integers(1, 4)) if n == 1 else n for n in shape)


def _window(shape: tuple[int, ...], rng: Any) -> dict[str, Any]:
    starts, steps, sizes = [], [], []
    for n in shape:
        size = int(rng.integers(min(n, 1), n + 1))
        step = int(rng.choice([-1, 1])) if size > 1 else 1
        room = n - size
        start = int(rng.integers(room + 1)) + (size - 1 if step < 0 else 0)
        starts.append(start)
        steps.append(step)
        sizes.append(size)
    return {"starts": tuple(starts), "steps": tuple(steps), "sizes": tuple(sizes)}


def values(made: Instance, rng: Any, flat: bool, specials: tuple[float, ...] = FLOATS) -> Any:
    """Values for the variables: all combinations of special ones as far as there is room.

    Elements that break a condition on a variable alone are drawn anew from those that satisfy it.
    """
    given: dict[str, Any] = {}
    columns = _columns(made, rng, specials) if flat else None
    for k, (name, s) in enumerate(made.symbols.items()):
        shape = tuple(int(n) for n in s.shape)
        pool = _pool(s.dtype, specials, rng)
        facts = [f for subject, f in made.tests if subject is s]
        allowed = [v for v in pool if all(holds(f, v) for f in facts)]
        if not allowed:
            raise DoesNotApplyError
        if columns is not None:
            chosen = np.array([allowed[i % len(allowed)] for i in columns[k]], dtype=s.dtype)
        else:
            first = FIRST if rng.random() < 0.7 else len(allowed)
            few = rng.integers(min(first, len(allowed)), size=CONCENTRATED)
            chosen = np.array(allowed, dtype=s.dtype)[rng.choice(few, size=shape)]
        given[name] = chosen.reshape(shape)
    return given


def _columns(made: Instance, rng: Any, specials: tuple[float, ...]) -> list[Any]:
    """For each variable, which values of its pool to take: combinations first, then at random."""
    k = max(len(made.symbols), 1)
    span = min(len(specials) + DRAWN, int(POINTS ** (1 / k)))
    grid = np.array(list(product(range(span), repeat=k)))
    rest = rng.integers(0, 10**6, (POINTS - len(grid), k))
    together = np.concatenate([grid, rest])
    return [together[:, j] for j in range(k)]


def _pool(dtype: DType, specials: tuple[float, ...], rng: Any) -> list[Any]:
    match dtype.kind:
        case "b":
            return [False, True]
        case "f":
            drawn = (rng.normal(size=DRAWN) * 3).tolist()
            return [dtype.type(v) for v in (*specials, *drawn)]
        case _:
            info = np.iinfo(dtype)
            ends = [info.min, info.max, info.min + 1, info.max - 1]
            small = [v for v in range(-4, 9) if v >= info.min]
            return [
                dtype.type(v)
                for v in (*ends, *small, *rng.integers(0, info.max, 4, dtype=dtype).tolist())
            ]
