"""The call path of the compiled runtime: arguments, results, shared variables, errors."""

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egtensor.emit_c import runtime
from egtensor.emit_c.runtime import Function, Library, Shared, fail_alloc_after
from tests.emit_c.c_kernels import (
    COUNTER,
    DTYPES,
    F64,
    MAIN,
    PREPARE,
    SAME,
    VECTOR,
    Array,
    compile_c,
    counter,
    function,
    vectors,
)


@pytest.fixture(autouse=True)
def no_injected_failure() -> Iterator[None]:
    yield
    fail_alloc_after(0)


COPY = """
PREPARE { for (int k = 0; k < RANK; k++) out[0][k] = in[0][k]; return 0; }
MAIN {
    int64_t size = 1;
    for (int k = 0; k < RANK; k++)
        size *= shape[0][k];
    for (int64_t at = 0; at < size; at++) {
        int64_t rest = at, from = 0;
        for (int k = RANK - 1; k >= 0; k--) {
            from += rest % shape[0][k] * strides[0][k];
            rest /= shape[0][k];
        }
        for (int b = 0; b < ITEM; b++)
            data[1][at * ITEM + b] = data[0][from + b];
    }
    return 0;
}"""


def copy_of(dtype: np.dtype[Any], rank: int) -> Function:
    text = COPY.replace("PREPARE", PREPARE).replace("MAIN", MAIN)
    text = text.replace("RANK", str(rank)).replace("ITEM", str(dtype.itemsize))
    return function(
        text,
        in_specs=((dtype.num, rank, (-1,) * rank),),
        out_specs=((dtype.num, rank),),
    )


@pytest.mark.parametrize("rank", range(9))
def test_arrays_of_every_dtype_rank_and_stride_arrive(rank: int) -> None:
    rng = np.random.default_rng(rank)
    for dtype in DTYPES:
        f = copy_of(dtype, rank)
        x = rng.integers(0, 2 if dtype.kind == "b" else 100, (2, 3, 1, 2, 1, 3, 2, 1)[:rank])
        x = np.asarray(x).astype(dtype)
        for view in (x, x.T, x[(slice(None, None, -1),) * rank], np.broadcast_to(x, x.shape)):
            y = f(np.asarray(view))
            assert type(y) is np.ndarray
            assert y.dtype == dtype
            assert y.flags.c_contiguous
            assert y.flags.owndata
            np.testing.assert_array_equal(y, view)


def test_the_two_spellings_of_an_integer_are_one_dtype() -> None:
    f = copy_of(np.dtype("l"), 1)
    assert f(np.arange(3, dtype="q")).tolist() == [0, 1, 2]
    g = copy_of(np.dtype("q"), 1)
    assert g(np.arange(3, dtype="l")).tolist() == [0, 1, 2]


ADD = (
    VECTOR
    + SAME % ("if (in[0][0] != in[1][0]) { plan[2] = in[1][0]; return 7; }", 1)
    + MAIN
    + """{
    for (int64_t i = 0; i < N; i++)
        V(2)[i] = V(0)[i] + V(1)[i];
    if (N == 5) { rt->info[1] = 55; return 9; }
    return N == 6 ? -1 : 0;
}"""
)


