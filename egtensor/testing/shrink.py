"""Smaller programs with the same defect: steps are dropped for as long as it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from egtensor.errors import EgTensorError
from egtensor.lang import api
from egtensor.lang.expr import Expr, rebuild, toposort
from egtensor.lang.op import Derived, Leaf
from egtensor.lang.types import TensorType
from egtensor.testing.evaluation import evaluate, resolved
from egtensor.testing.generate import Sample

Fails = Callable[[Sample], bool]
TRIALS = 80  # programs compiled while shrinking one


def shrink(sample: Sample, fails: Fails) -> Sample:
    """The smallest sample found for which ``fails`` still holds.

    fails  whether a sample has the defect; must hold for ``sample``
    """
    left = TRIALS
    progress = True
    while progress and left > 0:
        progress = False
        for candidate in _smaller(sample):
            left -= 1
            if left <= 0:
                break
            if fails(candidate):
                sample, progress = candidate, True
                break
    return sample


def _smaller(sample: Sample) -> Iterator[Sample]:
    """Samples that compute less, the smallest first."""
    if len(sample.roots) > 1:
        for root in sample.roots:
            yield _of(sample, root)
        return
    (root,) = sample.roots
    if sample.updates:
        yield _of(sample, root)
    plain = resolved([root])
    order = toposort(plain)
    has_derivatives = any(isinstance(n.op.body, Derived) for n in toposort([root]))
    for node in order[:-1]:
        if isinstance(node.type, TensorType) and not isinstance(node.op.body, Leaf):
            yield _of(sample, node)
    if has_derivatives:
        yield _of(sample, plain[0])
    if any(how != "C" for how in sample.layouts):
        yield replace(sample, layouts=["C"] * len(sample.inputs))
    yield from _cut(sample, root)
    used = set(toposort([root]))
    if not all(x in used for x in sample.inputs):
        keep = [k for k, x in enumerate(sample.inputs) if x in used]
        yield replace(
            sample,
            inputs=[sample.inputs[k] for k in keep],
            values=[sample.values[k] for k in keep],
            layouts=[sample.layouts[k] for k in keep],
            shared=[pair for pair in sample.shared if pair[0] in used],
        )


def _of(sample: Sample, root: Expr) -> Sample:
    return replace(sample, outputs=[root], updates=[], gradients=[])


def _cut(sample: Sample, root: Expr) -> Iterator[Sample]:
    """Samples in which an intermediate result is an input of its own."""
    if any(isinstance(n.op.body, Derived) for n in toposort([root])):
        return
    values = evaluate([root], sample.known)
    if values is None:
        return
    for node in reversed(toposort([root])[:-1]):
        if isinstance(node.op.body, Leaf) or not isinstance(node.type, TensorType):
            continue
        try:
            name = f"t{len(sample.inputs)}"
            made = api.tensor(name, dtype=node.dtype, shape=node.shape)
            (smaller,) = rebuild([root], {node: made})
        except (EgTensorError, TypeError, ValueError):
            continue
        yield replace(
            sample,
            inputs=[*sample.inputs, made],
            values=[*sample.values, values[node]],
            layouts=[*sample.layouts, "C"],
            outputs=[smaller],
            gradients=[],
        )
