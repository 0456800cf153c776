"""Bugs to put into the compiler on purpose, as context managers: what random testing must reveal.

Each is a defect that compilers of this kind had, or that a slip of the pen would make.  They change
records of operators, tables, stages, rules or generated text, in this process only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any
from unittest.mock import patch

import egtensor.cache
import egtensor.emit_c.render
import egtensor.kernels.schedule
import egtensor.rules.tables
import rules_catalog
from egtensor.extract.program import Program, Step
from egtensor.lang.expr import Expr, rebuild
from egtensor.lang.op import OPS, Scatter
from egtensor.rules.domain import REAL, Domain
from egtensor.rules.dsl import (
    Family,
    absolute,
    exp,
    log,
    maximum,
    sqrt,
    tanh,
    where,
    x,
    y,
    z,
)
from egtensor.rules.ruleset import RuleSet

FUNCTION: Any = import_module("egtensor.function")  # the package's attribute is the function
BUGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {}
BAD = Family("bad")


def text(name: str, *changes: tuple[str, str], flags: int = 0) -> None:
    """A bug of the emitter: patterns in the generated C and what stands there instead."""

    @contextmanager
    def bug() -> Iterator[None]:
        render = egtensor.emit_c.render.render

        def changed(plan: Any) -> Any:
            source = render(plan)
            code = source.text
            for pattern, by in changes:
                code = re.sub(pattern, by, code, flags=flags)
            return replace(source, text=code)

        with patch.object(egtensor.emit_c.render, "render", changed):
            yield

    BUGS[name] = bug


def macro(name: str, *defines: str) -> None:
    """A bug of a primitive: kernels see another definition of it."""
    code = "\n".join(f"#define {d}" for d in defines)
    text(name, (r"struct egt_env \{\n", f"{code}\nstruct egt_env {{\n"))


def record(name: str, op: str, **facets: Any) -> None:
    """A bug of an operator's record."""
    if "partials" in facets:
        facets["vjp"] = None

    @contextmanager
    def bug() -> Iterator[None]:
        before = {k: getattr(OPS[op], k) for k in facets}
        for k, value in facets.items():
            object.__setattr__(OPS[op], k, value)
        try:
            yield
        finally:
            for k, value in before.items():
                object.__setattr__(OPS[op], k, value)

    BUGS[name] = bug


def rule(name: str, lhs: Any, rhs: Any) -> None:
    """An unsound rule in the catalogue."""
    BAD.rule(name, lhs, "=>", rhs, over=REAL, ref="none")
    bad = list(BAD)[-1]

    def bug() -> AbstractContextManager[Any]:
        rules = rules_catalog.rules

        def more(allow: Domain = REAL) -> RuleSet:
            return (rules(allow) + bad).allowed(allow)

        return patch.object(rules_catalog, "rules", more)

    BUGS[name] = bug


def step(name: str, change: Callable[[Program, Step], Step | None]) -> None:
    """A bug between extraction and scheduling: steps are changed."""

    def bug() -> AbstractContextManager[Any]:
        schedule = egtensor.kernels.schedule.schedule

        def changed(program: Program) -> Any:
            steps = tuple(change(program, s) or s for s in program.steps)
            return schedule(replace(program, steps=steps))

        return patch.object(egtensor.kernels.schedule, "schedule", changed)

    BUGS[name] = bug


def stage(name: str, module: Any, function: str, by: Callable[[Any], Any]) -> None:
    """A bug of a stage: the function itself is handed to ``by``, which gives another."""

    def bug() -> AbstractContextManager[Any]:
        return patch.object(module, function, by(getattr(module, function)))

    BUGS[name] = bug


