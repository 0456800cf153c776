"""Calls of every function composed of operators: operands, then other arguments and options."""

import numpy as np

rng = np.random.default_rng(11)
MATRIX = rng.normal(size=(4, 5))
TENSOR = rng.normal(size=(2, 3, 4))
VECTOR = rng.normal(size=5)
SQUARE = rng.normal(size=(3, 4, 4))
INDEX = np.array([3, 0, -1, 2])
SPECIAL = np.array(
    [[1.0, -np.inf, 2.0], [-np.inf, -np.inf, -np.inf], [np.inf, 1.0, 0.0], [np.nan, 1.0, 2.0]]
)

# function -> calls: operands, then other arguments and options
CASES = {
    "sum": [(MATRIX,), (TENSOR, (0, -1)), (TENSOR, 1, {"keepdims": True}), (MATRIX.astype("f4"), 0),
            (INDEX.astype("i1"),), (MATRIX > 0, 1), (INDEX.astype("u2"),), (INDEX, None, "float32"), (SPECIAL, 1)],
    "prod": [(MATRIX, 0), (TENSOR,), (INDEX.astype("i1"), 0), (MATRIX > 0,)],
    "max": [(MATRIX,), (TENSOR, (0, 2)), (SPECIAL, 1), (INDEX,), (MATRIX > 0, 0)],
    "min": [(MATRIX, -1, {"keepdims": True}), (SPECIAL,), (INDEX.astype("u1"), 0)],
    "mean": [(MATRIX,), (MATRIX, 0), (TENSOR, (0, 1), {"keepdims": True}), (INDEX,), (MATRIX.astype("f4"), 1),
             (MATRIX > 0,)],
    "var": [(MATRIX, 1), (MATRIX, None, {"ddof": 1}), (INDEX,), (TENSOR, (1, 2), {"ddof": 2, "keepdims": True})],
    "std": [(MATRIX, 0), (MATRIX.astype("f4"), 1)],
    "any": [(MATRIX > 1, 0), (INDEX,), (MATRIX,)],
    "all": [(MATRIX > -1, 1, {"keepdims": True}), (INDEX,)],
    "argmax": [(MATRIX,), (MATRIX, 1), (SPECIAL, 1), (MATRIX, 0, {"keepdims": True})],
    "argmin": [(MATRIX,), (TENSOR, -1), (SPECIAL, 1)],
    "cumsum": [(MATRIX,), (MATRIX, 1), (INDEX.astype("i1"), 0), (MATRIX > 0, 0)],
    "cumprod": [(MATRIX,), (MATRIX, 1), (INDEX.astype("u1"), 0)],
    "diff": [(MATRIX,), (MATRIX, 2, 0), (INDEX,), (MATRIX > 0, 1, 0), (VECTOR, 7)],
    "fliplr": [(MATRIX,)], "flipud": [(MATRIX,)], "asarray": [(MATRIX,), (INDEX, "float32")],
    "meshgrid": [(VECTOR, INDEX), (VECTOR, INDEX, {"indexing": "ij"}), (VECTOR,), (VECTOR, INDEX, VECTOR)],
    "count_nonzero": [(INDEX,), (MATRIX > 0, 1)],
    "ptp": [(MATRIX, 1), (INDEX,)],
    "logsumexp": [(MATRIX,), (TENSOR, (0, 2)), (SPECIAL, 1), (INDEX.astype("f8"), 0, {"keepdims": True})],
    "softmax": [(MATRIX, 1), (TENSOR,), (SPECIAL, 1), (MATRIX.astype("f4"), 0)],
    "log_softmax": [(MATRIX, 0), (SPECIAL, 1)],
    "clip": [(MATRIX, -0.5, 0.5), (MATRIX, None, 0.1), (INDEX, 0, 2), (MATRIX, 0.0, None)],
    "round": [(MATRIX,), (MATRIX * 100, 2), (MATRIX * 1000, -2), (INDEX, 1), (INDEX * 17, -1)],
    "reshape": [(MATRIX, (2, -1)), (MATRIX, (-1,)), (MATRIX, (5, 2, 2)), (TENSOR, (6, -1))],
    "ravel": [(TENSOR,)], "flatten": [(MATRIX,)],
    "transpose": [(TENSOR,), (TENSOR, (1, 2, 0)), (VECTOR,)],
    "swapaxes": [(TENSOR, 0, -1)], "moveaxis": [(TENSOR, 0, -1), (TENSOR, (0, 1), (2, 0))],
    "broadcast_to": [(VECTOR[None], (3, 5)), (MATRIX, (2, 4, 5))],
    "broadcast_arrays": [(np.ones((4, 1)), np.ones((1, 5)))],
    "expand_dims": [(MATRIX, 0), (MATRIX, (0, -1))],
    "squeeze": [(MATRIX[None, :, None],), (MATRIX[None], 0)],
    "atleast_1d": [(np.float64(3.0),), (VECTOR,)], "atleast_2d": [(np.float64(3.0),), (VECTOR,), (MATRIX,)],
    "atleast_3d": [(np.float64(3.0),), (VECTOR,), (MATRIX,), (TENSOR,)],
    "tile": [(MATRIX, 2), (MATRIX, (2, 1, 3)), (VECTOR, (2, 2))],
    "repeat": [(MATRIX, 3), (MATRIX, 2, 1)],
    "flip": [(MATRIX,), (MATRIX, 0), (TENSOR, (0, 2))],
    "roll": [(MATRIX, 2), (MATRIX, -3, 1), (MATRIX, (1, 2), (0, 1)), (MATRIX, 11, 0)],
    "diagonal": [(MATRIX,), (MATRIX, 1), (TENSOR, -1, 2, 0)], "trace": [(MATRIX,), (TENSOR, 1, 0, 2)],
    "diag": [(VECTOR,), (VECTOR, 2), (VECTOR, -1), (MATRIX,), (MATRIX, -1)],
    "tril": [(MATRIX,), (TENSOR, 1)], "triu": [(MATRIX, -1), (TENSOR,)],
    "take": [(MATRIX, INDEX), (MATRIX, INDEX, 0), (MATRIX, INDEX.reshape(2, 2), 1)],
    "take_along_axis": [(MATRIX, INDEX[:, None], 1), (MATRIX, np.argsort(MATRIX, 0), 0)],
    "nonzero": [(MATRIX > 0,), (INDEX,)], "flatnonzero": [(MATRIX > 0,)],
    "matmul": [(MATRIX, VECTOR), (VECTOR, VECTOR), (VECTOR, MATRIX.T), (TENSOR, TENSOR[0].T), (INDEX, INDEX)],
    "dot": [(MATRIX, VECTOR), (TENSOR, MATRIX), (TENSOR, SQUARE), (np.float64(2.0), MATRIX), (VECTOR, VECTOR)],
    "inner": [(MATRIX, VECTOR), (TENSOR, TENSOR[:, 0]), (np.float64(2.0), MATRIX)],
    "outer": [(VECTOR, INDEX), (MATRIX, VECTOR)], "vdot": [(MATRIX, MATRIX + 1)],
    "tensordot": [(TENSOR, MATRIX, 1), (TENSOR, TENSOR, ((0, 2), (0, 2))), (MATRIX, MATRIX, 2)],
    "power": [(MATRIX, 2), (INDEX, 2), (MATRIX, 3.0), (np.abs(MATRIX), VECTOR), (INDEX.astype("i1"), INDEX % 4)],
    "linalg.inv": [(SQUARE,), (SQUARE[0],)], "linalg.det": [(SQUARE,)], "linalg.slogdet": [(SQUARE,)],
    "linalg.solve": [(SQUARE, SQUARE[:, :, :2]), (SQUARE[0], MATRIX[:, 0]), (SQUARE[0], SQUARE)],
    "linalg.norm": [(MATRIX,), (VECTOR,), (MATRIX, 1, 1), (MATRIX, np.inf, 0), (TENSOR, None, -1, True)],
    "zeros_like": [(MATRIX,), (INDEX, "float32")], "ones_like": [(INDEX,)], "full_like": [(MATRIX, 3)],
}  # fmt: skip
CALLS = [(name, call) for name, calls in CASES.items() for call in calls]


def split_call(call):
    """Operands, other arguments, and options of a call."""
    operands = [np.asarray(a) for a in call if isinstance(a, (np.ndarray, np.floating))]
    rest = call[len(operands) :]
    if rest and isinstance(rest[-1], dict):
        return operands, rest[:-1], rest[-1]
    return operands, rest, {}
