"""The types of tensors, and the rules that compute a result type from operand types.

Shapes broadcast as in NumPy, except that an axis stretches only where its size is statically 1; two
different symbolic sizes that meet are recorded as an equality, checked when the function is called.
Dtypes are promoted by NumPy itself (NEP 50); float16 results become float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from egtensor.errors import ShapeError, TypeRuleError
from egtensor.lang.dims import Extent, Shape, product

DTYPES = tuple(
    np.dtype(d)
    for d in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()
)
BOOL, INT64, FLOAT32, FLOAT64 = (np.dtype(d) for d in "bool int64 float32 float64".split())
MAX_RANK = 16

Equalities = list[tuple[Extent, Extent]]
DType = np.dtype[Any]
Weak = type  # int or float: the dtype of a Python scalar, which adapts to its partner


@dataclass(frozen=True, slots=True)
class TensorType:
    """The dtype and shape of a tensor; printed as ``float32[3,n]``."""

    dtype: DType
    shape: Shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Extent:
        """The number of elements."""
        return product(self.shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        """The same shape, another dtype."""
        return TensorType(dtype, self.shape)

    def with_shape(self, shape: Iterable[Extent]) -> TensorType:
        """The same dtype, another shape."""
        return TensorType(self.dtype, tuple(shape))

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def as_dtype(dtype: Any) -> DType:
    """The dtype that ``dtype`` names; TypeRuleError for one that egtensor does not have."""
    d = np.dtype(dtype)
    if d not in DTYPES:
        raise TypeRuleError(
            f"dtype {d} is not supported\n"
            f"  tensors hold {', '.join(map(str, DTYPES))}\n"
            f"  fix: convert the data with .astype"
        )
    native: DType = d.newbyteorder("=")
    return native


@lru_cache(maxsize=4096)
def ufunc_dtypes(ufunc: np.ufunc, dtypes: tuple[DType | Weak, ...]) -> tuple[DType, ...]:
    """Dtypes of operands and results of the loop that NumPy would run, float16 widened to float32."""
    if all(isinstance(d, type) for d in dtypes):  # NumPy would compare them as Python objects
        dtypes = tuple(INT64 if d is int else FLOAT64 for d in dtypes)
    loop = ufunc.resolve_dtypes((*dtypes, *(None,) * ufunc.nout))
    return tuple(FLOAT32 if d == np.float16 else d for d in loop)


@dataclass(frozen=True)
class Promotion:
    """How an elementwise operator chooses the dtypes it computes with.

    rule    (dtypes of the operands, or int/float for Python scalars) -> dtypes of operands, then results
    """

    rule: Callable[[tuple[DType | Weak, ...]], tuple[DType, ...]]

    def __call__(self, name: str, dtypes: tuple[DType | Weak, ...]) -> tuple[DType, ...]:
        """Dtypes of the operands and of the results; TypeRuleError where there is no loop."""
        try:
            return self.rule(dtypes)
        except TypeError:
            shown = ", ".join(d.__name__ if isinstance(d, type) else str(d) for d in dtypes)
            raise TypeRuleError(
                f"{name}: no loop for operands of dtype {shown}\n"
                f"  NumPy has no safe common dtype for them in {name}\n"
                f"  fix: convert an operand with .astype"
            ) from None


def like_ufunc(ufunc: np.ufunc) -> Promotion:
    """Promote as a NumPy ufunc does."""
    return Promotion(lambda dtypes: ufunc_dtypes(ufunc, dtypes))


def extents_agree(a: Extent, b: Extent, equalities: Equalities) -> bool:
    """Whether two sizes can be equal; what must hold at run time is appended to ``equalities``."""
    if a == b:
        return True
    if isinstance(a, int) and isinstance(b, int):
        return False
    equalities.append((a, b))
    return True


def broadcast_shapes(name: str, types: Sequence[TensorType], equalities: Equalities) -> Shape:
    """The common shape of elementwise operands; static sizes win over symbolic ones."""
    first = types[0].shape
    if all(t.shape == first for t in types):
        return first
    rank = max(t.ndim for t in types)
    shape: list[Extent] = []
    for axis in range(-rank, 0):
        extent: Extent = 1
        for t in types:
            e = t.shape[axis] if -axis <= t.ndim else 1
            if e == 1:
                continue
            if extent == 1:
                extent = e
            elif not extents_agree(extent, e, equalities):
                raise TypeRuleError(
                    f"{name}: cannot broadcast {' with '.join(map(str, types))}\n"
                    f"  axes are matched from the right; each pair must be equal, or one of them 1\n"
                    f"  fix: reshape or transpose an operand, e.g. x[:, None]"
                )
            elif isinstance(e, int):
                extent = e
        shape.append(extent)
    return tuple(shape)


def normalize_axis(name: str, axis: Any, ndim: int) -> int:
    """``axis`` counted from the front; ShapeError names the operator where it is out of range."""
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise TypeRuleError(
            f"{name}: axis must be an integer, not {axis!r}\n"
            f"  axes are fixed when an expression is built\n"
            f"  fix: pass an int"
        )
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"{name}: axis {axis} is out of range for {ndim} axes\n"
            f"  an axis is at least {-ndim} and below {ndim}\n"
            f"  fix: choose an axis of the operand"
        )
    return int(axis) % ndim


def normalize_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """One axis, several, or None for all, as a sorted tuple counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [normalize_axis(name, a, ndim) for a in given]
    if len(set(axes)) != len(axes):
        raise ShapeError(
            f"{name}: axis {axis} names an axis twice\n"
            f"  each axis can be used once\n"
            f"  fix: remove the repetition"
        )
    return tuple(sorted(axes))
