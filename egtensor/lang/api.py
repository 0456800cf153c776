"""What users call: constructors of symbolic tensors, and every operator and function by its NumPy name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import egtensor.lang.ops  # noqa: F401  # registers the operators
from egtensor.config import config
from egtensor.errors import ShapeError, TypeRuleError
from egtensor.lang import dims
from egtensor.lang.dims import Dim, Extent
from egtensor.lang.expr import Expr, as_expr, constant, make, new_serial, same
from egtensor.lang.facts import (
    FINITE,
    GE0,
    GE1,
    GEM1,
    LE0,
    LE1,
    LEM1,
    NONZERO,
    NOTHING,
    NOTNAN,
    Fact,
    close,
)
from egtensor.lang.op import FUNCTIONS, OPS
from egtensor.lang.types import TensorType, as_dtype

__all__ = [
    "Dim", "Expr", "as_expr", "col", "constant", "e", "euler_gamma", "inf", "matrix", "names", "nan", "newaxis",
    "pi", "row", "same", "scalar", "size", "sizes", "tensor", "tensor3", "tensor4", "tensor5", "vector",
]  # fmt: skip

# other names that NumPy has for the same functions
ALIASES = {
    "abs": "absolute", "degrees": "rad2deg", "radians": "deg2rad", "bitwise_not": "invert", "mod": "remainder",
    "true_divide": "divide", "pow": "power", "fix": "trunc", "amax": "max", "amin": "min", "concat": "concatenate",
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atanh": "arctanh",
    "atan2": "arctan2", "permute_dims": "transpose", "around": "round", "array": "asarray", "bitwise_invert": "invert",
}  # fmt: skip
pi, e, euler_gamma, inf, nan, newaxis = math.pi, math.e, np.euler_gamma, math.inf, math.nan, None
# operators that expressions consist of and users do not call by name
INTERNAL = frozenset(
    "input shared constant literal extent item iota cast permute slice join gather scatter_add pullback"
    " philox_bits scan cond inv slogdet solve".split()
)


def tensor(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | str | Dim | None] | None = None,
    range: tuple[float, float] | None = None,
) -> Expr:
    """Make a symbolic input.

    name    for messages and printed programs
    dtype   NumPy dtype or its name; ``config.floatX`` if not given
    shape   per axis a number, a size from ``size``, or None (or a label) for a size known when called;
            not given: a scalar
    range   promise that every element lies in [lo, hi] and none is NaN; calls do not check it
    """
    serial = new_serial()
    label = name if name is not None else f"input_{serial}"
    extents = tuple(_extent(label, k, n) for k, n in enumerate(shape or ()))
    type_ = TensorType(as_dtype(config.floatX if dtype is None else dtype), extents)
    facts = NOTHING if range is None else _facts_of_range(label, *range)
    return make(OPS["input"], (), (serial, label, type_, facts))


def _extent(label: str, axis: int, given: Any) -> Extent:
    if given is None:
        return dims.size(f"{label}_{axis}")
    if isinstance(given, str):
        return dims.size(given)
    if isinstance(given, Dim):
        return given
    n = int(given)
    if n < 0:
        raise ShapeError(
            f"tensor {label!r}: the size {n} of axis {axis} is negative\n"
            f"  sizes are at least 0; None stands for one that is not known yet\n"
            f"  fix: pass None or the number of elements"
        )
    return n


def _facts_of_range(label: str, lo: float, hi: float) -> Fact:
    if not lo <= hi:
        raise TypeRuleError(
            f"tensor {label!r}: range ({lo}, {hi}) is empty\n"
            f"  it is the pair of the least and the greatest value\n"
            f"  fix: exchange the two"
        )
    tests = {
        FINITE: math.isfinite(lo) and math.isfinite(hi),
        NONZERO: lo > 0 or hi < 0,
        GE0: lo >= 0,
        LE0: hi <= 0,
        GE1: lo >= 1,
        LE1: hi <= 1,
        GEM1: lo >= -1,
        LEM1: hi <= -1,
    }
    mask = NOTNAN
    for fact, shown in tests.items():
        mask |= fact if shown else NOTHING
    return close(mask)


def size(name: str, hint: int = dims.DEFAULT_HINT) -> Dim:
    """A size that is known when a function is called; use it in several shapes to say they are equal."""
    return dims.size(name, hint)


def sizes(names: str) -> tuple[Dim, ...]:
    """Several sizes, from names separated by blanks."""
    return tuple(map(size, names.split()))


def _constructor(name: str, rank: int, fixed: tuple[int | None, ...] | None, dtype: Any) -> Any:
    def make_input(
        name: str | None = None,
        shape: Sequence[int | str | Dim | None] | None = None,
        dtype: Any = dtype,
        range: tuple[float, float] | None = None,
    ) -> Expr:
        given = (fixed or (None,) * rank) if shape is None else tuple(shape)
        if len(given) != rank:
            raise ShapeError(
                f"{make_input.__name__}: shape {given} has {len(given)} axes\n"
                f"  it makes tensors of rank {rank}\n"
                f"  fix: use et.tensor(name, dtype, shape)"
            )
        return tensor(name, dtype, given, range)

    make_input.__name__ = make_input.__qualname__ = name
    make_input.__doc__ = (
        f"A symbolic input of rank {rank} and dtype {dtype or 'config.floatX'}; see ``tensor``."
    )
    return make_input


# Theano's names: the prefix is the dtype
PREFIXES = {"": None, "b": "int8", "i": "int32", "l": "int64", "f": "float32", "d": "float64"}
KINDS: dict[str, tuple[int, tuple[int | None, ...] | None]] = {
    "scalar": (0, None),
    "vector": (1, None),
    "matrix": (2, None),
    "tensor3": (3, None),
    "tensor4": (4, None),
    "tensor5": (5, None),
    "row": (2, (1, None)),
    "col": (2, (None, 1)),
}
CONSTRUCTORS = {
    prefix + kind: _constructor(prefix + kind, rank, fixed, dtype)
    for prefix, dtype in PREFIXES.items()
    for kind, (rank, fixed) in KINDS.items()
}
scalar, vector, matrix = (CONSTRUCTORS[k] for k in ("scalar", "vector", "matrix"))
tensor3, tensor4, tensor5 = (CONSTRUCTORS[k] for k in ("tensor3", "tensor4", "tensor5"))
row, col = CONSTRUCTORS["row"], CONSTRUCTORS["col"]


def names() -> dict[str, Any]:
    """Every name of the array language: constants, constructors, operators and functions."""
    operators = {
        n: op for n, op in OPS.items() if n not in INTERNAL and not n.startswith("reduce_")
    }
    functions = {n: f for n, f in FUNCTIONS.items() if "." not in n and n != "getitem"}
    own = {n: globals()[n] for n in __all__ if n != "names"}
    called = {**operators, **functions, **CONSTRUCTORS, **own}
    return {**called, **{a: called[n] for a, n in ALIASES.items()}}
