"""Products of matrices.

Transposed products and associativity: Golub and Van Loan 2013, 1.1.  Over the extended reals a product may be
regrouped only where the outer factors are finite: [2, -1] @ [[inf], [inf]] is undefined, 1 * inf is not.
"""

from egtensor.rules.dsl import (
    REAL,
    Family,
    broadcast_to,
    finite,
    matmul,
    perm,
    product_shape,
    rank_is,
    same_type,
    shape,
    swaps_last,
    transpose,
    x,
    y,
    z,
)

F = Family("linalg")

# fmt: off
F.rule("transposed-product", transpose(matmul(x, y), axes=perm), "<=>",
       matmul(transpose(y, axes=perm), transpose(x, axes=perm)),
       over=REAL, ref="Golub and Van Loan 1.1", when=[swaps_last(perm)])
F.rule("regroup",            matmul(matmul(x, y), z), "<=>", matmul(x, matmul(y, z)),
       over=REAL, ref="Golub and Van Loan 1.1", when=[finite(x), finite(z)])
F.rule("neg-left",           matmul(-x, y), "=>", -matmul(x, y), over=REAL,    ref="linearity")
F.rule("neg-right",          matmul(x, -y), "=>", -matmul(x, y), over=REAL,    ref="linearity")
F.rule("scaled-left",        matmul(x * broadcast_to(y, shape=shape), z), "=>",
       matmul(x, z) * broadcast_to(y, shape=product_shape(x, z)),
       over=REAL, ref="linearity", when=[rank_is(y, 0), finite(y)])
F.rule("scaled-right",       matmul(x, z * broadcast_to(y, shape=shape)), "=>",
       matmul(x, z) * broadcast_to(y, shape=product_shape(x, z)),
       over=REAL, ref="linearity", when=[rank_is(y, 0), finite(y)])
F.rule("factor-left",        matmul(x, y) + matmul(x, z), "=>", matmul(x, y + z),
       over=REAL, ref="distributivity", when=[finite(x), same_type(y, z)])
F.rule("factor-right",       matmul(x, z) + matmul(y, z), "=>", matmul(x + y, z),
       over=REAL, ref="distributivity", when=[finite(z), same_type(x, y)])
F.rule("factor-left-difference", matmul(x, y) - matmul(x, z), "=>", matmul(x, y - z),
       over=REAL, ref="distributivity", when=[finite(x), same_type(y, z)])
F.rule("factor-right-difference", matmul(x, z) - matmul(y, z), "=>", matmul(x - y, z),
       over=REAL, ref="distributivity", when=[finite(z), same_type(x, y)])
# fmt: on

F.refuted(
    "commuted-product",
    matmul(x, y),
    "=>",
    matmul(y, x),
    at={x: [[1.0, 2.0], [3.0, 4.0]], y: [[0.0, 1.0], [1.0, 1.0]]},
)
F.refuted(
    "transposed-in-order",
    transpose(matmul(x, y), axes=(1, 0)),
    "=>",
    matmul(transpose(x, axes=(1, 0)), transpose(y, axes=(1, 0))),
    at={x: [[1.0, 2.0], [3.0, 4.0]], y: [[0.0, 1.0], [1.0, 1.0]]},
)
F.refuted(
    "regroup-infinity",
    matmul(matmul(x, y), z),
    "=>",
    matmul(x, matmul(y, z)),
    at={x: [[2.0, -1.0]], y: [[1.0], [1.0]], z: [[float("inf")]]},
)
