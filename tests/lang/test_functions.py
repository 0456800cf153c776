"""Every function composed of operators, against NumPy and SciPy: values, shapes, dtypes, errors."""

import numpy as np
import pytest
import scipy.special
from agreement import assert_agree, static, symbolic
from function_calls import CALLS, CASES, INDEX, MATRIX, VECTOR, split_call

import egtensor as et
from egtensor.errors import ShapeError, TypeRuleError, UnsupportedError
from egtensor.lang.op import FUNCTIONS

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
rng = np.random.default_rng(11)
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
    operands, rest, options = split_call(call)
    if make is symbolic and any(1 in a.shape for a in operands):
        make = static  # an axis stretches or vanishes only where its size is known to be 1
    assert_agree(
        lambda *xs: function(*xs, *rest, **options),
        lambda *xs: function.numpy(*xs, *rest, **options),
        *operands,
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
