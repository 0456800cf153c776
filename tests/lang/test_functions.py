"""Every function composed of operators, against NumPy and SciPy: values, shapes, dtypes, errors."""

import numpy as np
import pytest
import scipy.special
from agreement import assert_agree, static, symbolic

import egtensor as et
from egtensor.errors import ShapeError, TypeRuleError, UnsupportedError
from egtensor.lang.op import FUNCTIONS

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
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

# functions of lists, of numbers alone, of functions: tested below or in the file named
ELSEWHERE = {
    "column_stack", "concatenate", "dstack", "stack", "vstack", "hstack", "split", "array_split", "pad", "einsum",
    "zeros", "ones", "full",
    "eye", "identity", "arange", "linspace", "getitem", "ifelse", "cond", "scan",
}  # fmt: skip


def test_every_function_has_a_test():
    assert set(FUNCTIONS) == set(CASES) | ELSEWHERE


@pytest.mark.parametrize("make", [symbolic, static])
@pytest.mark.parametrize(("name", "call"), CALLS, ids=lambda v: v if isinstance(v, str) else "")
def test_values_types_and_shapes_are_numpys(name, call, make):
    function = FUNCTIONS[name]
    operands = [a for a in call if isinstance(a, (np.ndarray, np.floating))]
    rest = call[len(operands) :]
    if make is symbolic and any(1 in np.shape(a) for a in operands):
        make = static  # an axis stretches or vanishes only where its size is known to be 1
    options = rest[-1] if rest and isinstance(rest[-1], dict) else {}
    rest = rest[:-1] if options else rest
    assert_agree(
        lambda *xs: function(*xs, *rest, **options),
        lambda *xs: function.numpy(*xs, *rest, **options),
        *map(np.asarray, operands),
        make=make,
        rtol=1e-11,
    )


@pytest.mark.parametrize("make", [symbolic, static])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (2, 0, 3)])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "any", "all", "mean", "cumsum", "flip", "ravel", "transpose"]
)
def test_empty_operands_are_handled(name, shape, make):
    assert_agree(FUNCTIONS[name], FUNCTIONS[name].numpy, np.zeros(shape), make=make)


@pytest.mark.parametrize("make", [symbolic, static])
def test_joining_and_splitting(make):
    for axis in (0, 1, -1, None):
        assert_agree(lambda x, k=axis: et.concatenate([x, x * 2], k),
                     lambda x, k=axis: np.concatenate([x, x * 2], k), MATRIX, make=make)  # fmt: skip
    assert_agree(
        lambda x, i: et.concatenate([x, i]),
        lambda x, i: np.concatenate([x, i]),
        VECTOR,
        INDEX,
        make=make,
    )
    for axis in (0, 1, 2, -1):
        assert_agree(
            lambda x, k=axis: et.stack([x, x], k),
            lambda x, k=axis: np.stack([x, x], k),
            MATRIX,
            make=make,
        )
    assert_agree(lambda x: et.vstack([x, x]), lambda x: np.vstack([x, x]), VECTOR, make=make)
    assert_agree(lambda x: et.hstack([x, x]), lambda x: np.hstack([x, x]), VECTOR, make=make)
    assert_agree(lambda x: et.hstack([x, x]), lambda x: np.hstack([x, x]), MATRIX, make=make)
    for name in ("column_stack", "dstack"):
        for array in (VECTOR, MATRIX):
            assert_agree(lambda x, n=name: FUNCTIONS[n]([x, x]),
                         lambda x, n=name: getattr(np, n)([x, x]), array, make=make)  # fmt: skip
    assert_agree(lambda x: et.array([[x[0], 1], [x.shape[0], x[1]]]),
                 lambda x: np.array([[x[0], 1], [5, x[1]]]), VECTOR)  # fmt: skip
    for where, axis in ((2, 0), ([1, 3], 1), ([], 0), ([3, 2, 9], 1)):
        assert_agree(lambda x, w=where, k=axis: et.split(x, w, k),
                     lambda x, w=where, k=axis: np.split(x, w, k), MATRIX, make=make)  # fmt: skip
    assert_agree(
        lambda x: et.array_split(x, 3, 1), lambda x: np.array_split(x, 3, 1), MATRIX, make=make
    )