def test_unexpected_arguments_go_through_convert() -> None:
    seen: list[Any] = []

    def convert(args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> tuple[Array, ...]:
        seen.append((len(args), sorted(kwargs or {})))
        values = [*args, *(kwargs or {}).values()]
        if len(values) != 2:
            raise TypeError("two arguments, please")
        return tuple(np.array(v, np.float64).reshape(-1) for v in values)

    f = function(ADD, in_specs=vectors(2), out_specs=((F64, 1),), convert=convert)
    x = np.arange(3.0)
    misaligned = np.frombuffer(bytes(25), np.uint8)[1:].view(np.float64)
    assert not misaligned.flags.aligned
    assert f(x, x).tolist() == [0, 2, 4]
    assert not seen
    strange = [[1, 2, 3], x.astype(">f8"), x.astype("f4"), x[None], misaligned, np.ma.array(x), 3.0]
    for i, value in enumerate(strange):
        first = np.full(np.size(value), 2.0)
        assert f(first, value).tolist() == (first + np.ravel(value)).tolist()
        assert len(seen) == i + 1
    assert f(x, y=x).tolist() == [0, 2, 4]
    assert f(*(), **{"x": x, "y": x}).tolist() == [0, 2, 4]
    assert seen[-2:] == [(1, ["y"]), (0, ["x", "y"])]
    for wrong in ((), (x,), (x, x, x)):
        with pytest.raises(TypeError, match="two arguments, please"):
            f(*wrong)


def test_what_convert_returns_is_checked() -> None:
    for wrong in (None, (), ([1.0], [2.0]), (np.zeros(2, "f4"),) * 2):
        f = function(
            ADD,
            in_specs=vectors(2),
            out_specs=((F64, 1),),
            convert=lambda a, k, w=wrong: w,
        )
        with pytest.raises(SystemError, match="conforming arrays"):
            f(1, 2)
    f = function(ADD, in_specs=vectors(2), out_specs=((F64, 1),))
    with pytest.raises(TypeError, match="do not match the compiled signature"):
        f(1, 2)


def test_declared_extents_are_checked() -> None:
    f = function(ADD, in_specs=((F64, 1, (3,)),) * 2, out_specs=((F64, 1),))
    assert f(np.ones(3), np.ones(3)).tolist() == [2, 2, 2]
    with pytest.raises(TypeError, match="compiled signature"):
        f(np.ones(2), np.ones(2))


def test_statuses_become_exceptions() -> None:
    f = function(
        ADD,
        in_specs=vectors(2),
        out_specs=((F64, 1),),
        error=lambda site, info: ZeroDivisionError(site, info),
    )
    with pytest.raises(ZeroDivisionError) as raised:
        f(np.ones(3), np.ones(4))
    assert raised.value.args == (7, (4, 0, 0, 0))
    with pytest.raises(ZeroDivisionError) as raised:
        f(np.ones(5), np.ones(5))
    assert raised.value.args == (9, (0, 55, 0, 0))
    with pytest.raises(MemoryError):
        f(np.ones(6), np.ones(6))
    plain = function(ADD, in_specs=vectors(2), out_specs=((F64, 1),))
    with pytest.raises(RuntimeError, match="status 9"):
        plain(np.ones(5), np.ones(5))
    odd = function(ADD, in_specs=vectors(2), out_specs=((F64, 1),), error=lambda *_: 3)
    with pytest.raises(TypeError, match="not an exception"):
        odd(np.ones(5), np.ones(5))


MANY = (
    VECTOR
    + SAME % ("", 3)
    + MAIN
    + """{
    for (int64_t i = 0; i < N; i++)
        for (int j = 0; j < 3; j++)
            V(1 + j)[i] = (j + 1) * V(0)[i];
    return 0;
}"""
)


def test_results_come_in_a_list_or_a_dict() -> None:
    options: dict[str, Any] = {"in_specs": vectors(1), "out_specs": ((F64, 1),) * 3}
    x = np.arange(4.0)
    as_list = function(MANY, packing=1, **options)
    for _ in range(1000):
        results = as_list(x)
        assert gc.is_tracked(results)
        assert [r.tolist() for r in results] == [(j * x).tolist() for j in (1, 2, 3)]
    as_dict = function(MANY, packing=2, keys=("a", "b", 3), **options)
    results = as_dict(x)
    assert list(results) == ["a", "b", 3]
    assert [r.tolist() for r in results.values()] == [(j * x).tolist() for j in (1, 2, 3)]
    assert as_dict(x) is not results


def test_nothing_to_return_is_none_or_empty() -> None:
    text = SAME % ("", 0) + MAIN + "{ return 0; }"
    assert function(text, in_specs=(), out_specs=())() is None
    assert function(text, in_specs=(), out_specs=(), packing=1)() == []
    assert function(text, in_specs=(), out_specs=(), packing=2, keys=())() == {}


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 100])
def test_any_number_of_arguments(n: int) -> None:
    text = (
        f"enum {{ M = {n} }};\n"
        + VECTOR
        + SAME % ("", 1)
        + MAIN
        + """{
        for (int64_t i = 0; i < N; i++) {
            V(M)[i] = 0;
            for (int j = 0; j < M; j++)
                V(M)[i] += (j + 1) * V(j)[i];
        }
        return 0;
    }"""
    )
    f = function(text, in_specs=vectors(n), out_specs=((F64, 1),))
    args = [np.full(3, float(j)) for j in range(n)]
    assert f(*args).tolist() == [sum((j + 1) * j for j in range(n))] * 3
    if n > 32:
        fail_alloc_after(1)
        with pytest.raises(MemoryError):
            f(*args)


