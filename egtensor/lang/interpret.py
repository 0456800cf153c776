"""The meaning of expressions: each operator by its NumPy function.  The oracle of every numerical test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from egtensor.errors import InputError, ShapeError
from egtensor.lang import dims
from egtensor.lang.dims import Dim, Extent, Size
from egtensor.lang.expr import Expr, resolve, toposort
from egtensor.lang.op import Leaf, Library, Missing, Op, Region
from egtensor.lang.ops.elementwise import ROUNDING_GRID
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import TensorType
from egtensor.lang.unify import map_extents

Precision = Literal["high"] | None
WIDER = {np.dtype("float32"): np.dtype("float64"), np.dtype("float64"): np.dtype("longdouble")}


def interpret(
    expr: Any, values: Mapping[Expr, Any] | None = None, precision: Precision = None
) -> Any:
    """Evaluate as written, without compiling.

    expr       an expression, or a list of them
    values     arrays for the inputs; shared variables have their own
    precision  "high": every intermediate result in the next wider float type
    returns    an array, or a list of them, of the declared dtypes
    raises     InputError, ShapeError where values do not fit
    """
    several = isinstance(expr, (list, tuple))
    roots = resolve(expr if several else [expr])
    # keys may be the inputs of expressions that resolution rebuilt: inputs themselves never change
    found = evaluate(roots, dict(values or {}), precision)
    results = [np.asarray(v).astype(r.dtype) for r, v in zip(roots, found, strict=True)]
    return results if several else results[0]


def evaluate(
    roots: Sequence[Expr],
    values: Mapping[Expr, Any],
    precision: Precision = None,
    sizes: Mapping[Size, int] | None = None,
) -> list[Any]:
    """The values of expressions in the precision they are computed in; ``sizes`` are known beforehand."""
    run = _Run(values, precision, dict(sizes or {}))
    with np.errstate(all="ignore"):
        run.nodes(toposort(roots))
    return [run.results[r] for r in roots]


@dataclass(frozen=True)
class Surroundings:
    """What a sub-program inherits from the evaluation of the program around it."""

    precision: Precision = None
    sizes: Mapping[Size, int] = field(default_factory=dict)

    def run(self, graph: SubGraph, operands: Sequence[Any]) -> list[Any]:
        """The outputs of a sub-program for the values of its inputs."""
        given = dict(zip(graph.inputs, operands, strict=True))
        return evaluate(graph.outputs, given, self.precision, self.sizes)

    def shape(self, type_: TensorType) -> tuple[int, ...]:
        """The sizes of a type; 0 for those that only running would have told."""
        known: dict[Size, Extent] = dict(self.sizes)
        found = (map_extents(n, known) for n in type_.shape)
        return tuple(n if isinstance(n, int) else 0 for n in found)


class _Run:
    """One evaluation: values of nodes and of sizes, as they become known."""

    def __init__(
        self, values: Mapping[Expr, Any], precision: Precision, sizes: dict[Size, int]
    ) -> None:
        self.values = values
        self.precision: Precision = precision
        self.sizes = sizes
        self.results: dict[Expr, Any] = {}

    def nodes(self, order: list[Expr]) -> None:
        """Evaluate all nodes; those whose sizes other nodes define come after them."""
        leaves = [n for n in order if n.op.name in ("input", "shared")]
        # inputs that no expression uses still tell sizes
        for node in dict.fromkeys([*leaves, *self.values]):
            self.finish(node, self.leaf(node))
        for node in order:
            self.check(node)
        waiting = [n for n in order if n not in self.results]
        while waiting:
            left = [n for n in waiting if not self.node(n)]
            if len(left) == len(waiting):
                raise ShapeError(
                    f"{left[0].op.name}: the sizes in {left[0].type} are not known\n"
                    f"  sizes become known from the shapes of inputs\n"
                    f"  fix: use a tensor of that size in the expression, or declare the number"
                )
            waiting = left
        for node in order:
            self.check(node)

    def leaf(self, node: Expr) -> Any:
        """The value of an input or shared variable, which fits its declaration."""
        if node in self.values:
            return _fitting(node, self.values[node], self.precision)
        if node.op.name == "shared":
            return node.attrs[3].storage.array
        raise InputError(
            f"interpret: no value for the input {node.attrs[1]!r} of type {node.type}\n"
            f"  every input that the expression uses needs one\n"
            f"  fix: pass {{input: value}}"
        )

    def node(self, node: Expr) -> bool:
        """Evaluate a node if its operands and sizes are known."""
        if any(a not in self.results for a in node.args):
            return False
        known: dict[Size, Extent] = dict(self.sizes)
        attrs = {
            n: a if isinstance(a, SubGraph) else map_extents(a, known)
            for n, a in node.attributes.items()
        }
        defines_size = isinstance(node.op.body, Library) and isinstance(node.type, tuple)
        if not defines_size and any(_is_unknown(a) for a in attrs.values()):
            return False
        self.finish(node, self.apply(node.op, [self.results[a] for a in node.args], attrs))
        return True

    def apply(self, op: Op, operands: list[Any], attrs: dict[str, Any]) -> Any:
        """The operator's NumPy function, in the precision of this run."""
        if isinstance(op.body, Region):
            return op.numpy(*operands, **attrs, around=Surroundings(self.precision, self.sizes))
        if self.precision is None or op.real is ROUNDING_GRID:
            return op.numpy(*operands, **attrs)
        if "dtype" in attrs:
            attrs = {**attrs, "dtype": WIDER.get(attrs["dtype"], attrs["dtype"])}
        try:
            return op.numpy(*operands, **attrs)
        except TypeError:
            return _beyond_numpy(op, operands, attrs)

    def finish(self, node: Expr, value: Any) -> None:
        """Keep the value of a node in its dtype, and learn sizes from its shape."""
        if isinstance(node.type, tuple):
            kept = tuple(
                self.typed(node, t, v) for t, v in zip(node.type, tuple(value), strict=True)
            )
            self.results[node] = kept
        else:
            self.results[node] = self.typed(node, node.type, value)

    def typed(self, node: Expr, type_: TensorType, value: Any) -> Any:
        """A result in the dtype it is computed in, after its shape was compared with the declared one."""
        dtype: Any = type_.dtype if self.precision is None else WIDER.get(type_.dtype, type_.dtype)
        array = np.asarray(value)
        for axis, (extent, actual) in enumerate(zip(type_.shape, array.shape, strict=True)):
            size = dims.as_size(extent)
            if size is not None and size not in self.sizes:
                self.sizes[size] = actual
            elif not _is_unknown(map_extents(extent, dict(self.sizes))):
                self.compare(node, type_, axis, dims.evaluate(extent, self.sizes), actual)
        return array.astype(dtype, copy=False)

    def compare(self, node: Expr, type_: TensorType, axis: int, wanted: int, actual: int) -> None:
        """Refuse a size that is not the declared one."""
        if wanted != actual:
            raise ShapeError(
                f"{_label(node)}: axis {axis} has size {actual}, its type is {type_}\n"
                f"  the size {type_.shape[axis]} is {wanted} elsewhere\n"
                f"  fix: pass arrays whose sizes agree"
            )

    def check(self, node: Expr) -> None:
        """Refuse sizes that an operator needs to be equal and are not."""
        for a, b in node.equalities:
            known: dict[Size, Extent] = dict(self.sizes)
            x, y = (map_extents(e, known) for e in (a, b))
            if isinstance(x, int) and isinstance(y, int) and x != y:
                where = f" ({node.line[0]}:{node.line[1]})" if node.line else ""
                bound = dims.lower_bound(a, b)
                if bound is not None:
                    raise ShapeError(
                        f"{node.op.name}{where}: the size {b} is {y}, it must be at least {bound}\n"
                        f"  there is no element to take from an axis that has too few\n"
                        f"  fix: pass a larger array, or check the size first"
                    )
                raise ShapeError(
                    f"{node.op.name}{where}: the sizes {a} = {x} and {b} = {y} must be equal\n"
                    f"  an axis stretches only where its size is known to be 1 beforehand\n"
                    f"  fix: pass arrays whose sizes agree, or declare the size as 1"
                )