@pytest.mark.parametrize("make", [symbolic, static])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("widths", [1, (2, 1), ((0, 3), (7, 2)), ((1, 0), (0, 0))])
def test_padding(widths, mode, make):
    assert_agree(
        lambda x: et.pad(x, widths, mode), lambda x: np.pad(x, widths, mode), MATRIX, make=make
    )


def test_padding_with_constants():
    values = ((1, 2), (3, 4))
    assert_agree(
        lambda x: et.pad(x, 2, constant_values=values),
        lambda x: np.pad(x, 2, constant_values=values),
        MATRIX,
    )


@pytest.mark.parametrize("make", [symbolic, static])
@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk", [(2, 3), (3, 4)]), ("ij,jk->ki", [(2, 3), (3, 4)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]),
        ("ij->j", [(2, 3)]), ("i,j->ij", [(2,), (3,)]), ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]), ("...i,...i", [(2, 3), (2, 3)]), ("i...->...", [(2, 3, 4)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]), ("ij,ij->", [(2, 3), (2, 3)]), ("ij,kl->", [(2, 3), (4, 5)]),
        ("abc,cd,bd->a", [(2, 3, 4), (4, 5), (3, 5)]), ("ijk,ilj->kl", [(2, 3, 4), (2, 5, 3)]),
        ("ij,jk,i,k->", [(2, 3), (3, 4), (2,), (4,)]), ("ji", [(2, 3)]), ("iij->j", [(3, 3, 2)]),
    ],
)  # fmt: skip
def test_einsum(subscripts, shapes, make):
    arrays = [rng.normal(size=s) for s in shapes]
    assert_agree(
        lambda *xs: et.einsum(subscripts, *xs),
        lambda *xs: np.einsum(subscripts, *xs),
        *arrays,
        make=make,
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((3,), (5, 3, 2)),
     ((0, 3), (3, 2)), ((2, 0), (0, 3))],
)  # fmt: skip
def test_matmul_follows_numpys_ranks_and_broadcasting(left, right):
    a, b = rng.normal(size=left), rng.normal(size=right)
    assert_agree(et.matmul, np.matmul, a, b, make=static)


@pytest.mark.parametrize(
    "args", [(5,), (1, 7), (5, -2, -3), (1, 7.5, 0.3), (0.1,), (3, 1), (0, 5, 2), (2.0, 2.0)]
)
def test_arange_has_numpys_dtypes_and_lengths(args):
    assert_agree(lambda: et.arange(*args), lambda: np.arange(*args))


@pytest.mark.parametrize("n", [0, 1, 4, 7])
def test_arange_of_symbolic_sizes(n):
    x = np.zeros(n)
    assert_agree(lambda x: et.arange(x.shape[0]) + 0 * x.astype("int64"), lambda x: np.arange(n), x)
    for start, step in ((1, 2), (n, -1), (-3, 3)):
        stop = -1 if step < 0 else None
        wanted = np.arange(start, n if stop is None else stop, step)
        y = symbolic(x)
        bounds = (
            y.shape[0] if start == n and step < 0 else start,
            y.shape[0] if stop is None else stop,
        )
        got = et.interpret(et.arange(*bounds, step), {y: x})
        np.testing.assert_array_equal(got, wanted)


def test_creation():
    for name, args in (
        ("zeros", ((2, 3),)), ("ones", (4,)), ("full", ((2,), 7)), ("full", ((2,), 0.5, "float32")),
        ("eye", (3,)), ("eye", (3, 5, 1)), ("eye", (4, 2, -1)), ("identity", (3,)), ("linspace", (0, 1, 5)),
        ("linspace", (2.0, 7.0, 6, False)), ("linspace", (2, 3, 1)), ("zeros", ((2,), "int8")),
    ):  # fmt: skip
        assert_agree(
            lambda n=name, a=args: FUNCTIONS[n](*a), lambda n=name, a=args: getattr(np, n)(*a)
        )


