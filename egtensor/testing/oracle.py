"""The oracle: what a compiled program may differ in from the program as written.

The reference is computed in the next wider precision.  How far rounding may carry a correct program is
measured by interpreting the program as written several times with every result perturbed within half a
unit in the last place (stochastic arithmetic, Vignes 1993): a mismatch is an error larger than
``FACTOR`` times the spread so found plus ``ULPS`` units of the result.  A sample is skipped where a
perturbation changes an integer or a boolean, since then no program can be held to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.function import function
from egtensor.lang.dims import Extent, Size, as_size
from egtensor.lang.expr import Expr, toposort
from egtensor.testing.generate import Sample, node_value

FACTOR = 4.0
ULPS = 64.0
RUNS = 4


@dataclass(frozen=True)
class Agreement:
    """How a compiled program compares with the program as written.

    status   "ok", "mismatch" or "skipped"
    message  what differs, or why it was skipped
    rules    names of rules that fired
    """

    status: str
    message: str = ""
    rules: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """No mismatch."""
        return self.status != "mismatch"


def agreement(sample: Sample, **options: Any) -> Agreement:
    """Compile a sample with ``options`` of ``function`` and compare with the oracle."""
    judged = reference(sample)
    if judged is None:
        return Agreement("skipped", "a perturbation changes a discrete value")
    fn = function(sample.inputs, sample.outputs, on_unused_input="ignore", **options)
    got = fn(*sample.values)
    for k, (value, (exact, allowed)) in enumerate(zip(got, judged, strict=True)):
        problem = difference(value, exact, allowed)
        if problem:
            return Agreement("mismatch", f"output {k}: {problem}\n{sample!r}\n{fn.program}")
    return Agreement("ok")


def difference(got: Any, exact: Any, allowed: Any) -> str:
    """What is wrong with ``got``; empty where it is within ``allowed`` of ``exact``."""
    if got.shape != exact.shape:
        return f"the shape is {got.shape}, not {exact.shape}"
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        same = (got == rounded) | ((got != got) & (rounded != rounded))
        if got.dtype.kind == "f":
            same |= np.abs(got.astype(np.longdouble) - exact) <= allowed
    if np.all(same):
        return ""
    place = tuple(int(i) for i in np.argwhere(~np.asarray(same))[0])
    return (
        f"at {place}: {got[place]!r} instead of {rounded[place]!r}, allowed {np.asarray(allowed)[place]:.3g};"
        f" {int(np.sum(~np.asarray(same)))} of {got.size} elements"
    )


def reference(sample: Sample) -> list[tuple[Any, Any]] | None:
    """For each output its value in wide precision and the error allowed; None if it cannot be judged."""
    sizes = _sizes(sample)
    outputs = resolved(sample.outputs)
    plain = _evaluate(outputs, sample, sizes, None)
    wide = _evaluate(outputs, sample, sizes, "wide")
    spread = [np.zeros(plain[o].shape, np.longdouble) for o in outputs]
    for seed in range(RUNS):
        moved = _evaluate(outputs, sample, sizes, np.random.default_rng(seed))
        if not _discretely_equal(plain, moved):
            return None
        for k, o in enumerate(outputs):
            if plain[o].dtype.kind == "f":
                with np.errstate(all="ignore"):
                    gap = np.abs(moved[o].astype(np.longdouble) - wide[o].astype(np.longdouble))
                spread[k] = np.maximum(spread[k], np.where(np.isnan(gap), 0, gap))
    judged = []
    for o, s in zip(outputs, spread, strict=True):
        if plain[o].dtype.kind != "f":
            judged.append((plain[o], np.zeros(plain[o].shape)))
            continue
        exact = wide[o].astype(np.longdouble)
        with np.errstate(all="ignore"):
            scale = np.spacing(np.maximum(np.abs(plain[o]), np.finfo(plain[o].dtype).tiny))
        allowed = FACTOR * s + ULPS * np.where(np.isfinite(scale), scale, 0)
        judged.append((exact, allowed))
    return judged


def resolved(outputs: Sequence[Expr]) -> list[Expr]:
    """The outputs with the derivatives in them written out."""
    from egtensor.diff.pullback import resolve

    return list(resolve(list(outputs)))


def _sizes(sample: Sample) -> dict[Size, Extent]:
    sizes: dict[Size, Extent] = {}
    for x, value in zip(sample.inputs, sample.values, strict=True):
        for extent, n in zip(x.shape, value.shape, strict=True):
            if (size := as_size(extent)) is not None:
                sizes[size] = n
    return sizes


WIDER = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.float64): np.dtype(np.longdouble)}


def _evaluate(
    outputs: Sequence[Expr], sample: Sample, sizes: dict[Size, Extent], how: Any
) -> dict[Expr, Any]:
    """Values of all nodes: plainly, in wider precision, or with results perturbed."""
    values: dict[Expr, Any] = dict(zip(sample.inputs, sample.values, strict=True))
    for node in toposort(outputs):
        if node in values:
            continue
        args = [values[a] for a in node.args]
        if how == "wide":
            values[node] = _wide_value(node, args, sizes)
            continue
        value = node_value(node, args, sizes)
        if how is not None and not isinstance(value, tuple) and value.dtype.kind == "f":
            eps = np.finfo(value.dtype).eps
            if node.op.is_elementwise or node.op.body.__class__.__name__ in ("Reduce", "Library", "Prefix"):
                with np.errstate(all="ignore"):
                    value = (value * (1 + eps * how.uniform(-1, 1, value.shape))).astype(value.dtype)
        values[node] = value
    return values


def _wide_value(node: Expr, args: list[Any], sizes: dict[Size, Extent]) -> Any:
    """The value of a node computed from widened operands; as usual where NumPy has no wider loop."""
    from egtensor.lang.interpret import wide

    return wide(node, args, sizes)


def _discretely_equal(a: dict[Expr, Any], b: dict[Expr, Any]) -> bool:
    return all(
        isinstance(v, tuple) or v.dtype.kind == "f" or np.array_equal(v, b[node]) for node, v in a.items()
    )
