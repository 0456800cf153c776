"""The obligations of rewrite rules, checked from the record alone.

EXACT, MODULAR and SHAPE rules are tried bit by bit in every dtype they are about; REAL ones over the
extended reals, undefined points included, and proved by SymPy; STABLE ones also by their rounding
errors; FINITE ones where every part of the left side is defined and finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from egtensor.errors import RuleError
from egtensor.lang.expr import Expr, scalar, toposort
from egtensor.lang.facts import holds
from egtensor.lang.number import Number
from egtensor.lang.op import OPS, Op
from egtensor.lang.pattern import AttrCall, LiteralPattern, Node, Pattern, Variable, variables
from egtensor.lang.types import TensorType
from egtensor.rules import attributes, model, sample
from egtensor.rules.domain import EXACT, FINITE, MODULAR, SHAPE, STABLE
from egtensor.rules.rule import Refuted, Rule

SEED = 20
CLOSE, TINY = 1e-25, 1e-40  # of values computed with model.DIGITS digits
SLACK = 4.0  # bits by which the error of a REAL rule may grow; STABLE: half an ulp and rounding
ULPS = 2.0
PROVED_SHAPES = 2
SHAPES_OF_ERRORS, DRAWS_OF_ERRORS = 8, 6
SHAPES_OF_MUTANTS = 12
SAME_TYPE = attributes.same_type.__name__
DRAWS, MOVED_DRAWS = 12, 2  # of values for each shape; moves treat all values alike
MODERATE = tuple(
    s * m * 10.0**k for k in (-14, -9, -4, -1, 0, 1) for m in (1.0, 3.1) for s in (1, -1)
)
# a STABLE rule may avoid an overflow
EXTREME = (1e3, -1e3, *MODERATE)


def check(rule: Rule) -> None:
    """Check every obligation of a rule.

    raises  RuleError naming the obligation, and the point where it fails
    """
    check_values(rule)
    if rule.over in (EXACT, MODULAR, SHAPE):
        return
    if rule.proved is None:
        prove(rule)
    check_accuracy(rule)


def check_values(rule: Rule) -> None:
    """Compare the sides at special and random points: bitwise, or over the extended reals."""
    rng = np.random.default_rng(SEED)
    tried = 0
    for made in sample.instances(rule, rng):
        if made.lhs.type != made.rhs.type:
            raise _fails(rule, f"the sides have types {made.lhs.type} and {made.rhs.type}")
        compare = _same_bits if rule.over in (EXACT, MODULAR, SHAPE) else _same_reals
        flat = sample.is_elementwise(rule)
        for _ in range(1 if flat else MOVED_DRAWS if rule.over is SHAPE else DRAWS):
            try:
                tried += compare(rule, made, sample.values(made, rng, flat))
            except sample.DoesNotApplyError:
                continue
            except (ValueError, IndexError) as error:
                if isinstance(error, RuleError):
                    raise
                raise _fails(rule, f"a side cannot be computed: {error}") from error
    if not tried:
        raise _fails(rule, "no example of the left side that meets the conditions was found")


def _same_bits(rule: Rule, made: sample.Instance, given: dict[str, Any]) -> bool:
    env = {made.symbols[n]: v for n, v in given.items()}
    tests = model.numpy_values([s for s, _ in made.tests], env)
    met = _met(made, tests)
    if not met.any():
        return False
    left, right = model.numpy_values([made.lhs, made.rhs], env)
    same = np.broadcast_to(left == right, left.shape)
    if left.dtype.kind == "f":
        same = (same & (np.signbit(left) == np.signbit(right))) | (np.isnan(left) & np.isnan(right))
    _require(rule, made, given, same | ~np.broadcast_to(met, left.shape), left, right)
    return True


def _met(made: sample.Instance, tests: list[Any]) -> Any:
    """Where all conditions hold; of tensors, everywhere or nowhere."""
    met = np.ones((), dtype=bool)
    for value, (_, fact) in zip(tests, made.tests, strict=True):
        each = model.elementwise(lambda v, f=fact: holds(f, v), value)
        each = np.asarray(each, dtype=bool)
        met = met & (each if each.shape == made.lhs.shape else each.all())
    return met


def _same_reals(rule: Rule, made: sample.Instance, given: dict[str, Any]) -> bool:
    env = {made.symbols[n]: model.as_reals(v) for n, v in given.items()}
    roots = [made.lhs, made.rhs, *(s for s, _ in made.tests)]
    found = model.real_values(roots, env)
    left, right = found[made.lhs], found[made.rhs]
    tests = [_floats(found[s]) for s, _ in made.tests]
    met = np.broadcast_to(_met(made, tests), left.shape)
    if rule.over is FINITE:
        met = met & _finite_inside(made, found)
    if not met.any():
        return False
    same = model.elementwise(_agree, left, right).astype(bool)
    _require(rule, made, given, same | ~met, left, right)
    if rule.over is not FINITE:
        _check_floats(rule, made, given, left, met)
    return True


def _floats(x: Any) -> Any:
    # magnitudes beyond float64 keep their sign, and stay finite
    def convert(v: Any) -> float:
        f = float(v)
        return np.copysign(1e308, f) if np.isinf(f) and abs(v) != float("inf") else f

    return model.elementwise(convert, x).astype(float)


def _finite_inside(made: sample.Instance, found: model.Values) -> Any:
    """Where every part of the left side is finite; of tensors, everywhere or nowhere."""
    met = np.ones((), dtype=bool)
    for part in toposort([made.lhs]):
        if part.dtype.kind == "f":
            finite = np.isfinite(_floats(found[part]))
            met = met & (finite if finite.shape == made.lhs.shape else finite.all())
    return np.broadcast_to(met, tuple(int(n) for n in made.lhs.shape))


def _agree(a: Any, b: Any) -> bool:
    if isinstance(a, (bool, np.bool_)):
        return bool(a == b)
    if a != a or b != b:
        return bool(a != a and b != b)
    if abs(a) == float("inf") or abs(b) == float("inf"):
        return bool(a == b)
    return bool(abs(a - b) <= TINY + CLOSE * max(abs(a), abs(b)))


def _check_floats(
    rule: Rule, made: sample.Instance, given: dict[str, Any], exact: Any, met: Any
) -> None:
    """In floats, NaN in the operands must not disappear, nor values become NaN."""
    env = {made.symbols[n]: v for n, v in given.items()}
    left, right = model.numpy_values([made.lhs, made.rhs], env)
    if left.dtype.kind != "f":
        return
    with_nan = np.zeros(left.shape, dtype=bool)
    for v in given.values():
        if v.dtype.kind == "f":
            nan = np.isnan(v)
            with_nan = with_nan | (nan if nan.shape == left.shape else nan.any())
    kept = ~(with_nan & np.isnan(left)) | np.isnan(right)
    defined = model.elementwise(lambda v: v == v, exact).astype(bool)
    made_nan = defined & ~np.isnan(left) & np.isnan(right)
    _require(rule, made, given, (kept & ~made_nan) | ~met, left, right)


def _require(
    rule: Rule, made: sample.Instance, given: dict[str, Any], ok: Any, left: Any, right: Any
) -> None:
    if np.all(ok):
        return
    place = tuple(int(k) for k in np.argwhere(~np.asarray(ok))[0])
    at = ", ".join(
        f"{n}={v[place] if v.shape == np.shape(ok) else v.tolist()}" for n, v in given.items()
    )
    shown = f"{_short(np.asarray(left)[place])} and {_short(np.asarray(right)[place])}"
    raise _fails(rule, f"the sides are {shown} at {at} ({made.lhs.type})")


def _short(v: Any) -> str:
    return str(v)[:24]


def _fails(rule: Rule | Refuted, why: str) -> RuleError:
    return RuleError(
        f"rule {rule}: {why}\n"
        f"  {rule.lhs} => {rule.rhs}\n"
        f"  fix: correct a side, add a condition, or state a weaker domain"
    )


def prove(rule: Rule) -> None:
    """Let SymPy show that the sides are one function; entry by entry for tensors.

    raises  RuleError where it cannot
    """
    from egtensor.rules.prove import proved_equal, symbol_arrays

    rng = np.random.default_rng(SEED)
    for count, made in enumerate(sample.instances(rule, rng, points=1)):
        if count == PROVED_SHAPES:
            break
        for symbols in symbol_arrays(rule, made):
            left, right = model.sympy_values([made.lhs, made.rhs], symbols)
            for a, b in zip(np.ravel(left), np.ravel(right), strict=True):
                if not proved_equal(a, b):
                    raise _fails(rule, f"SymPy cannot show that {_short(a)} is {_short(b)}")


def check_accuracy(rule: Rule) -> None:
    """Compare the rounding errors of the sides at points of many magnitudes."""
    rng = np.random.default_rng(SEED)
    points = EXTREME if rule.over is STABLE else MODERATE
    flat = sample.is_elementwise(rule)
    most = np.zeros(2)
    for made in islice(sample.instances(rule, rng), 1 if flat else SHAPES_OF_ERRORS):
        for k in range(1 if flat else DRAWS_OF_ERRORS):
            # sums of both signs may cancel, and then have no relative accuracy, however computed
            drawn = points if flat else tuple(v for v in points if (v > 0) == (k % 2 == 0))
            most = np.maximum(most, _worst_errors(made, rng, flat, drawn))
    allowed = most[0] + ULPS if rule.over is STABLE else (most[0] + ULPS) * 2**SLACK
    if most[1] > allowed:
        raise _fails(
            rule, f"the error grows from {most[0]:.3g} to {most[1]:.3g} units in the last place"
        )


def _worst_errors(
    made: sample.Instance, rng: Any, flat: bool, points: tuple[float, ...]
) -> tuple[float, float]:
    """The largest error of each side, at one draw of values."""
    if made.lhs.dtype.kind != "f":
        return 0.0, 0.0
    try:
        given = sample.values(made, rng, flat, points)
    except sample.DoesNotApplyError:
        return 0.0, 0.0
    env = {made.symbols[n]: model.as_reals(v) for n, v in given.items()}
    found = model.real_values([made.lhs, made.rhs, *(s for s, _ in made.tests)], env)
    exact = found[made.lhs]
    met = np.broadcast_to(_met(made, [_floats(found[s]) for s, _ in made.tests]), exact.shape)
    floats = {made.symbols[n]: v for n, v in given.items()}
    left, right = (_ulps(f, exact, met) for f in model.numpy_values([made.lhs, made.rhs], floats))
    return float(left.max(initial=0.0)), float(right.max(initial=0.0))


def _ulps(got: Any, exact: Any, met: Any) -> Any:
    """Errors in units of the last place, 0 where the exact value is not a normal float64."""
    errors = np.zeros(got.shape)
    for place in np.ndindex(*got.shape):
        e, g = exact[place], float(got[place])
        size = abs(float(e)) if e == e else np.inf
        if met[place] and 1e-300 < size < 1e300:
            errors[place] = 2.0**60 if not np.isfinite(g) else float(abs(g - e) / np.spacing(size))
    return errors


def is_refuted(claim: Refuted) -> bool:
    """Whether the sides of a false rule still differ at its point."""
    symbols = {n: sample.symbol(n, _type_of(v)) for n, v in claim.at.items()}
    lhs, rhs = (sample.build(side, symbols, {}, None) for side in (claim.lhs, claim.rhs))
    rhs = rhs if isinstance(rhs, Expr) else scalar(rhs, lhs.type)
    floats = {symbols[n]: np.asarray(v) for n, v in claim.at.items()}
    left, right = model.numpy_values([lhs, rhs], floats)
    if lhs.dtype.kind != "f":
        return not np.array_equal(left, right)
    reals = model.real_values([lhs, rhs], {s: model.as_reals(v) for s, v in floats.items()})
    agree = model.elementwise(_agree, reals[lhs], reals[rhs])
    return not bool(np.all(agree))


def _type_of(value: Any) -> Any:
    array = np.asarray(value)
    return TensorType(array.dtype, array.shape)


def mutants(rule: Rule) -> Iterator[Rule]:
    """False relatives of a rule: a sign, an operand or a condition changed.

    Changes that leave the right side the same function, such as a sign under a square, are left out.
    """
    for k, rhs in enumerate(_changed(rule)):
        if _differs(rule, rhs):
            yield replace(rule, rhs=rhs, name=f"{rule.name}-mutant-{k}", both_ways=False)
    for k, c in enumerate(rule.when):
        if isinstance(c, AttrCall) and c.function == SAME_TYPE:
            continue  # symbolic sizes need it, which samples do not have
        fewer = rule.when[:k] + rule.when[k + 1 :]
        yield replace(rule, when=fewer, name=f"{rule.name}-unguarded-{k}", both_ways=False)


def _changed(rule: Rule) -> Iterator[Pattern]:
    one = LiteralPattern(Number.of(1))
    yield Node(_computing(np.add), (rule.rhs, one))
    yield Node(_computing(np.negative), (rule.rhs,))
    yield Node(_computing(np.invert), (rule.rhs,))
    names = [v for v in variables(rule.lhs).values() if isinstance(v, Variable)]
    for v in names:
        for by in (*(o for o in names if o is not v), Node(_computing(np.negative), (v,))):
            changed = _substituted(rule.rhs, v, by)
            if changed is not rule.rhs:
                yield changed


def _computing(ufunc: Any) -> Op:
    return next(op for op in OPS.values() if op.numpy is ufunc)


def _differs(rule: Rule, rhs: Pattern) -> bool:
    """Whether another right side is another function, at some special or random point."""
    rng = np.random.default_rng(SEED)
    flat = sample.is_elementwise(rule)
    compared = False
    for made in islice(sample.instances(rule, rng), SHAPES_OF_MUTANTS):
        try:
            other = sample.build(rhs, made.symbols, dict(made.attributes), None)
            given = sample.values(made, rng, flat)
        except (sample.DoesNotApplyError, *sample.NOT_TYPED):
            continue
        compared = True
        other = other if isinstance(other, Expr) else scalar(other, made.lhs.type)
        env = {made.symbols[n]: v for n, v in given.items()}
        try:
            a, b = model.numpy_values([made.rhs, other], env)
        except (ValueError, IndexError):
            return True
        if (
            a.shape != b.shape
            or a.dtype != b.dtype
            or not np.array_equal(a, b, a.dtype.kind == "f")
        ):
            return True
    return not compared


def _substituted(p: Pattern, v: Variable, by: Pattern) -> Pattern:
    match p:
        case Node(op, args, attrs):
            made = tuple(_substituted(a, v, by) for a in args)
            return (
                p if all(a is b for a, b in zip(made, args, strict=True)) else Node(op, made, attrs)
            )
        case _:
            return by if p is v else p


@dataclass(frozen=True)
class Report:
    """Which rules were checked, and what is wrong."""

    checked: tuple[str, ...]
    failures: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{len(self.checked)} rules checked, {len(self.failures)} failures"]
        return "\n".join([*lines, *self.failures])


def check_rules(rules: Iterable[Rule], refutations: Iterable[Refuted] = ()) -> Report:
    """Check the obligations of several rules, and that false ones are still refuted."""
    checked, failures = [], []
    for rule in rules:
        for one in (rule, rule.inverse()) if rule.both_ways else (rule,):
            checked.append(str(one))
            try:
                check(one)
            except RuleError as error:
                failures.append(str(error))
    for claim in refutations:
        checked.append(str(claim))
        if not is_refuted(claim):
            failures.append(str(_fails(claim, "the counterexample no longer refutes it")))
    return Report(tuple(checked), tuple(failures))