def test_logsumexp_and_softmax_are_stable():
    x = np.array([[1000.0, 1000.5], [-1000.0, -999.0]])
    assert_agree(lambda x: et.logsumexp(x, 1), lambda x: scipy.special.logsumexp(x, 1), x)
    assert_agree(lambda x: et.softmax(x, 1), lambda x: scipy.special.softmax(x, 1), x)


def test_methods_of_expressions_are_the_functions():
    x = et.matrix("x")
    assert x.sum(axis=0) is et.sum(x, axis=0)
    assert x.T is et.transpose(x)
    assert x.reshape(-1) is x.reshape((-1,)) is x.ravel()
    assert x.transpose(1, 0) is x.T
    assert abs(x) is et.absolute(x)
    assert (x @ x.T) is et.matmul(x, x.T)
    assert x**2 is et.square(x)
    assert x.mean(0) is et.mean(x, 0)


X = et.tensor("x", "float64", (3, 4))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: X.sum(axis=2), ShapeError, "axis 2 is out of range"),
        (lambda: X.sum(axis=(0, 0)), ShapeError, "names an axis twice"),
        (lambda: X.sum(axis="a"), TypeRuleError, "axis must be an integer"),
        (lambda: et.zeros((0, 2)).max(axis=0), ShapeError, "has no elements"),
        (lambda: et.zeros((0,)).argmax(), ShapeError, "has no elements"),
        (lambda: X.reshape(5, -1), ShapeError, "cannot reshape"),
        (lambda: X.reshape(-1, -1), ShapeError, "several unknown sizes"),
        (lambda: X.transpose(0, 0), ShapeError, "not a permutation"),
        (lambda: et.squeeze(X, 0), ShapeError, "has size 3"),
        (lambda: et.broadcast_to(X, (2, 4)), ShapeError, "cannot broadcast"),
        (lambda: et.concatenate([X, X.T]), ShapeError, "cannot join"),
        (lambda: et.concatenate([]), ShapeError, "nothing to join"),
        (lambda: et.split(X, 2), ShapeError, "does not divide into 2 equal parts"),
        (lambda: et.pad(X, 1, "mean"), UnsupportedError, "mode 'mean'"),
        (lambda: X @ X, ShapeError, "cannot multiply"),
        (lambda: X @ 2, TypeRuleError, "both operands need at least one axis"),
        (lambda: et.einsum("ij", X, X), ShapeError, "has 1 terms, got 2 operands"),
        (lambda: et.einsum("ijk", X), ShapeError, "has 3 labels for 2 axes"),
        (lambda: et.linalg.inv(X), ShapeError, "not a square matrix"),
        (lambda: et.clip(X), TypeRuleError, "neither a lower nor an upper bound"),
        (lambda: et.arange(0, 3, 0), TypeRuleError, "the step is zero"),
        (lambda: et.zeros(X), TypeRuleError, "must be an integer or a size"),
        (lambda: et.tensor("x", shape=(-1,)), ShapeError, "is negative"),
        (lambda: et.vector("x", shape=(1, 2)), ShapeError, "has 2 axes"),
        (lambda: et.vector("x", range=(1, 0)), TypeRuleError, "is empty"),
        (lambda: et.nonzero(et.scalar()), TypeRuleError, "the operand is a scalar"),
        (lambda: et.repeat(et.vector(), [1, 2]), UnsupportedError, "a count per element"),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_how_to_fix(build, error, message):
    with pytest.raises(error, match=message) as caught:
        build()
    assert len(str(caught.value).splitlines()) == 3
    assert "fix:" in str(caught.value)
