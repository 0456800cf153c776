"""Reductions: over several axes, through moves and linear maps; logarithms of sums of exponentials.

Sums may be regrouped over the reals (Higham 2002, 4.2).  Largest elements commute with increasing functions.
Shifting exponents by a finite largest element: Blanchard, Higham and Higham 2021; ``positive`` tells a sum
that has been shifted from one that has not.
"""

from egtensor.rules.dsl import (
    EXACT,
    MODULAR,
    REAL,
    STABLE,
    Family,
    all_axes,
    are_units,
    axes,
    axes2,
    broadcast_to,
    covers,
    exp,
    finite,
    finite_or_zero,
    has_elements,
    is_empty,
    isfinite,
    kept_permutation,
    largest,
    log,
    max,
    merge_axes,
    min,
    nan,
    notnan,
    perm,
    permuted_axes,
    prod,
    rank_is,
    reduced_shape,
    reshape,
    same_type,
    shape,
    shape2,
    shifted,
    shifted_sum,
    sigmoid,
    stretched,
    sum,
    tanh,
    transpose,
    where,
    x,
    y,
)

F = Family("reduce")

# fmt: off
F.rule("sum-sum",              sum(sum(x, axes=axes), axes=axes2), "=>", sum(x, axes=merge_axes(axes, axes2)),
       over=REAL, ref="Higham 2002, 4.2")
F.rule("sum-sum-integer",      sum(sum(x, axes=axes), axes=axes2), "=>", sum(x, axes=merge_axes(axes, axes2)),
       over=MODULAR, ref="associativity")
F.rule("prod-prod",            prod(prod(x, axes=axes), axes=axes2), "=>", prod(x, axes=merge_axes(axes, axes2)),
       over=REAL, ref="Higham 2002, 3.1")
F.rule("max-max",              max(max(x, axes=axes), axes=axes2), "=>", max(x, axes=merge_axes(axes, axes2)),
       over=REAL, ref="lattice")
F.rule("min-min",              min(min(x, axes=axes), axes=axes2), "=>", min(x, axes=merge_axes(axes, axes2)),
       over=REAL, ref="lattice")
F.rule("sum-nothing",          sum(x, axes=axes),      "=>", x, over=REAL,    ref="a sum of one", when=[is_empty(axes)])
F.rule("max-nothing", max(x, axes=axes), "=>", x, over=EXACT,   ref="the largest of one", when=[is_empty(axes)])
F.rule("min-nothing", min(x, axes=axes), "=>", x, over=EXACT,   ref="the smallest of one", when=[is_empty(axes)])
F.rule("sum-units",            sum(x, axes=axes),      "=>", reshape(x, shape=reduced_shape(x, axes)),
       over=REAL, ref="a sum of one", when=[are_units(x, axes)], directed=True)
F.rule("max-units",            max(x, axes=axes),      "=>", reshape(x, shape=reduced_shape(x, axes)),
       over=EXACT, ref="the largest of one", when=[are_units(x, axes)], directed=True)
F.rule("min-units",            min(x, axes=axes),      "=>", reshape(x, shape=reduced_shape(x, axes)),
       over=EXACT, ref="the smallest of one", when=[are_units(x, axes)], directed=True)
F.rule("sum-permute",          sum(transpose(x, axes=perm), axes=axes), "=>",
       transpose(sum(x, axes=permuted_axes(axes, perm)), axes=kept_permutation(perm, axes)),
       over=REAL, ref="commutativity")
F.rule("sum-permute-integer",  sum(transpose(x, axes=perm), axes=axes), "=>",
       transpose(sum(x, axes=permuted_axes(axes, perm)), axes=kept_permutation(perm, axes)),
       over=MODULAR, ref="commutativity")
F.rule("max-permute",          max(transpose(x, axes=perm), axes=axes), "=>",
       transpose(max(x, axes=permuted_axes(axes, perm)), axes=kept_permutation(perm, axes)),
       over=REAL, ref="commutativity")
F.rule("min-permute",          min(transpose(x, axes=perm), axes=axes), "=>",
       transpose(min(x, axes=permuted_axes(axes, perm)), axes=kept_permutation(perm, axes)),
       over=REAL, ref="commutativity")
F.rule("sum-reshape",          sum(reshape(x, shape=shape), axes=axes), "=>", sum(x, axes=all_axes(x)),
       over=REAL, ref="associativity", when=[covers(axes, shape)])
F.rule("sum-reshape-integer",  sum(reshape(x, shape=shape), axes=axes), "=>", sum(x, axes=all_axes(x)),
       over=MODULAR, ref="associativity", when=[covers(axes, shape)])
F.rule("max-reshape",          max(reshape(x, shape=shape), axes=axes), "=>", max(x, axes=all_axes(x)),
       over=REAL, ref="associativity", when=[covers(axes, shape)])