# the positive elements, as nonzero would: through a temporary, then an output of that size
DYNAMIC = (
    VECTOR
    + PREPARE
    + "{ out[0][0] = -1; plan[1] = in[0][0]; return 0; }\n"
    + MAIN
    + """{
    int64_t count = 0;
    double *kept = rt->alloc(rt, 8 * N);
    if (!kept || (uint64_t)kept % 64) return -1;
    if (N == 4) return 0;
    for (int64_t i = 0; i < N; i++)
        if (V(0)[i] > 0) kept[count++] = V(0)[i];
    double *out = rt->alloc_output(rt, 0, &count);
    if (!out || out != V(1) || shape[1][0] != count) return -1;
    for (int64_t i = 0; i < count; i++)
        out[i] = kept[i];
    return 0;
}"""
)


@pytest.mark.parametrize("threshold", [0, 1 << 40])
def test_outputs_of_data_dependent_size(threshold: int) -> None:
    f = function(DYNAMIC, gil_threshold=threshold)
    for n in (0, 1, 3, 1000):
        x = np.random.default_rng(n).normal(size=n)
        assert f(x).tolist() == x[x > 0].tolist()
    with pytest.raises(SystemError, match="did not make output 0"):
        f(np.ones(4))
    for n in (1, 2):
        fail_alloc_after(n)
        with pytest.raises(MemoryError):
            f(np.ones(3))
    assert f(np.ones(3)).tolist() == [1, 1, 1]


def test_the_arena_is_aligned_and_kept() -> None:
    text = (
        PREPARE
        + "{ plan[0] = in[0][0]; return 0; }\n"
        + MAIN
        + """{
        int64_t n = shape[0][0];
        if ((uint64_t)rt->arena % (n > 4194304 ? 2097152 : 64)) return 1;
        for (int64_t i = 0; i < n; i += 64)
            rt->arena[i] = 1;
        *(int64_t *)data[1] = (int64_t)rt->arena;
        return 0;
    }"""
    )
    f = function(text, in_specs=((2, 1, (-1,)),), out_specs=((7, 0),))
    place = f(np.zeros(1000, np.uint8))
    assert f(np.zeros(500, np.uint8)) == place
    for n in (5_000_000, 1000, 9_000_000, 5_000_000):
        f(np.zeros(n, np.uint8))
    fail_alloc_after(1)
    with pytest.raises(MemoryError):
        f(np.zeros(100, np.uint8))


def test_impossible_sizes_are_memory_errors() -> None:
    text = PREPARE + "{ out[0][0] = 1LL << 60; return 0; }\n" + MAIN + "{ return 0; }"
    with pytest.raises(MemoryError):
        function(text, in_specs=(), out_specs=((F64, 1),))()
    text = text.replace("out[0][0] = 1LL << 60", "plan[0] = 1LL << 60")
    with pytest.raises(MemoryError):
        function(text, in_specs=(), out_specs=())()


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("updated twice", {"updates": (0, 0), "nresults": 0}),
        ("names no shared", {"updates": (1,)}),
        ("several results", {}),
        ("do not add up", {"nresults": 1}),
        ("one key per result", {"packing": 2}),
        ("one key per result", {"packing": 2, "keys": ("a",)}),
        ("occurs twice", {"packing": 2, "keys": ("a", "a")}),
        ("packing is", {"packing": 3}),
        ("a spec is a tuple", {"in_specs": (3,)}),
        ("rank above 16", {"in_specs": ((F64, 17, (-1,) * 17),)}),
        ("does not have its rank", {"in_specs": ((F64, 2, (-1,)),)}),
        ("something else than Shared", {"shared": (3,)}),
        ("are needed", {"main": 0}),
        ("differ in length", {"shared_specs": ()}),
    ],
)
def test_wrong_descriptions_are_refused(message: str, options: Any) -> None:
    library = compile_c(COUNTER.replace("DELAY", "0"))
    given: dict[str, Any] = {
        "prepare": library.symbol("egt_prepare"),
        "main": library.symbol("egt_main"),
        "in_specs": vectors(1),
        "shared": (Shared(np.zeros(3)),),
        "out_specs": ((F64, 1),) * 2,
    }
    with pytest.raises(ValueError, match=message):
        Function(**(given | options))