def _is_unknown(attr: Any) -> bool:
    match attr:
        case Dim():
            return True
        case TensorType(_, shape):
            return any(map(_is_unknown, shape))
        case tuple():
            return any(map(_is_unknown, attr))
        case _:
            return False


def _label(node: Expr) -> str:
    symbol = isinstance(node.op.body, Leaf) and node.op.name in ("input", "shared")
    return f"{node.op.name} {node.attrs[1]!r}" if symbol else str(node.op)


def _fitting(node: Expr, value: Any, precision: Precision) -> Any:
    declared: TensorType = node.type
    array = np.asarray(value)
    if precision is not None and array.dtype == WIDER.get(declared.dtype):
        return array
    kind: Any = "same_kind" if isinstance(value, (bool, int, float, list, tuple)) else "safe"
    if array.ndim != declared.ndim or not (
        np.can_cast(array.dtype, declared.dtype, kind) or array.size == 0
    ):
        raise InputError(
            f"{_label(node)}: {array.dtype}[{','.join(map(str, array.shape))}] does not fit {declared}\n"
            f"  rank must be the declared one, and the dtype convertible without loss\n"
            f"  fix: convert the value with .astype('{declared.dtype}') or reshape it"
        )
    return array.astype(declared.dtype, copy=False)


def _beyond_numpy(op: Op, operands: list[Any], attrs: dict[str, Any]) -> Any:
    """Functions without a long double form: in double, then corrected by mpmath where there is a formula."""
    narrow = [_narrowed(x) for x in operands]
    given = {k: np.dtype("float64") if v == np.longdouble else v for k, v in attrs.items()}
    ordinary = op.numpy(*narrow, **given)
    if not op.is_elementwise or isinstance(op.real, Missing) or op.results != 1:
        return ordinary
    value = np.asarray(ordinary).astype(np.longdouble)
    arrays = np.broadcast_arrays(*operands)
    for place in np.ndindex(value.shape):
        if np.isfinite(value[place]):
            exact = _exactly(op.real, [a[place] for a in arrays])
            value[place] = value[place] if exact is None else exact
    return value


