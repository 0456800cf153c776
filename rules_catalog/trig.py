"""Trigonometric and hyperbolic functions.

Parities and Pythagorean identities: NIST DLMF 4.16, 4.21, 4.30, 4.35.  Half-angle forms without
cancellation: Kahan 1987.
"""

from egtensor.rules.dsl import (
    REAL,
    STABLE,
    Family,
    abs,
    arcsin,
    arcsinh,
    arctan,
    arctanh,
    cos,
    cosh,
    exp,
    finite,
    log,
    log1p,
    sigmoid,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    x,
    y,
)

F = Family("trig")

# fmt: off
F.rule("sin-neg",               sin(-x),                "=>", -sin(x),     over=REAL,    ref="DLMF 4.16")
F.rule("cos-neg",               cos(-x),                "=>", cos(x),      over=REAL,    ref="DLMF 4.16")
F.rule("cos-abs",               cos(abs(x)),            "=>", cos(x),      over=REAL,    ref="DLMF 4.16")
F.rule("tan-neg",               tan(-x),                "=>", -tan(x),     over=REAL,    ref="DLMF 4.16")
F.rule("arcsin-neg",            arcsin(-x),             "=>", -arcsin(x),  over=REAL,    ref="DLMF 4.23.10")
F.rule("arctan-neg",            arctan(-x),             "=>", -arctan(x),  over=REAL,    ref="DLMF 4.23.12")
F.rule("sinh-neg",              sinh(-x),               "=>", -sinh(x),    over=REAL,    ref="DLMF 4.30")
F.rule("cosh-neg",              cosh(-x),               "=>", cosh(x),     over=REAL,    ref="DLMF 4.30")
F.rule("tanh-neg",              tanh(-x),               "=>", -tanh(x),    over=REAL,    ref="DLMF 4.30")
F.rule("arcsinh-neg",           arcsinh(-x),            "=>", -arcsinh(x), over=REAL,    ref="DLMF 4.37.10")
F.rule("sin-over-cos",          sin(x) / cos(x),        "=>", tan(x),      over=STABLE,  ref="DLMF 4.14.4")
F.rule("sin-times-cos",         sin(x) * cos(x),        "=>", 0.5 * sin(2 * x), over=REAL,    ref="DLMF 4.21.27")
F.rule("pythagoras", square(sin(x)) + square(cos(x)), "=>", 1, over=STABLE,  ref="DLMF 4.21.12", when=[finite(x)])
F.rule("one-less-cos-squared",  1 - square(cos(x)),     "=>", square(sin(x)), over=STABLE,  ref="DLMF 4.21.12")
F.rule("one-less-sin-squared",  1 - square(sin(x)),     "=>", square(cos(x)), over=STABLE,  ref="DLMF 4.21.12")
F.rule("one-less-cos",          1 - cos(x),             "=>", 2 * square(sin(0.5 * x)), over=STABLE,  ref="Kahan 1987")
F.rule("one-plus-cos",          1 + cos(x),             "=>", 2 * square(cos(0.5 * x)), over=STABLE,  ref="Kahan 1987")
F.rule("cosh-less-one",         cosh(x) - 1, "=>", 2 * square(sinh(0.5 * x)), over=STABLE,  ref="DLMF 4.35.29")
F.rule("one-less-tanh-squared", 1 - square(tanh(x)),    "=>", 1 / square(cosh(x)), over=STABLE,  ref="DLMF 4.35.12")
F.rule("tanh-factors", (1 - tanh(x)) * (1 + tanh(x)), "=>", 1 / square(cosh(x)), over=STABLE,  ref="DLMF 4.35.12")
F.rule("half-difference-of-exps", 0.5 * (exp(x) - exp(-x)), "=>", sinh(x),     over=STABLE,  ref="DLMF 4.28.1")
F.rule("difference-of-exps-halved", (exp(x) - exp(-x)) / 2, "=>", sinh(x),     over=STABLE,  ref="DLMF 4.28.1")
F.rule("half-sum-of-exps",      0.5 * (exp(x) + exp(-x)), "=>", cosh(x),     over=STABLE,  ref="DLMF 4.28.2")
F.rule("sum-of-exps-halved",    (exp(x) + exp(-x)) / 2, "=>", cosh(x),     over=STABLE,  ref="DLMF 4.28.2")
F.rule("sinh-over-cosh",        sinh(x) / cosh(x), "=>", tanh(x), over=STABLE,  ref="DLMF 4.28.4", when=[finite(x)])
F.rule("tanh-from-exps",        (exp(x) - exp(-x)) / (exp(x) + exp(-x)), "=>", tanh(x),
       over=STABLE, ref="DLMF 4.28", when=[finite(x)])
F.rule("tanh-from-sigmoid",     2 * sigmoid(2 * x) - 1, "=>", tanh(x),     over=STABLE,  ref="DLMF 4.28")
F.rule("sigmoid-from-tanh",     0.5 * (1 + tanh(0.5 * x)), "=>", sigmoid(x),  over=STABLE,  ref="DLMF 4.28")
F.rule("arcsinh-from-log",      log(x + sqrt(square(x) + 1)), "=>", arcsinh(x),
       over=STABLE, ref="DLMF 4.37.16", when=[finite(x)])
F.rule("arctanh-from-logs",     0.5 * (log1p(x) - log1p(-x)), "=>", arctanh(x),  over=STABLE,  ref="DLMF 4.37.24")
F.rule("sinh-arcsinh",          sinh(arcsinh(x)),       "=>", x,           over=STABLE,  ref="inverse functions")
F.rule("tan-arctan",            tan(arctan(x)), "=>", x, over=STABLE,  ref="inverse functions", when=[finite(x)])
F.rule("tanh-arctanh", tanh(arctanh(x)), "=>", x, over=STABLE,  ref="inverse functions", when=[x >= -1, x <= 1])
F.rule("sin-arcsin",            sin(arcsin(x)), "=>", x, over=STABLE,  ref="inverse functions", when=[x >= -1, x <= 1])
# fmt: on

F.refuted("arcsin-sin", arcsin(sin(x)), "=>", x, at={x: 4.0})
F.refuted("arctan-tan", arctan(tan(x)), "=>", x, at={x: 4.0})
F.refuted("pythagoras-infinity", square(sin(x)) + square(cos(x)), "=>", 1, at={x: float("inf")})
F.refuted("sinh-over-cosh-infinity", sinh(x) / cosh(x), "=>", tanh(x), at={x: float("inf")})
F.refuted("sin-of-sum", sin(x + y), "=>", sin(x) + sin(y), at={x: 1.0, y: 2.0})
