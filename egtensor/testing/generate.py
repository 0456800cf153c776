"""Random expressions over all operators, with inputs for which they are defined.

An expression grows node by node; each node is evaluated at once, and given up where it is not finite
or too large, so that nearly every sample can be judged.  Choices come from a ``Chooser``: a seeded
generator in a campaign, hypothesis in a test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from egtensor.errors import EgTensorError
from egtensor.lang import api
from egtensor.lang.dims import Extent, Size, as_size
from egtensor.lang.expr import Expr, broadcast, cast, make, toposort
from egtensor.lang.op import FUNCTIONS, OPS, Op, Scalar
from egtensor.lang.types import DTYPES, TensorType
from egtensor.lang.unify import map_extents

T = TypeVar("T")
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 64, 100)
LARGEST = 1e6  # magnitude beyond which rounding errors of later steps mean nothing
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Chooser(Protocol):
    """Where decisions come from."""

    def integer(self, low: int, high: int) -> int:
        """An integer, both ends included."""

    def array(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        """Values of an input."""


class RandomChooser:
    """Decisions of a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return int(self._rng.integers(low, high + 1))

    def array(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        """Values of an input: small numbers, halves, and random bits of moderate size."""
        rng = self._rng
        if dtype.kind == "b":
            return rng.integers(0, 2, shape).astype(bool)
        if dtype.kind in "iu":
            low = 0 if dtype.kind == "u" else -9
            return rng.integers(low, 10, shape).astype(dtype)
        style = rng.integers(0, 4)
        if style == 0:
            values = rng.integers(-6, 7, shape) / 2
        elif style == 1:
            values = rng.uniform(0.05, 1, shape)
        elif style == 2:
            values = rng.normal(0, 1, shape) * 10.0 ** rng.integers(-3, 2)
        else:
            values = rng.normal(0, 2, shape)
        return np.asarray(values).astype(dtype)


@dataclass
class Sample:
    """A program and arguments for it.

    inputs   symbols, in order
    values   an array for each
    outputs  expressions of the symbols
    finite   whether every subexpression is finite at ``values``
    grown    names of what was applied, in order
    """

    inputs: list[Expr]
    values: list[Any]
    outputs: list[Expr]
    finite: bool = True
    grown: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        shown = [f"{x.attrs[1]} = {v!r}  # {x.type}" for x, v in zip(self.inputs, self.values, strict=True)]
        return "\n".join([*shown, *(f"return {o}" for o in self.outputs)])


def pick(choose: Chooser, options: Sequence[T]) -> T:
    """One of several."""
    return options[choose.integer(0, len(options) - 1)]


def generate(choose: Chooser, steps: int = 6, special: bool = False) -> Sample:
    """A random sample.

    steps    how many operators to apply
    special  let values be infinite or NaN
    """
    growth = _Growth(choose, special)
    for _ in range(choose.integer(1, 3)):
        growth.new_input()
    for _ in range(steps):
        for _ in range(8):
            if growth.grow():
                break
    return growth.sample()


class _Growth:
    """Expressions so far and their values."""

    def __init__(self, choose: Chooser, special: bool) -> None:
        self.choose = choose
        self.special = special
        self.values: dict[Expr, Any] = {}
        self.pool: list[Expr] = []
        self.inputs: list[Expr] = []
        self.sizes: dict[Size, Extent] = {}
        self.grown: list[str] = []
        self.finite = True
        self.largest_axis = pick(choose, (5, 17, 33, 100))

    def new_input(self) -> None:
        choose = self.choose
        dtype = pick(choose, (*FLOATS, *FLOATS, *FLOATS, *DTYPES))
        rank = pick(choose, (0, 1, 1, 2, 2, 2, 3))
        known = [n for x in self.inputs for n in self.values[x].shape]
        allowed = [n for n in SIZES if n <= self.largest_axis]
        shape = tuple(
            pick(choose, known) if known and choose.integer(0, 2) else pick(choose, allowed)
            for _ in range(rank)
        )
        if np.prod(shape, dtype=int) > 20000:
            shape = tuple(min(n, 7) for n in shape)
        declared = tuple(n if n == 1 or choose.integer(0, 3) == 0 else None for n in shape)
        x = api.tensor(f"x{len(self.inputs)}", dtype=dtype, shape=declared)
        value = choose.array(dtype, shape)
        for size, n in zip(x.shape, shape, strict=True):
            if (symbol := as_size(size)) is not None:
                self.sizes[symbol] = n
        self.inputs.append(x)
        self.keep(x, value, "input")

    def keep(self, expr: Expr, value: Any, name: str) -> None:
        self.values[expr] = value
        self.pool.append(expr)
        self.grown.append(name)

    def grow(self) -> bool:
        """Apply one more operator; whether that worked."""
        before = dict(self.values)
        name, build = pick(self.choose, GROWERS)
        try:
            made = build(self)
        except (EgTensorError, _Unfit):
            self.values = before
            return False
        results = made if isinstance(made, (tuple, list)) else (made,)
        if not all(self.evaluate(r) for r in results):
            self.values = before
            return False
        for r in results:
            self.pool.append(r)
        self.grown.append(name)
        return True

    def evaluate(self, root: Expr) -> bool:
        """Compute the value of ``root``; whether it can be judged."""
        for node in toposort([root]):
            if node in self.values:
                continue
            if any(a not in self.values for a in node.args):
                return False
            value = node_value(node, [self.values[a] for a in node.args], self.sizes)
            if value is None:
                return False
            if not isinstance(value, tuple):
                if value.size > 200_000:
                    return False
                if value.dtype.kind == "f" and not self.tolerable(value):
                    return False
            self.values[node] = value
        return True

    def tolerable(self, value: Any) -> bool:
        finite = bool(np.all(np.isfinite(value)))
        if not finite and not self.special:
            return False
        self.finite &= finite
        with np.errstate(invalid="ignore"):
            return bool(np.all(~np.isfinite(value) | (np.abs(value) < LARGEST)))

    def any(self, kinds: str = "biuf", least_rank: int = 0) -> Expr:
        fit = [x for x in self.pool if x.dtype.kind in kinds and x.ndim >= least_rank]
        if not fit:
            raise _Unfit
        # younger expressions are likelier, so that programs grow deep
        return fit[max(self.choose.integer(0, len(fit) - 1), self.choose.integer(0, len(fit) - 1))]

    def axis(self, x: Expr) -> int:
        return self.choose.integer(-x.ndim, x.ndim - 1)

    def axes(self, x: Expr) -> Any:
        if not x.ndim or self.choose.integer(0, 2) == 0:
            return None
        if self.choose.integer(0, 1):
            return self.axis(x)
        return tuple(k for k in range(x.ndim) if self.choose.integer(0, 1))

    def partner(self, x: Expr, kinds: str) -> Any:
        """Something that combines elementwise with ``x``."""
        roll = self.choose.integer(0, 5)
        if roll == 0:
            return pick(self.choose, (0, 1, 2, -1, 0.5, 3, 1.5, 10))
        if roll == 1:
            return x
        shape = self.values[x].shape
        fit = [y for y in self.pool if y.dtype.kind in kinds and self.combines(x, y, shape)]
        if not fit:
            raise _Unfit
        return pick(self.choose, fit)

    def combines(self, x: Expr, y: Expr, shape: tuple[int, ...]) -> bool:
        other = self.values[y].shape
        rank = min(len(shape), len(other))
        return all(
            a == b or x.shape[-k] == 1 or y.shape[-k] == 1
            for k, a, b in ((k, shape[-k], other[-k]) for k in range(1, rank + 1))
        )

    def sample(self) -> Sample:
        used = [x for x in self.pool if not isinstance(x.type, tuple)]
        count = self.choose.integer(1, 2)
        outputs = list(dict.fromkeys([used[-1], *(pick(self.choose, used) for _ in range(count - 1))]))
        return Sample(
            self.inputs, [self.values[x] for x in self.inputs], outputs, self.finite, self.grown
        )


class _Unfit(Exception):
    """Nothing in the pool suits the operator."""


def node_value(node: Expr, args: list[Any], sizes: dict[Size, Extent]) -> Any:
    """What NumPy computes for one node; None where it refuses."""
    attrs = {k: map_extents(v, sizes) for k, v in node.attributes.items()}
    try:
        with np.errstate(all="ignore"):
            value = node.op.numpy(*args, **attrs)
    except (ValueError, IndexError, ZeroDivisionError, TypeError, KeyError, np.linalg.LinAlgError):
        return None
    if isinstance(node.type, tuple):
        return tuple(np.asarray(v).astype(t.dtype) for v, t in zip(value, node.type, strict=True))
    with np.errstate(all="ignore"):
        return np.asarray(value).astype(node.dtype)


Grower = tuple[str, Callable[[_Growth], Any]]


def _elementwise(op: Op) -> Grower:
    def build(g: _Growth) -> Any:
        kinds = pick(g.choose, ("f", "f", "f", "biuf"))
        first = g.any(kinds)
        operands = [first, *(g.partner(first, kinds) for _ in range((op.arity or 1) - 1))]
        if op.name == "where":
            operands[0] = api.as_expr(g.any("f")) > 0
            operands = [operands[0], first, g.partner(first, kinds)]
        if all(not isinstance(o, Expr) for o in operands):
            raise _Unfit
        return op(*operands)

    return op.name, build


def _shifted(op: Op) -> Grower:
    """Apply to |x| + 1/4, where most functions are defined."""

    def build(g: _Growth) -> Any:
        x = g.any("f")
        return op(named("absolute")(x) + 0.25)

    return op.name, build


def named(name: str) -> Any:
    """The operator or function of this name."""
    return FUNCTIONS.get(name) or OPS[name]


def _along(name: str, one: bool = False) -> Grower:
    def build(g: _Growth) -> Any:
        x = g.any("f" if g.choose.integer(0, 3) else "biuf", 1 if one else 0)
        axis = g.axis(x) if one else g.axes(x)
        options = {} if one or g.choose.integer(0, 1) else {"keepdims": True}
        return named(name)(x, axis=axis, **options)

    return name, build


def _matmul(g: _Growth) -> Any:
    x = g.any("f", 2)
    n = g.values[x].shape[-1]
    fit = [y for y in g.pool if y.ndim == 2 and y.dtype.kind == "f" and g.values[y].shape[0] == n]
    y = pick(g.choose, fit) if fit else FUNCTIONS["transpose"](x)
    if not fit and x.ndim != 2:
        raise _Unfit
    return named("matmul")(x, y)


def _transpose(g: _Growth) -> Any:
    x = g.any(least_rank=2)
    axes = list(range(x.ndim))
    k = g.choose.integer(0, x.ndim - 2)
    axes[k], axes[k + 1] = axes[k + 1], axes[k]
    return FUNCTIONS["transpose"](x, axes)


def _reshape(g: _Growth) -> Any:
    x = g.any(least_rank=1)
    if 0 in g.values[x].shape:
        raise _Unfit
    how = g.choose.integer(0, 2)
    if how == 0:
        return FUNCTIONS["reshape"](x, (-1,))
    if how == 1:
        return FUNCTIONS["reshape"](x, (1, *x.shape))
    return FUNCTIONS["reshape"](x, (-1, *x.shape[2:])) if x.ndim >= 2 else x[:, None]


def _slice(g: _Growth) -> Any:
    x = g.any(least_rank=1)
    index = []
    for n in g.values[x].shape:
        how = g.choose.integer(0, 4)
        if how == 0 and n:
            index.append(g.choose.integer(-n, n - 1))
        elif how == 1:
            index.append(slice(None))
        else:
            ends = (None, None, *range(-n, n + 1))
            step = pick(g.choose, (None, 1, 1, 2, -1, -2))
            index.append(slice(pick(g.choose, ends), pick(g.choose, ends), step))
    return x[tuple(index)]


def _gather(g: _Growth) -> Any:
    x = g.any("f", 1)
    n = g.values[x].shape[0]
    if n == 0:
        raise _Unfit
    count = g.choose.integer(1, 5)
    index = np.array([g.choose.integer(-n, n - 1) for _ in range(count)])
    return x[index]


def _join(g: _Growth) -> Any:
    x = g.any("f", 1)
    fit = [y for y in g.pool if y.dtype == x.dtype and g.values[y].shape == g.values[x].shape]
    return FUNCTIONS["concatenate"]([x, pick(g.choose, fit)], axis=g.axis(x))


def _stack(g: _Growth) -> Any:
    x = g.any("f")
    return FUNCTIONS["stack"]([x, x], axis=g.choose.integer(0, x.ndim))


def _flip(g: _Growth) -> Any:
    x = g.any(least_rank=1)
    return FUNCTIONS["flip"](x, axis=g.axis(x))


def _roll(g: _Growth) -> Any:
    x = g.any(least_rank=1)
    return FUNCTIONS["roll"](x, g.choose.integer(-3, 3), axis=g.axis(x))


def _pad(g: _Growth) -> Any:
    x = g.any("f", 1)
    return FUNCTIONS["pad"](x, g.choose.integer(0, 2))


def _cast(g: _Growth) -> Any:
    x = g.any()
    return cast(x, pick(g.choose, FLOATS if x.dtype.kind == "f" else DTYPES))


def _broadcast(g: _Growth) -> Any:
    x = g.any("f")
    return broadcast(x, (g.choose.integer(0, 3), *x.shape))


def _literal(g: _Growth) -> Any:
    n = g.choose.integer(1, 5)
    kind = g.choose.integer(0, 2)
    if kind == 0:
        return named("full")((n,), 1.5) if "full" in FUNCTIONS else _fill(n)
    return make(OPS["iota"], (), (n, pick(g.choose, FLOATS)))


def _fill(n: int) -> Expr:
    return make(OPS["literal"], (), (api.as_expr(1.5).attrs[0], TensorType(FLOATS[1], (n,))))


def _gradient(g: _Growth) -> Any:
    from egtensor.diff.grad import grad

    y = g.any("f")
    wrt = [x for x in g.inputs if x.dtype.kind == "f"]
    if not wrt:
        raise _Unfit
    cost = named("sum")(y * 0.5 if g.choose.integer(0, 1) else y)
    made = grad(cost, pick(g.choose, wrt), disconnected_inputs="ignore")
    return made if made is not None else y


def _two_results(op: Op) -> Grower:
    def build(g: _Growth) -> Any:
        x = g.any("f")
        operands = [x, *(g.partner(x, "f") for _ in range((op.arity or 1) - 1))]
        return list(op(*operands))

    return op.name, build


def _slogdet(g: _Growth) -> Any:
    x = g.any("f", 2)
    n, m = g.values[x].shape[-2:]
    if n != m or n > 8 or x.ndim != 2:
        square = named("matmul")(FUNCTIONS["transpose"](x), x) if x.ndim == 2 else None
        if square is None or m > 8:
            raise _Unfit
        x = square + 0.5 * named("eye")(m)
    return list(OPS["slogdet"](x))


ALONG = "sum prod max min mean var std any all logsumexp".split()
ALONG_ONE = "argmax argmin cumsum softmax log_softmax".split()
INTERNAL = frozenset("cast philox_bits copysign stop_gradient".split())


def growers() -> list[Grower]:
    """Every way to apply one more operator, from the registries."""
    found: list[Grower] = []
    for op in OPS.values():
        if isinstance(op.body, Scalar) and op.name not in INTERNAL:
            if op.results != 1:
                found.append(_two_results(op))
                continue
            found.append(_elementwise(op))
            if op.arity == 1:
                found.append(_shifted(op))
    known = {**OPS, **FUNCTIONS}
    found += [_along(n) for n in ALONG if n in known for _ in range(3)]
    found += [_along(n, one=True) for n in ALONG_ONE if n in known for _ in range(2)]
    moves = {
        "transpose": _transpose, "reshape": _reshape, "slice": _slice, "gather": _gather, "concatenate": _join,
        "stack": _stack, "flip": _flip, "roll": _roll, "pad": _pad, "cast": _cast, "broadcast_to": _broadcast,
        "matmul": _matmul, "full": _literal, "gradient": _gradient, "slogdet": _slogdet,
    }  # fmt: skip
    for name, build in moves.items():
        if name in known or name in ("gradient", "full", "slice"):
            found += [(name, build)] * (12 if name == "gradient" else 5)
    return found


GROWERS = growers()
