"""Values of all nodes of an expression: as NumPy computes them, in wider precision, or perturbed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.lang.dims import Extent, Size, as_size
from egtensor.lang.expr import Expr, resolve, toposort
from egtensor.lang.interpret import WIDER, Surroundings
from egtensor.lang.op import Library as LibraryCall
from egtensor.lang.op import Prefix, Reduce, Region, Scalar, Scatter
from egtensor.lang.ops.elementwise import ROUNDING_GRID
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import TensorType
from egtensor.lang.unify import map_extents

Values = dict[Expr, Any]
Sizes = dict[Size, Extent]
ROUNDS = (Scalar, Reduce, Prefix, LibraryCall, Scatter)
EXACT = frozenset(
    "absolute ceil copysign fabs floor fmax fmin heaviside maximum minimum negative positive rint sign trunc where"
    " stop_gradient reduce_max reduce_min".split()
)
# accurate to a rounding of their operand, where small changes of it matter much: roots, poles, tails
ROOTED = ("gammaln", "digamma", "trigamma", "erfc")
REFUSALS = (ValueError, IndexError, ZeroDivisionError, TypeError, KeyError, OverflowError)


@dataclass(frozen=True)
class Perturbing(Surroundings):
    """Sub-programs are evaluated with every rounded result perturbed."""

    rng: Any = None

    def run(self, graph: SubGraph, operands: Sequence[Any]) -> list[Any]:
        """The outputs of a sub-program for the values of its inputs."""
        known = dict(zip(graph.inputs, map(np.asarray, operands), strict=True))
        values = evaluate(graph.outputs, known, self.rng, self.sizes)
        if values is None:
            raise ValueError("a perturbation makes a sub-program fail")
        return [values[o] for o in graph.outputs]


def node_value(
    node: Expr,
    args: Sequence[Any],
    sizes: Mapping[Size, Extent],
    around: Surroundings | None = None,
) -> Any:
    """What NumPy computes for one node; None where it refuses."""
    attrs = {k: map_extents(v, dict(sizes)) for k, v in node.attributes.items()}
    if isinstance(node.op.body, Region):
        attrs["around"] = around or Surroundings(None, _known(sizes))
    try:
        with np.errstate(all="ignore"):
            value = node.op.numpy(*args, **attrs)
            return _typed(node, value, {})
    except (*REFUSALS, np.linalg.LinAlgError):
        return None


def wide_value(node: Expr, args: Sequence[Any], sizes: Mapping[Size, Extent]) -> Any:
    """The value of a node computed from wider operands; as usual where NumPy has no wider loop."""
    if node.op.real is ROUNDING_GRID:
        narrow = [_like(v, a.type) for v, a in zip(args, node.args, strict=True)]
        return node_value(node, narrow, sizes)
    attrs = {k: map_extents(v, dict(sizes)) for k, v in node.attributes.items()}
    if "dtype" in attrs:
        attrs["dtype"] = WIDER.get(attrs["dtype"], attrs["dtype"])
    if isinstance(node.op.body, Region):
        attrs["around"] = Surroundings("high", _known(sizes))
    try:
        with np.errstate(all="ignore"):
            try:
                value = node.op.numpy(*args, **attrs)
            except TypeError:
                value = node.op.numpy(*map(_double, args), **attrs)
            return _typed(node, value, WIDER)
    except (*REFUSALS, np.linalg.LinAlgError):
        return None


def evaluate(
    roots: Sequence[Expr],
    known: Mapping[Expr, Any],
    how: np.random.Generator | str | None = None,
    outer: Mapping[Size, int] | None = None,
) -> Values | None:
    """The values of all nodes that ``roots`` need, derivatives resolved; None where NumPy refuses.

    known  values of inputs and shared variables
    how    None: as NumPy computes; "wide": in the next wider precision; a generator: every rounded
           result perturbed by about a unit in the last place
    outer  sizes that are known beforehand
    """
    widened = WIDER if how == "wide" else {}
    values: Values = {k: v.astype(widened.get(v.dtype, v.dtype)) for k, v in known.items()}
    sizes: Sizes = {**(outer or {}), **sizes_of(known)}
    perturbing = isinstance(how, np.random.Generator)
    waiting = [n for n in toposort(roots) if n not in values]
    for node in waiting:
        args = [values[a] for a in node.args]
        if how == "wide":
            value = wide_value(node, args, sizes)
        else:
            around = Perturbing(None, _known(sizes), how) if perturbing else None
            value = node_value(node, args, sizes, around)
        if value is None:
            return None
        rounded = isinstance(node.op.body, ROUNDS) and node.op.name not in EXACT
        if isinstance(how, np.random.Generator) and rounded:
            value = _perturbed(value, how, noise(node, args, value, sizes))
        values[node] = value
        learn_sizes(node, value, sizes)
    return values


def resolved(outputs: Sequence[Expr]) -> list[Expr]:
    """The outputs with the derivatives in them written out."""
    return resolve(list(outputs))


def sizes_of(values: Mapping[Expr, Any]) -> Sizes:
    """The sizes that the shapes of values tell."""
    sizes: Sizes = {}
    for node, value in values.items():
        learn_sizes(node, value, sizes)
    return sizes


def learn_sizes(node: Expr, value: Any, sizes: Sizes) -> None:
    """Add the sizes that the shape of one value tells."""
    types = node.type if isinstance(node.type, tuple) else (node.type,)
    arrays = value if isinstance(value, tuple) else (value,)
    for type_, array in zip(types, arrays, strict=True):
        for extent, n in zip(type_.shape, array.shape, strict=True):
            if (size := as_size(extent)) is not None:
                sizes.setdefault(size, n)


def _known(sizes: Mapping[Size, Extent]) -> dict[Size, int]:
    return {s: n for s, n in sizes.items() if isinstance(n, int)}


def _typed(node: Expr, value: Any, wider: Mapping[Any, Any]) -> Any:
    if isinstance(node.type, tuple):
        pairs = zip(value, node.type, strict=True)
        return tuple(np.asarray(v).astype(wider.get(t.dtype, t.dtype)) for v, t in pairs)
    return np.asarray(value).astype(wider.get(node.type.dtype, node.type.dtype))


def noise(node: Expr, args: Sequence[Any], value: Any, sizes: Mapping[Size, Extent]) -> Any:
    """How far rounding may carry the result of one operator, in its machine epsilon.

    Sums err relative to the sum of the magnitudes, by the logarithm of the number of terms, or by its
    root where they are added one after the other (Higham 2002, 4.2).
    """
    body = node.op.body
    if isinstance(value, tuple):
        return None
    terms = max(a.size for a in args if hasattr(a, "size")) / max(value.size, 1) if args else 1
    match body:
        case Reduce(prim) if prim in ("add", "mul"):
            return _of_magnitudes(node, args, sizes) * (1 + np.log2(1 + terms))
        case Prefix():
            return _of_magnitudes(node, args, sizes) * (1 + np.sqrt(max(value.shape)))
        case LibraryCall("matmul"):
            return _of_magnitudes(node, args, sizes) * (1 + np.sqrt(args[0].shape[-1]))
        case LibraryCall() | Scatter():
            return np.maximum(np.abs(value), 16 * np.max(np.abs(value), initial=0))
        case _ if node.op.name in ROOTED:
            return np.maximum(np.abs(value), 1) + _conditioning(node, args, value, sizes)
        case _:
            return np.abs(value)


def _conditioning(node: Expr, args: Sequence[Any], value: Any, sizes: Mapping[Size, Extent]) -> Any:
    """How much a rounding of the operand changes the result, near poles and roots."""
    with np.errstate(all="ignore"):
        eps = np.finfo(value.dtype).eps
        moved = node_value(node, [a * (1 + 4 * eps) for a in args], sizes)
        return np.nan_to_num(np.abs(moved - value) / eps)


def _of_magnitudes(node: Expr, args: Sequence[Any], sizes: Mapping[Size, Extent]) -> Any:
    return node_value(node, [np.abs(a) if a.dtype.kind == "f" else a for a in args], sizes)


def _perturbed(value: Any, rng: np.random.Generator, magnitude: Any = None) -> Any:
    if isinstance(value, tuple):
        return tuple(_perturbed(v, rng) for v in value)
    if value.dtype.kind != "f":
        return value
    scale = np.finfo(value.dtype).eps * (np.abs(value) if magnitude is None else magnitude)
    with np.errstate(all="ignore"):
        # never less than a unit: smaller perturbations are rounded away more often than not
        factor = rng.choice((-1.0, 1.0), value.shape) * rng.uniform(1, 1.5, value.shape)
        moved = value + np.where(np.isfinite(scale), scale, 0) * factor
    return np.where(np.isfinite(value), moved, value).astype(value.dtype)


def _like(value: Any, type_: Any) -> Any:
    return value.astype(type_.dtype) if isinstance(type_, TensorType) else value


def _double(value: Any) -> Any:
    return value.astype(np.float64) if np.asarray(value).dtype == np.longdouble else value
