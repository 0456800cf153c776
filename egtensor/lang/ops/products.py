"""Products of vectors, matrices and tensors by NumPy's names, made from the core product of matrices.

Sums of products of many tensors are contracted two at a time (Smith and Gray 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from egtensor.errors import ShapeError, TypeRuleError
from egtensor.lang import dims
from egtensor.lang.dims import Extent
from egtensor.lang.expr import Expr, as_expr, broadcast, cast
from egtensor.lang.op import composed
from egtensor.lang.ops import linalg, reduction
from egtensor.lang.ops.elementwise import multiply, square
from egtensor.lang.ops.elementwise import power as core_power
from egtensor.lang.ops.reshaping import diagonal, permuted, ravel, reshape
from egtensor.lang.types import broadcast_shapes, like_ufunc, normalize_axis

_PRODUCT = like_ufunc(np.matmul)


def _promoted(name: str, x: Any, y: Any) -> tuple[Expr, Expr]:
    x, y = as_expr(x), as_expr(y)
    dtypes = _PRODUCT(name, (x.dtype, y.dtype))
    return cast(x, dtypes[0]), cast(y, dtypes[1])


@composed(numpy=np.matmul)
def matmul(x: Any, y: Any) -> Expr:
    """Product of matrices, over leading axes that are broadcast; vectors are rows left and columns right."""
    x, y = _promoted("matmul", x, y)
    if not x.ndim or not y.ndim:
        raise TypeRuleError(
            f"matmul: cannot multiply {x.type} by {y.type}\n"
            f"  both operands need at least one axis\n"
            f"  fix: use * to scale by a number"
        )
    row, column = x.ndim == 1, y.ndim == 1
    x = reshape(x, (1, *x.shape)) if row else x
    y = reshape(y, (*y.shape, 1)) if column else y
    batch = broadcast_shapes("matmul", [t.type.with_shape(t.shape[:-2]) for t in (x, y)], [])
    x, y = (broadcast(t, (*batch, *t.shape[-2:])) for t in (x, y))
    z = linalg.matmul(x, y)
    if not row and not column:
        return z  # type: ignore[no-any-return]
    kept = (*z.shape[:-2], *(() if row else z.shape[-2:-1]), *(() if column else z.shape[-1:]))
    return reshape(z, kept)  # type: ignore[no-any-return]


@composed(numpy=np.tensordot)
def tensordot(x: Any, y: Any, axes: Any = 2) -> Expr:
    """Sum of products over pairs of axes.

    axes  how many: the last ones of ``x`` with the first of ``y``; or a pair of axes or lists of axes
    """
    x, y = _promoted("tensordot", x, y)
    if isinstance(axes, (int, np.integer)):
        first, second = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        first, second = (tuple(a) if isinstance(a, (tuple, list)) else (a,) for a in axes)
    left = [normalize_axis("tensordot", a, x.ndim) for a in first]
    right = [normalize_axis("tensordot", a, y.ndim) for a in second]
    if len(left) != len(right):
        raise ShapeError(
            f"tensordot: {len(left)} axes of {x.type} meet {len(right)} of {y.type}\n"
            f"  axes are summed over in pairs\n"
            f"  fix: name as many axes of each operand"
        )
    labels = [f"x{k}" for k in range(x.ndim)]
    others = [f"y{k}" for k in range(y.ndim)]
    for a, b in zip(left, right, strict=True):
        others[b] = labels[a]
    free = [n for n in labels if n not in others] + [n for n in others if n not in labels]
    return _Factor(x, labels).times(_Factor(y, others), free).x


@composed(numpy=np.dot)
def dot(x: Any, y: Any) -> Expr:
    """Sum of products over the last axis of ``x`` and the last but one of ``y``."""
    x, y = as_expr(x), as_expr(y)
    if not x.ndim or not y.ndim:
        return multiply(x, y)  # type: ignore[no-any-return]
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)  # type: ignore[no-any-return]
    return tensordot(x, y, ((x.ndim - 1,), (max(y.ndim - 2, 0),)))  # type: ignore[no-any-return]


@composed(numpy=np.inner)
def inner(x: Any, y: Any) -> Expr:
    """Sum of products over the last axes."""
    x, y = as_expr(x), as_expr(y)
    if not x.ndim or not y.ndim:
        return multiply(x, y)  # type: ignore[no-any-return]
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,)))  # type: ignore[no-any-return]


@composed(numpy=np.outer)
def outer(x: Any, y: Any) -> Expr:
    """All products of an element of ``x`` with one of ``y``."""
    x, y = ravel(x), ravel(y)
    return multiply(reshape(x, (x.size, 1)), reshape(y, (1, y.size)))  # type: ignore[no-any-return]


@composed(numpy=np.vdot)
def vdot(x: Any, y: Any) -> Expr:
    """Sum of products of all elements, in row-major order."""
    return matmul(ravel(x), ravel(y))  # type: ignore[no-any-return]


class _Factor:
    """A tensor whose axes have labels."""

    def __init__(self, x: Expr, labels: Sequence[str]) -> None:
        self.x, self.labels = x, list(labels)

    def size(self, label: str) -> Extent:
        """The size of a labelled axis."""
        return self.x.shape[self.labels.index(label)]

    def without(self, dropped: list[str]) -> _Factor:
        """The sum over some labels."""
        axes = tuple(sorted(self.labels.index(n) for n in dropped))
        kept = [n for n in self.labels if n not in dropped]
        return _Factor(reduction.sum_(self.x, axes=axes) if axes else self.x, kept)

    def arranged(self, labels: Sequence[str]) -> Expr:
        """The tensor with its axes in the order of ``labels``."""
        return permuted(self.x, tuple(self.labels.index(n) for n in labels))

    def plain(self) -> _Factor:
        """A repeated label replaced by the diagonal of its axes."""
        factor = self
        for label in dict.fromkeys(self.labels):
            while factor.labels.count(label) > 1:
                a = factor.labels.index(label)
                b = factor.labels.index(label, a + 1)
                rest = [n for k, n in enumerate(factor.labels) if k not in (a, b)]
                factor = _Factor(diagonal(factor.x, 0, a, b), [*rest, label])
        return factor

    def times(self, other: _Factor, kept: Sequence[str]) -> _Factor:
        """The product, summed over the labels that are not ``kept``."""
        a = self.without([n for n in self.labels if n not in kept and n not in other.labels])
        b = other.without([n for n in other.labels if n not in kept and n not in self.labels])
        shared = [n for n in a.labels if n in b.labels]
        batch = [n for n in shared if n in kept]
        summed = [n for n in shared if n not in kept]
        rows = [n for n in a.labels if n not in shared]
        columns = [n for n in b.labels if n not in shared]
        labels = [*batch, *rows, *columns]
        if not summed:
            sizes = [a.size(n) for n in batch]
            x = reshape(
                a.arranged(batch + rows), (*sizes, *map(a.size, rows), *(1 for _ in columns))
            )
            y = reshape(
                b.arranged(batch + columns), (*sizes, *(1 for _ in rows), *map(b.size, columns))
            )
            return _Factor(multiply(x, y), labels)
        lead = [a.size(n) for n in batch]
        m, k, n = (
            dims.product(map(f.size, group)) for f, group in ((a, rows), (a, summed), (b, columns))
        )
        x = reshape(a.arranged(batch + rows + summed), (*lead, m, k))
        y = reshape(b.arranged(batch + summed + columns), (*lead, k, n))
        product = linalg.matmul(x, y)
        return _Factor(reshape(product, (*lead, *map(a.size, rows), *map(b.size, columns))), labels)


@composed(numpy=np.einsum)
def einsum(subscripts: str, *operands: Any) -> Expr:
    """Sums of products in Einstein's notation.

    subscripts  ``"ij,jk->ik"``; letters that are not in the result are summed over, ``...`` is broadcast
    """
    xs = [as_expr(x) for x in operands]
    terms, result = _parsed(subscripts, xs)
    dtype = np.result_type(*(x.dtype for x in xs))
    factors = [_Factor(cast(x, dtype), t).plain() for x, t in zip(xs, terms, strict=True)]
    factors = _without_stretched(factors)
    for places in _order(factors, result):
        chosen = [factors[p] for p in places]
        factors = [f for p, f in enumerate(factors) if p not in places]
        needed = {n for f in factors for n in f.labels} | set(result)
        product = chosen[0]
        for k, factor in enumerate(chosen[1:], 2):
            later = {n for f in chosen[k:] for n in f.labels}
            product = product.times(factor, [*needed, *later])
        factors.append(product.without([n for n in product.labels if n not in needed]))
    return factors[0].arranged(result)


def _parsed(subscripts: str, xs: list[Expr]) -> tuple[list[list[str]], list[str]]:
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    given = left.split(",")
    if len(given) != len(xs):
        raise ShapeError(
            f"einsum: {subscripts!r} has {len(given)} terms, got {len(xs)} operands\n"
            f"  terms are separated by commas, one for each operand\n"
            f"  fix: write a term for each operand"
        )
    stretched = max(
        (x.ndim - len(t.replace("...", "")) for t, x in zip(given, xs, strict=True) if "..." in t),
        default=0,
    )
    terms = [_labels(t, x.ndim, stretched, subscripts) for t, x in zip(given, xs, strict=True)]
    if arrow:
        return terms, _labels(right, None, stretched, subscripts)
    letters = [c for t in given for c in t.replace("...", "")]
    once = sorted(c for c in set(letters) if letters.count(c) == 1)
    return terms, [*(f"...{k}" for k in range(stretched)), *once]


def _labels(term: str, ndim: int | None, stretched: int, subscripts: str) -> list[str]:
    before, dots, after = term.partition("...")
    count = 0 if not dots else stretched if ndim is None else ndim - len(before + after)
    labels = [*before, *(f"...{k}" for k in range(stretched - count, stretched)), *after]
    if ndim is not None and len(labels) != ndim:
        raise ShapeError(
            f"einsum: the term {term!r} of {subscripts!r} has {len(labels)} labels for {ndim} axes\n"
            f"  there is one letter for each axis\n"
            f"  fix: add the missing letters, or ..."
        )
    return labels


def _without_stretched(factors: list[_Factor]) -> list[_Factor]:
    """Axes of size 1 that meet longer ones are dropped: their label is that of the longer axis."""
    sizes: dict[str, Extent] = {}
    for f in factors:
        for label, n in zip(f.labels, f.x.shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = n
    return [f.without([n for n in f.labels if f.size(n) == 1 and sizes[n] != 1]) for f in factors]


def _order(factors: list[_Factor], result: Sequence[str]) -> list[tuple[int, ...]]:
    """Which factors to multiply, step by step; sizes not known yet count as their hints."""
    if len(factors) <= 2:
        return [tuple(range(len(factors)))]
    numbers = {n: k for k, n in enumerate(dict.fromkeys(n for f in factors for n in f.labels))}
    arguments: list[Any] = []
    for f in factors:
        shape = tuple(dims.estimate(n) for n in f.x.shape)
        arguments += [np.broadcast_to(0.0, shape), [numbers[n] for n in f.labels]]
    arguments.append([numbers[n] for n in result])
    path = np.einsum_path(*arguments, optimize="greedy")[0]
    return [tuple(p) for p in path[1:]]


@composed(numpy=np.power)
def power(x: Any, y: Any) -> Expr:
    """``x`` to the power ``y``; an integer to a negative literal power is an error, as in NumPy."""
    if isinstance(y, (int, float)) and not isinstance(y, bool):
        x = as_expr(x)
        if x.dtype.kind in "iu" and isinstance(y, int) and y < 0:
            raise TypeRuleError(
                f"power: {x.type} to the power {y}\n"
                f"  integers have no integer inverse\n"
                f"  fix: convert the base with .astype('float64')"
            )
        if y == 2 and (x.dtype.kind == "f" or (x.dtype.kind in "iu" and isinstance(y, int))):
            return square(x)  # type: ignore[no-any-return]
    return core_power(x, y)  # type: ignore[no-any-return]
