"""Every way a random program applies one more operator or function of the registries."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from egtensor.lang import api
from egtensor.lang.expr import Expr, broadcast, cast
from egtensor.lang.op import FUNCTIONS, OPS, Op
from egtensor.lang.pattern import Variable, variables
from egtensor.lang.types import DTYPES
from egtensor.rules import sample
from egtensor.testing.generate import FLOATS, Growth, UnfitError, pick

Build = Callable[[Growth], Any]
Grower = tuple[str, Build]


def named(name: str) -> Any:
    """The operator or function of this name."""
    return FUNCTIONS.get(name) or OPS[name]


def _elementwise(op: Op) -> Build:
    def build(g: Growth) -> Any:
        kinds = pick(g.choose, ("f", "f", "f", "biuf"))
        if op.name in INTEGER_ONLY or (op.name in DIVISIONS and g.choose.integer(0, 1)):
            kinds = "iu"
        first = g.any(kinds)
        operands = [first, *(g.partner(first, kinds) for _ in range((op.arity or 1) - 1))]
        if op.name == "where":
            operands = [g.any("f") > 0, first, g.partner(first, kinds)]
        if op.name == "ldexp":
            operands = [g.any("f"), g.choose.integer(-3, 3)]
        if g.choose.integer(0, 3) == 0:
            operands.reverse()
        made = op(*operands)
        return list(made) if isinstance(made, tuple) else made

    return build


def _shifted(op: Op) -> Build:
    """Apply to |x| + 1/4, where most functions are defined."""

    def build(g: Growth) -> Any:
        made = op(named("absolute")(g.any("f")) + 0.25)
        return list(made) if isinstance(made, tuple) else made

    return build


def _along(name: str, *, one: bool = False) -> Build:
    def build(g: Growth) -> Any:
        x = g.any("f" if g.choose.integer(0, 3) else "biuf", 1 if one else 0)
        axis = g.axis(x) if one else g.axes(x)
        keep = not one and g.choose.integer(0, 2) == 0
        return named(name)(x, axis=axis, **({"keepdims": True} if keep else {}))

    return build


def _matmul(g: Growth) -> Any:
    x = g.any("f", 1)
    n = g.values[x].shape[-1]
    fit = [
        y
        for y in g.pool
        if y.ndim >= 1 and y.dtype.kind == "f" and g.values[y].shape[-2:][0] == n and y.ndim <= 2
    ]
    name = pick(g.choose, ("matmul", "matmul", "dot"))
    if fit:
        return named(name)(x, pick(g.choose, fit))
    if x.ndim != 2:
        raise UnfitError
    return named("matmul")(named("transpose")(x), x)


EINSUMS = (
    ("ij->ji", 2), ("ij->j", 2), ("ij,ij->i", 2), ("ij,ij->", 2), ("ij,kj->ik", 2), ("ij,ik->jk", 2),
    ("i,i->i", 1), ("i,j->ij", 1), ("ijk->kij", 3), ("ijk,ijk->jk", 3), ("ijk,ijl->ikl", 3),
)  # fmt: skip


def _einsum(g: Growth) -> Any:
    subscripts, rank = pick(g.choose, EINSUMS)
    fit = [x for x in g.pool if x.dtype.kind == "f" and x.ndim == rank]
    if not fit:
        raise UnfitError
    x = pick(g.choose, fit)
    alike = [y for y in fit if g.values[y].shape == g.values[x].shape]
    return named("einsum")(subscripts, x, *([pick(g.choose, alike)] if "," in subscripts else []))


def _products(g: Growth) -> Any:
    x = g.any("f", 1)
    alike = [y for y in g.pool if y.dtype == x.dtype and g.values[y].shape == g.values[x].shape]
    y = pick(g.choose, alike)
    name = pick(g.choose, ("tensordot", "inner", "outer", "vdot"))
    if name == "tensordot":
        return named(name)(x, y, axes=((0,), (0,)))
    return named(name)(x, y)


def _square(g: Growth) -> Expr:
    """A matrix far from singular."""
    x = g.any("f", 2)
    n, m = g.values[x].shape[-2:]
    if x.ndim != 2 or m > 8 or n == 0:
        raise UnfitError
    return named("matmul")(named("transpose")(x), x) * (1 / n) + named("eye")(m, dtype=x.dtype)  # type: ignore[no-any-return]


def _linalg(name: str) -> Build:
    def build(g: Growth) -> Any:
        a = _square(g)
        if name == "linalg.solve":
            g.evaluate(a)
            m = g.values[a].shape[0] if a in g.values else -1
            fit = [y for y in g.pool if y.ndim in (1, 2) and g.values[y].shape[:1] == (m,)]
            fit = [y for y in fit if y.dtype.kind == "f"]
            return named(name)(a, pick(g.choose, fit) if fit else a)
        made = named(name)(a)
        return list(made) if isinstance(made, tuple) else made

    return build


def _norm(g: Growth) -> Any:
    x = g.any("f", 1)
    return named("linalg.norm")(x, axis=g.axis(x), keepdims=bool(g.choose.integer(0, 1)))


def _transpose(g: Growth) -> Any:
    x = g.any(least_rank=2)
    how = g.choose.integer(0, 2)
    if how == 0:
        return named("swapaxes")(x, g.axis(x), g.axis(x))
    if how == 1:
        return named("moveaxis")(x, g.axis(x), g.axis(x))
    axes = list(range(x.ndim))
    k = g.choose.integer(0, x.ndim - 2)
    axes[k], axes[k + 1] = axes[k + 1], axes[k]
    return named("transpose")(x, axes)


def _reshape(g: Growth) -> Any:
    x = g.any(least_rank=1)
    if 0 in g.values[x].shape:
        raise UnfitError
    how = g.choose.integer(0, 5)
    if how == 0:
        return named("reshape")(x, (-1,))
    if how == 1:
        return named("reshape")(x, (1, *x.shape))
    if how == 2:
        return named(pick(g.choose, ("ravel", "flatten")))(x)
    if how == 3:
        return named(pick(g.choose, ("atleast_1d", "atleast_2d", "atleast_3d")))(x)
    if how == 4:
        return named("expand_dims")(x, g.choose.integer(0, x.ndim))
    return named("reshape")(x, (-1, *x.shape[2:])) if x.ndim >= 2 else x[:, None]


def _squeeze(g: Growth) -> Any:
    fit = [x for x in g.pool if 1 in x.shape]
    if not fit:
        raise UnfitError
    return named("squeeze")(pick(g.choose, fit))


def _slice(g: Growth) -> Any:
    x = g.any(least_rank=1)
    index: list[Any] = []
    for n in g.values[x].shape:
        how = g.choose.integer(0, 4)
        if how == 0 and n:
            index.append(g.choose.integer(-n, n - 1))
        elif how == 1:
            index.append(slice(None))
        else:
            ends = (None, None, *range(-n, n + 1)) if n < 40 else (None, 0, 1, n // 2, -1, -3)
            step = pick(g.choose, (None, 1, 1, 2, -1, -2))
            index.append(slice(pick(g.choose, ends), pick(g.choose, ends), step))
    return x[tuple(index)]


def _gather(g: Growth) -> Any:
    x = g.any("f", 1)
    axis = g.axis(x)
    n = g.values[x].shape[axis]
    if n == 0:
        raise UnfitError
    count = g.choose.integer(1, 5)
    index = np.array([g.choose.integer(-n, n - 1) for _ in range(count)])
    how = g.choose.integer(0, 3)
    if how == 0:
        return named("take")(x, index, axis=axis)
    if how == 1 and x.ndim == 1:
        return named("take_along_axis")(x, index, axis=0)
    indices = [y for y in g.pool if y.dtype.kind in "iu" and y.ndim == 1 and y.dtype.itemsize > 1]
    fit = [y for y in indices if _within(g.values[y], g.values[x].shape[0])]
    if fit and how == 2:
        return x[pick(g.choose, fit)]
    rows = len(g.values[x])
    if rows == 0:
        raise UnfitError
    return x[np.array([g.choose.integer(-rows, rows - 1) for _ in range(count)])]


def _within(index: Any, n: int) -> bool:
    return bool(np.all((index >= -n) & (index < n)))


def _scatter(g: Growth) -> Any:
    x = g.any("f", 1)
    n = len(g.values[x])
    if n == 0:
        raise UnfitError
    count = g.choose.integer(1, 6)
    index = api.as_expr(np.array([g.choose.integer(-n, n - 1) for _ in range(count)]))
    fill = broadcast(cast(api.as_expr(pick(g.choose, g.constants)), x.dtype), (count, *x.shape[1:]))
    return OPS["scatter_add"](x, fill * 0.5, index, axes=(0,))


def _nonzero(g: Growth) -> Any:
    x = g.any(least_rank=1)
    if x.ndim == 1 and g.choose.integer(0, 1):
        return x[named("flatnonzero")(x)]
    return list(named("nonzero")(x))


def _join(g: Growth) -> Any:
    x = g.any("f", 1)
    alike = [y for y in g.pool if y.dtype == x.dtype and g.values[y].shape == g.values[x].shape]
    y = pick(g.choose, alike)
    how = g.choose.integer(0, 4)
    if how == 0:
        return named(pick(g.choose, ("hstack", "vstack", "dstack", "column_stack")))([x, y])
    if how == 1:
        return named("stack")([x, y], axis=g.choose.integer(0, x.ndim))
    return named("concatenate")([x, y], axis=g.axis(x))


def _split(g: Growth) -> Any:
    fit = [x for x in g.pool if x.ndim and isinstance(x.shape[0], int) and x.shape[0] >= 2]
    if not fit:
        raise UnfitError
    x = pick(g.choose, fit)
    n = int(x.shape[0])
    if n % 2 == 0 and g.choose.integer(0, 1):
        return list(named("split")(x, 2))
    return list(named("array_split")(x, [g.choose.integer(1, n - 1)]))


def _repeated(g: Growth) -> Any:
    x = g.any("f", 1)
    if g.values[x].size > 2000:
        raise UnfitError
    if g.choose.integer(0, 1):
        return named("tile")(x, pick(g.choose, (1, 2, (2, 1), (2, 3))))
    return named("repeat")(x, g.choose.integer(0, 3), axis=g.axis(x))


def _moved(g: Growth) -> Any:
    x = g.any(least_rank=1)
    how = g.choose.integer(0, 2)
    if how == 0:
        name = pick(g.choose, ("flip", "flipud", "fliplr" if x.ndim > 1 else "flip"))
        return named(name)(x, axis=g.axis(x)) if name == "flip" else named(name)(x)
    if how == 1:
        return named("roll")(x, g.choose.integer(-3, 3), axis=g.axis(x))
    widths = ((g.choose.integer(0, 2), g.choose.integer(0, 2)),) * x.ndim
    return named("pad")(x, widths, constant_values=pick(g.choose, (0, 0, 1)))


def _diagonal(g: Growth) -> Any:
    x = g.any("f", 1)
    k = g.choose.integer(-2, 2)
    if x.ndim == 1:
        return named("diag")(x, k)
    name = pick(
        g.choose,
        ("tril", "triu", "diagonal", "trace", "diag") if x.ndim == 2 else ("tril", "diagonal"),
    )
    return named(name)(x, k)


def _cast(g: Growth) -> Any:
    x = g.any()
    return cast(
        x, pick(g.choose, FLOATS if x.dtype.kind == "f" and g.choose.integer(0, 2) else DTYPES)
    )


def _to_integers(g: Growth) -> Any:
    """Conversion of numbers of both signs that every integer dtype has."""
    exact = [
        x for x in g.leaves if x.dtype.kind == "f"
    ]  # which no rounding carries over an integer
    x = named("clip")(pick(g.choose, exact) if exact else g.any("f"), -60, 60)
    return cast(x, pick(g.choose, tuple(d for d in DTYPES if d.kind == "i")))


def _shifted_bits(g: Growth) -> Any:
    x = g.any("iu")
    return OPS[pick(g.choose, ("right_shift", "left_shift"))](x, g.choose.integer(0, 6))


def _quotient(g: Growth) -> Any:
    """Integer division by numbers of both signs."""
    x = g.any("iu")
    divisor = g.choose.integer(1, 5) * (pick(g.choose, (1, -1)) if x.dtype.kind == "i" else 1)
    return OPS[pick(g.choose, ("floor_divide", "remainder", "fmod"))](x, divisor)


def _extreme(g: Growth) -> Any:
    """The largest or smallest of some elements, NaN among them where the sample has some."""
    odd = [x for x in g.pool if x.dtype.kind == "f" and np.isnan(g.values[x]).any()]
    x = pick(g.choose, odd) if odd else g.any("f")
    if g.choose.integer(0, 1):
        name = pick(g.choose, ("maximum", "minimum", "fmax", "fmin"))
        return OPS[name](x, g.partner(x, "f"))
    return named(pick(g.choose, ("max", "min")))(x, axis=g.axes(x))


def _broadcast(g: Growth) -> Any:
    x = g.any("f")
    if g.choose.integer(0, 1):
        return named("broadcast_to")(x, (g.choose.integer(0, 3), *x.shape))
    y = g.partner(x, "f")
    if not isinstance(y, Expr):
        raise UnfitError
    if x.ndim == 1 and y.ndim == 1 and g.values[x].size * g.values[y].size < 3000:
        return list(named("meshgrid")(x, y, indexing=pick(g.choose, ("xy", "ij"))))
    return list(named("broadcast_arrays")(x, y))


def _created(g: Growth) -> Any:
    n = g.choose.integer(1, 6)
    how = g.choose.integer(0, 6)
    value = pick(g.choose, g.constants)
    dtype = pick(g.choose, FLOATS)
    if how == 0:
        return named("full")((n,), value, dtype=dtype)
    if how == 1:
        return named("arange")(n, dtype=dtype)
    if how == 2:
        return named("linspace")(0, value, n, dtype=dtype)
    if how == 3:
        return named("eye")(n, n + g.choose.integer(-1, 1), g.choose.integer(-1, 1), dtype=dtype)
    if how == 4:
        return named(pick(g.choose, ("zeros", "ones")))((n,), dtype=dtype)
    x = g.any("f")
    if how == 5:
        return named(pick(g.choose, ("zeros_like", "ones_like")))(x)
    return named("full_like")(x, value)


def _constant(g: Growth) -> Any:
    """An array in the program itself, negative zeros among its elements."""
    values = [float(pick(g.choose, (*g.constants, -0.0))) for _ in range(g.choose.integer(1, 5))]
    return api.as_expr(np.array(values).astype(pick(g.choose, FLOATS)))


def _literal_zero(g: Growth) -> Any:
    """What tells -0.0 from 0.0."""
    return named("copysign")(g.any("f"), pick(g.choose, (-0.0, 0.0)))


def _clip(g: Growth) -> Any:
    low = pick(g.choose, (-1, 0, 0.5))
    return named("clip")(g.any("f"), low, low + g.choose.integer(0, 3))


def _round(g: Growth) -> Any:
    return named("round")(g.any("f"), g.choose.integer(0, 2))


def _uniform(g: Growth) -> Any:
    from egtensor.random import RandomStream

    if g.stream is None:
        if not g.kind.state:
            raise UnfitError
        g.stream = RandomStream(g.choose.integer(0, 2**30))
        g.add_leaf(g.stream.state, np.asarray(np.uint64(0)))
        g.layouts[-1] = "C"
    shape = (g.choose.integer(0, 5),) * g.choose.integer(0, 2)
    dtype = pick(g.choose, FLOATS)
    how = g.choose.integer(0, 2)
    if how == 0:
        return g.stream.normal(shape, dtype=dtype)
    if how == 1:
        return g.stream.bernoulli(shape, 0.5)
    return g.stream.uniform(shape, 0.0, pick(g.choose, (1, 2.5)), dtype=dtype)


def _gradient(g: Growth) -> Any:
    from egtensor.diff.grad import grad

    y = g.any("f")
    wrt = [
        x for x in g.pool[: g.choose.integer(1, len(g.pool))] if x.dtype.kind == "f" and x is not y
    ]
    if not wrt:
        raise UnfitError
    x = pick(g.choose, wrt)
    weight = g.partner(y, "f") if g.choose.integer(0, 1) else 0.5
    cost = named("sum")(y * weight)
    made = grad(cost, x, disconnected_inputs="ignore")
    g.gradients.append((cost, x, made))
    return made


def _branch(g: Growth) -> Any:
    condition = named("sum")(g.any("f")) > pick(g.choose, g.constants)
    x = g.any("f")
    alike = [y for y in g.pool if y.type == x.type]
    return named("ifelse")(condition, x * 2, pick(g.choose, alike))


def _scan(g: Growth) -> Any:
    x = g.any("f", 1)
    if len(g.values[x]) > 20:
        raise UnfitError
    weight = pick(g.choose, (0.5, -0.25))
    bend = named(pick(g.choose, ("tanh", "positive", "sin")))
    start = (
        x[0] * 0
        if len(g.values[x]) and g.choose.integer(0, 1)
        else named("zeros")(x.shape[1:], x.dtype)
    )
    if g.choose.integer(0, 1):
        found, _ = named("scan")(lambda element, last: bend(last * weight + element), x, start)
        return found
    several, _ = named("scan")(
        lambda element, a, b: [b * weight + element, bend(a)], x, [start, start + 1],
        go_backwards=bool(g.choose.integer(0, 1)),
    )  # fmt: skip
    return list(several)


@cache
def _left_sides() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The rules of the catalogue, and those of them or refuted ones that hold for finite values at most."""
    import rules_catalog
    from egtensor.rules.domain import FINITE

    rules = tuple(rules_catalog.rules(FINITE))
    refuted = tuple(claim for family in rules_catalog.families() for claim in family.refutations)
    return rules, (*(r for r in rules if r.over is FINITE), *refuted)