def _narrowed(x: Any) -> Any:
    return x.astype(np.float64) if np.asarray(x).dtype == np.longdouble else x


def _exactly(formula: str, operands: Iterable[Any]) -> Any:
    """The value of a formula in SymPy's syntax at 40 digits, or None where it has none."""
    import mpmath

    names = {
        "Abs": abs, "gamma": mpmath.gamma, "log": mpmath.log, "exp": mpmath.exp, "erf": mpmath.erf,
        "erfc": mpmath.erfc, "polygamma": mpmath.psi, "sqrt": mpmath.sqrt, "pi": mpmath.pi,
    }  # fmt: skip
    with mpmath.workdps(40):
        point = {f"x{k}": _as_mpf(v) for k, v in enumerate(operands)}
        try:
            exact = eval(formula.format(*point), {"__builtins__": {}}, {**names, **point})
        except (NameError, ValueError, ZeroDivisionError, OverflowError, TypeError):
            return None
        return np.longdouble(mpmath.nstr(exact, 30)) if isinstance(exact, mpmath.mpf) else None


def _as_mpf(value: Any) -> Any:
    import mpmath

    high = float(value)
    if not np.isfinite(high):
        return mpmath.mpf(high)
    return mpmath.mpf(high) + mpmath.mpf(float(value - np.longdouble(high)))