F.rule("min-reshape",          min(reshape(x, shape=shape), axes=axes), "=>", min(x, axes=all_axes(x)),
       over=REAL, ref="associativity", when=[covers(axes, shape)])
F.rule("sum-neg",              sum(-x, axes=axes),     "=>", -sum(x, axes=axes), over=REAL,    ref="linearity")
F.rule("sum-neg-integer",      sum(-x, axes=axes),     "=>", -sum(x, axes=axes), over=MODULAR, ref="linearity")
F.rule("add-sums",             sum(x, axes=axes) + sum(y, axes=axes), "=>", sum(x + y, axes=axes),
       over=REAL, ref="linearity", when=[same_type(x, y)])
F.rule("add-sums-integer",     sum(x, axes=axes) + sum(y, axes=axes), "=>", sum(x + y, axes=axes),
       over=MODULAR, ref="linearity", when=[same_type(x, y)])
F.rule("sub-sums",             sum(x, axes=axes) - sum(y, axes=axes), "=>", sum(x - y, axes=axes),
       over=REAL, ref="linearity", when=[same_type(x, y)])
F.rule("sum-scaled",           sum(x * broadcast_to(y, shape=shape), axes=axes), "=>",
       sum(x, axes=axes) * broadcast_to(y, shape=reduced_shape(x, axes)),
       over=REAL, ref="linearity", when=[rank_is(y, 0), finite(y)])
F.rule("sum-scaled-integer",   sum(x * broadcast_to(y, shape=shape), axes=axes), "=>",
       sum(x, axes=axes) * broadcast_to(y, shape=reduced_shape(x, axes)),
       over=MODULAR, ref="linearity", when=[rank_is(y, 0)])
F.rule("sum-divided",          sum(x / broadcast_to(y, shape=shape), axes=axes), "=>",
       sum(x, axes=axes) / broadcast_to(y, shape=reduced_shape(x, axes)),
       over=REAL, ref="linearity", when=[rank_is(y, 0), y != 0, notnan(y)])
F.rule("max-neg",              max(-x, axes=axes),     "=>", -min(x, axes=axes), over=REAL,    ref="order reversal")
F.rule("min-neg",              min(-x, axes=axes),     "=>", -max(x, axes=axes), over=REAL,    ref="order reversal")
F.rule("max-exp",              max(exp(x), axes=axes), "=>", exp(max(x, axes=axes)),
       over=STABLE, ref="monotonicity",
       proved="sampled: SymPy does not order increasing functions")
F.rule("min-exp",              min(exp(x), axes=axes), "=>", exp(min(x, axes=axes)),
       over=STABLE, ref="monotonicity",
       proved="sampled: SymPy does not order increasing functions")
F.rule("max-tanh",             max(tanh(x), axes=axes), "=>", tanh(max(x, axes=axes)),
       over=STABLE, ref="monotonicity",
       proved="sampled: SymPy does not order increasing functions")
F.rule("max-sigmoid",          max(sigmoid(x), axes=axes), "=>", sigmoid(max(x, axes=axes)),
       over=STABLE, ref="monotonicity",
       proved="sampled: SymPy does not order increasing functions")
F.rule("max-log",              max(log(x), axes=axes), "=>", log(max(x, axes=axes)),
       over=STABLE, ref="monotonicity", when=[x >= 0],
       proved="sampled: SymPy does not order increasing functions")
