"""Reverse mode: one sweep of linear size from results to operands.

The cotangent of a value is the sum of what its consumers pull back (Griewank and Walther 2008,
3.2).  Elementwise consumers leave a ``pullback`` node, which says whose derivative is meant; rules
made from the same operator records resolve it inside the e-graph, together with the program.  All
other operators are expanded at once.

Where an operand is not selected by a ``where``, its cotangent is zero whatever the derivatives
below are: conditions travel with the cotangent and are applied after those derivatives, so that
``0 * inf`` never arises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from egtensor.errors import GradientError, VerifyError
from egtensor.lang import expr
from egtensor.lang.expr import Expr, as_expr, cast, items, scalar, toposort
from egtensor.lang.op import OPS, Attrs, Derived, Item, Missing, Op, Reshape
from egtensor.lang.ops.elementwise import add, where
from egtensor.lang.ops.shape import transpose
from egtensor.lang.pattern import Pattern, Variable
from egtensor.lang.types import Equalities, TensorType


def expand(args: tuple[Any, ...], *, of: str, operand: int) -> Any:
    """The cotangent of operand ``operand`` of operator ``of``: its derivative, applied.

    args  the operands, the result and its cotangent
    """
    *operands, result, g = args
    derivative = OPS[of].derivative
    assert not isinstance(derivative, Missing), of
    made = derivative(g, result, *operands)[operand]
    assert made is not None, (of, operand)
    return cast(made, operands[operand].dtype)


def _no_arrays(*_: Any, **attrs: Any) -> Any:
    raise VerifyError(
        f"pullback of {attrs['of']}: has no value of its own\n"
        f"  it stands for a derivative until it is resolved\n"
        f"  fix: apply egtensor.lang.expr.resolve first"
    )


def _operand_type(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
    return types[attrs["operand"]]


pullback = Op(
    name="pullback", numpy=_no_arrays, arity=None, body=Derived(expand), attrs=("of", "operand"),
    type_rule=_operand_type, vjp=Missing("it is resolved before it is differentiated"), cost=0,
    doc="The cotangent of one operand of an elementwise operator.",
)  # fmt: skip


Patterns = tuple[Pattern | None, ...]
_patterns: dict[Op, Patterns | None] = {}


def derivative_patterns(op: Op) -> Patterns | None:
    """The derivative as patterns over ``x0 x1 ... y g``, one per operand, None where it is zero.

    returns  None for an operator whose derivative is no pattern; it is expanded at once
    """
    if op not in _patterns:
        _patterns[op] = _derivative_patterns(op)
    return _patterns[op]


def _derivative_patterns(op: Op) -> Patterns | None:
    derivative = op.derivative
    deferrable = op.is_elementwise and op.promote and not op.attrs and op.results == 1
    if not deferrable or isinstance(derivative, Missing):
        return None
    assert op.arity is not None
    operands = [Variable(f"x{i}") for i in range(op.arity)]
    try:
        made: Patterns = derivative(Variable("g"), Variable("y"), *operands)
    except (AttributeError, TypeError):  # it asks for types, which patterns do not have
        return None
    return made


@dataclass
class _Cotangent:
    """The sum of contributions; ``masked`` ones count only where their condition holds."""

    plain: list[Expr] = field(default_factory=list)
    masked: dict[Expr, list[Expr]] = field(default_factory=dict)

    def add(self, g: Expr, mask: Expr | None) -> None:
        if mask is None:
            self.plain.append(g)
        else:
            self.masked.setdefault(mask, []).append(g)

    def split(self) -> tuple[Expr, Expr | None]:
        """The sum, and the condition it counts under where there is just one."""
        if not self.plain and len(self.masked) == 1:
            ((mask, values),) = self.masked.items()
            return _sum(values), mask
        masked = [where(m, _sum(v), 0) for m, v in self.masked.items()]
        return _sum(self.plain + masked), None

    def total(self) -> Expr:
        g, mask = self.split()
        return g if mask is None else where(mask, g, 0)


def _keeps_elements(op: Op) -> bool:
    """Whether the result has all elements of the operand, each once: what moves them moves conditions."""
    return isinstance(op.body, Reshape) or op is transpose


def _sum(values: Sequence[Expr]) -> Expr:
    total = values[0]
    for v in values[1:]:
        total = add(total, v)
    return total


def pull_back(
    outputs: Sequence[Expr],
    cotangents: Sequence[Expr],
    wrt: Sequence[Expr],
    *,
    known: Mapping[Expr, Expr] | None = None,
    constant: Iterable[Expr] = (),
) -> list[Expr | None]:
    """The cotangents of ``wrt``, given those of ``outputs``; None where nothing reaches.

    outputs   float expressions, without repetition
    known     cotangents that replace the computed ones, of expressions among ``outputs``
    constant  expressions not to be differentiated through
    """
    n, m = len(outputs), len(wrt)
    constant, known = tuple(constant), dict(known or {})
    resolved = expr.resolve((*outputs, *wrt, *constant, *known))
    outputs, wrt = resolved[:n], resolved[n : n + m]
    stopped = set(resolved[n + m : n + m + len(constant)])
    fixed = dict(zip(resolved[n + m + len(constant) :], known.values(), strict=True))
    sweep = _Sweep(dependents(outputs, wrt, stopped), stopped)
    for y, g in zip(outputs, cotangents, strict=True):
        sweep.contribute(y, g, None)
    for y in reversed(toposort(outputs)):
        if y in fixed:
            sweep.of[y] = _Cotangent([fixed[y]])
        sweep.visit(y)
    return [sweep.of[x].total() if x in sweep.of else None for x in wrt]


def dependents(roots: Iterable[Expr], on: Iterable[Expr], stopped: set[Expr]) -> set[Expr]:
    """All nodes below ``roots`` that depend on one of ``on``, except through ``stopped``."""
    found = set(on)
    for y in toposort(roots):
        if y not in stopped and any(a in found and a not in stopped for a in y.args):
            found.add(y)
    return found


class _Sweep:
    """The state of one reverse sweep: cotangents so far, by expression."""

    def __init__(self, active: set[Expr], stopped: set[Expr]) -> None:
        self.active = active
        self.stopped = stopped
        self.of: dict[Expr, _Cotangent] = {}
        self.results: dict[Expr, dict[int, Expr]] = {}

    def contribute(self, x: Expr, g: Expr, mask: Expr | None) -> None:
        """Add a term to the cotangent of ``x``, if that is asked for."""
        if x in self.active and x.dtype.kind == "f":
            self.of.setdefault(x, _Cotangent()).add(g, mask)

    def visit(self, y: Expr) -> None:
        """Hand the cotangent of ``y`` down to its operands."""
        if y in self.stopped or not any(a in self.active for a in y.args):
            return
        if y in self.results:
            self._several_results(y, self.results.pop(y))
        elif y in self.of:
            g, mask = self.of[y].split()
            if isinstance(y.op.body, Item):
                self.results.setdefault(y.args[0], {})[y.attrs[0]] = self.of[y].total()
            elif y.op is where:
                self._select(y, g, mask)
            elif self._is_deferred(y):
                self._defer(y, g, mask)
            elif y.op.is_elementwise:
                self._expand(y, g, y, mask)
            elif mask is not None and _keeps_elements(y.op):
                (moved,) = derivative_of(y)(mask, y, *y.args, **y.attributes)
                self._expand(y, g, y, moved)
            else:
                self._expand(y, self.of[y].total(), y)

    def _select(self, y: Expr, g: Expr, mask: Expr | None) -> None:
        condition, x, z = y.args
        never = scalar(False, condition.type)
        first = condition if mask is None else where(condition, mask, never)
        # the complement needs no operator of its own
        second = where(condition, never, scalar(True, condition.type) if mask is None else mask)
        self.contribute(x, g, first)
        self.contribute(z, g, second)

    def _is_deferred(self, y: Expr) -> bool:
        alike = all(a.dtype == y.dtype for a in y.args)
        return alike and derivative_patterns(y.op) is not None

    def _defer(self, y: Expr, g: Expr, mask: Expr | None) -> None:
        patterns = derivative_patterns(y.op)
        assert patterns is not None
        for k, (x, pattern) in enumerate(zip(y.args, patterns, strict=True)):
            if x in self.active and pattern is not None:
                is_g = isinstance(pattern, Variable) and pattern.name == "g"
                made = g if is_g else pullback(*y.args, y, g, of=y.op.name, operand=k)
                self.contribute(x, made, mask)

    def _several_results(self, y: Expr, given: dict[int, Expr]) -> None:
        zeros = (scalar(0, t) for t in y.type)
        g = tuple(given.get(k, zero) for k, zero in enumerate(zeros))
        self._expand(y, g, items(y))

    def _expand(self, y: Expr, g: Any, result: Any, mask: Expr | None = None) -> None:
        if not any(a in self.active and a.dtype.kind == "f" for a in y.args):
            return
        made = derivative_of(y)(g, result, *y.args, **y.attributes)
        for x, contribution in zip(y.args, made, strict=True):
            if contribution is not None:
                self.contribute(x, as_expr(contribution), mask)


def derivative_of(y: Expr) -> Callable[..., tuple[Any, ...]]:
    """The derivative of the operator of ``y``; GradientError where it has none."""
    derivative = y.op.derivative
    if isinstance(derivative, Missing):
        raise GradientError(
            f"{y.op.name} has no derivative, at {y}\n"
            f"  {derivative.why}\n"
            f"  fix: use another operator, or hold it constant with consider_constant"
        )
    return derivative


def resolve(roots: Any) -> Any:
    """One expression, or a list of them, with the derivatives in them written out."""
    if isinstance(roots, Expr):
        return expr.resolve([roots])[0]
    return expr.resolve(roots)
