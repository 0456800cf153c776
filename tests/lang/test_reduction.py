"""Reductions and running sums: facts, derivatives at ties and zeros, empty axes."""

import itertools

import numpy as np
import pytest
from operand_samples import satisfying

import egtensor as et
from egtensor.lang.facts import Fact, holds
from egtensor.lang.op import OPS, ArgReduce, Prefix, Reduce

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
FOLDS = [op for op in OPS.values() if isinstance(op.body, (Reduce, Prefix, ArgReduce))]
CLAUSES = [(op, c) for op in FOLDS for c in op.facts]


@pytest.mark.parametrize(("op", "clause"), CLAUSES, ids=lambda v: str(v) if v in FOLDS else "")
def test_facts_hold_of_samples(op, clause):
    (values,) = satisfying(clause.given, [np.dtype(float)])
    rows = np.array(list(itertools.product(values, repeat=3)))
    attrs = {"axes": (1,)} if op.attrs == ("axes",) else {"axis": 1}
    result = op.numpy(rows, **attrs)
    for bit in Fact:
        if bit in clause.then:
            assert holds(bit, result), bit.name


@pytest.mark.parametrize("op", [op for op in FOLDS if isinstance(op.body, Reduce)], ids=str)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float32"])
def test_the_identity_leaves_every_value(op, dtype):
    logical = op.body.prim in ("or", "and")
    if logical != (dtype == "bool") and op.body.prim not in ("max", "min"):
        return
    identity = np.asarray(op.body.identity(np.dtype(dtype))).astype(dtype)
    values = np.array([0, 1, 1, 0]).astype(dtype)
    for v in values:
        assert op.numpy(np.array([v, identity]), axes=(0,)) == v


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ([2, 3, 4], [12, 8, 6]),
        ([0, 3, 4], [12, 0, 0]),
        ([0, 3, 0], [0, 0, 0]),
        ([-1, 0, 2], [0, -2, 0]),
    ],
)
def test_gradients_of_products_are_products_of_the_others(row, wanted):
    x = et.vector("x")
    got = et.interpret(et.grad(et.prod(x), x), {x: np.array(row, float)})
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("row", [[2, 3, 4], [0, 3, 4], [1, 0, 2], [0, 0, 5]])
def test_gradients_of_running_products_need_no_division(row):
    x, w = et.vector("x"), np.array([1.0, 10.0, 100.0])
    value = np.array(row, float)
    got = et.interpret(et.grad((et.cumprod(x) * w).sum(), x), {x: value})
    wanted = [
        sum(w[j] * np.prod(np.delete(value[: j + 1], i)) for j in range(i, 3)) for i in range(3)
    ]
    np.testing.assert_allclose(got, wanted)


@pytest.mark.parametrize("function", [et.max, et.min])
def test_ties_share_the_gradient(function):
    x = et.matrix("x")
    value = np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    got = et.interpret(et.grad(function(x, 1).sum(), x), {x: value})
    wanted = value == getattr(np, str(function))(value, 1, keepdims=True)
    np.testing.assert_allclose(got, wanted / wanted.sum(1, keepdims=True))


@pytest.mark.parametrize(
    "build", [et.max, et.min, et.argmax, lambda x: et.max(x, 0), lambda x: et.softmax(x, 0)]
)
def test_there_is_no_extreme_element_among_none(build):
    x = et.matrix("x")
    with pytest.raises(et.errors.ShapeError, match="it must be at least 1"):
        et.interpret(build(x), {x: np.zeros((0, 3))})
    assert et.interpret(et.max(x, 1), {x: np.zeros((0, 3))}).shape == (0,)
    guarded = et.ifelse(et.as_expr(x.shape[0]) > 0, x.max(), -1.0)
    assert et.interpret(guarded, {x: np.zeros((0, 3))}) == -1


def test_gradients_of_maximum_share_ties_and_leak_no_nan():
    x, y = et.vector("x"), et.vector("y")
    values = {x: np.array([1.0, 2.0, np.inf]), y: np.array([1.0, 1.0, 3.0])}
    gx, gy = et.interpret(et.grad(et.maximum(x, y).sum(), [x, y]), values)
    np.testing.assert_array_equal(gx, [0.5, 1, 1])
    np.testing.assert_array_equal(gy, [0.5, 0, 0])


# operator, operands, cotangent, derivatives: edges where a formula alone gives NaN
EDGES = [
    ("sqrt", [0.0], 0.0, [0.0]), ("sqrt", [0.0], 1.0, [np.inf]), ("power", [0.0, 0.0], 1.0, [0.0, -np.inf]),
    ("power", [0.0, 2.0], 1.0, [0.0, 0.0]), ("xlogy", [0.0, 0.0], 1.0, [-np.inf, 0.0]),
    ("hypot", [0.0, 0.0], 1.0, [0.0, 0.0]),
    ("arctan2", [0.0, 0.0], 1.0, [0.0, 0.0]), ("arctan2", [1e200, 1e200], 1.0, [5e-201, -5e-201]),
    ("logaddexp", [-np.inf, -np.inf], 1.0, [0.5, 0.5]), ("logaddexp", [np.inf, np.inf], 1.0, [0.5, 0.5]),
    ("arcsin", [1.0], 0.0, [0.0]), ("cbrt", [0.0], 0.0, [0.0]), ("arccosh", [1.0], 0.0, [0.0]),
    ("softplus", [1000.0], 1.0, [1.0]), ("sigmoid", [800.0], 1.0, [0.0]), ("log1mexp", [-800.0], 1.0, [0.0]),
    ("absolute", [0.0], 1.0, [0.0]), ("arcsinh", [1e300], 1.0, [1e-300]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "at", "g", "wanted"), EDGES)
def test_derivatives_at_the_edges_of_domains(name, at, g, wanted):
    xs = [et.scalar(f"x{k}") for k in range(len(at))]
    given = dict(zip(xs, at, strict=True))
    op = OPS[name]
    y = op(*xs)
    pulled = op.derivative(et.as_expr(g), y, *xs)
    got = [et.interpret(p, given) for p in pulled]
    np.testing.assert_allclose(got, wanted, rtol=1e-15)