def _left_side(g: Growth) -> Any:
    """What a rule of the catalogue rewrites, over operands for which its conditions are often shown."""
    rule = pick(g.choose, _left_sides()[0])
    kinds = "biu" if rule.over.name == "MODULAR" else "f" if g.choose.integer(0, 4) else "biuf"
    x = g.any(kinds)
    return _instance(g, rule, x, bool(g.choose.integer(0, 1)) and x.dtype.kind == "f")


def _tempting(g: Growth) -> Any:
    """What an unsound rule would rewrite: of NaN, infinities and negative numbers where there are some."""
    odd = [x for x in g.pool if x.dtype.kind == "f" and not np.isfinite(g.values[x]).all()]
    return _instance(
        g, pick(g.choose, _left_sides()[1]), pick(g.choose, odd) if odd else g.any("f"), False
    )


def _instance(g: Growth, rule: Any, x: Expr, positive: bool) -> Any:
    """The left side of a rule, over ``x`` and what has its type."""
    alike = [y for y in g.pool if y.dtype == x.dtype and g.values[y].shape == g.values[x].shape]
    symbols: dict[str, Expr] = {}
    for name, variable in variables(rule.lhs).items():
        if isinstance(variable, Variable):
            chosen = pick(g.choose, alike) if symbols else x
            symbols[name] = named("absolute")(chosen) + 0.25 if positive else chosen
    try:
        made = sample.build(
            rule.lhs, symbols, {}, np.random.default_rng(g.choose.integer(0, 2**20))
        )
    except (sample.DoesNotApplyError, AssertionError, IndexError, ValueError, TypeError, KeyError):
        raise UnfitError from None
    if not isinstance(made, Expr):
        raise UnfitError
    return made


