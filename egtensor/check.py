"""Comparing a compiled function with its interpretation, and finding the step or the rules at fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.compiled import numbered_inputs
from egtensor.extract.program import Program, Step
from egtensor.lang.interpret import interpret
from egtensor.lang.types import TensorType
from egtensor.rules.ruleset import RuleSet

FACTOR = 4.0  # of the error of ordinary interpretation that a compiled program may make
SLACK_ULP = 64.0


@dataclass(frozen=True)
class CheckReport:
    """The outcome of a comparison.

    ok        whether the compiled results agree with those of the program as written
    error     the largest difference, in units in the last place of the result
    step      the first step of the chosen program that differs from high precision or is not finite
    message   what was found, with the user's line
    """

    ok: bool
    error: float
    step: Step | None
    message: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.message


def check(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CheckReport:
    """Run ``fn`` on copies of its shared variables and compare with the interpreter.

    The reference is the next wider precision; an error is one larger than FACTOR times the largest
    that NumPy makes in the precision of the program, plus SLACK_ULP units of the element.
    """
    binding = fn.binding
    arrays = (*binding.signature.conform(args, kwargs), *(c.storage.array for c in binding.shared))
    exprs = list(fn.history.exprs)
    values = dict(zip(numbered_inputs(exprs, binding.types), arrays, strict=True))
    expected = interpret(exprs, values, precision="high")
    usual = interpret(exprs, values)
    got = _outputs(fn, arrays)
    errors = [ulp_error(g, e) for g, e in zip(got, expected, strict=True)]
    bad = [k for k, r in enumerate(zip(got, expected, usual, strict=True)) if _differs(*r)]
    if not bad:
        return CheckReport(True, max(errors, default=0.0), None, _agreement(errors))
    place = bad[0]
    worst = errors[place]
    program = fn.explain().program if fn.history.options is not None else fn.program
    step, value = _first_bad_step(program, binding.types, arrays)
    text = f"result {place} differs by {worst:.3g} ulp from the program as written"
    if step is not None:
        line = step.lines[0] if step.lines else None
        at = f" at {line[0]}:{line[1]}" if line else ""
        rules = f", made by {', '.join(step.rules)}" if step.rules else ""
        text += f"\nfirst suspicious step: {step.op} : {step.type}{at}{rules}\n  {value}"
    return CheckReport(False, worst, step, text)


def _agreement(errors: list[float]) -> str:
    return f"agrees to {max(errors, default=0.0):.3g} ulp"


def _differs(got: Any, exact: Any, usual: Any) -> bool:
    """Whether ``got`` is further from ``exact`` than rounding explains, given what it does to ``usual``."""
    got, exact, usual = (np.asarray(v) for v in (got, exact, usual))
    if got.shape != exact.shape or got.dtype.kind != "f":
        return not np.array_equal(got, exact.astype(got.dtype))
    with np.errstate(all="ignore"):
        wide = exact.astype(np.longdouble)
        rounded = exact.astype(got.dtype)
        noise = np.abs(usual.astype(np.longdouble) - wide)
        noise = np.max(noise, initial=0, where=np.isfinite(noise))
        unit = np.spacing(np.maximum(np.abs(rounded), np.finfo(got.dtype).tiny))
        allowed = FACTOR * noise + SLACK_ULP * np.where(np.isfinite(unit), unit, 0)
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        same |= np.abs(got.astype(np.longdouble) - wide) <= allowed
    return not np.all(same)


def _outputs(fn: Any, arrays: tuple[Any, ...]) -> list[Any]:
    """All outputs of ``fn``, new values included, without changing shared variables."""
    before = [c.storage.array for c in fn.binding.shared]
    n = len(fn.binding.signature.names)
    try:
        result = fn(*arrays[:n])
        new = [fn.binding.shared[k].storage.array for k in fn.binding.updates]
    finally:
        for container, array in zip(fn.binding.shared, before, strict=True):
            container.storage.array = array
    if fn.binding.packing == "one":
        return [result, *new]
    return [*(result.values() if fn.binding.packing == "dict" else result or []), *new]


def ulp_error(got: Any, expected: Any) -> float:
    """The largest difference in units in the last place of ``got``; infinite where definedness differs."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return np.inf
    if got.dtype.kind != "f":
        return 0.0 if np.array_equal(got, expected) else np.inf
    with np.errstate(all="ignore"):
        wide = got.astype(np.longdouble)
        rounded = np.asarray(expected).astype(got.dtype)
        agree = (np.isnan(got) & np.isnan(rounded)) | (got == rounded)
        scale = np.spacing(np.maximum(np.abs(rounded), np.finfo(got.dtype).tiny))
        error = np.where(agree, 0, np.abs(wide - expected.astype(np.longdouble)) / scale)
    error = np.where(np.isnan(error), np.inf, error)
    return float(np.max(error, initial=0.0))


def _first_bad_step(
    program: Program, types: Sequence[TensorType], arrays: Sequence[Any]
) -> tuple[Step | None, str]:
    """The first step that is not finite, or far from the same step in higher precision."""
    from egtensor.extract.program import to_exprs

    whole = Program(program.steps, tuple(range(len(program.steps))))
    keep = [k for k, s in enumerate(whole.steps) if not isinstance(s.type, tuple)]
    exprs = to_exprs(Program(program.steps, tuple(keep)))
    values = dict(zip(numbered_inputs(exprs, types), arrays, strict=True))
    exact = interpret(exprs, values, precision="high")
    usual = interpret(exprs, values)
    for k, high, low in zip(keep, exact, usual, strict=True):
        step = program.steps[k]
        if not step.args:
            continue
        if low.dtype.kind == "f" and not np.all(np.isfinite(low)):
            return step, f"{int(np.sum(~np.isfinite(low)))} of {low.size} elements are not finite"
        if _differs(low, high, high):
            error = ulp_error(low, high)
            return step, f"it differs by {error:.3g} ulp from its value in higher precision"
    return None, ""


def bisect(fn: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    """The smallest set of rules found with which ``fn`` disagrees with its interpretation.

    returns  names of rules; empty where the function agrees, or disagrees without any rule
    source   delta debugging, Zeller and Hildebrandt 2002
    """
    from egtensor.function import recompile

    rules = {str(r): r for r in fn.history.options.rules}
    fired = list(rules)

    def fails(names: Sequence[str]) -> bool:
        return not check(recompile(fn, RuleSet(rules[n] for n in names)), args, kwargs)

    if not fails(fired) or fails([]):
        return ()
    return tuple(minimize(fired, fails))


def minimize(items: Sequence[str], fails: Callable[[Sequence[str]], bool]) -> list[str]:
    """A subset of ``items`` for which ``fails`` holds and from which no one item can be dropped."""
    items, parts = list(items), 2
    while len(items) > 1:
        size = max(1, len(items) // parts)
        chunks = [items[k : k + size] for k in range(0, len(items), size)]
        for k, chunk in enumerate(chunks):
            rest = [x for j, other in enumerate(chunks) if j != k for x in other]
            if fails(chunk):
                items, parts = chunk, 2
                break
            if fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return items
            parts = min(len(items), 2 * parts)
    return items
