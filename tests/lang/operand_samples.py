"""Operands of operators, drawn from the registry: dtypes, shapes, special values, values with given facts."""

import itertools

import numpy as np

from egtensor.lang.facts import holds
from egtensor.lang.op import OPS, Scalar
from egtensor.lang.types import DTYPES, FLOAT64, INT64

ELEMENTWISE = [op for op in OPS.values() if isinstance(op.body, Scalar) and op.promote is not None]
FLOATS = np.array(
    [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        -2.0,
        3.0,
        -7.0,
        1e-3,
        -1e-3,
        12.25,
        0.3,
    ]
)
MIXED = [
    ("int32", "float32"), ("int64", "float32"), ("uint8", "int8"), ("bool", "float32"), ("uint64", "int64"),
    ("float32", "float64"), ("bool", "int8"), ("float64", "int32"), ("float32", "int64"), ("int64", "uint64"),
]  # fmt: skip


def dtype_combinations(op):
    """Dtypes of operands that the operator has a loop for: all alike, and mixed pairs."""
    alike = [(d,) * op.arity for d in DTYPES]
    mixed = [tuple(map(np.dtype, m)) for m in MIXED] if op.arity == 2 else []
    return [dtypes for dtypes in (*alike, *mixed) if _has_loop(op, dtypes)]


def _has_loop(op, dtypes):
    try:
        op.promote(op.name, dtypes)
    except TypeError:
        return False
    return True


def pool(dtype):
    """Values of a dtype worth trying."""
    match dtype.kind:
        case "f":
            return FLOATS.astype(dtype)
        case "b":
            return np.array([False, True])
        case "u":
            return np.array([0, 1, 2, 3, 7, 100, np.iinfo(dtype).max], dtype)
        case _:
            info = np.iinfo(dtype)
            return np.array([0, 1, -1, 2, -2, 3, -7, 100, info.max, info.min], dtype)


def all_pairs(dtypes):
    """One array per operand, all combinations of the values worth trying."""
    grid = np.meshgrid(*(pool(d) for d in dtypes), indexing="ij")
    return [g.reshape(-1) for g in grid]


def operand_dtypes(op):
    """The dtypes the operator computes with when given float64, or the nearest to it."""
    for base in ((FLOAT64,) * op.arity, (FLOAT64, INT64)[: op.arity], (INT64,) * op.arity):
        if _has_loop(op, base):
            return op.promote(op.name, base)[: op.arity]
    return None


def moderate(dtype):
    """Values of which no operator overflows: facts speak of real values."""
    if dtype.kind == "f":
        return np.array([*FLOATS, 0.9, -0.9, 1.5, -3.5, 4.0]).astype(dtype)
    return np.array([0, 1, 2, 3, 5, -1, -2, -3, -5]).astype(dtype)


def satisfying(facts, dtypes):
    """Operands with all combinations of moderate values that have the facts asked for."""
    pools = [
        [v for v in np.unique(moderate(d), equal_nan=False) if holds(fact, v)]
        for fact, d in zip(facts, dtypes, strict=True)
    ]
    points = list(itertools.product(*pools))
    return [np.array([p[k] for p in points], d) for k, d in enumerate(dtypes)]
