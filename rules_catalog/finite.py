"""What holds where every operation of a program is inside its domain and finite.

These rules drop operands or widen domains: the same identities stand in the other families with the
conditions that make them sound everywhere.
"""

from egtensor.rules.dsl import (
    FINITE,
    Family,
    axes,
    broadcast_to,
    c,
    equal,
    exp,
    isfinite,
    isinf,
    isnan,
    log,
    logical_not,
    matmul,
    maximum,
    minimum,
    not_equal,
    product_shape,
    rank_is,
    reduced_shape,
    same_type,
    shape,
    sigmoid,
    softplus,
    sqrt,
    square,
    sum,
    where,
    x,
    y,
    z,
)

F = Family("finite")

# fmt: off
F.rule("sub-self",             x - x,                 "=>", 0,             over=FINITE,  ref="cancellation")
F.rule("div-self",             x / x,                 "=>", 1,             over=FINITE,  ref="cancellation")
F.rule("mul-zero",             x * 0,                 "=>", 0,             over=FINITE,  ref="absorbing zero")
F.rule("zero-div",             0 / x,                 "=>", 0,             over=FINITE,  ref="absorbing zero")
F.rule("add-then-sub",         (x + y) - y,           "=>", x,             over=FINITE,  ref="cancellation")
F.rule("sub-then-add",         (x - y) + y,           "=>", x,             over=FINITE,  ref="cancellation")
F.rule("sub-common-term",      (x + y) - (x + z),     "=>", y - z,         over=FINITE,  ref="cancellation")
F.rule("mul-then-div",         (x * y) / y,           "=>", x,             over=FINITE,  ref="cancellation")
F.rule("div-then-mul",         (x / y) * y,           "=>", x,             over=FINITE,  ref="cancellation")
F.rule("div-common-factor",    (x * y) / (x * z),     "=>", y / z,         over=FINITE,  ref="cancellation")
F.rule("quotient-of-quotient", x / (y / z),           "=>", (x * z) / y,   over=FINITE,  ref="definition of division")
F.rule("factor",               x * y + x * z,         "=>", x * (y + z),   over=FINITE,  ref="distributivity")
F.rule("factor-difference",    x * y - x * z,         "=>", x * (y - z),   over=FINITE,  ref="distributivity")
F.rule("factor-itself",        x * y + x,             "=>", x * (y + 1),   over=FINITE,  ref="distributivity")
F.rule("square-sqrt",          square(sqrt(x)),       "=>", x,             over=FINITE,  ref="definition of the root")
F.rule("div-sqrt",             x / sqrt(x),           "=>", sqrt(x),       over=FINITE,  ref="definition of the root")
F.rule("exp-log",              exp(log(x)),           "=>", x,             over=FINITE,  ref="DLMF 4.2.22")
F.rule("one-over-exp",         1 / exp(x),            "=>", exp(-x),       over=FINITE,  ref="DLMF 4.2.29")
F.rule("div-exps",             exp(x) / exp(y),       "=>", exp(x - y),    over=FINITE,  ref="DLMF 4.2.29")
F.rule("log-exp-mul",          log(exp(x) * y),       "=>", x + log(y),    over=FINITE,  ref="DLMF 4.8.2")
F.rule("log-exp-div",          log(exp(x) / y),       "=>", x - log(y),    over=FINITE,  ref="DLMF 4.8.4")
F.rule("add-logs",             log(x) + log(y),       "=>", log(x * y),    over=FINITE,  ref="DLMF 4.8.2")
F.rule("sub-logs",             log(x) - log(y),       "=>", log(x / y),    over=FINITE,  ref="DLMF 4.8.4")
F.rule("sigmoid-quotient",     exp(x) / (1 + exp(x)), "=>", sigmoid(x),    over=FINITE,  ref="definition of sigmoid")
F.rule("softplus-less-itself", softplus(x) - x,       "=>", softplus(-x),  over=FINITE,  ref="symmetry of softplus")
F.rule("where-less",           where(x < y, x, y), "=>", minimum(x, y), over=FINITE,  ref="definition of the minimum")
F.rule("where-greater",        where(x > y, x, y), "=>", maximum(x, y), over=FINITE,  ref="definition of the maximum")
F.rule("where-factor-zero",    where(c, x, 0) * y,    "=>", where(c, x * y, 0), over=FINITE,  ref="absorbing zero")
F.rule("isnan",                isnan(x),              "=>", False,         over=FINITE,  ref="the promise")
F.rule("isfinite",             isfinite(x),           "=>", True,          over=FINITE,  ref="the promise")
F.rule("isinf",                isinf(x),              "=>", False,         over=FINITE,  ref="the promise")
F.rule("equal-self",           equal(x, x),           "=>", True,          over=FINITE,  ref="reflexivity")
F.rule("not-equal-self",       not_equal(x, x),       "=>", False,         over=FINITE,  ref="reflexivity")
F.rule("less-equal-self",      x <= x,                "=>", True,          over=FINITE,  ref="total order")
F.rule("not-less",             logical_not(x < y),    "=>", y <= x,        over=FINITE,  ref="total order")
F.rule("not-less-equal",       logical_not(x <= y),   "=>", y < x,         over=FINITE,  ref="total order")
F.rule("regroup-products",     matmul(matmul(x, y), z), "<=>", matmul(x, matmul(y, z)),
       over=FINITE, ref="Golub and Van Loan 1.1")
F.rule("factor-matrix-left",   matmul(x, y) + matmul(x, z), "=>", matmul(x, y + z),
       over=FINITE, ref="distributivity", when=[same_type(y, z)])
F.rule("factor-matrix-right",  matmul(x, z) + matmul(y, z), "=>", matmul(x + y, z),
       over=FINITE, ref="distributivity", when=[same_type(x, y)])
F.rule("scaled-product-left",  matmul(x * broadcast_to(y, shape=shape), z), "=>",
       matmul(x, z) * broadcast_to(y, shape=product_shape(x, z)),
       over=FINITE, ref="linearity", when=[rank_is(y, 0)])
F.rule("scaled-product-right", matmul(x, z * broadcast_to(y, shape=shape)), "=>",
       matmul(x, z) * broadcast_to(y, shape=product_shape(x, z)),
       over=FINITE, ref="linearity", when=[rank_is(y, 0)])
F.rule("sum-scaled",           sum(x * broadcast_to(y, shape=shape), axes=axes), "=>",
       sum(x, axes=axes) * broadcast_to(y, shape=reduced_shape(x, axes)),
       over=FINITE, ref="linearity", when=[rank_is(y, 0)])
# fmt: on

F.refuted("log-mul", log(x * y), "=>", log(x) + log(y), at={x: -1.0, y: -1.0})
