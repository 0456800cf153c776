"""What derivatives leave behind: cotangents selected by conditions, seeds, zeros.

A cotangent that a condition masks is zero elsewhere; masks of one condition add, and opposite ones join.
"""

from egtensor.rules.dsl import (
    EXACT,
    REAL,
    Family,
    a,
    b,
    c,
    equal,
    logical_and,
    not_equal,
    where,
    x,
    y,
)

F = Family("calculus")

# fmt: off
F.rule("where-true",            where(True, x, y),  "=>", x,     over=EXACT,   ref="selection")
F.rule("where-false",           where(False, x, y), "=>", y,     over=EXACT,   ref="selection")
F.rule("join-masks",            where(c, x, 0) + where(c, 0, y), "=>", where(c, x, y), over=REAL,    ref="selection")
F.rule("add-masked", where(c, x, 0) + where(c, y, 0), "=>", where(c, x + y, 0), over=EXACT,   ref="selection")
F.rule("add-masked-else", where(c, 0, x) + where(c, 0, y), "=>", where(c, 0, x + y), over=EXACT,   ref="selection")
F.rule("sub-masked", where(c, x, 0) - where(c, y, 0), "=>", where(c, x - y, 0), over=EXACT,   ref="selection")
F.rule("mul-masked", where(c, x, 0) * where(c, y, 0), "=>", where(c, x * y, 0), over=EXACT,   ref="selection")
F.rule("neg-masked",            -where(c, x, 0),    "=>", where(c, -x, 0), over=REAL,    ref="selection")
F.rule("mask-of-mask",          where(c, where(c, x, 0), 0), "=>", where(c, x, 0), over=EXACT,   ref="selection")
F.rule("mask-of-other",         where(c, where(c, 0, x), 0), "=>", 0,     over=EXACT,   ref="selection")
F.rule("equal-zero-never",      equal(x, 0),        "=>", False, over=REAL,    ref="the condition", when=[x != 0])
F.rule("not-equal-zero-always", not_equal(x, 0),    "=>", True,  over=REAL,    ref="the condition", when=[x != 0])
F.rule("masked-by-zero",        where(equal(x, 0), 0, x), "=>", x,     over=REAL,    ref="selection")
F.rule("masked-unless-zero",    where(not_equal(x, 0), x, 0), "=>", x,     over=REAL,    ref="selection")
# fmt: on

F.refuted(
    "mask-times",
    where(c, x, 0) * y,
    "=>",
    where(c, x * y, 0),
    at={c: False, x: 1.0, y: float("inf")},
)
F.refuted(
    "masks-of-two-conditions",
    where(a, x, 0) + where(b, x, 0),
    "=>",
    where(logical_and(a, b), x, 0),
    at={a: True, b: False, x: 1.0},
)
