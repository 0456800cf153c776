"""The oracle: what a compiled program may differ in from the program as written.

The reference is computed in the next wider precision.  How far rounding may carry a correct program is
measured by interpreting the program as written several times with every result perturbed by about a
unit in the last place (stochastic arithmetic, Vignes 1993): a mismatch is an error larger than
``FACTOR`` times the spread so found plus ``ULPS`` units of the result.  A sample is skipped where a
perturbation changes an integer, a boolean, or what is finite: no program can be held to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.function import function
from egtensor.lang.expr import Expr
from egtensor.testing.evaluation import Values, evaluate, resolved
from egtensor.testing.generate import Sample

FACTOR = 4.0
ULPS = 64.0
RUNS = 5
STEP = 2.0**-20  # of central differences, computed in the next wider precision
SLOPE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Agreement:
    """How a compiled program compares with the program as written.

    status   "ok", "mismatch" or "skipped"
    message  what differs, or why it was skipped
    """

    status: str
    message: str = ""

    @property
    def ok(self) -> bool:
        """No mismatch."""
        return self.status != "mismatch"


@dataclass(frozen=True)
class Judged:
    """What one result must be: its value in wide precision, and the error allowed."""

    plain: Any
    exact: Any
    allowed: Any


def agreement(sample: Sample, **options: Any) -> Agreement:
    """Compile a sample with ``options`` of ``function`` and compare with the oracle."""
    judged = reference(sample)
    if judged is None:
        return Agreement("skipped", "a perturbation changes a discrete value")
    wrong = wrong_gradient(sample)
    got = wrong or compare(run(sample, **options), judged)
    return Agreement("mismatch", f"{got}\n{sample!r}") if got else Agreement("ok")


def run(sample: Sample, **options: Any) -> list[Any]:
    """All results of the compiled sample, and the new values of its shared variables."""
    sample.reset()
    fn = function(
        sample.inputs,
        sample.outputs,
        updates=sample.updates,
        on_unused_input="ignore",
        **options,
    )
    return results(sample, fn)


def results(sample: Sample, fn: Any) -> list[Any]:
    """Call a compiled sample, and put its shared variables back."""
    found = list(fn(*sample.arguments))
    found += [s.get_value() for s, _ in sample.updates]
    sample.reset()
    return found


def compare(got: Sequence[Any], judged: Sequence[Judged]) -> str:
    """What is wrong with the results; empty where nothing is."""
    for k, (value, wanted) in enumerate(zip(got, judged, strict=True)):
        problem = difference(value, wanted)
        if problem:
            return f"result {k}: {problem}"
    return ""


def difference(got: Any, wanted: Judged) -> str:
    """What is wrong with one result; empty where it is within what is allowed."""
    got = np.asarray(got)
    if got.shape != wanted.exact.shape or got.dtype != wanted.plain.dtype:
        return f"{got.dtype}{got.shape} instead of {wanted.plain.dtype}{wanted.exact.shape}"
    with np.errstate(all="ignore"):
        rounded = wanted.exact.astype(got.dtype)
        same = (got == rounded) | ((got != got) & (rounded != rounded))
        if got.dtype.kind == "f":
            same |= np.abs(got.astype(np.longdouble) - wanted.exact) <= wanted.allowed
    same = np.asarray(same)
    if np.all(same):
        return ""
    place = tuple(int(i) for i in np.argwhere(~same)[0])
    return (
        f"at {place}: {got[place]!r} instead of {rounded[place]!r}, allowed"
        f" {float(np.asarray(wanted.allowed)[place]):.3g}; {int(np.sum(~same))} of {got.size} elements"
    )


def reference(sample: Sample) -> list[Judged] | None:
    """For each result what it must be; None if the sample cannot be judged."""
    roots = resolved(sample.roots)
    plain = evaluate(roots, sample.known)
    wide = evaluate(roots, sample.known, "wide")
    if plain is None or wide is None or not _alike(plain, wide):
        return None
    spread = [np.zeros(plain[o].shape, np.longdouble) for o in roots]
    for seed in range(RUNS):
        moved = evaluate(roots, sample.known, np.random.default_rng(seed))
        if moved is None or not _alike(plain, moved):
            return None
        for k, o in enumerate(roots):
            if plain[o].dtype.kind == "f":
                spread[k] = np.maximum(spread[k], _gap(moved[o], wide[o]))
    return [_judged(plain[o], wide[o], s) for o, s in zip(roots, spread, strict=True)]


def _gap(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        gap = np.abs(a.astype(np.longdouble) - b.astype(np.longdouble))
    return np.where(np.isfinite(gap), gap, 0)


def _judged(plain: Any, wide: Any, spread: Any) -> Judged:
    if plain.dtype.kind != "f":
        return Judged(plain, plain, np.zeros(plain.shape))
    with np.errstate(all="ignore"):
        scale = np.spacing(np.maximum(np.abs(plain), np.finfo(plain.dtype).tiny))
    allowed = FACTOR * spread + ULPS * np.where(np.isfinite(scale), scale, 0)
    return Judged(plain, wide.astype(np.longdouble), allowed)


def _alike(a: Values, b: Values) -> bool:
    """Whether no integer, boolean or definedness differs."""
    return all(_same_kind_of_values(v, b[node]) for node, v in a.items())


def _same_kind_of_values(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(map(_same_kind_of_values, a, b))
    if a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    with np.errstate(all="ignore"):
        odd = ~np.isfinite(a)
        return bool(
            np.array_equal(odd, ~np.isfinite(b)) and np.array_equal(a[odd], b[odd], equal_nan=True)
        )


def wrong_gradient(sample: Sample) -> str:
    """Which gradient of a sample differs from central differences; empty where none does."""
    if sample.special != "none":
        return ""
    needed = set(sample.grown)
    for k, (cost, x, gradient) in enumerate(sample.gradients if needed else ()):
        for direction in ("ones", "random"):
            problem = _wrong_slope(sample, cost, x, gradient, direction)
            if problem:
                return f"gradient {k} by {x}, {direction} direction: {problem}"
    return ""


def _wrong_slope(sample: Sample, cost: Expr, x: Expr, gradient: Expr, direction: str) -> str:
    values = evaluate(resolved([cost, gradient, x]), sample.known, "wide")
    if values is None or x not in values:
        return ""
    at = values[x]
    v = np.ones(at.shape) if direction == "ones" else np.random.default_rng(0).normal(size=at.shape)
    (plain_cost, plain_gradient) = resolved([cost, gradient])
    slope = float(np.sum(values[plain_gradient] * v))
    h = STEP * max(1.0, float(np.max(np.abs(at), initial=0)))
    costs = []
    for k in (-2, -1, 0, 1, 2):
        moved = evaluate(
            [plain_cost], {**sample.known, x: (at + k * h * v).astype(at.dtype)}, "wide"
        )
        if moved is None:
            return ""
        costs.append(moved[plain_cost])
    below, left, here, right, above = costs
    with np.errstate(all="ignore"):
        near, far = float((right - left) / (2 * h)), float((above - below) / (4 * h))
        sides = float((right - here) / h), float((here - left) / h)
    scale = float(np.sum(np.abs(values[plain_gradient] * v))) + abs(near) + 1e-6
    # a kink changes the slope by half of what the sides differ by
    smooth = abs(near - far) < 1e-4 * scale and abs(sides[0] - sides[1]) < SLOPE_TOLERANCE * scale
    noise = 1e-10 * abs(float(here)) / h
    if not smooth or not np.isfinite(slope) or noise > 1e-4 * scale:
        return ""
    if abs(slope - near) <= SLOPE_TOLERANCE * scale:
        return ""
    return f"the slope is {slope:.6g}, differences give {near:.6g}"