class Described:
    """A second base, as compiled functions have."""


class Child(Described, Function):
    def __init__(self, text: str) -> None:
        library = compile_c(text)
        self.name = "child"
        super().__init__(
            prepare=library.symbol("egt_prepare"),
            main=library.symbol("egt_main"),
            in_specs=vectors(1),
            out_specs=((F64, 1),) * 3,
            packing=1,
            convert=self.convert,
            keepalive=library,
        )

    def convert(self, args: tuple[Any, ...], kwargs: Any) -> tuple[Array, ...]:
        return (np.asarray(args[0], np.float64),)


class Loud(Child):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return "loud", super().__call__(*args, **kwargs)[0].tolist()


def test_subclasses_keep_fast_calls_and_may_override_them() -> None:
    vectorcall = 1 << 11  # Py_TPFLAGS_HAVE_VECTORCALL
    assert Function.__flags__ & vectorcall
    assert Child.__flags__ & vectorcall
    assert not Loud.__flags__ & vectorcall
    child = Child(MANY)
    assert child.name == "child"
    assert child([1, 2])[2].tolist() == [3, 6]
    assert Loud(MANY)([1, 2]) == ("loud", [1, 2])
    with pytest.raises(RuntimeError, match="has not run"):
        Child.__new__(Child)([1, 2])
    with pytest.raises(ValueError, match="initialised once"):
        child.__init__(MANY)


def test_cycles_through_a_function_are_collected() -> None:

    child = Child(MANY)
    gone = weakref.ref(child)
    del child
    gc.collect()
    assert gone() is None


def test_calls_leak_neither_references_nor_memory() -> None:
    w, ready = Shared(np.zeros(3)), np.zeros(3)
    good = counter(w, packing=2, keys=("a",), convert=lambda a, k: (ready,))
    bad = function(ADD, in_specs=vectors(2), out_specs=((F64, 1),), error=lambda *_: KeyError())
    dynamic = function(DYNAMIC, gil_threshold=0)
    x, y = np.ones(3), np.ones(5)

    def rounds(n: int) -> None:
        for i in range(n):
            good(x)
            good([1], y=2)
            dynamic(x)
            for args in ((x, y), (y, y)):
                with pytest.raises(KeyError):
                    bad(*args)
            fail_alloc_after(1 + i % 3)
            with pytest.raises(MemoryError):
                good(x)
            fail_alloc_after(0)

    rounds(5)
    # NumPy 2.4.6 leaks a reference to the default dtype in np.zeros(n): none is called from here on
    counts = [sys.getrefcount(o) for o in (x, y, w, np.dtype("f8"), None)]
    tracemalloc.start()
    rounds(20)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    rounds(200)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 5000
    grown = [
        sys.getrefcount(o) - c for o, c in zip((x, y, w, np.dtype("f8"), None), counts, strict=True)
    ]
    assert max(map(abs, grown)) < 100  # others share None and the dtype; a leak counts 200


def test_a_missing_library_is_explained(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="pip install scipy-openblas32"):
        runtime.load_blas(tmp_path / "none.so")
    with pytest.raises(OSError, match=r"none\.so"):
        Library(tmp_path / "none.so")


def test_a_missing_symbol_is_explained() -> None:
    with pytest.raises(LookupError, match="no symbol egt_nothing"):
        compile_c(ADD).symbol("egt_nothing")
