"""Powers and roots.

Small powers by multiplication: Knuth, TAOCP vol. 2, 4.6.3.  Laws of exponents: NIST DLMF 4.2.
"""

from egtensor.rules.dsl import (
    EXACT,
    MODULAR,
    REAL,
    STABLE,
    Family,
    abs,
    exp,
    finite,
    hypot,
    log,
    notnan,
    sqrt,
    square,
    x,
    y,
)

F = Family("powers")

# fmt: off
F.rule("power-zero",          x ** 0,          "=>", 1,             over=EXACT,   ref="IEEE 754-2019, 9.2.1")
F.rule("power-one",           x ** 1,          "=>", x,             over=EXACT,   ref="IEEE 754-2019, 9.2.1")
F.rule("power-two",           x ** 2,          "=>", square(x),     over=STABLE,  ref="TAOCP 4.6.3")
F.rule("power-two-integer",   x ** 2,          "=>", square(x),     over=MODULAR, ref="TAOCP 4.6.3")
F.rule("power-three",         x ** 3,          "=>", x * square(x), over=REAL,    ref="TAOCP 4.6.3")
F.rule("power-three-integer", x ** 3,          "=>", x * square(x), over=MODULAR, ref="TAOCP 4.6.3")
F.rule("power-four",          x ** 4,          "=>", square(square(x)), over=REAL,    ref="TAOCP 4.6.3")
F.rule("power-four-integer",  x ** 4,          "=>", square(square(x)), over=MODULAR, ref="TAOCP 4.6.3")
F.rule("power-five",          x ** 5,          "=>", x * square(square(x)), over=REAL,    ref="TAOCP 4.6.3")
F.rule("power-six",           x ** 6,          "=>", square(x * square(x)), over=REAL,    ref="TAOCP 4.6.3")
F.rule("power-eight",         x ** 8,          "=>", square(square(square(x))), over=REAL,    ref="TAOCP 4.6.3")
F.rule("power-ten",           x ** 10,         "=>", square(x * square(square(x))), over=REAL,    ref="TAOCP 4.6.3")
F.rule("power-minus-one",     x ** -1,         "=>", 1 / x,         over=STABLE,  ref="DLMF 4.2")
F.rule("power-minus-two",     x ** -2,         "=>", 1 / square(x), over=REAL,    ref="DLMF 4.2")
F.rule("power-half",          x ** 0.5,        "=>", sqrt(x),       over=STABLE,  ref="DLMF 4.2")
F.rule("power-minus-half",    x ** -0.5,       "=>", 1 / sqrt(x),   over=REAL,    ref="DLMF 4.2")
F.rule("power-three-halves",  x ** 1.5,        "=>", x * sqrt(x),   over=REAL,    ref="DLMF 4.2")
F.rule("exp-of-log-multiple", exp(y * log(x)), "=>", x ** y,
    over=STABLE,ref="DLMF 4.2.26", when=[x > 0, finite(x), finite(y)])
F.rule("log-power", log(x ** y), "=>", y * log(x), over=STABLE,  ref="DLMF 4.8.5", when=[x > 0, finite(x), finite(y)])
F.rule("sqrt-square",         sqrt(square(x)), "=>", abs(x),        over=STABLE,  ref="definition of the root")
F.rule("square-sqrt",         square(sqrt(x)), "=>", x, over=STABLE,  ref="definition of the root", when=[x >= 0])
F.rule("div-sqrt", x / sqrt(x), "=>", sqrt(x), over=STABLE,  ref="definition of the root", when=[x > 0, finite(x)])
F.rule("sqrt-div", sqrt(x) / x, "=>", 1 / sqrt(x), over=REAL,    ref="definition of the root", when=[finite(x)])
F.rule("sqrt-one-over",       sqrt(1 / x), "=>", 1 / sqrt(x), over=STABLE,  ref="definition of the root", when=[x >= 0])
F.rule("hypotenuse",          sqrt(square(x) + square(y)), "=>", hypot(x, y),
    over=STABLE,ref="Borges 2019, hypot", when=[notnan(x), notnan(y)])
# fmt: on

F.refuted("sqrt-square-itself", sqrt(square(x)), "=>", x, at={x: -1.0})
F.refuted("square-sqrt-anywhere", square(sqrt(x)), "=>", x, at={x: -1.0})
F.refuted("mul-sqrts", sqrt(x) * sqrt(y), "=>", sqrt(x * y), at={x: -1.0, y: -1.0})
F.refuted("power-of-power", (x**2) ** 0.5, "=>", x, at={x: -3.0})
F.refuted("div-sqrt-at-zero", x / sqrt(x), "=>", sqrt(x), at={x: 0.0})
F.refuted("exp-of-log-multiple-zero", exp(y * log(x)), "=>", x**y, at={x: 0.0, y: 0.0})