# The emitter.
SIGNED = (8, 16, 32, 64)
text(
    "tails of reductions dropped",
    (
        r"const int64_t w = end - j < step \? end - j : step;",
        "const int64_t w = step; if (end - j < step && j > b) break;",
    ),
)
text(
    "strides of matrices ignored",
    (r"if \(packed \|\| !bytes\) return data;", "if (packed || !bytes || rank == 2) return data;"),
)
text(
    "one row too few",
    (r"for \(int64_t (i\d+) = lo; \1 < hi; ", r"for (int64_t \1 = lo; \1 < hi - (hi > 3); "),
)
text("join starts one place early", (r"\[(i\d+) \+ (n_\w+)\] = ", r"[\1 + \2 - (\2 > 1)] = "))
text("identity of max is 0", (r"= \(-__builtin_inff?\(\)\);", "= 0;"))
text(
    "sums of doubles kept in float32", (r"(acc\d+\[k\]) = \1 \+ (\w+);", r"\1 = (float)(\1 + \2);")
)
text(
    "running sums start again",
    (
        r"(\n +for \(int64_t (i\d+) = 0; [^\n]*\{\n(?:(?!for)[^\n]*\n)*? +)(s\d+) = \3 \+ ",
        r"\1if (\2 == 3) \3 = 0;\n\3 = \3 + ",
    ),
)
text(
    "argmax takes the last",
    (r"\((t\d+) > (w\d+\[k\])\)", r"(\1 >= \2)"),
    (r"& \((acc\d+\[k\]) < (s\d+)\)", r"& (\1 > \2)"),
)
text(
    "gather does not count from the end",
    (r"= (t\d+) < 0 \? \1 \+ [^:;]+ : \1;", r"= \1 < 0 ? -\1 : \1;"),
)
text("-0.0 printed as 0.0", (r"\(-0x0p\+0f?\)", "0"))
text(
    "last piece of a parallel loop skipped",
    (r"parallel_for\(units, chunk,", "parallel_for(units - units % chunk, chunk,"),
)
macro(
    "floor division rounds to zero",
    *(f"egt_floordiv_i{b}(a, b) ((b) ? (a) / (b) : 0)" for b in SIGNED),
)
macro(
    "modulo has the sign of the dividend",
    *(f"egt_mod_i{b}(a, b) ((b) ? (a) % (b) : 0)" for b in SIGNED),
)
macro("max drops NaN", *(f"egt_max_f{b}(a, b) ((a) > (b) ? (a) : (b))" for b in (32, 64)))
macro(
    "casts round",
    *(f"egt_cast_f{b}_i{c}(a) (int64_t)__builtin_rint(a)" for b in (32, 64) for c in SIGNED),
)
macro(
    "negative numbers are shifted as positive",
    *(f"egt_shr_i{b}(a, c) (int{b}_t)((uint{b}_t)(a) >> (c))" for b in SIGNED),
)


# Records of operators.
def _both_win(x: Expr, y: Expr, z: Expr) -> tuple[Expr, Expr]:
    """Each operand of a tie gets the whole cotangent."""
    at_least = OPS["greater_equal"]
    return at_least(x, y).astype(z.dtype), at_least(y, x).astype(z.dtype)


record("derivative of sin", "sin", partials=lambda x, y: (-OPS["cos"](x),))
record("derivative of tanh", "tanh", partials=lambda x, y: (1 + y * y,))
record("derivative of a quotient", "divide", partials=lambda x, y, z: (1 / y, z / y))
record("derivative of log1p", "log1p", partials=lambda x, y: (1 / x,))
record("derivative of maximum at ties", "maximum", partials=_both_win)
record(
    "gradient of a running sum",
    "cumsum",
    vjp=lambda g, y, x, *, axis: (OPS["cumsum"](g, axis=axis),),
)
record(
    "gradient of a product of matrices",
    "matmul",
    vjp=lambda g, z, x, y: (OPS["matmul"](g, y), OPS["matmul"](x, g)),
)
record("scatter overwrites", "scatter_add", body=Scatter(None))
record("facts of sin", "sin", facts=OPS["exp"].facts)


def _not_unbroadcast(g: Expr, y: Expr, x: Expr, *, shape: Any) -> tuple[Any]:
    """The cotangent of the first row in place of the sum over all rows."""
    extra = y.ndim - x.ndim
    for _ in range(extra):
        g = g[0]
    for axis, n in enumerate(x.shape):
        if n == 1 and g.shape[axis] != 1:
            g = OPS["reduce_max"](g, axes=(axis,))
            g = g.reshape((*x.shape[: axis + 1], *g.shape[axis:]))
    return (g,)


record("un-broadcasting missing", "broadcast_to", vjp=_not_unbroadcast)

