"""Moves: permutations, reshapes, broadcasts and slices, by themselves and through elementwise operators.

Moves compose as maps of indices (Hagedorn and others 2018, rewrite rules of Lift).  An operator applied to
each element commutes with every move; before a broadcast and after a slice it has fewer elements.
"""

from egtensor.rules.dsl import (
    SHAPE,
    Family,
    abs,
    add,
    adds_units,
    broadcast_to,
    compose,
    divide,
    exp,
    is_identity,
    is_whole,
    log,
    maximum,
    minimum,
    moves_units,
    multiply,
    negative,
    perm,
    perm2,
    permuted_shape,
    reshape,
    same_shape,
    same_type,
    shape,
    shape2,
    sigmoid,
    sizes,
    sizes2,
    slice,
    slice_starts,
    slice_steps,
    sqrt,
    square,
    starts,
    starts2,
    steps,
    steps2,
    subtract,
    tanh,
    transpose,
    unpermuted,
    where,
    x,
    y,
    z,
)

F = Family("shape")

# fmt: off
F.rule("permute-permute",     transpose(transpose(x, axes=perm), axes=perm2), "=>",
       transpose(x, axes=compose(perm, perm2)),
       over=SHAPE, ref="composition of maps", directed=False)
F.rule("permute-identity",    transpose(x, axes=perm), "=>", x,
       over=SHAPE, ref="composition of maps", when=[is_identity(perm)])
F.rule("permute-units",       transpose(x, axes=perm), "=>", reshape(x, shape=permuted_shape(x, perm)),
       over=SHAPE, ref="order of memory", when=[moves_units(x, perm)], directed=False)
F.rule("reshape-reshape",     reshape(reshape(x, shape=shape), shape=shape2), "=>", reshape(x, shape=shape2),
       over=SHAPE, ref="order of memory", directed=False)
F.rule("reshape-same",        reshape(x, shape=shape), "=>", x,
       over=SHAPE, ref="order of memory", when=[same_shape(x, shape)])
F.rule("broadcast-broadcast", broadcast_to(broadcast_to(x, shape=shape), shape=shape2), "=>",
       broadcast_to(x, shape=shape2),
       over=SHAPE, ref="composition of maps")
F.rule("broadcast-same",      broadcast_to(x, shape=shape), "=>", x,
       over=SHAPE, ref="composition of maps", when=[same_shape(x, shape)])
F.rule("broadcast-units",     broadcast_to(x, shape=shape), "=>", reshape(x, shape=shape),
       over=SHAPE, ref="order of memory", when=[adds_units(x, shape)], directed=False)
F.rule("slice-slice",
       slice(slice(x, starts=starts, steps=steps, sizes=sizes), starts=starts2, steps=steps2, sizes=sizes2), "=>",
       slice(x, starts=slice_starts(starts, steps, starts2), steps=slice_steps(steps, steps2), sizes=sizes2),
       over=SHAPE, ref="composition of maps")
F.rule("slice-whole",         slice(x, starts=starts, steps=steps, sizes=sizes), "=>", x,
       over=SHAPE, ref="composition of maps", when=[is_whole(x, starts, steps, sizes)])
F.rule("slice-permute",       slice(transpose(x, axes=perm), starts=starts, steps=steps, sizes=sizes), "=>",
       transpose(slice(x, starts=unpermuted(starts, perm), steps=unpermuted(steps, perm), sizes=unpermuted(sizes,
           perm)), axes=perm),
       over=SHAPE, ref="composition of maps")