F.rule("log-prod", log(prod(x, axes=axes)), "=>", sum(log(x), axes=axes), over=REAL,    ref="DLMF 4.8.2", when=[x >= 0])
F.rule("prod-exp",             prod(exp(x), axes=axes), "=>", exp(sum(x, axes=axes)), over=REAL,    ref="DLMF 4.2.29")
F.rule("log-sum-exp",          log(sum(exp(x), axes=axes)), "=>", log(shifted_sum(x, axes)) + largest(x, axes),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("softmax",              exp(x) / stretched(sum(exp(x), axes=axes), shape, shape2), "=>",
       exp(shifted(x, axes)) / stretched(shifted_sum(x, axes), shape, shape2),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("softmax-vector",       exp(x) / broadcast_to(sum(exp(x), axes=axes), shape=shape), "=>",
       exp(shifted(x, axes)) / broadcast_to(shifted_sum(x, axes), shape=shape),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("log-softmax",          log(exp(x) / stretched(sum(exp(x), axes=axes), shape, shape2)), "=>",
       shifted(x, axes) - stretched(log(shifted_sum(x, axes)), shape, shape2),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("log-softmax-vector",   log(exp(x) / broadcast_to(sum(exp(x), axes=axes), shape=shape)), "=>",
       shifted(x, axes) - broadcast_to(log(shifted_sum(x, axes)), shape=shape),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("log-sum-exp-gradient", stretched(y / sum(exp(x), axes=axes), shape, shape2) * exp(x), "=>",
       stretched(y, shape, shape2) * (exp(shifted(x, axes)) / stretched(shifted_sum(x, axes), shape, shape2)),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("log-softmax-gradient",
       ((y / (exp(x) / stretched(sum(exp(x), axes=axes), shape, shape2))) / stretched(sum(exp(x), axes=axes), shape,
           shape2) + stretched(-sum(((y / (exp(x) / stretched(sum(exp(x), axes=axes), shape, shape2))) /
           stretched(sum(exp(x), axes=axes), shape, shape2)) * (exp(x) / stretched(sum(exp(x), axes=axes), shape,
           shape2)), axes=axes), shape, shape2)) * exp(x), "=>",
       where(isfinite(shifted(x, axes) - stretched(log(shifted_sum(x, axes)), shape, shape2)), y, nan) - (exp(shifted(x,
           axes)) / stretched(shifted_sum(x, axes), shape, shape2)) * stretched(sum(where(isfinite(shifted(x, axes) -
           stretched(log(shifted_sum(x, axes)), shape, shape2)), y, nan), axes=axes), shape, shape2),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("log-softmax-vector-gradient",
       ((y / (exp(x) / broadcast_to(sum(exp(x), axes=axes), shape=shape2))) / broadcast_to(sum(exp(x), axes=axes),
           shape=shape2) + stretched(-sum(((y / (exp(x) / broadcast_to(sum(exp(x), axes=axes), shape=shape2))) /
           broadcast_to(sum(exp(x), axes=axes), shape=shape2)) * (exp(x) / broadcast_to(sum(exp(x), axes=axes),
           shape=shape2)), axes=axes), shape, shape2)) * exp(x), "=>",
       where(isfinite(shifted(x, axes) - broadcast_to(log(shifted_sum(x, axes)), shape=shape2)), y, nan) -
           (exp(shifted(x, axes)) / broadcast_to(shifted_sum(x, axes), shape=shape2)) *
           stretched(sum(where(isfinite(shifted(x, axes) - broadcast_to(log(shifted_sum(x, axes)), shape=shape2)), y,
           nan), axes=axes), shape, shape2),
       over=STABLE, ref="Blanchard and others 2021", when=[has_elements(x, axes)], directed=False,
       proved="sampled: SymPy does not simplify sums of exponentials")
F.rule("largest-less-largest", finite_or_zero(max(x - stretched(max(x, axes=axes), shape, shape2), axes=axes)), "=>", 0,
       over=REAL, ref="the largest less the largest",
       proved="sampled: SymPy does not order elements")
F.rule("stretched-largest-less-largest",
       finite_or_zero(stretched(max(x - stretched(max(x, axes=axes), shape, shape2), axes=axes), shape, shape2)), "=>",
       0,
       over=REAL, ref="the largest less the largest",
       proved="sampled: SymPy does not order elements")
F.rule("largest-less-shift",
       finite_or_zero(max(x - finite_or_zero(stretched(max(x, axes=axes), shape, shape2)), axes=axes)), "=>",
       0,
       over=REAL, ref="the largest less the largest",
       proved="sampled: SymPy does not order elements")
F.rule("stretched-largest-less-shift",
       finite_or_zero(stretched(max(x - finite_or_zero(stretched(max(x, axes=axes), shape, shape2)), axes=axes), shape,
           shape2)), "=>",
       0,
       over=REAL, ref="the largest less the largest",
       proved="sampled: SymPy does not order elements")
F.rule("largest-less-small-shift",
       finite_or_zero(max(x - broadcast_to(finite_or_zero(reshape(max(x, axes=axes), shape=shape)), shape=shape2),
           axes=axes)), "=>",
       0,
       over=REAL, ref="the largest less the largest",
       proved="sampled: SymPy does not order elements")
F.rule("stretched-largest-less-small-shift",
       finite_or_zero(stretched(max(x - broadcast_to(finite_or_zero(reshape(max(x, axes=axes), shape=shape)),
           shape=shape2), axes=axes), shape, shape2)), "=>",
       0,
       over=REAL, ref="the largest less the largest",
       proved="sampled: SymPy does not order elements")
# fmt: on

F.refuted("log-of-sum", log(sum(x, axes=(0,))), "=>", sum(log(x), axes=(0,)), at={x: [1.0, 2.0]})
F.refuted(
    "sum-of-squares",
    sum(x * x, axes=(0,)),
    "=>",
    sum(x, axes=(0,)) * sum(x, axes=(0,)),
    at={x: [1.0, 2.0]},
)
F.refuted(
    "max-log-negative", max(log(x), axes=(0,)), "=>", log(max(x, axes=(0,))), at={x: [-1.0, 2.0]}
)
F.refuted(
    "shift-by-infinity",
    log(sum(exp(x), axes=(0,))),
    "=>",
    log(sum(exp(x - broadcast_to(max(x, axes=(0,)), shape=(2,))), axes=(0,))) + max(x, axes=(0,)),
    at={x: [float("inf"), 1.0]},
)
