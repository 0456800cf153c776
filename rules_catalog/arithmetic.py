"""Sums, differences, products and quotients.

Exactness of signs, of doubling and of division by itself: IEEE 754-2019, 5.4.1 and 6.3.  Over the
extended reals a product distributes over a sum only where the common factor is finite.
"""

from egtensor.rules.dsl import (
    EXACT,
    MODULAR,
    REAL,
    STABLE,
    Family,
    abs,
    finite,
    negative,
    notnan,
    reciprocal,
    square,
    x,
    y,
    z,
)

F = Family("arithmetic")

# fmt: off
F.rule("add-zero",              x + 0,                 "=>", x,             over=REAL,    ref="identity of addition")
F.rule("add-minus-zero",        x + -0.0,              "=>", x,             over=EXACT,   ref="IEEE 754 6.3")
F.rule("add-zero-integer",      x + 0,                 "=>", x,             over=MODULAR, ref="identity of addition")
F.rule("sub-zero",              x - 0,                 "=>", x,             over=EXACT,   ref="IEEE 754 6.3")
F.rule("zero-sub",              0 - x,                 "=>", -x,            over=REAL,    ref="definition of negation")
F.rule("zero-sub-integer",      0 - x,                 "=>", -x,            over=MODULAR, ref="definition of negation")
F.rule("mul-one",               x * 1,                 "=>", x,             over=EXACT,   ref="IEEE 754 5.4.1")
F.rule("mul-minus-one",         x * -1,                "=>", -x,            over=EXACT,   ref="IEEE 754 6.3")
F.rule("div-one",               x / 1,                 "=>", x,             over=EXACT,   ref="IEEE 754 5.4.1")
F.rule("div-minus-one",         x / -1,                "=>", -x,            over=EXACT,   ref="IEEE 754 6.3")
F.rule("mul-zero",              x * 0,                 "=>", 0, over=REAL,    ref="absorbing zero", when=[finite(x)])
F.rule("mul-zero-integer",      x * 0,                 "=>", 0,             over=MODULAR, ref="absorbing zero")
F.rule("zero-div",              0 / x, "=>", 0, over=REAL,    ref="absorbing zero", when=[x != 0, notnan(x)])
F.rule("neg-neg",               negative(-x), "=>", x, over=EXACT,   ref="IEEE 754 5.5.1", directed=False)
F.rule("neg-sub",               -(x - y),              "=>", y - x, over=REAL,    ref="definition of subtraction")
F.rule("neg-sub-integer",       -(x - y),              "=>", y - x, over=MODULAR, ref="definition of subtraction")
F.rule("sub-neg",               x - (-y),              "=>", x + y,         over=EXACT,   ref="IEEE 754 5.4.1")
F.rule("add-neg",               x + (-y),              "=>", x - y,         over=EXACT,   ref="IEEE 754 5.4.1")
F.rule("neg-sub-left",          (-x) - y,              "=>", -(x + y), over=REAL,    ref="definition of subtraction")
F.rule("neg-sub-left-integer",  (-x) - y,              "=>", -(x + y), over=MODULAR, ref="definition of subtraction")
F.rule("neg-mul",               (-x) * y,              "=>", -(x * y),      over=EXACT,   ref="IEEE 754 6.3")
F.rule("neg-div",               (-x) / y,              "=>", -(x / y),      over=EXACT,   ref="IEEE 754 6.3")
F.rule("div-neg",               x / (-y),              "=>", -(x / y),      over=EXACT,   ref="IEEE 754 6.3")
F.rule("sub-self",              x - x,                 "=>", 0, over=REAL,    ref="IEEE 754 6.3", when=[finite(x)])
F.rule("sub-self-integer",      x - x,                 "=>", 0,             over=MODULAR, ref="inverse of addition")
F.rule("div-self",              x / x, "=>", 1, over=REAL,    ref="IEEE 754 5.4.1", when=[x != 0, finite(x)])
F.rule("add-self",              x + x,                 "=>", 2 * x,         over=REAL,    ref="doubling")
F.rule("add-self-integer",      x + x,                 "=>", 2 * x,         over=MODULAR, ref="doubling")
F.rule("mul-self",              x * x,                 "=>", square(x), over=REAL,    ref="definition of the square")
F.rule("mul-self-integer",      x * x,                 "=>", square(x), over=MODULAR, ref="definition of the square")
F.rule("add-then-sub",          (x + y) - y,           "=>", x, over=STABLE,  ref="cancellation", when=[finite(y)])
F.rule("sub-then-add",          (x - y) + y,           "=>", x, over=STABLE,  ref="cancellation", when=[finite(y)])
F.rule("sub-from-itself",       x - (x - y),           "=>", y, over=STABLE,  ref="cancellation", when=[finite(x)])
F.rule("sub-sum-from-part",     x - (x + y),           "=>", -y, over=STABLE,  ref="cancellation", when=[finite(x)])
F.rule("difference-less-whole", (x - y) - x,           "=>", -y, over=STABLE,  ref="cancellation", when=[finite(x)])
F.rule("sub-common-term",       (x + y) - (x + z),     "=>", y - z, over=STABLE,  ref="cancellation", when=[finite(x)])
F.rule("sub-common-subtrahend", (x - y) - (z - y),     "=>", x - z, over=STABLE,  ref="cancellation", when=[finite(y)])
F.rule("telescope",             (x - y) + (y - z),     "=>", x - z, over=STABLE,  ref="cancellation", when=[finite(y)])
F.rule("mul-then-div",          (x * y) / y, "=>", x, over=STABLE,  ref="cancellation", when=[y != 0, finite(y)])
F.rule("div-then-mul",          (x / y) * y, "=>", x, over=STABLE,  ref="cancellation", when=[y != 0, finite(y)])
F.rule("div-common-factor", (x * y) / (x * z), "=>", y / z, over=REAL,    ref="cancellation", when=[x != 0, finite(x)])
F.rule("div-by-product",        x / (x * y), "=>", 1 / y, over=REAL,    ref="cancellation", when=[x != 0, finite(x)])
F.rule("mul-one-over",          x * (1 / y),           "=>", x / y, over=STABLE,  ref="Goldberg 1991: one rounding")
F.rule("div-one-over",          x / (1 / y),           "=>", x * y,
       over=STABLE, ref="Goldberg 1991: one rounding", when=[y != 0, finite(y)])
