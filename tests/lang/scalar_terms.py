"""The meaning of scalar terms in NumPy, to compare the bodies of operators with their functions."""

import numpy as np
import scipy.special

from egtensor.lang.ops.elementwise import _power
from egtensor.lang.ops.special import _log1mexp_numpy

RENAMED = {
    "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": _power, "min": np.minimum, "max": np.maximum, "neg": np.negative,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
    "ne": np.not_equal, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "shl": np.left_shift, "shr": np.right_shift, "popcount": np.bitwise_count, "select": np.where,
    "sigmoid": scipy.special.expit, "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "log1mexp": _log1mexp_numpy, "fma": lambda x, y, z: x * y + z,
    "frexp_mantissa": lambda x: np.frexp(x)[0], "frexp_exponent": lambda x: np.frexp(x)[1],
    "reciprocal": lambda x: x.dtype.type(1) / x,
}  # fmt: skip


def meaning(prim):
    """The NumPy or SciPy function of a primitive."""
    return RENAMED.get(prim) or getattr(np, prim, None) or getattr(scipy.special, prim)


def evaluate(term, operands):
    """The value of a term for arrays of operands."""
    match term.prim:
        case "operand":
            return operands[term.value]
        case "const":
            return np.asarray(term.value.array(term.dtype))
        case "cast":
            return evaluate(term.args[0], operands).astype(term.dtype)
        case prim:
            args = [evaluate(a, operands) for a in term.args]
            return np.asarray(meaning(prim)(*args)).astype(term.dtype)