F.rule("negative-permute",    negative(transpose(x, axes=perm)), "=>", transpose(negative(x), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("abs-permute", abs(transpose(x, axes=perm)), "=>", transpose(abs(x), axes=perm), over=SHAPE,   ref="elementwise")
F.rule("exp-permute", exp(transpose(x, axes=perm)), "=>", transpose(exp(x), axes=perm), over=SHAPE,   ref="elementwise")
F.rule("log-permute", log(transpose(x, axes=perm)), "=>", transpose(log(x), axes=perm), over=SHAPE,   ref="elementwise")
F.rule("sqrt-permute",        sqrt(transpose(x, axes=perm)), "=>", transpose(sqrt(x), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("square-permute",      square(transpose(x, axes=perm)), "=>", transpose(square(x), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("tanh-permute",        tanh(transpose(x, axes=perm)), "=>", transpose(tanh(x), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("sigmoid-permute",     sigmoid(transpose(x, axes=perm)), "=>", transpose(sigmoid(x), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("add-permute",         add(transpose(x, axes=perm), transpose(y, axes=perm)), "=>",
       transpose(add(x, y), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("subtract-permute",    subtract(transpose(x, axes=perm), transpose(y, axes=perm)), "=>",
       transpose(subtract(x, y), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("multiply-permute",    multiply(transpose(x, axes=perm), transpose(y, axes=perm)), "=>",
       transpose(multiply(x, y), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("divide-permute",      divide(transpose(x, axes=perm), transpose(y, axes=perm)), "=>",
       transpose(divide(x, y), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("maximum-permute",     maximum(transpose(x, axes=perm), transpose(y, axes=perm)), "=>",
       transpose(maximum(x, y), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("minimum-permute",     minimum(transpose(x, axes=perm), transpose(y, axes=perm)), "=>",
       transpose(minimum(x, y), axes=perm),
       over=SHAPE, ref="elementwise")
F.rule("negative-broadcast",  negative(broadcast_to(x, shape=shape)), "=>", broadcast_to(negative(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("abs-broadcast",       abs(broadcast_to(x, shape=shape)), "=>", broadcast_to(abs(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("exp-broadcast",       exp(broadcast_to(x, shape=shape)), "=>", broadcast_to(exp(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("log-broadcast",       log(broadcast_to(x, shape=shape)), "=>", broadcast_to(log(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("sqrt-broadcast",      sqrt(broadcast_to(x, shape=shape)), "=>", broadcast_to(sqrt(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("square-broadcast",    square(broadcast_to(x, shape=shape)), "=>", broadcast_to(square(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("tanh-broadcast",      tanh(broadcast_to(x, shape=shape)), "=>", broadcast_to(tanh(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("sigmoid-broadcast",   sigmoid(broadcast_to(x, shape=shape)), "=>", broadcast_to(sigmoid(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("add-broadcast",       add(broadcast_to(x, shape=shape), broadcast_to(y, shape=shape)), "=>",
       broadcast_to(add(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("subtract-broadcast",  subtract(broadcast_to(x, shape=shape), broadcast_to(y, shape=shape)), "=>",
       broadcast_to(subtract(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("multiply-broadcast",  multiply(broadcast_to(x, shape=shape), broadcast_to(y, shape=shape)), "=>",
       broadcast_to(multiply(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("divide-broadcast",    divide(broadcast_to(x, shape=shape), broadcast_to(y, shape=shape)), "=>",
       broadcast_to(divide(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("maximum-broadcast",   maximum(broadcast_to(x, shape=shape), broadcast_to(y, shape=shape)), "=>",
       broadcast_to(maximum(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("minimum-broadcast",   minimum(broadcast_to(x, shape=shape), broadcast_to(y, shape=shape)), "=>",
       broadcast_to(minimum(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("negative-reshape",    negative(reshape(x, shape=shape)), "=>", reshape(negative(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("abs-reshape", abs(reshape(x, shape=shape)), "=>", reshape(abs(x), shape=shape), over=SHAPE,   ref="elementwise")
F.rule("exp-reshape", exp(reshape(x, shape=shape)), "=>", reshape(exp(x), shape=shape), over=SHAPE,   ref="elementwise")
F.rule("log-reshape", log(reshape(x, shape=shape)), "=>", reshape(log(x), shape=shape), over=SHAPE,   ref="elementwise")
F.rule("sqrt-reshape",        sqrt(reshape(x, shape=shape)), "=>", reshape(sqrt(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("square-reshape",      square(reshape(x, shape=shape)), "=>", reshape(square(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("tanh-reshape",        tanh(reshape(x, shape=shape)), "=>", reshape(tanh(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("sigmoid-reshape",     sigmoid(reshape(x, shape=shape)), "=>", reshape(sigmoid(x), shape=shape),
       over=SHAPE, ref="elementwise")
F.rule("add-reshape",         add(reshape(x, shape=shape), reshape(y, shape=shape)), "=>",
       reshape(add(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("subtract-reshape",    subtract(reshape(x, shape=shape), reshape(y, shape=shape)), "=>",
       reshape(subtract(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("multiply-reshape",    multiply(reshape(x, shape=shape), reshape(y, shape=shape)), "=>",
       reshape(multiply(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("divide-reshape",      divide(reshape(x, shape=shape), reshape(y, shape=shape)), "=>",
       reshape(divide(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("maximum-reshape",     maximum(reshape(x, shape=shape), reshape(y, shape=shape)), "=>",
       reshape(maximum(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("minimum-reshape",     minimum(reshape(x, shape=shape), reshape(y, shape=shape)), "=>",
       reshape(minimum(x, y), shape=shape),
       over=SHAPE, ref="elementwise", when=[same_type(x, y)])
F.rule("slice-negative",      slice(negative(x), starts=starts, steps=steps, sizes=sizes), "=>",
       negative(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-abs",           slice(abs(x), starts=starts, steps=steps, sizes=sizes), "=>",
       abs(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-exp",           slice(exp(x), starts=starts, steps=steps, sizes=sizes), "=>",
       exp(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-log",           slice(log(x), starts=starts, steps=steps, sizes=sizes), "=>",
       log(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-sqrt",          slice(sqrt(x), starts=starts, steps=steps, sizes=sizes), "=>",
       sqrt(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-square",        slice(square(x), starts=starts, steps=steps, sizes=sizes), "=>",
       square(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-tanh",          slice(tanh(x), starts=starts, steps=steps, sizes=sizes), "=>",
       tanh(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-sigmoid",       slice(sigmoid(x), starts=starts, steps=steps, sizes=sizes), "=>",
       sigmoid(slice(x, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-add",           slice(add(x, y), starts=starts, steps=steps, sizes=sizes), "=>",
       add(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-subtract",      slice(subtract(x, y), starts=starts, steps=steps, sizes=sizes), "=>",
       subtract(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-multiply",      slice(multiply(x, y), starts=starts, steps=steps, sizes=sizes), "=>",
       multiply(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-divide",        slice(divide(x, y), starts=starts, steps=steps, sizes=sizes), "=>",
       divide(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-maximum",       slice(maximum(x, y), starts=starts, steps=steps, sizes=sizes), "=>",
       maximum(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-minimum",       slice(minimum(x, y), starts=starts, steps=steps, sizes=sizes), "=>",
       minimum(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
F.rule("slice-where",         slice(where(x, y, z), starts=starts, steps=steps, sizes=sizes), "=>",
       where(slice(x, starts=starts, steps=steps, sizes=sizes), slice(y, starts=starts, steps=steps, sizes=sizes),
           slice(z, starts=starts, steps=steps, sizes=sizes)),
       over=SHAPE, ref="elementwise")
# fmt: on

F.refuted("permute-forgotten", transpose(x, axes=(1, 0)), "=>", x, at={x: [[1.0, 2.0], [3.0, 4.0]]})
F.refuted(
    "permute-reshaped",
    transpose(x, axes=(1, 0)),
    "=>",
    reshape(x, shape=(3, 2)),
    at={x: [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]},
)
