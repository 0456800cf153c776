"""Conversions between dtypes.

A conversion that holds every value of its operand may be skipped on the way to another dtype, unless it turns
integers that would wrap into floats, which do not.
"""

from egtensor.rules.dsl import (
    EXACT,
    Family,
    cast,
    dtype,
    dtype2,
    has_dtype,
    passes_unchanged,
    stop_gradient,
    x,
)

F = Family("casts")

# fmt: off
F.rule("cast-cast",     cast(cast(x, dtype=dtype), dtype=dtype2), "=>", cast(x, dtype=dtype2),
       over=EXACT, ref="IEEE 754 5.4.2", when=[passes_unchanged(x, dtype, dtype2)])
F.rule("cast-same",     cast(x, dtype=dtype), "=>", x,
       over=EXACT, ref="a conversion to itself", when=[has_dtype(x, dtype)])
F.rule("stop-gradient", stop_gradient(x),     "=>", x, over=EXACT,   ref="gradients are taken before rewriting")
# fmt: on
