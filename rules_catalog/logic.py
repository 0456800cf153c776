"""Comparisons and logic.

Comparisons with NaN are false, except inequality (IEEE 754-2019, 5.11): negating an order relation needs
operands shown to be no NaN.  Facts speak of real values, which overflow may turn into infinities or NaN:
tests for these are folded in family finite only.
"""

from egtensor.rules.dsl import (
    EXACT,
    MODULAR,
    REAL,
    Family,
    a,
    b,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    c,
    equal,
    invert,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    notnan,
    where,
    x,
    y,
)

F = Family("logic")

# fmt: off
F.rule("greater",           x > y,                 "=>", y < x, over=EXACT,   ref="IEEE 754-2019, 5.11", directed=True)
F.rule("greater-equal",     x >= y,                "=>", y <= x, over=EXACT,   ref="IEEE 754-2019, 5.11", directed=True)
F.rule("not-less",          logical_not(x < y),    "=>", y <= x,
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(x), notnan(y)])
F.rule("not-less-equal",    logical_not(x <= y),   "=>", y < x,
       over=REAL, ref="IEEE 754-2019, 5.11", when=[notnan(x), notnan(y)])
F.rule("not-equal",         logical_not(equal(x, y)), "=>", not_equal(x, y), over=EXACT,   ref="IEEE 754-2019, 5.11")
F.rule("not-not-equal",     logical_not(not_equal(x, y)), "=>", equal(x, y), over=EXACT,   ref="IEEE 754-2019, 5.11")
F.rule("not-less-integer",  logical_not(x < y),    "=>", y <= x,      over=MODULAR, ref="total order")
F.rule("not-less-equal-integer", logical_not(x <= y),   "=>", y < x,       over=MODULAR, ref="total order")
F.rule("less-equal-self",   x <= x,                "=>", True,        over=MODULAR, ref="total order")
F.rule("equal-self",        equal(x, x),           "=>", True,        over=MODULAR, ref="reflexivity")
F.rule("not-equal-self",    not_equal(x, x),       "=>", False,       over=MODULAR, ref="reflexivity")
F.rule("less-self",         x < x,                 "=>", False,       over=EXACT,   ref="IEEE 754-2019, 5.11")
F.rule("positive-known",    less(0, x), "=>", True, over=REAL,    ref="the condition", when=[x > 0, notnan(x)])
F.rule("nonnegative-known", less_equal(0, x), "=>", True, over=REAL,    ref="the condition", when=[x >= 0, notnan(x)])
F.rule("negative-never",    x < 0,                 "=>", False,       over=REAL,    ref="the condition", when=[x >= 0])
F.rule("nonpositive-never", x <= 0,                "=>", False,       over=REAL,    ref="the condition", when=[x > 0])
F.rule("positive-never",    less(0, x),            "=>", False,       over=REAL,    ref="the condition", when=[x <= 0])
F.rule("less-zero",         x - y < 0,             "=>", x < y,       over=REAL,    ref="IEEE 754: gradual underflow")
F.rule("greater-zero",      less(0, x - y),        "=>", y < x,       over=REAL,    ref="IEEE 754: gradual underflow")
F.rule("less-neg",          -x < -y,               "=>", y < x,       over=REAL,    ref="order reversal")
F.rule("less-equal-neg",    -x <= -y,              "=>", y <= x,      over=REAL,    ref="order reversal")
F.rule("not-equal-itself",  not_equal(x, x),       "=>", isnan(x),    over=REAL,    ref="IEEE 754-2019, 5.11")
F.rule("and-self",          bitwise_and(x, x),     "=>", x,           over=EXACT,   ref="Boolean algebra")
F.rule("or-self",           bitwise_or(x, x),      "=>", x,           over=EXACT,   ref="Boolean algebra")
F.rule("xor-self",          bitwise_xor(x, x),     "=>", 0,           over=EXACT,   ref="Boolean algebra")
F.rule("and-zero",          bitwise_and(x, 0),     "=>", 0,           over=EXACT,   ref="Boolean algebra")
F.rule("or-zero",           bitwise_or(x, 0),      "=>", x,           over=EXACT,   ref="Boolean algebra")
F.rule("xor-zero",          bitwise_xor(x, 0),     "=>", x,           over=EXACT,   ref="Boolean algebra")
F.rule("and-absorbs",       bitwise_and(x, bitwise_or(x, y)), "=>", x, over=EXACT,   ref="Boolean algebra: absorption")
F.rule("or-absorbs",        bitwise_or(x, bitwise_and(x, y)), "=>", x, over=EXACT,   ref="Boolean algebra: absorption")
F.rule("invert-invert",     invert(invert(x)), "=>", x, over=EXACT,   ref="Boolean algebra", directed=False)
F.rule("and-inverted",      bitwise_and(x, invert(x)), "=>", 0,           over=EXACT,   ref="Boolean algebra")
F.rule("de-morgan-and",     bitwise_and(invert(x), invert(y)), "=>", invert(bitwise_or(x, y)),
       over=EXACT, ref="De Morgan")
F.rule("de-morgan-or", bitwise_or(invert(x), invert(y)), "=>", invert(bitwise_and(x, y)), over=EXACT,   ref="De Morgan")
F.rule("not-and",           logical_and(logical_not(x), logical_not(y)), "=>", logical_not(logical_or(x, y)),
       over=EXACT, ref="De Morgan")
F.rule("not-or",            logical_or(logical_not(x), logical_not(y)), "=>", logical_not(logical_and(x, y)),
       over=EXACT, ref="De Morgan")
F.rule("where-where", where(a, where(b, x, y), y), "=>", where(logical_and(a, b), x, y), over=EXACT,   ref="selection")
F.rule("where-else-where",  where(a, x, where(b, x, y)), "=>", where(logical_or(a, b), x, y),
       over=EXACT, ref="selection")
F.rule("where-constants",   where(c, True, False), "=>", c,           over=EXACT,   ref="selection")
# fmt: on

F.refuted("not-less-nan", logical_not(x < y), "=>", y <= x, at={x: float("nan"), y: 1.0})
F.refuted("equal-self-nan", equal(x, x), "=>", True, at={x: float("nan")})
F.refuted("and-one", bitwise_and(x, 1), "=>", x, at={x: 2})