# The catalogue.
rule("product-distributes-over-one-term", x * (y + z), x * y + z)
rule("absolute-dropped", absolute(x), x)
rule("quotient-of-itself-is-one", x / x, 1)
rule("product-with-zero-is-zero", x * 0, 0)
rule("exp-log-widened", exp(log(x)), x)
rule("product-of-roots-widened", sqrt(x) * sqrt(x), x)
rule("log-of-a-product-of-any-sign", log(x * y), log(x) + log(y))
rule("odd-function-taken-for-even", tanh(-x), tanh(x))
rule("maximum-loses-nan", maximum(x, y), where(x > y, x, y))
rule("difference-of-itself-is-zero", x - x, 0)
rule("root-of-a-square-is-no-absolute-value", sqrt(x * x), x)


# Programs.
def _swapped(op: str) -> Callable[[Program, Step], Step | None]:
    def change(program: Program, s: Step) -> Step | None:
        if s.op.name != op or len(s.args) < 2:
            return None
        first, second = (program.steps[a].type for a in s.args[:2])
        if first != second:
            return None
        return replace(s, args=(s.args[1], s.args[0], *s.args[2:]))

    return change


def _next_axis(program: Program, s: Step) -> Step | None:
    """A reduction over the neighbouring axis, where the sizes allow it."""
    if s.op.name != "reduce_sum" or len(s.attrs[0]) != 1:
        return None
    shape = program.steps[s.args[0]].tensor.shape
    (axis,) = s.attrs[0]
    other = (axis + 1) % len(shape)
    return replace(s, attrs=((other,),)) if shape[other] == shape[axis] else None


def _branches_swapped(program: Program, s: Step) -> Step | None:
    return replace(s, attrs=(s.attrs[1], s.attrs[0])) if s.op.name == "cond" else None


def _one_step_early(program: Program, s: Step) -> Step | None:
    """Loops carry their start out where they should carry the last value."""
    if s.op.name != "scan" or s.attributes["n_carries"] < 2:
        return None
    kept = list(s.args)
    types = [program.steps[a].type for a in kept[:2]]
    if types[0] == types[1]:
        kept[0], kept[1] = kept[1], kept[0]
    return replace(s, args=tuple(kept))


def _another_operand(program: Program, s: Step) -> Step | None:
    """The class of another operand of the same type, as a wrong index into classes would give."""
    if not s.args or not s.op.is_elementwise:
        return None
    alike = [
        a
        for a in range(s.args[0])
        if program.steps[a].type == program.steps[s.args[0]].type and program.steps[a].args
    ]
    return replace(s, args=(alike[-1], *s.args[1:])) if alike else None


step("operands of a difference exchanged", _swapped("subtract"))
step("joined in the wrong order", _swapped("join"))
step("factors of a product of matrices exchanged", _swapped("matmul"))
step("sum over the wrong axis", _next_axis)
step("the wrong branch is taken", _branches_swapped)
step("carried values exchanged", _one_step_early)
step("another class extracted", _another_operand)


# Stages.
def _one_bin(bins: Any) -> Any:
    def all_together(body: Any, buffers: Any) -> Any:
        first: dict[Any, int] = {}
        found = []
        for buffer, place in bins(body, buffers):
            key = (buffer.dtype.itemsize, buffer.size)
            found.append((buffer, first.setdefault(key, place)))
        return tuple(found)

    return all_together


def _no_checks(unify: Any) -> Any:
    return lambda roots, inputs: replace(unify(roots, inputs), equalities=())


def _reads_new_values(collect: Any) -> Any:
    def wrong(*args: Any) -> Any:
        roots = collect(*args)
        updates = list(roots.updates)
        for k, (variable, new) in enumerate(updates):
            for j in range(k + 1, len(updates)):
                updates[j] = (updates[j][0], rebuild([updates[j][1]], {variable: new})[0])
        return replace(roots, updates=tuple(updates))

    return wrong


def _digest_without(pattern: str) -> Callable[[Any], Any]:
    def by(dump: Any) -> Any:
        return lambda exprs: re.sub(pattern, "", dump(exprs))

    return by


stage("temporaries overlap", egtensor.kernels.schedule, "bins", _one_bin)
stage("checks of sizes dropped", FUNCTION, "unify", _no_checks)
stage("updates read new values", FUNCTION, "collect", _reads_new_values)
stage(
    "cache ignores constants",
    egtensor.cache,
    "dump_numbered",
    _digest_without(r'"number":("[^"]*"|-?\d+)'),
)
stage("cache ignores dtypes", egtensor.cache, "dump_numbered", _digest_without(r"float(32|64)"))