F.rule("reciprocal-as-quotient", reciprocal(x),         "=>", 1 / x, over=REAL,    ref="definition of the reciprocal")
F.rule("factor",                x * y + x * z, "=>", x * (y + z), over=REAL,    ref="distributivity", when=[finite(x)])
F.rule("factor-integer",        x * y + x * z,         "=>", x * (y + z),   over=MODULAR, ref="distributivity")
F.rule("factor-difference",     x * y - x * z, "=>", x * (y - z), over=REAL,    ref="distributivity", when=[finite(x)])
F.rule("factor-difference-integer", x * y - x * z,         "=>", x * (y - z),   over=MODULAR, ref="distributivity")
F.rule("factor-itself",         x * y + x, "=>", x * (y + 1), over=REAL,    ref="distributivity", when=[finite(x)])
F.rule("factor-less-itself",    x * y - x, "=>", x * (y - 1), over=STABLE,  ref="distributivity", when=[finite(x)])
F.rule("factor-from-itself",    x - x * y, "=>", x * (1 - y), over=STABLE,  ref="distributivity", when=[finite(x)])
F.rule("factor-divisor",        x / z + y / z,         "=>", (x + y) / z,   over=REAL,    ref="distributivity")
F.rule("factor-divisor-difference", x / z - y / z,         "=>", (x - y) / z,   over=STABLE,  ref="distributivity")
F.rule("difference-of-squares", square(x) - square(y), "=>", (x - y) * (x + y), over=STABLE,  ref="Goldberg 1991, 1.4")
F.rule("square-less-one",       square(x) - 1,         "=>", (x - 1) * (x + 1), over=STABLE,  ref="Goldberg 1991, 1.4")
F.rule("one-less-square",       1 - square(x),         "=>", (1 - x) * (1 + x), over=STABLE,  ref="Goldberg 1991, 1.4")
F.rule("square-neg",            square(-x),            "=>", square(x),     over=EXACT,   ref="IEEE 754 6.3")
F.rule("square-abs",            square(abs(x)),        "=>", square(x),     over=EXACT,   ref="IEEE 754 6.3")
F.rule("mul-squares",           square(x) * square(y), "=>", square(x * y), over=REAL,    ref="powers of products")
F.rule("div-squares",           square(x) / square(y), "=>", square(x / y), over=REAL,    ref="powers of quotients")
# fmt: on

F.refuted("sub-self-anywhere", x - x, "=>", 0, at={x: float("inf")})
F.refuted("div-self-at-zero", x / x, "=>", 1, at={x: 0.0})
F.refuted("mul-zero-anywhere", 0 * x, "=>", 0, at={x: float("inf")})
F.refuted("mul-zero-nan", 0 * x, "=>", 0, at={x: float("nan")})
F.refuted("div-then-mul-at-zero", (x / y) * y, "=>", x, at={x: 1.0, y: 0.0})
F.refuted(
    "factor-infinity", x * y + x * z, "=>", x * (y + z), at={x: float("inf"), y: 2.0, z: -1.0}
)
F.refuted("add-then-sub-infinity", (x + y) - y, "=>", x, at={x: 1.0, y: float("inf")})
F.refuted("quotient-of-quotient", x / (y / z), "=>", (x * z) / y, at={x: 1.0, y: 2.0, z: 0.0})
F.refuted("quotient-pulled-apart", (x * z) / y, "=>", x / (y / z), at={x: 1.0, y: 2.0, z: 0.0})
