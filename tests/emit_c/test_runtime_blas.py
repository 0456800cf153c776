"""Matrix products and factorisation of the compiled runtime, against NumPy."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from egtensor.emit_c import runtime
from egtensor.emit_c.runtime import Function, fail_alloc_after
from tests.emit_c.c_kernels import DTYPES, MAIN, PREPARE, Array, function


@pytest.fixture(autouse=True)
def no_injected_failure() -> Iterator[None]:
    yield
    fail_alloc_after(0)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = runtime.get_threads()
    yield runtime.set_threads
    runtime.set_threads(before)


# BY_COLUMNS: c goes through a temporary whose columns (1), or every second element of them (2),
# are adjacent. What was there before is NaN, or -1.
MATMUL = """
PREPARE {
    out[0][0] = in[0][0];
    out[0][1] = in[0][1];
    out[0][2] = in[1][2];
    plan[1] = 1 << 20;
    return 0;
}
MAIN {
    const int64_t *a = strides[0], *b = strides[1], *c = strides[2];
    int64_t batch = shape[2][0], m = shape[2][1], n = shape[2][2], k = shape[0][2];
    int64_t size = batch * m * n * ITEM, row = BY_COLUMNS * ITEM;
    for (int64_t i = 0; i < size; i++)
        data[2][i] = -1;
    if (!BY_COLUMNS)
        return rt->matmul(rt, DTYPE, m, n, k, data[0], a[1], a[2], data[1], b[1], b[2],
                          data[2], c[1], c[2], batch, a[0], b[0], c[0]);
    char *room = rt->alloc(rt, 2 * size);
    if (!room)
        return -1;
    for (int64_t i = 0; i < 2 * size; i++)
        room[i] = -1;
    int failed = rt->matmul(rt, DTYPE, m, n, k, data[0], a[1], a[2], data[1], b[1], b[2],
                            room, row, m * row, batch, a[0], b[0], m * n * row);
    for (int64_t at = 0; at < batch * m * n; at++) {
        int64_t l = at / (m * n), i = at / n % m, j = at % n;
        for (int t = 0; t < ITEM; t++)
            data[2][at * ITEM + t] = room[(l * m * n + j * m + i) * row + t];
    }
    return failed;
}"""


def product(dtype: np.dtype[Any], by_columns: int = 0) -> Function:
    text = MATMUL.replace("PREPARE", PREPARE).replace("MAIN", MAIN).replace("DTYPE", str(dtype.num))
    text = text.replace("ITEM", str(dtype.itemsize)).replace("BY_COLUMNS", str(by_columns))
    specs = ((dtype.num, 3, (-1,) * 3),)
    return function(text, in_specs=specs * 2, out_specs=((dtype.num, 3),), needs_blas=True)


def layouts(x: Array) -> list[Array]:
    """The same values as rows, columns, every second element, and reversed."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    columns = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    padded = np.zeros((x.shape[0], x.shape[1] + 1, x.shape[2] + 3), x.dtype)
    padded[:, :-1, :-3] = x
    backward = np.ascontiguousarray(x[:, ::-1, ::-1])[:, ::-1, ::-1]
    return [x, columns, wide[..., ::2], padded[:, :-1, :-3], backward]


def sample(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.3
    return rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0]


def assert_product(y: Array, a: Array, b: Array) -> None:
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(y, a @ b)
        return
    # Higham 2002, section 3.1: |error| <= k u |a| |b|, whatever the order of the sum
    a, b = a.astype(np.float64), b.astype(np.float64)
    bound = 2 * a.shape[-1] * np.finfo(y.dtype).eps * (abs(a) @ abs(b)) + 1e-300
    assert (abs(y - a @ b) <= bound).all()


