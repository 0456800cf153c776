"""Linear algebra, through BLAS and LAPACK.

Derivatives of inverses, determinants and solutions: Giles 2008, sections 2.2 and 2.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.errors import ShapeError, TypeRuleError
from egtensor.lang.facts import FINITE, GE0, INTEGER, kept
from egtensor.lang.op import Attrs, Library, Op, composed
from egtensor.lang.types import Equalities, TensorType, extents_agree


def _matmul_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    x, y = types
    if not extents_agree(x.shape[-1], y.shape[-2], equalities):
        raise ShapeError(
            f"matmul: cannot multiply {x} by {y}\n"
            f"  the last axis of the first operand must equal the last but one of the second\n"
            f"  fix: transpose or reshape an operand"
        )
    batch = []
    for a, b in zip(x.shape[:-2], y.shape[:-2], strict=True):
        assert extents_agree(a, b, equalities)
        batch.append(a if isinstance(a, int) else b)
    return TensorType(x.dtype, (*batch, x.shape[-2], y.shape[-1]))


def swap_last(x: Any) -> Any:
    """``x`` with its last two axes exchanged."""
    from egtensor.lang.ops.shape import transpose

    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


matmul: Op = Op(
    name="matmul", numpy=np.matmul, arity=2, body=Library("matmul"), type_rule=_matmul_type,
    cost=lambda types, _: types[0].size * types[1].shape[-1],
    vjp=lambda g, z, x, y: (matmul(g, swap_last(y)), matmul(swap_last(x), g)),
    facts=kept(INTEGER, GE0, FINITE, arity=2),
    doc="Products of matrices of one dtype, over leading axes of equal sizes.",
)  # fmt: skip


def _square(op: Op, x: TensorType, equalities: Equalities) -> None:
    if x.ndim < 2 or not extents_agree(x.shape[-1], x.shape[-2], equalities):
        raise ShapeError(
            f"{op.name}: {x} is not a square matrix, or a stack of them\n"
            f"  the last two axes must have equal sizes\n"
            f"  fix: slice or reshape the operand"
        )
    if x.dtype.kind != "f":
        raise TypeRuleError(
            f"{op.name}: {x} does not hold floats\n"
            f"  LAPACK computes in float32 and float64\n"
            f"  fix: convert it with .astype('float64')"
        )


def _cubed(types: tuple[TensorType, ...], attrs: Attrs) -> Any:
    return types[0].size * types[0].shape[-1]


def _slogdet_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> tuple[TensorType, ...]:
    _square(op, types[0], equalities)
    return (types[0].with_shape(types[0].shape[:-2]),) * 2


def as_matrix_factor(g: Any) -> Any:
    """``g`` with two axes of size 1 behind its own, to multiply a stack of matrices."""
    from egtensor.lang.ops.shape import reshape

    return reshape(g, shape=(*g.shape, 1, 1))


def _inverse_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    _square(op, types[0], equalities)
    return types[0]


inv: Op = Op(
    name="inv", numpy=np.linalg.inv, arity=1, body=Library("inv"), type_rule=_inverse_type, cost=_cubed,
    vjp=lambda g, y, x: (-matmul(matmul(swap_last(y), g), swap_last(y)),), fallible=True,
    doc="The inverses of square matrices; singular ones are an error when run.",
)  # fmt: skip
slogdet: Op = Op(
    name="slogdet", numpy=np.linalg.slogdet, arity=1, body=Library("slogdet"), type_rule=_slogdet_type, results=2,
    vjp=lambda g, y, x: (as_matrix_factor(g[1]) * swap_last(inv(x)),), cost=_cubed,
    doc="Sign and logarithm of the absolute value of determinants.",
)  # fmt: skip


def _solve_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> TensorType:
    a, b = types
    _square(op, a, equalities)
    agree = a.ndim == b.ndim and all(
        extents_agree(m, n, equalities) for m, n in zip(a.shape[:-1], b.shape[:-1], strict=True)
    )
    if not agree:
        raise ShapeError(
            f"solve: {b} is no right-hand side for {a}\n"
            f"  it has as many rows as the matrix\n"
            f"  fix: transpose or reshape an operand"
        )
    return b


def _solve_vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
    pulled = solve(swap_last(a), g)
    return -matmul(pulled, swap_last(y)), pulled


solve: Op = Op(
    name="solve", numpy=np.linalg.solve, arity=2, body=Library("solve"), type_rule=_solve_type, cost=_cubed,
    vjp=_solve_vjp, fallible=True,
    doc="The solutions of systems a x = b, column by column of b; singular systems are an error when run.",
)  # fmt: skip


def _floats(x: Any) -> Any:
    from egtensor.lang.expr import as_expr, cast
    from egtensor.lang.types import FLOAT64

    x = as_expr(x)
    return x if x.dtype.kind == "f" else cast(x, FLOAT64)


@composed(numpy=np.linalg.inv, name="linalg.inv")
def inverse(x: Any) -> Any:
    """The inverses of square matrices, over leading axes."""
    return inv(_floats(x))


@composed(numpy=np.linalg.slogdet, name="linalg.slogdet")
def sign_and_log_determinant(x: Any) -> Any:
    """Sign and logarithm of the absolute value of determinants, over leading axes."""
    return slogdet(_floats(x))


@composed(numpy=np.linalg.det, name="linalg.det")
def det(x: Any) -> Any:
    """Determinants, over leading axes."""
    from egtensor.lang.ops.explog import exp

    sign, magnitude = slogdet(_floats(x))
    return sign * exp(magnitude)


@composed(numpy=np.linalg.solve, name="linalg.solve")
def solution(a: Any, b: Any) -> Any:
    """The x with ``a @ x = b``, over leading axes; ``b`` is a vector if it has one axis."""
    from egtensor.lang.expr import broadcast
    from egtensor.lang.ops.joining import common_dtype
    from egtensor.lang.ops.reshaping import reshape
    from egtensor.lang.types import broadcast_shapes

    a, b = common_dtype([_floats(a), _floats(b)])
    vector = b.ndim == 1
    b = reshape(b, (*b.shape, 1)) if vector else b
    batch = broadcast_shapes("solve", [t.type.with_shape(t.shape[:-2]) for t in (a, b)], [])
    a, b = (broadcast(t, (*batch, *t.shape[-2:])) for t in (a, b))
    x = solve(a, b)
    return reshape(x, x.shape[:-1]) if vector else x


@composed(numpy=np.linalg.norm, name="linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of vectors along ``axis``, or of all elements.

    ord  None or 2: Euclidean; 1, inf, -inf, or "fro" for matrices
    """
    from egtensor.errors import UnsupportedError
    from egtensor.lang.ops.elementwise import absolute, sqrt, square
    from egtensor.lang.ops.statistics import max_, min_, sum_

    x = _floats(x)
    vector = (x.ndim == 1 and axis is None) or isinstance(axis, int)
    if ord is None or (ord == 2 and vector) or (ord == "fro" and not vector):
        return sqrt(sum_(square(x), axis, None, keepdims))
    if vector and ord in (1, np.inf, -np.inf):
        fold = {
            1: lambda v: sum_(v, axis, None, keepdims),
            np.inf: lambda v: max_(v, axis, keepdims),
        }
        return fold.get(ord, lambda v: min_(v, axis, keepdims))(absolute(x))
    raise UnsupportedError(
        f"linalg.norm: ord={ord!r} for {x.type}\n"
        f"  the norms are Euclidean and Frobenius, and 1, inf, -inf of vectors\n"
        f"  fix: compute it from et.sum, et.max and abs"
    )
