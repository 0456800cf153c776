"""Largest and smallest, absolute value, sign and selection.

Maximum and minimum propagate NaN, comparisons with NaN are false (IEEE 754-2019, 5.11 and 9.6): where a
comparison decides, the operand that NaN would not select must be shown to be no NaN.
"""

from egtensor.rules.dsl import (
    EXACT,
    REAL,
    STABLE,
    Family,
    abs,
    c,
    exp,
    finite,
    logical_not,
    maximum,
    minimum,
    notnan,
    sigmoid,
    sign,
    sqrt,
    square,
    tanh,
    where,
    x,
    y,
    z,
)

F = Family("minmax")

# fmt: off
F.rule("max-self",              maximum(x, x),          "=>", x,             over=EXACT,   ref="IEEE 754-2019, 9.6")
F.rule("min-self",              minimum(x, x),          "=>", x,             over=EXACT,   ref="IEEE 754-2019, 9.6")
F.rule("max-repeated",          maximum(maximum(x, y), y), "=>", maximum(x, y), over=REAL,    ref="lattice")
F.rule("min-repeated",          minimum(minimum(x, y), y), "=>", minimum(x, y), over=REAL,    ref="lattice")
F.rule("min-of-max", minimum(maximum(x, y), y), "=>", y, over=REAL,    ref="lattice: absorption", when=[notnan(x)])
F.rule("max-of-min", maximum(minimum(x, y), y), "=>", y, over=REAL,    ref="lattice: absorption", when=[notnan(x)])
F.rule("max-neg",               maximum(-x, -y),        "=>", -minimum(x, y), over=REAL,    ref="order reversal")
F.rule("min-neg",               minimum(-x, -y),        "=>", -maximum(x, y), over=REAL,    ref="order reversal")
F.rule("max-opposite",          maximum(x, -x), "=>", abs(x), over=REAL,    ref="definition of the absolute value")
F.rule("min-opposite",          minimum(x, -x), "=>", -abs(x), over=REAL,    ref="definition of the absolute value")
F.rule("max-plus-min",          maximum(x, y) + minimum(x, y), "=>", x + y, over=REAL,    ref="the two are x and y")
F.rule("max-times-min",         maximum(x, y) * minimum(x, y), "=>", x * y, over=REAL,    ref="the two are x and y")
F.rule("max-less-min",          maximum(x, y) - minimum(x, y), "=>", abs(x - y),
       over=REAL, ref="definition of the absolute value")
F.rule("max-of-sums",           maximum(x + z, y + z),  "=>", maximum(x, y) + z,
       over=REAL, ref="monotonicity", when=[finite(z)])
F.rule("min-of-sums",           minimum(x + z, y + z),  "=>", minimum(x, y) + z,
       over=REAL, ref="monotonicity", when=[finite(z)])
F.rule("max-of-exps",           maximum(exp(x), exp(y)), "=>", exp(maximum(x, y)),
       over=STABLE, ref="monotonicity", proved="sampled: SymPy does not order increasing functions")
F.rule("min-of-exps",           minimum(exp(x), exp(y)), "=>", exp(minimum(x, y)),
       over=STABLE, ref="monotonicity", proved="sampled: SymPy does not order increasing functions")
F.rule("max-of-tanhs",          maximum(tanh(x), tanh(y)), "=>", tanh(maximum(x, y)),
       over=STABLE, ref="monotonicity", proved="sampled: SymPy does not order increasing functions")
F.rule("max-of-sigmoids",       maximum(sigmoid(x), sigmoid(y)), "=>", sigmoid(maximum(x, y)),
       over=STABLE, ref="monotonicity", proved="sampled: SymPy does not order increasing functions")