SIZES = [
    (1, 1, 1),
    (2, 3, 4),
    (1, 1, 700),
    (1, 50, 70),
    (50, 1, 70),
    (40, 30, 20),
    (9, 7, 130),
    (3, 300, 5),
]


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.char != "e"], ids=str)
def test_products_of_every_layout_are_those_of_numpy(dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(0)
    functions = [product(dtype, by_columns) for by_columns in (0, 1, 2)]
    for m, n, k in SIZES:
        a, b = sample(rng, (2, m, k), dtype), sample(rng, (2, k, n), dtype)
        for x, y in itertools.product(layouts(a), layouts(b)):
            assert_product(functions[0](x, y), a, b)
        for f in functions:
            assert_product(f(a, b), a, b)
            assert_product(f(layouts(a)[1], layouts(b)[1]), a, b)


@pytest.mark.parametrize("dtype", [np.dtype(c) for c in "?hlfd"], ids=str)
def test_products_of_broadcast_and_empty_operands(dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(1)
    f = product(dtype)
    for m, n, k in SIZES:
        a, b = sample(rng, (3, m, k), dtype), sample(rng, (3, k, n), dtype)
        one_b = np.broadcast_to(b[:1], b.shape)
        assert_product(f(a, one_b), a, one_b)
        assert_product(f(layouts(a)[1], one_b), a, one_b)
        one_a = np.broadcast_to(a[:1], a.shape)
        assert_product(f(one_a, b), one_a, b)
        for shape in ((3, 1, k), (3, m, 1), (1, 1, 1)):
            x = np.broadcast_to(a[: shape[0], : shape[1], : shape[2]], a.shape)
            assert_product(f(x, b), x, b)
            y = np.broadcast_to(b[: shape[0], :1, :1], b.shape)
            assert_product(f(a, y), a, y)
    for batch, m, n, k in ((0, 2, 2, 2), (2, 0, 2, 2), (2, 2, 0, 2), (2, 2, 2, 0), (2, 1, 1, 0)):
        y = f(np.zeros((batch, m, k), dtype), np.zeros((batch, k, n), dtype))
        assert y.shape == (batch, m, n)
        assert not y.any()


@pytest.mark.parametrize("dtype", [np.dtype(c) for c in "?ilfd"], ids=str)
@pytest.mark.parametrize(
    ("m", "n", "k"), [(300, 200, 150), (200, 1, 6000), (1, 200, 6000), (20, 700, 90)]
)
def test_large_products_do_not_depend_on_the_threads(
    threads: Callable[[int], None], dtype: np.dtype[Any], m: int, n: int, k: int
) -> None:
    rng = np.random.default_rng(2)
    f = product(dtype)
    a, b = sample(rng, (2, m, k), dtype), sample(rng, (2, k, n), dtype)
    bits = []
    for count in (1, 2, 5):
        threads(count)
        y = f(a, b)
        bits.append(y.tobytes())
    if dtype.kind == "f":
        assert_product(y, a, b)
    else:
        np.testing.assert_array_equal(y[0], a[0] @ b[0])
    assert bits[0] == bits[1] == bits[2]
    many = np.broadcast_to(a[:1, :20, :50], (300, min(m, 20), 50))
    right = sample(rng, (300, 50, 7), dtype)
    assert_product(f(many, right), many, right)


@pytest.mark.parametrize("dtype", [np.dtype("f"), np.dtype("d")], ids=str)
def test_nan_and_infinity_pass_through_products(dtype: np.dtype[Any]) -> None:
    f = product(dtype)
    for m, n, k in [*SIZES, (150, 150, 100)]:
        for special in (np.nan, np.inf, -np.inf):
            a, b = np.ones((1, m, k), dtype), np.zeros((1, k, n), dtype)
            a[0, m // 2, k // 2] = special
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(f(a, b), a @ b)
                np.testing.assert_array_equal(
                    f(b.swapaxes(1, 2), a.swapaxes(1, 2)), (a @ b).swapaxes(1, 2)
                )


def test_products_of_other_dtypes_are_refused() -> None:
    with pytest.raises(RuntimeError, match="status -2"):
        product(np.dtype("e"))(np.zeros((1, 1, 1), "e"), np.zeros((1, 1, 1), "e"))


def test_products_without_memory_are_memory_errors() -> None:
    a = np.ones((1, 40, 50))
    for f, x, most in (
        (product(a.dtype), layouts(a)[2], 2),
        (product(a.dtype, 2), layouts(a)[2], 4),
        (product(np.dtype("l")), layouts(a.astype("l"))[2], 2),
    ):
        for n in range(1, most + 1):
            fail_alloc_after(n)
            with pytest.raises(MemoryError):
                f(x, x.swapaxes(1, 2))
            fail_alloc_after(0)
        f(x, x.swapaxes(1, 2))


GETRF = """
PREPARE { out[0][0] = in[0][0]; out[0][1] = in[0][1]; out[1][0] = in[0][0]; return 0; }
MAIN {
    int64_t n = shape[0][0];
    for (int64_t i = 0; i < n * n * ITEM; i++)
        data[1][i] = data[0][i];
    return rt->getrf(rt, DTYPE, n, data[1], (int32_t *)data[2]);
}"""


@pytest.mark.parametrize("dtype", [np.dtype("f"), np.dtype("d")], ids=str)
def test_factors_give_the_determinant(dtype: np.dtype[Any]) -> None:
    text = GETRF.replace("PREPARE", PREPARE).replace("MAIN", MAIN).replace("DTYPE", str(dtype.num))
    f = function(
        text.replace("ITEM", str(dtype.itemsize)),
        in_specs=((dtype.num, 2, (-1, -1)),),
        out_specs=((dtype.num, 2), (np.dtype("i").num, 1)),
        packing=1,
        error=lambda site, info: np.linalg.LinAlgError(site),
        needs_blas=True,
    )
    for n in (0, 1, 2, 5, 60):
        a = np.random.default_rng(n).normal(size=(n, n)).astype(dtype)
        factors, pivots = f(a)
        swaps = (pivots != np.arange(1, n + 1)).sum()
        expected = np.linalg.det(a.astype(np.float64))
        # condition numbers here stay below 1e3
        assert np.isclose(
            np.prod(factors.diagonal(), dtype=np.float64) * (-1.0) ** swaps,
            expected,
            rtol=1e4 * np.finfo(dtype).eps,
        )
    with pytest.raises(np.linalg.LinAlgError, match="2"):
        f(np.diag([1, 0, 2]).astype(dtype))
