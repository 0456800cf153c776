"""Scalar primitives: the vocabulary in which the bodies of elementwise operators are written.

The scheduler, the C emitter and the CUDA emitter know primitives, never operators.  All operands of
a primitive have one dtype and conversions are explicit (``cast``); ``operand_dtypes`` states the
exceptions, ``select`` and ``ldexp``.  The meaning is NumPy's (SciPy's for ``erf erfc gammaln digamma
sigmoid xlogy``), special values included:

``min max``      propagate NaN, as np.minimum; ``fmin fmax`` ignore it
``floordiv mod`` np.floor_divide, np.remainder; an integer divided by zero gives 0
``fmod``         np.fmod (the sign of the dividend); zero for an integer divided by zero
``pow``          np.power; integers wrap; a negative integer exponent gives the truncated quotient
``shl shr``      np.left_shift, np.right_shift: a count outside [0, width) shifts everything out
``popcount``     np.bitwise_count, of the absolute value
``softplus``     log(1 + exp(x));  ``log1mexp``  log(1 - exp(x)), for x <= 0
``xlogy``        x log y, and 0 where x is 0 and y is not NaN
``fma``          x y + z, with one rounding where the target has the instruction
``invert``       logical not of booleans
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np

DType = np.dtype[Any]
Result = Literal["same", "bool", "uint8", "int32", "to"]

DTYPES: Final = tuple(
    np.dtype(name)
    for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()
)


@dataclass(frozen=True)
class Prim:
    """A scalar primitive.

    name    the key in PRIMS, and in the table of each emitter
    arity   number of operands
    result  dtype of the result: that of the operands, a fixed one, or the ``to`` of a ``cast``
    kinds   NumPy kinds (subset of "biuf") of the operands it is defined for
    """

    name: str
    arity: int
    result: Result
    kinds: str

    def __post_init__(self) -> None:
        assert self.arity in (1, 2, 3), self
        assert self.result in get_args(Result), self
        assert set(self.kinds) <= set("biuf") and self.kinds, self

    def __str__(self) -> str:
        return self.name

    def accepts(self, dtype: DType) -> bool:
        """Tell whether the primitive is defined for operands of ``dtype``."""
        return dtype.kind in self.kinds and dtype in DTYPES

    def operand_dtypes(self, dtype: DType) -> tuple[DType, ...]:
        """List the dtypes of the operands, where ``dtype`` is the one the primitive works in."""
        if self.name == "select":
            return (np.dtype(np.bool_), dtype, dtype)
        if self.name == "ldexp":
            return (dtype, np.dtype(np.int32))
        return (dtype,) * self.arity

    def result_dtype(self, dtype: DType, to: DType | None = None) -> DType:
        """Give the dtype of the result; ``to`` is that of a ``cast``."""
        match self.result:
            case "same":
                return dtype
            case "to":
                assert to is not None, "cast needs the dtype to cast to"
                return to
            case fixed:
                return np.dtype(fixed)


def _prims(names: str, arity: int, kinds: str, result: Result = "same") -> tuple[Prim, ...]:
    return tuple(Prim(name, arity, result, kinds) for name in names.split())


_TABLE: Final = (
    *_prims("add sub mul floordiv mod fmod pow", 2, "iuf"),
    *_prims("min max", 2, "biuf"),
    *_prims("neg abs sign", 1, "iuf"),
    *_prims("lt le gt ge eq ne", 2, "biuf", "bool"),
    *_prims("sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p", 1, "f"),
    *_prims("sin cos tan arcsin arccos arctan", 1, "f"),
    *_prims("sinh cosh tanh arcsinh arccosh arctanh", 1, "f"),
    *_prims("floor ceil trunc rint spacing frexp_mantissa", 1, "f"),
    *_prims("erf erfc gammaln digamma sigmoid softplus log1mexp", 1, "f"),
    *_prims("frexp_exponent", 1, "f", "int32"),
    *_prims("signbit isnan isinf isfinite", 1, "f", "bool"),
    *_prims("div logaddexp logaddexp2 arctan2 hypot copysign nextafter", 2, "f"),
    *_prims("fmin fmax xlogy ldexp", 2, "f"),
    *_prims("fma", 3, "f"),
    *_prims("and or xor", 2, "biu"),
    *_prims("invert", 1, "biu"),
    *_prims("shl shr gcd lcm", 2, "iu"),
    *_prims("popcount", 1, "iu", "uint8"),
    *_prims("select", 3, "biuf"),
    *_prims("cast", 1, "biuf", "to"),
)

PRIMS: Final[dict[str, Prim]] = {prim.name: prim for prim in _TABLE}