F.rule("max-known",             maximum(x, 0),          "=>", x,             over=REAL,    ref="lattice", when=[x >= 0])
F.rule("min-known",             minimum(x, 0),          "=>", x,             over=REAL,    ref="lattice", when=[x <= 0])
F.rule("max-known-negative",    maximum(x, 0),          "=>", 0, over=REAL,    ref="lattice", when=[x <= 0, notnan(x)])
F.rule("min-known-one",         minimum(x, 1),          "=>", x,             over=REAL,    ref="lattice", when=[x <= 1])
F.rule("max-known-minus-one",   maximum(x, -1),         "=>", x, over=REAL,    ref="lattice", when=[x >= -1])
F.rule("abs-abs",               abs(abs(x)),            "=>", abs(x),        over=EXACT,   ref="IEEE 754 5.5.1")
F.rule("abs-neg",               abs(-x),                "=>", abs(x),        over=REAL,    ref="IEEE 754 5.5.1")
F.rule("abs-positive",          abs(x), "=>", x, over=REAL,    ref="definition of the absolute value", when=[x >= 0])
F.rule("abs-negative",          abs(x), "=>", -x, over=REAL,    ref="definition of the absolute value", when=[x <= 0])
F.rule("abs-mul",               abs(x) * abs(y),        "=>", abs(x * y),    over=REAL,    ref="multiplicativity")
F.rule("abs-div",               abs(x) / abs(y),        "=>", abs(x / y),    over=REAL,    ref="multiplicativity")
F.rule("sign-times-abs",        sign(x) * abs(x),       "=>", x,             over=REAL,    ref="definition of the sign")
F.rule("times-sign",            x * sign(x),            "=>", abs(x),        over=REAL,    ref="definition of the sign")
F.rule("sign-neg",              sign(-x),               "=>", -sign(x),      over=REAL,    ref="definition of the sign")
F.rule("sign-sign",             sign(sign(x)),          "=>", sign(x),       over=EXACT,   ref="definition of the sign")
F.rule("where-same",            where(c, x, x),         "=>", x,             over=EXACT,   ref="selection")
F.rule("where-not",             where(logical_not(c), x, y), "=>", where(c, y, x), over=EXACT,   ref="selection")
F.rule("where-again",           where(c, where(c, x, y), z), "=>", where(c, x, z), over=EXACT,   ref="selection")
F.rule("where-else-again",      where(c, x, where(c, y, z)), "=>", where(c, x, z), over=EXACT,   ref="selection")
F.rule("where-common-factor",   where(c, x * z, y * z), "=>", where(c, x, y) * z, over=EXACT,   ref="selection")
F.rule("where-common-term",     where(c, x + z, y + z), "=>", where(c, x, y) + z, over=EXACT,   ref="selection")
F.rule("where-common-divisor",  where(c, x / z, y / z), "=>", where(c, x, y) / z, over=EXACT,   ref="selection")
F.rule("where-neg",             where(c, -x, -y),       "=>", -where(c, x, y), over=EXACT,   ref="selection")
F.rule("where-less", where(x < y, x, y), "=>", minimum(x, y), over=REAL,    ref="IEEE 754-2019, 5.11", when=[notnan(x)])
F.rule("where-less-equal",      where(x <= y, x, y),    "=>", minimum(x, y),
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(x)])
F.rule("where-greater",         where(x > y, x, y),     "=>", maximum(x, y),
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(x)])
F.rule("where-greater-equal",   where(x >= y, x, y),    "=>", maximum(x, y),
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(x)])
F.rule("where-less-swapped",    where(x < y, y, x),     "=>", maximum(x, y),
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(y)])
F.rule("where-greater-swapped", where(x > y, y, x),     "=>", minimum(x, y),
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(y)])
F.rule("where-nonnegative", where(x >= 0, x, -x), "=>", abs(x), over=REAL,    ref="definition of the absolute value")
F.rule("where-positive",        where(x > 0, x, -x), "=>", abs(x), over=REAL,    ref="definition of the absolute value")
F.rule("where-negative",        where(x < 0, -x, x), "=>", abs(x), over=REAL,    ref="definition of the absolute value")
F.rule("where-factor-zero",     where(c, x, 0) * y,     "=>", where(c, x * y, 0),
       over=REAL, ref="absorbing zero", when=[finite(y)])
# fmt: on

F.refuted("where-less-nan", where(x < y, x, y), "=>", minimum(x, y), at={x: float("nan"), y: 1.0})
F.refuted("absorption-nan", minimum(maximum(x, y), y), "=>", y, at={x: float("nan"), y: 1.0})
F.refuted(
    "where-factor-zero-infinity",
    where(c, x, 0) * y,
    "=>",
    where(c, x * y, 0),
    at={c: False, x: 1.0, y: float("inf")},
)
F.refuted(
    "max-of-squares",
    maximum(square(x), square(y)),
    "=>",
    square(maximum(x, y)),
    at={x: -2.0, y: 1.0},
)
F.refuted(
    "max-of-roots", maximum(sqrt(x), sqrt(y)), "=>", sqrt(maximum(x, y)), at={x: -1.0, y: 4.0}
)
F.refuted(
    "max-of-products", maximum(x * z, y * z), "=>", maximum(x, y) * z, at={x: 1.0, y: 2.0, z: -1.0}
)
F.refuted("abs-of-sum", abs(x + y), "=>", abs(x) + abs(y), at={x: 1.0, y: -1.0})