# How operators and functions are applied that are not elementwise, and how often.
OTHERS: tuple[tuple[str, Build, int], ...] = (
    ("matmul", _matmul, 8), ("einsum", _einsum, 4), ("products", _products, 3),
    ("linalg.inv", _linalg("linalg.inv"), 2), ("linalg.det", _linalg("linalg.det"), 1),
    ("linalg.slogdet", _linalg("linalg.slogdet"), 2), ("linalg.solve", _linalg("linalg.solve"), 2),
    ("linalg.norm", _norm, 2), ("transpose", _transpose, 6), ("reshape", _reshape, 8), ("squeeze", _squeeze, 2),
    ("slice", _slice, 8), ("gather", _gather, 6), ("scatter_add", _scatter, 4), ("nonzero", _nonzero, 3),
    ("concatenate", _join, 6), ("split", _split, 3), ("repeat", _repeated, 3), ("roll", _moved, 6),
    ("diag", _diagonal, 4), ("cast", _cast, 6), ("broadcast_to", _broadcast, 5), ("full", _created, 5),
    ("constant", _constant, 3), ("copysign", _literal_zero, 2), ("clip", _clip, 3), ("round", _round, 2),
    ("uniform", _uniform, 3), ("gradient", _gradient, 24), ("rule", _left_side, 60),
    ("cumsum", _along("cumsum", one=True), 5),
    ("ifelse", _branch, 5), ("scan", _scan, 6), ("cast", _to_integers, 6),
    ("right_shift", _shifted_bits, 5), ("floor_divide", _quotient, 8), ("extreme", _extreme, 8),
    ("tempting", _tempting, 8),
)  # fmt: skip
REDUCTIONS = (
    "sum sum sum prod max max min mean mean var std any all logsumexp count_nonzero ptp".split()
)
ONE_AXIS = "argmax argmax argmin softmax log_softmax cumprod diff".split()
INTEGER_ONLY = frozenset(
    "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift bitwise_count gcd lcm".split()
)
USUAL = "add subtract multiply divide power where maximum square floor_divide remainder right_shift".split()
DIVISIONS = frozenset("floor_divide remainder fmod divmod".split())
UNREGISTERED = frozenset("gradient uniform products rule extreme tempting".split())
# Conversions have growers of their own; the others are made by what users write.
INTERNAL = frozenset("cast philox_bits stop_gradient".split())


def growers() -> tuple[Grower, ...]:
    """Every way to apply one more operator, as often as it should be tried."""
    found: list[Grower] = []
    for op in OPS.values():
        if op.is_elementwise and op.name not in INTERNAL:
            found.append((op.name, _elementwise(op)))
            if op.arity == 1 and op.name not in INTEGER_ONLY:
                found.append((op.name, _shifted(op)))
    for op_name in (
        "floor_divide",
        "remainder",
        "right_shift",
        "add",
        "subtract",
        "multiply",
        "divide",
        "power",
        "where",
        "maximum",
        "square",
    ):
        found += [(op_name, _elementwise(OPS[op_name]))] * 3
    found += [(n, _along(n)) for n in REDUCTIONS]
    found += [(n, _along(n, one=True)) for n in ONE_AXIS]
    known = {*OPS, *FUNCTIONS, *UNREGISTERED}
    for name, build, often in OTHERS:
        if name in known:
            found += [(name, build)] * often
    return tuple(found)


GROWERS = growers()
