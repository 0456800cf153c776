"""Exponentials and logarithms.

Identities over the reals: NIST DLMF 4.2, 4.8.  Accuracy near zero: Goldberg 1991, theorem 4; Maechler
2012 for log(1 - exp(x)); Higham 2021 for the logarithm of a sum of exponentials.
"""

from egtensor.rules.dsl import (
    REAL,
    STABLE,
    Family,
    abs,
    exp,
    exp2,
    expm1,
    finite,
    log,
    log1mexp,
    log1p,
    log2,
    logaddexp,
    softplus,
    sqrt,
    square,
    x,
    y,
)

F = Family("explog")

# fmt: off
F.rule("log-exp",         log(exp(x)),          "=>", x,            over=STABLE,  ref="DLMF 4.2.21")
F.rule("exp-log",         exp(log(x)),          "=>", x,            over=STABLE,  ref="DLMF 4.2.22", when=[x >= 0])
F.rule("log2-exp2",       log2(exp2(x)),        "=>", x,            over=STABLE,  ref="DLMF 4.2")
F.rule("exp2-log2",       exp2(log2(x)),        "=>", x,            over=STABLE,  ref="DLMF 4.2", when=[x >= 0])
F.rule("mul-exps",        exp(x) * exp(y),      "=>", exp(x + y),   over=REAL,    ref="DLMF 4.2.29")
F.rule("div-exps",        exp(x) / exp(y),      "=>", exp(x - y),   over=REAL,    ref="DLMF 4.2.29", when=[finite(y)])
F.rule("one-over-exp",    1 / exp(x),           "=>", exp(-x),      over=STABLE,  ref="DLMF 4.2.29", when=[finite(x)])
F.rule("div-by-exp",      x / exp(y),           "=>", x * exp(-y),  over=REAL,    ref="DLMF 4.2.29", when=[finite(y)])
F.rule("square-exp",      square(exp(x)),       "=>", exp(2 * x),   over=STABLE,  ref="DLMF 4.2.33")
F.rule("sqrt-exp",        sqrt(exp(x)),         "=>", exp(0.5 * x), over=STABLE,  ref="DLMF 4.2.33")
F.rule("log1p",           log(1 + x),           "=>", log1p(x),     over=STABLE,  ref="Goldberg thm 4")
F.rule("log1p-neg",       log(1 - x),           "=>", log1p(-x),    over=STABLE,  ref="Goldberg thm 4")
F.rule("expm1",           exp(x) - 1,           "=>", expm1(x),     over=STABLE,  ref="Goldberg thm 4")
F.rule("one-less-exp",    1 - exp(x),           "=>", -expm1(x),    over=STABLE,  ref="Goldberg thm 4")
F.rule("expm1-plus-one",  expm1(x) + 1,         "=>", exp(x),       over=STABLE,  ref="definition of expm1")
F.rule("log1p-expm1",     log1p(expm1(x)),      "=>", x,            over=STABLE,  ref="inverse functions")
F.rule("expm1-log1p",     expm1(log1p(x)),      "=>", x, over=STABLE,  ref="inverse functions", when=[x >= -1])
F.rule("expm1-log",       expm1(log(x)),        "=>", x - 1,        over=STABLE,  ref="DLMF 4.2.22", when=[x >= 0])
F.rule("exp-log1p",       exp(log1p(x)),        "=>", 1 + x,        over=STABLE,  ref="DLMF 4.2.22", when=[x >= -1])
F.rule("log-mul",         log(x * y),           "=>", log(x) + log(y), over=REAL,    ref="DLMF 4.8.2", when=[y > 0])
F.rule("log-div",         log(x / y), "=>", log(x) - log(y), over=REAL,    ref="DLMF 4.8.4", when=[x > 0, y > 0])
F.rule("log-one-over",    log(1 / x),           "=>", -log(x),      over=STABLE,  ref="DLMF 4.8.4", when=[x > 0])
F.rule("log-sqrt",        log(sqrt(x)),         "=>", 0.5 * log(x), over=STABLE,  ref="DLMF 4.8.5")
F.rule("log-square",      log(square(x)),       "=>", 2 * log(abs(x)), over=STABLE,  ref="DLMF 4.8.5")
F.rule("log-exp-mul",     log(exp(x) * y),      "=>", x + log(y),   over=REAL,    ref="DLMF 4.8.2", when=[y > 0])
F.rule("log-exp-div",     log(exp(x) / y),      "=>", x - log(y),   over=REAL,    ref="DLMF 4.8.4", when=[y > 0])
F.rule("log-sum-of-exps", log(exp(x) + exp(y)), "=>", logaddexp(x, y), over=STABLE,  ref="Higham 2021")
F.rule("log1p-exp",       log1p(exp(x)),        "=>", softplus(x),  over=STABLE,  ref="Maechler 2012")
F.rule("logaddexp-zero",  logaddexp(x, 0),      "=>", softplus(x),  over=STABLE,  ref="Maechler 2012")
F.rule("log1p-neg-exp",   log1p(-exp(x)),       "=>", log1mexp(x),  over=STABLE,  ref="Maechler 2012")
F.rule("log-neg-expm1",   log(-expm1(x)),       "=>", log1mexp(x),  over=STABLE,  ref="Maechler 2012")
# fmt: on

F.refuted("exp-log-anywhere", exp(log(x)), "=>", x, at={x: -1.0})
F.refuted("log-mul-any-sign", log(x * y), "=>", log(x) + log(y), at={x: -1.0, y: -1.0})
F.refuted("add-logs-any-sign", log(x) + log(y), "=>", log(x * y), at={x: -1.0, y: -2.0})
F.refuted("log-square-any-sign", log(square(x)), "=>", 2 * log(x), at={x: -1.0})
F.refuted("one-over-exp-infinity", 1 / exp(x), "=>", exp(-x), at={x: float("-inf")})
F.refuted(
    "exp-over-one-plus-exp", exp(x) / (1 + exp(x)), "=>", 1 / (1 + exp(-x)), at={x: float("inf")}
)
F.refuted("expm1-log1p-anywhere", expm1(log1p(x)), "=>", x, at={x: -2.0})
