"""Random programs over all operators, with inputs for which they are defined.

A program grows node by node; each node is evaluated at once, and given up where it is not finite
or too large, so that nearly every sample can be judged.  Choices come from a ``Chooser``: a seeded
generator in a campaign, hypothesis in a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from egtensor.errors import EgTensorError
from egtensor.lang import api
from egtensor.lang.dims import Extent, Size
from egtensor.lang.expr import Expr, resolve, toposort
from egtensor.lang.op import Leaf
from egtensor.lang.types import DTYPES, TensorType
from egtensor.shared import SharedVariable, shared
from egtensor.testing.evaluation import learn_sizes, node_value
from egtensor.testing.layouts import LAYOUTS, relaid

T = TypeVar("T")
Special = Literal["none", "nan", "all"]
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 64, 100)
LARGEST = 1e6  # magnitude beyond which rounding errors of later steps mean nothing
FLOATS: tuple[np.dtype[Any], ...] = (np.dtype(np.float32), np.dtype(np.float64))
SPECIALS = {"none": (), "nan": (np.nan,), "all": (np.nan, np.inf, -np.inf, -0.0)}
CONSTANTS = ((0, 1, 2, -1, 0.5, 3, 1.5, 10), (0.25, 4, -2, 1.25, 1, 5, -0.5, 7))


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
            values = rng.uniform(0.05, 1, shape) * rng.choice((-1, 1))  # of one sign
        elif style == 2:
            values = rng.normal(0, 1, shape) * 10.0 ** rng.integers(-3, 2)
        else:
            values = rng.normal(0, 2, shape)
        return np.asarray(values).astype(dtype)


@dataclass(frozen=True)
class Kind:
    """What sort of sample to make.

    steps      how many operators to apply
    special    what input elements may be besides finite numbers
    large      some axes have a hundred thousand elements or more
    twin       the same decisions with other numbers (1), or with float32 and float64 exchanged (2)
    state      whether inputs may be shared variables, with updates
    """

    steps: int = 6
    special: Special = "none"
    large: bool = False
    twin: int = 0
    state: bool = True


@dataclass
class Sample:
    """A program and arguments for it.

    inputs     symbols, in order
    values     an array for each
    layouts    how each array lies in memory, names of ``layouts.LAYOUTS``
    outputs    expressions of the symbols and of shared variables
    shared     shared variables that the program may read, each with its value
    updates    pairs (shared variable, new value)
    gradients  triples (scalar cost, input, its gradient), of the program and in it
    special    what input elements may be besides finite numbers
    grown      names of what was applied, in order
    """

    inputs: list[Expr]
    values: list[Any]
    layouts: list[str]
    outputs: list[Expr]
    shared: list[tuple[SharedVariable, Any]] = field(default_factory=list)
    updates: list[tuple[SharedVariable, Expr]] = field(default_factory=list)
    gradients: list[tuple[Expr, Expr, Expr]] = field(default_factory=list)
    special: Special = "none"
    grown: list[str] = field(default_factory=list)

    @property
    def roots(self) -> list[Expr]:
        """Everything that is computed: outputs, then new values of shared variables."""
        return [*self.outputs, *(new for _, new in self.updates)]

    @property
    def known(self) -> dict[Expr, Any]:
        """The values of inputs and shared variables."""
        return {**dict(zip(self.inputs, self.values, strict=True)), **dict(self.shared)}

    @property
    def arguments(self) -> list[Any]:
        """The values as they lie in memory."""
        return [relaid(v, how) for v, how in zip(self.values, self.layouts, strict=True)]

    def reset(self) -> None:
        """Give shared variables their first values."""
        for variable, value in self.shared:
            variable.set_value(value)

    def __repr__(self) -> str:
        from egtensor.lang.show import listing

        with np.printoptions(threshold=12, edgeitems=2, precision=17):
            lines = [
                f"{x.attrs[1]} = {v!r}  # {x.type}, {how}"
                for x, v, how in zip(self.inputs, self.values, self.layouts, strict=True)
            ]
            lines += [f"{s.name} = shared({v!r})  # {s.type}" for s, v in self.shared]
        updated = ", ".join(s.name for s, _ in self.updates)
        lines.append(listing(self.roots))
        return "\n".join([*lines, *([f"the last results update {updated}"] if updated else [])])


def pick(choose: Chooser, options: Sequence[T]) -> T:
    """One of several."""
    return options[choose.integer(0, len(options) - 1)]


def generate(choose: Chooser, kind: Kind | None = None) -> Sample:
    """A random sample."""
    kind = kind or Kind()
    growth = Growth(choose, kind)
    for _ in range(choose.integer(1, 3)):
        growth.new_input()
    for step in range(kind.steps):
        # what order and cancellation make of NaN is where compilers differ most
        middle = kind.special != "none" and step == kind.steps // 2
        wanted = pick(choose, ("extreme", "tempting")) if middle else None
        for _ in range(8):
            if growth.grow(wanted):
                break
    return growth.sample()


class UnfitError(Exception):
    """Nothing in the pool suits the operator."""


class Growth:
    """Expressions so far, and their values."""

    def __init__(self, choose: Chooser, kind: Kind) -> None:
        self.choose = choose
        self.kind = kind
        self.values: dict[Expr, Any] = {}
        self.pool: list[Expr] = []
        self.leaves: list[Expr] = []
        self.layouts: list[str] = []
        self.gradients: list[tuple[Expr, Expr, Expr]] = []
        self.sizes: dict[Size, Extent] = {}
        self.grown: list[str] = []
        self.stream: Any = None
        self.watched: list[Expr] = []
        self.largest_axis = pick(choose, (5, 17, 33, 100))

    @property
    def constants(self) -> tuple[Any, ...]:
        """Numbers that literals are drawn from."""
        return CONSTANTS[self.kind.twin == 1]

    def new_input(self) -> None:
        """Add an input or a shared variable of a random type."""
        choose = self.choose
        dtype = pick(choose, (*FLOATS, *FLOATS, *FLOATS, *DTYPES))
        if self.kind.twin == 2 and dtype.kind == "f":
            dtype = FLOATS[dtype == FLOATS[0]]
        shape = self.shape()
        value = choose.array(dtype, shape)
        specials = SPECIALS[self.kind.special]
        if specials and dtype.kind == "f" and value.size:
            value = value.copy()
            for _ in range(choose.integer(0, 3)):
                value.flat[choose.integer(0, value.size - 1)] = pick(choose, specials)
        name = f"x{len(self.leaves)}"
        x: Expr
        if self.kind.state and choose.integer(0, 5) == 0:
            x = shared(value, name)
        else:
            known = choose.integer(0, 3) == 0
            declared = tuple(
                n if n == 1 or known or choose.integer(0, 3) == 0 else None for n in shape
            )
            x = api.tensor(name, dtype=dtype, shape=declared)
        self.add_leaf(x, value)
        self.pool.append(x)
        self.grown.append("input")

    def add_leaf(self, x: Expr, value: Any) -> None:
        """Add an input or shared variable with its value."""
        self.leaves.append(x)
        self.layouts.append(pick(self.choose, ("C", "C", *LAYOUTS)))
        self.values[x] = value
        learn_sizes(x, value, self.sizes)

    def shape(self) -> tuple[int, ...]:
        """A shape, with sizes that occur already more often than not."""
        choose = self.choose
        rank = pick(choose, (0, 1, 1, 2, 2, 2, 3))
        known = [n for x in self.leaves for n in self.values[x].shape]
        allowed = [n for n in SIZES if n <= self.largest_axis]
        shape = tuple(
            pick(choose, known) if known and choose.integer(0, 2) else pick(choose, allowed)
            for _ in range(rank)
        )
        if self.kind.large:
            shape = pick(choose, ((300_001,), (400_000,), (700, 601), (3, 140_000), (250_000, 1)))
            known_shapes = [self.values[x].shape for x in self.leaves]
            return pick(choose, known_shapes) if known_shapes else shape
        if np.prod(shape, dtype=int) > 20000:
            shape = tuple(min(n, 7) for n in shape)
        return shape

    def grow(self, wanted: str | None = None) -> bool:
        """Apply one more operator, drawn or ``wanted``; whether that worked."""
        from egtensor.testing.growers import GROWERS

        before, sizes, leaves = dict(self.values), dict(self.sizes), len(self.leaves)
        fit = [g for g in GROWERS if g[0] == wanted] if wanted else GROWERS
        name, build = pick(self.choose, fit)
        try:
            made = build(self)
        except (EgTensorError, UnfitError):
            made = ()
        results = made if isinstance(made, (tuple, list)) else (made,)
        if not results or not all(self.evaluate(r) for r in results):
            self.values, self.sizes = before, sizes
            del self.leaves[leaves:], self.layouts[leaves:]
            return False
        old = set(self.pool)  # equality of expressions is symbolic
        self.pool += [r for r in dict.fromkeys(results) if r not in old]
        self.grown.append(name)
        if wanted:
            self.watched += [r for r in results if isinstance(r.type, TensorType)]
        return True

    def evaluate(self, root: Expr) -> bool:
        """Compute the value of ``root``; whether it can be judged."""
        (plain,) = resolve([root])
        if plain is not root:
            if not self.evaluate(plain):
                return False
            self.values[root] = self.values[plain]
            return True
        for node in toposort([root]):
            if node in self.values:
                continue
            if any(a not in self.values for a in node.args):
                return False
            args = [self.values[a] for a in node.args]
            value = node_value(node, args, self.sizes) if self.defined(node, args) else None
            if value is None:
                return False
            learn_sizes(node, value, self.sizes)
            from_bits = (
                node.op.name == "cast" and args[0].dtype.kind in "iu"
            )  # exact, however large
            made = value if isinstance(value, tuple) else (value,)
            if not from_bits and not all(map(self.tolerable, made)):
                return False
            self.values[node] = value
        return True

    def defined(self, node: Expr, args: list[Any]) -> bool:
        """Whether every processor agrees on the value: conversions to integers must be in range."""
        if isinstance(node.op.body, Leaf):
            return node.op.name not in ("input", "shared")
        if node.op.name == "cast" and node.dtype.kind in "iu" and args[0].dtype.kind == "f":
            bounds, x = np.iinfo(node.dtype), args[0]
            with np.errstate(invalid="ignore"):
                return bool(np.all((x >= bounds.min) & (x <= min(bounds.max, 2**31))))
        if node.op.name in ("left_shift", "right_shift"):
            width = 8 * node.dtype.itemsize
            return bool(np.all((args[1] >= 0) & (args[1].astype(np.int64) < width)))
        return True

    def tolerable(self, value: Any) -> bool:
        """Whether a value is small enough, and finite where that is asked for."""
        if value.size > (3_000_000 if self.kind.large else 50_000):
            return False
        if value.dtype.kind != "f":
            return True
        finite = np.isfinite(value)
        if self.kind.special == "none" and not finite.all():
            return False
        with np.errstate(invalid="ignore"):
            return bool(np.all(~finite | (np.abs(value) < LARGEST)))

    def any(self, kinds: str = "biuf", least_rank: int = 0) -> Expr:
        """Something of one of some kinds of dtype; younger things are likelier, so programs grow deep."""
        fit = [x for x in self.pool if x.dtype.kind in kinds and x.ndim >= least_rank]
        if not fit:
            raise UnfitError
        return fit[max(self.choose.integer(0, len(fit) - 1), self.choose.integer(0, len(fit) - 1))]

    def axis(self, x: Expr) -> int:
        """One axis of ``x``, possibly counted from the end."""
        return self.choose.integer(-x.ndim, x.ndim - 1)

    def axes(self, x: Expr) -> Any:
        """None, an axis, or several."""
        if not x.ndim or self.choose.integer(0, 2) == 0:
            return None
        if self.choose.integer(0, 1):
            return self.axis(x)
        return tuple(k for k in range(x.ndim) if self.choose.integer(0, 1))

    def partner(self, x: Expr, kinds: str) -> Any:
        """Something that combines elementwise with ``x``."""
        roll = self.choose.integer(0, 6)
        if roll == 0:
            return pick(self.choose, self.constants)
        if roll == 1:
            return x
        if roll == 2 and x.ndim:
            return x.shape[self.axis(x)]
        shape = self.values[x].shape
        fit = [y for y in self.pool if y.dtype.kind in kinds and self.combines(x, y, shape)]
        if not fit:
            raise UnfitError
        return pick(self.choose, fit)

    def combines(self, x: Expr, y: Expr, shape: tuple[int, ...]) -> bool:
        """Whether the sizes agree, or are known to be 1 beforehand."""
        other = self.values[y].shape
        return all(
            shape[-k] == other[-k] or x.shape[-k] == 1 or y.shape[-k] == 1
            for k in range(1, min(len(shape), len(other)) + 1)
        )

    def sample(self) -> Sample:
        """What has grown."""
        used = [x for x in self.pool if not isinstance(x.type, tuple)]
        count = self.choose.integer(1, 2)
        drawn = [used[-1], *(pick(self.choose, used) for _ in range(count - 1))]
        drawn += self.watched
        # a function knows the sizes of those shared variables only that it reads
        drawn += [x for x in self.leaves if isinstance(x, SharedVariable) and x.ndim]
        places = [k for k, x in enumerate(self.leaves) if not isinstance(x, SharedVariable)]
        variables = [x for x in self.leaves if isinstance(x, SharedVariable)]
        return Sample(
            inputs=[self.leaves[k] for k in places],
            values=[self.values[self.leaves[k]] for k in places],
            layouts=[self.layouts[k] for k in places],
            outputs=list(dict.fromkeys(drawn)),
            shared=[(s, self.values[s]) for s in variables],
            updates=[pair for s in variables for pair in self.update_of(s)],
            gradients=[*self.gradients, *self.whole_gradients(drawn)],
            special=self.kind.special,
            grown=self.grown,
        )

    def whole_gradients(self, outputs: list[Expr]) -> list[tuple[Expr, Expr, Expr]]:
        """Gradients of the sum of an output, which are judged but not compiled."""
        from egtensor.diff.grad import grad

        wrt = [x for x in self.leaves if x.dtype.kind == "f"]
        costs = [y for y in outputs if y.dtype.kind == "f"]
        if self.kind.special != "none" or self.kind.large or not wrt or not costs:
            return []
        cost = (costs[0] * 0.5).sum()
        try:
            found = grad(cost, wrt, disconnected_inputs="ignore")
        except EgTensorError:
            return []
        return [(cost, x, g) for x, g in zip(wrt, found, strict=True)]

    def update_of(self, variable: SharedVariable) -> list[tuple[SharedVariable, Expr]]:
        """At most one new value for a shared variable; those of streams move on by themselves."""
        if variable.container.default_update is not None:
            return []
        fit = [
            x
            for x in self.pool
            if x.dtype == variable.dtype and self.values[x].shape == self.values[variable].shape
        ]
        return [(variable, pick(self.choose, fit))] if fit and self.choose.integer(0, 3) else []
