"""How reductions keep and fold running values: lanes, places of extremes, helper functions in C."""

from __future__ import annotations

from egtensor.emit_c.primitives import c_type
from egtensor.kernels.plan import Reduction
from egtensor.lang.prim import PRIMS
from egtensor.lang.types import DType

VECTORS = 8  # running sums, in units of 64 bytes


def lanes_of(dtype: DType) -> int:
    """How many running sums a reduction in ``dtype`` keeps."""
    return VECTORS * 64 // dtype.itemsize


def is_position(r: Reduction) -> bool:
    """Whether a reduction finds the place of an element."""
    return PRIMS[r.prim].result == "bool"


def place_type(dtype: DType) -> str:
    """An integer as wide as a number of ``dtype`` that can hold a place in a block."""
    return f"int{8 * max(2, dtype.itemsize)}_t"


def is_sum(r: Reduction) -> bool:
    """Whether the order of a reduction matters to its value."""
    return r.dtype.kind == "f" and r.prim in ("add", "mul")


def fold_helper(name: str, r: Reduction, lanes: int, merged: str) -> str:
    """A function that folds running values in halves: ``count`` is ``lanes`` or ``lanes / VECTORS``."""
    t = c_type(r.dtype)
    small = lanes // VECTORS
    lines = [f"EGT_INLINE {t} {name}({t} *a, int64_t count)", "{", f"    if (count == {lanes}) {{"]
    h = lanes // 2
    while h >= small:
        lines.append(f"        for (int64_t k = 0, h = {h}; k < h; ++k) a[k] = {merged};")
        h //= 2
    lines.append("    }")
    while h:
        lines.append(f"    for (int64_t k = 0, h = {h}; k < h; ++k) a[k] = {merged};")
        h //= 2
    return "\n".join([*lines, "    return a[0];", "}"])


def place_helper(name: str, r: Reduction, lanes: int, wins: str) -> str:
    """A function that finds the first extreme value among ``count`` and its place, both left in front."""
    t, p = c_type(r.dtype), place_type(r.dtype)
    same = "((x == y) | ((x != x) & (y != y)))" if r.dtype.kind == "f" else "(x == y)"
    step = [
        "for (int64_t k = 0; k < h; ++k) {",
        f"    const {t} x = v[k + h], y = v[k];",
        f"    const {p} i = a[k + h], j = a[k];",
        f"    const egt_bool n = (i >= 0) & ((j < 0) | {wins} | ({same} & (i < j)));",
        "    v[k] = n ? x : y;",
        "    a[k] = n ? i : j;",
        "}",
    ]
    lines = [
        f"static {p} {name}({t} *restrict v, {p} *restrict a, int64_t count)",
        "{",
        "    for (int64_t h = count / 2; h; h /= 2)",
        *(f"        {line}" for line in ("#pragma omp simd", *step)),
        "    return a[0];",
        "}",
    ]
    return "\n".join(lines)
