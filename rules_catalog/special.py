"""Sigmoid, softplus and error functions.

sigmoid(x) = 1 / (1 + exp(-x)) and softplus(x) = log(1 + exp(x)) overflow nowhere when computed whole
(Maechler 2012); erfc has no cancellation (NIST DLMF 7.2).
"""

from egtensor.rules.dsl import (
    REAL,
    STABLE,
    Family,
    erf,
    erfc,
    exp,
    finite,
    inf,
    log,
    log1p,
    nan,
    sigmoid,
    softplus,
    tanh,
    where,
    x,
    y,
    z,
)

F = Family("special")

# fmt: off
F.rule("sigmoid-from-exp-neg",  1 / (1 + exp(-x)),     "=>", sigmoid(x),    over=STABLE,  ref="definition of sigmoid")
F.rule("sigmoid-from-exp",      1 / (1 + exp(x)),      "=>", sigmoid(-x),   over=STABLE,  ref="definition of sigmoid")
F.rule("sigmoid-from-quotient", exp(x) / (1 + exp(x)), "=>", where(x < inf, sigmoid(x), nan),
       over=STABLE, ref="undefined at infinity")
F.rule("sigmoid-from-quotient-finite", exp(x) / (1 + exp(x)), "=>", sigmoid(x),
       over=STABLE, ref="definition of sigmoid", when=[finite(x)])
F.rule("sigmoid-from-exps",     exp(x) / (exp(x) + exp(y)), "=>", sigmoid(x - y),
       over=REAL, ref="definition of sigmoid", when=[finite(x)])
F.rule("one-less-sigmoid",      1 - sigmoid(x),        "=>", sigmoid(-x),   over=STABLE,  ref="symmetry of sigmoid")
F.rule("log-sigmoid",           log(sigmoid(x)),       "=>", -softplus(-x), over=STABLE,  ref="Maechler 2012")
F.rule("log1p-neg-sigmoid",     log1p(-sigmoid(x)),    "=>", -softplus(x),  over=STABLE,  ref="Maechler 2012")
F.rule("exp-neg-softplus",      exp(-softplus(x)),     "=>", sigmoid(-x),   over=STABLE,  ref="definition of softplus")
F.rule("softplus-less-mirrored", softplus(x) - softplus(-x), "=>", x, over=STABLE,  ref="symmetry of softplus")
F.rule("softplus-less-itself",  softplus(x) - x,       "=>", softplus(-x),
       over=STABLE, ref="symmetry of softplus", when=[finite(x)])
F.rule("itself-less-softplus",  x - softplus(x),       "=>", -softplus(-x),
       over=STABLE, ref="symmetry of softplus", when=[finite(x)])
F.rule("sigmoid-ratio",         sigmoid(x) / sigmoid(-x), "=>", exp(x),
       over=STABLE, ref="definition of sigmoid", when=[finite(x)])
F.rule("sigmoid-div-mul",       (x / sigmoid(y)) * (sigmoid(y) * z), "=>", where(y > -inf, x * z, nan),
       over=STABLE, ref="cancellation, undefined at infinity")
F.rule("sigmoid-mul-div",       (sigmoid(y) * z) / sigmoid(y), "=>", where(y > -inf, z, nan),
       over=STABLE, ref="cancellation, undefined at infinity")
F.rule("sigmoid-mul-mul-div",   (x * (sigmoid(y) * z)) / sigmoid(y), "=>", where(y > -inf, x * z, nan),
       over=STABLE, ref="cancellation, undefined at infinity")
F.rule("sigmoid-from-product",  sigmoid(-x) * exp(x),  "=>", where(x < inf, sigmoid(x), nan),
       over=STABLE, ref="definition of sigmoid, undefined at infinity")
F.rule("erf-neg",               erf(-x),               "=>", -erf(x),       over=REAL,    ref="DLMF 7.4.1")
F.rule("one-less-erf",          1 - erf(x),            "=>", erfc(x),       over=STABLE,  ref="DLMF 7.2.2")
F.rule("one-plus-erf",          1 + erf(x),            "=>", erfc(-x),      over=STABLE,  ref="DLMF 7.4.1")
F.rule("one-less-erfc",         1 - erfc(x),           "=>", erf(x),        over=STABLE,  ref="DLMF 7.2.2")
F.rule("erfc-less-one",         erfc(x) - 1,           "=>", -erf(x),       over=STABLE,  ref="DLMF 7.2.2")
F.rule("two-less-erfc",         2 - erfc(x),           "=>", erfc(-x),      over=STABLE,  ref="DLMF 7.4.2")
# fmt: on

F.refuted("sigmoid-from-quotient-infinity", exp(x) / (1 + exp(x)), "=>", sigmoid(x), at={x: inf})
F.refuted("sigmoid-is-odd", sigmoid(-x), "=>", -sigmoid(x), at={x: 1.0})
F.refuted("tanh-is-sigmoid", tanh(x), "=>", 2 * sigmoid(x) - 1, at={x: 1.0})
