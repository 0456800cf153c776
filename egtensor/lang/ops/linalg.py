"""Linear algebra, through BLAS and LAPACK."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.errors import ShapeError
from egtensor.lang.facts import FINITE, GE0, INTEGER, kept
from egtensor.lang.op import Attrs, Library, Op
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


matmul = Op(
    name="matmul", numpy=np.matmul, arity=2, body=Library("matmul"), type_rule=_matmul_type,
    cost=lambda types, _: types[0].size * types[1].shape[-1],
    vjp=lambda g, z, x, y: (matmul(g, swap_last(y)), matmul(swap_last(x), g)),
    facts=kept(INTEGER, GE0, FINITE, arity=2),
    doc="Products of matrices of one dtype, over leading axes of equal sizes.",
)  # fmt: skip
