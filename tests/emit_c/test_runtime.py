"""The compiled runtime, driven by small kernels in C written here."""

import gc
import itertools
import os
import subprocess
import sys
import sysconfig
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from egtensor.emit_c import runtime
from egtensor.emit_c.runtime import Function, Library, Shared, fail_alloc_after

Array = npt.NDArray[Any]
HEADER = (Path(runtime.__file__).parent / "runtime.h").read_text()
F64 = np.dtype(np.float64).num
DTYPES = [np.dtype(c) for c in "?bBhHiIlLqQefd"]
PREPARE = "int egt_prepare(const int64_t *const *in, int64_t *const *out, int64_t *plan)\n"
MAIN = (
    "int egt_main(egt_rt *rt, char **data, const int64_t *const *shape,"
    " const int64_t *const *strides)\n"
)

# outputs have the shape of the first array; the kernels below are for contiguous float64 vectors
SAME = PREPARE + "{ %s for (int i = 0; i < %d; i++) out[i][0] = in[0][0]; return 0; }\n"
VECTOR = "#define N shape[0][0]\n#define V(i) ((double *)data[i])\n"
# out0 = 2 in0 + W; W := W + in0
COUNTER = VECTOR + SAME % ("plan[0] = 128;", 2) + MAIN + """{
    for (int64_t i = 0; i < N; i++) {
        V(2)[i] = 2 * V(0)[i] + V(1)[i];
        V(3)[i] = V(1)[i] + V(0)[i];
    }
    return 0;
}"""


@pytest.fixture(scope="module")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Library]:
    """Compile C text after runtime.h; each text once."""
    folder = tmp_path_factory.mktemp("kernels")
    built: dict[str, Library] = {}

    def compiled(text: str) -> Library:
        if text not in built:
            path = folder / f"kernel{len(built)}.so"
            command = ["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-x", "c", "-"]
            subprocess.run([*command, "-o", str(path)], input=HEADER + text, text=True, check=True)
            built[text] = Library(path)
        return built[text]

    return compiled


@pytest.fixture(autouse=True)
def no_injected_failure() -> Iterator[None]:
    yield
    fail_alloc_after(0)


def function(library: Library, cls: type[Function] = Function, **options: Any) -> Function:
    return cls(
        prepare=library.symbol("egt_prepare"),
        main=library.symbol("egt_main"),
        keepalive=library,
        **options,
    )


def vectors(n: int) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    return ((F64, 1, (-1,)),) * n


def counter(compile_c: Callable[[str], Library], shared: Shared, **options: Any) -> Function:
    return function(
        compile_c(COUNTER),
        in_specs=vectors(1),
        shared=(shared,),
        out_specs=((F64, 1),) * 2,
        updates=(0,),
        **options,
    )


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


def copy_of(compile_c: Callable[[str], Library], dtype: np.dtype[Any], rank: int) -> Function:
    text = COPY.replace("PREPARE", PREPARE).replace("MAIN", MAIN)
    text = text.replace("RANK", str(rank)).replace("ITEM", str(dtype.itemsize))
    return function(
        compile_c(text),
        in_specs=((dtype.num, rank, (-1,) * rank),),
        out_specs=((dtype.num, rank),),
    )


@pytest.mark.parametrize("rank", range(9))
def test_arrays_of_every_dtype_rank_and_stride_arrive(compile_c: Any, rank: int) -> None:
    rng = np.random.default_rng(rank)
    for dtype in DTYPES:
        f = copy_of(compile_c, dtype, rank)
        x = rng.integers(0, 2 if dtype == bool else 100, (2, 3, 1, 2, 1, 3, 2, 1)[:rank])
        x = np.asarray(x).astype(dtype)
        for view in (x, x.T, x[(slice(None, None, -1),) * rank], np.broadcast_to(x, x.shape)):
            y = f(np.asarray(view))
            assert type(y) is np.ndarray
            assert y.dtype == dtype
            assert y.flags.c_contiguous and y.flags.owndata
            np.testing.assert_array_equal(y, view)


def test_the_two_spellings_of_an_integer_are_one_dtype(compile_c: Any) -> None:
    f = copy_of(compile_c, np.dtype("l"), 1)
    assert f(np.arange(3, dtype="q")).tolist() == [0, 1, 2]
    g = copy_of(compile_c, np.dtype("q"), 1)
    assert g(np.arange(3, dtype="l")).tolist() == [0, 1, 2]


ADD = VECTOR + SAME % ("if (in[0][0] != in[1][0]) { plan[2] = in[1][0]; return 7; }", 1) + MAIN + """{
    for (int64_t i = 0; i < N; i++)
        V(2)[i] = V(0)[i] + V(1)[i];
    if (N == 5) { rt->info[1] = 55; return 9; }
    return N == 6 ? -1 : 0;
}"""


def test_unexpected_arguments_go_through_convert(compile_c: Any) -> None:
    seen: list[Any] = []

    def convert(args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> tuple[Array, ...]:
        seen.append((len(args), sorted(kwargs or {})))
        values = [*args, *(kwargs or {}).values()]
        if len(values) != 2:
            raise TypeError("two arguments, please")
        return tuple(np.array(v, np.float64).reshape(-1) for v in values)

    f = function(compile_c(ADD), in_specs=vectors(2), out_specs=((F64, 1),), convert=convert)
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


def test_what_convert_returns_is_checked(compile_c: Any) -> None:
    for wrong in (None, (), ([1.0], [2.0]), (np.zeros(2, "f4"),) * 2):
        f = function(
            compile_c(ADD), in_specs=vectors(2), out_specs=((F64, 1),), convert=lambda a, k, w=wrong: w
        )
        with pytest.raises(SystemError, match="conforming arrays"):
            f(1, 2)
    f = function(compile_c(ADD), in_specs=vectors(2), out_specs=((F64, 1),))
    with pytest.raises(TypeError, match="do not match the compiled signature"):
        f(1, 2)


def test_declared_extents_are_checked(compile_c: Any) -> None:
    f = function(compile_c(ADD), in_specs=((F64, 1, (3,)),) * 2, out_specs=((F64, 1),))
    assert f(np.ones(3), np.ones(3)).tolist() == [2, 2, 2]
    with pytest.raises(TypeError, match="compiled signature"):
        f(np.ones(2), np.ones(2))


def test_statuses_become_exceptions(compile_c: Any) -> None:
    f = function(
        compile_c(ADD),
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
    plain = function(compile_c(ADD), in_specs=vectors(2), out_specs=((F64, 1),))
    with pytest.raises(RuntimeError, match="status 9"):
        plain(np.ones(5), np.ones(5))
    odd = function(compile_c(ADD), in_specs=vectors(2), out_specs=((F64, 1),), error=lambda *_: 3)
    with pytest.raises(TypeError, match="not an exception"):
        odd(np.ones(5), np.ones(5))


MANY = VECTOR + SAME % ("", 3) + MAIN + """{
    for (int64_t i = 0; i < N; i++)
        for (int j = 0; j < 3; j++)
            V(1 + j)[i] = (j + 1) * V(0)[i];
    return 0;
}"""


def test_results_come_in_a_list_or_a_dict(compile_c: Any) -> None:
    options: dict[str, Any] = dict(in_specs=vectors(1), out_specs=((F64, 1),) * 3)
    x = np.arange(4.0)
    as_list = function(compile_c(MANY), packing=1, **options)
    for _ in range(1000):
        results = as_list(x)
        assert gc.is_tracked(results)
        assert [r.tolist() for r in results] == [(j * x).tolist() for j in (1, 2, 3)]
    as_dict = function(compile_c(MANY), packing=2, keys=("a", "b", 3), **options)
    results = as_dict(x)
    assert list(results) == ["a", "b", 3]
    assert [r.tolist() for r in results.values()] == [(j * x).tolist() for j in (1, 2, 3)]
    assert as_dict(x) is not results


def test_nothing_to_return_is_none_or_empty(compile_c: Any) -> None:
    text = SAME % ("", 0) + MAIN + "{ return 0; }"
    assert function(compile_c(text), in_specs=(), out_specs=())() is None
    assert function(compile_c(text), in_specs=(), out_specs=(), packing=1)() == []
    assert function(compile_c(text), in_specs=(), out_specs=(), packing=2, keys=())() == {}


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 100])
def test_any_number_of_arguments(compile_c: Any, n: int) -> None:
    text = f"enum {{ M = {n} }};\n" + VECTOR + SAME % ("", 1) + MAIN + """{
        for (int64_t i = 0; i < N; i++) {
            V(M)[i] = 0;
            for (int j = 0; j < M; j++)
                V(M)[i] += (j + 1) * V(j)[i];
        }
        return 0;
    }"""
    f = function(compile_c(text), in_specs=vectors(n), out_specs=((F64, 1),))
    args = [np.full(3, float(j)) for j in range(n)]
    assert f(*args).tolist() == [sum((j + 1) * j for j in range(n))] * 3
    if n > 32:
        fail_alloc_after(1)
        with pytest.raises(MemoryError):
            f(*args)


# the positive elements, as nonzero would: through a temporary, then an output of that size
DYNAMIC = VECTOR + PREPARE + "{ out[0][0] = -1; plan[1] = in[0][0]; return 0; }\n" + MAIN + """{
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


@pytest.mark.parametrize("threshold", [0, 1 << 40])
def test_outputs_of_data_dependent_size(compile_c: Any, threshold: int) -> None:
    f = function(
        compile_c(DYNAMIC), in_specs=vectors(1), out_specs=((F64, 1),), gil_threshold=threshold
    )
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


def test_the_arena_is_aligned_and_kept(compile_c: Any) -> None:
    text = PREPARE + "{ plan[0] = in[0][0]; return 0; }\n" + MAIN + """{
        int64_t n = shape[0][0];
        if ((uint64_t)rt->arena % (n > 4194304 ? 2097152 : 64)) return 1;
        for (int64_t i = 0; i < n; i += 64)
            rt->arena[i] = 1;
        *(int64_t *)data[1] = (int64_t)rt->arena;
        return 0;
    }"""
    f = function(compile_c(text), in_specs=((2, 1, (-1,)),), out_specs=((7, 0),))
    place = f(np.zeros(1000, np.uint8))
    assert f(np.zeros(500, np.uint8)) == place
    for n in (5_000_000, 1000, 9_000_000, 5_000_000):
        f(np.zeros(n, np.uint8))
    fail_alloc_after(1)
    with pytest.raises(MemoryError):
        f(np.zeros(100, np.uint8))


def test_impossible_sizes_are_memory_errors(compile_c: Any) -> None:
    text = PREPARE + "{ out[0][0] = 1LL << 60; return 0; }\n" + MAIN + "{ return 0; }"
    with pytest.raises(MemoryError):
        function(compile_c(text), in_specs=(), out_specs=((F64, 1),))()
    text = text.replace("out[0][0] = 1LL << 60", "plan[0] = 1LL << 60")
    with pytest.raises(MemoryError):
        function(compile_c(text), in_specs=(), out_specs=())()


def test_updates_are_swapped_in(compile_c: Any) -> None:
    w = Shared(np.zeros(3))
    f = counter(compile_c, w)
    before = w.array
    assert f(np.ones(3)).tolist() == [2, 2, 2]
    assert before.tolist() == [0, 0, 0]
    assert w.array.tolist() == [1, 1, 1]
    assert f(np.ones(3)).tolist() == [3, 3, 3]
    assert w.array.tolist() == [2, 2, 2]


def test_former_values_are_recycled_only_when_nobody_has_them(compile_c: Any) -> None:
    w = Shared(np.zeros(3))
    f, x = counter(compile_c, w), np.ones(3)
    held = [w.array]
    for i in range(5):
        assert w.spare_bytes == 0
        f(x)
        held.append(w.array)
        assert [h[0] for h in held] == list(range(i + 2))
    view = held.pop()[:2]
    held.clear()
    f(x)
    assert w.spare_bytes == 0 and view.tolist() == [5, 5]
    f(x)
    assert w.spare_bytes == 24
    places = set()
    for _ in range(20):
        f(x)
        places.add(w.array.__array_interface__["data"][0])
    assert len(places) == 2
    w.array = np.zeros(2)
    f(np.ones(2))
    assert w.array.tolist() == [1, 1]


def test_results_do_not_alias_shared_storage(compile_c: Any) -> None:
    w = Shared(np.zeros(3))
    f = counter(compile_c, w)
    results = [f(np.ones(3)) for _ in range(9)]
    assert [r[0] for r in results] == [2 + i for i in range(9)]
    for a, b in itertools.combinations([*results, w.array], 2):
        assert not np.shares_memory(a, b)


SLOW = COUNTER.replace("double *)", "double *)", 1).replace(
    "    for (int64_t i", "    for (volatile int64_t k = 0; k < 20000; k++);\n    for (int64_t i", 1
)


def test_concurrent_updates_lose_nothing(compile_c: Any) -> None:
    w = Shared(np.zeros(3))
    library = compile_c(SLOW)
    f = function(
        library, in_specs=vectors(1), shared=(w,), out_specs=((F64, 1),) * 2, updates=(0,), gil_threshold=0
    )
    seen: list[list[float]] = [[] for _ in range(16)]

    def run(mine: list[float]) -> None:
        for _ in range(50):
            r = f(np.ones(3))
            assert r[0] == r[2]
            mine.append(r[0])

    threads = [threading.Thread(target=run, args=(s,)) for s in seen]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert w.array.tolist() == [800.0] * 3
    assert sorted(itertools.chain(*seen)) == [2.0 + i for i in range(800)]


# out = u - v; u := u + x, v := v + x: no reader may ever see a difference
PAIR = VECTOR + SAME % ("", 2) + MAIN + """{
    for (volatile int64_t k = 0; k < 5000; k++);
    for (int64_t i = 0; i < N; i++) {
        V(3)[i] = V(1)[i] + V(0)[i];
        V(4)[i] = V(2)[i] + V(0)[i];
    }
    return 0;
}"""
DIFFERENCE = VECTOR + SAME % ("", 1) + MAIN + """{
    for (int64_t i = 0; i < N; i++)
        V(2)[i] = V(0)[i] - V(1)[i];
    return 0;
}"""


def test_a_call_sees_one_moment_and_lock_orders_do_not_deadlock(compile_c: Any) -> None:
    u, v = Shared(np.zeros(100)), Shared(np.zeros(100))
    assert u.id < v.id
    options: dict[str, Any] = dict(out_specs=((F64, 1),) * 2, updates=(0, 1), gil_threshold=0)
    write = function(compile_c(PAIR), in_specs=vectors(1), shared=(u, v), packing=1, **options)
    reverse = function(compile_c(PAIR), in_specs=vectors(1), shared=(v, u), packing=1, **options)
    read = function(
        compile_c(DIFFERENCE), in_specs=(), shared=(u, v), out_specs=((F64, 1),), gil_threshold=0
    )
    done = threading.Event()
    wrong: list[float] = []

    def reader() -> None:
        while not done.is_set():
            wrong.extend(read()[read() != 0])

    readers = [threading.Thread(target=reader) for _ in range(2)]
    writers = [
        threading.Thread(target=lambda f=f: [f(np.ones(100)) for _ in range(100)])
        for f in (write, reverse) * 4
    ]
    for t in readers + writers:
        t.start()
    for t in writers:
        t.join()
    done.set()
    for t in readers:
        t.join()
    assert not wrong
    assert u.array.tolist() == v.array.tolist() == [800.0] * 100


def test_setting_a_value_waits_for_an_update(compile_c: Any) -> None:
    slow = SLOW.replace("20000", "200000000")
    w = Shared(np.zeros(3))
    f = function(
        compile_c(slow), in_specs=vectors(1), shared=(w,), out_specs=((F64, 1),) * 2, updates=(0,), gil_threshold=0
    )
    running = threading.Thread(target=f, args=(np.ones(3),))
    running.start()
    time.sleep(0.02)
    w.array = np.full(3, 7.0)
    running.join()
    assert w.array.tolist() == [7, 7, 7]


def test_each_failed_allocation_leaves_shared_values_as_they_were(compile_c: Any) -> None:
    w = Shared(np.zeros(3))
    f = counter(compile_c, w, packing=1)
    x, n = np.ones(3), 0
    f(x)
    while True:
        n += 1
        assert n < 20
        old, bits = w.array, w.array.tobytes()
        fail_alloc_after(n)
        g = counter(compile_c, w, packing=1)
        try:
            (result,) = g(x)
        except MemoryError:
            assert w.array is old
            assert w.array.tobytes() == bits
        else:
            break
    fail_alloc_after(0)
    assert n == 5  # list, result, update value, arena; then none fails
    assert result[0] == 3
    assert w.array.tolist() == [2, 2, 2]


def test_an_error_commits_nothing_and_releases_the_lock(compile_c: Any) -> None:
    text = COUNTER.replace("return 0;\n}", "return N == 2 ? 4 : 0;\n}")
    w = Shared(np.zeros(2))
    f = function(
        compile_c(text), in_specs=vectors(1), shared=(w,), out_specs=((F64, 1),) * 2, updates=(0,)
    )
    for _ in range(3):
        with pytest.raises(RuntimeError, match="status 4"):
            f(np.ones(2))
    assert w.array.tolist() == [0, 0]
    w.array = np.zeros(3)
    f(np.ones(3))
    assert w.array.tolist() == [1, 1, 1]


def test_shared_arrays_must_keep_their_type(compile_c: Any) -> None:
    w = Shared(np.zeros(3))
    f = counter(compile_c, w)
    w.array = np.zeros(3, np.float32)
    with pytest.raises(TypeError, match="shared variable 0"):
        f(np.ones(3))
    for wrong in ([1.0], np.zeros(3, ">f8"), np.array([None]), np.ma.zeros(3)):
        with pytest.raises(TypeError, match=r"fix: numpy\.require"):
            w.array = wrong  # type: ignore[assignment]  # that is the mistake under test
        with pytest.raises(TypeError, match="aligned"):
            Shared(wrong)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("updated twice", dict(updates=(0, 0), nresults=0)),
        ("names no shared", dict(updates=(1,))),
        ("several results", dict()),
        ("do not add up", dict(nresults=1)),
        ("one key per result", dict(packing=2)),
        ("one key per result", dict(packing=2, keys=("a",))),
        ("occurs twice", dict(packing=2, keys=("a", "a"))),
        ("packing is", dict(packing=3)),
        ("a spec is a tuple", dict(in_specs=(3,))),
        ("rank above 16", dict(in_specs=((F64, 17, (-1,) * 17),))),
        ("does not have its rank", dict(in_specs=((F64, 2, (-1,)),))),
        ("something else than Shared", dict(shared=(3,))),
        ("are needed", dict(main=0)),
        ("differ in length", dict(shared_specs=())),
    ],
)
def test_wrong_descriptions_are_refused(compile_c: Any, message: str, options: Any) -> None:
    library = compile_c(COUNTER)
    given: dict[str, Any] = dict(
        prepare=library.symbol("egt_prepare"),
        main=library.symbol("egt_main"),
        in_specs=vectors(1),
        shared=(Shared(np.zeros(3)),),
        out_specs=((F64, 1),) * 2,
    )
    with pytest.raises(ValueError, match=message):
        Function(**(given | options))


class Child(Function):
    def __init__(self, library: Library) -> None:
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


def test_subclasses_keep_fast_calls_and_may_override_them(compile_c: Any) -> None:
    vectorcall = 1 << 11  # Py_TPFLAGS_HAVE_VECTORCALL
    assert Function.__flags__ & vectorcall  # type: ignore[attr-defined]  # unknown to typeshed
    assert Child.__flags__ & vectorcall  # type: ignore[attr-defined]  # as above
    assert not Loud.__flags__ & vectorcall  # type: ignore[attr-defined]  # as above
    child = Child(compile_c(MANY))
    assert child.name == "child"
    assert child([1, 2])[2].tolist() == [3, 6]
    assert Loud(compile_c(MANY))([1, 2]) == ("loud", [1, 2])
    with pytest.raises(RuntimeError, match="has not run"):
        Child.__new__(Child)([1, 2])
    with pytest.raises(ValueError, match="initialised once"):
        child.__init__(compile_c(MANY))  # type: ignore[misc]  # that is the mistake under test


def test_cycles_through_a_function_are_collected(compile_c: Any) -> None:
    import weakref

    child = Child(compile_c(MANY))
    gone = weakref.ref(child)
    del child
    gc.collect()
    assert gone() is None


def test_calls_leak_neither_references_nor_memory(compile_c: Any) -> None:
    w, ready = Shared(np.zeros(3)), np.zeros(3)
    good = counter(compile_c, w, packing=2, keys=("a",), convert=lambda a, k: (ready,))
    bad = function(compile_c(ADD), in_specs=vectors(2), out_specs=((F64, 1),), error=lambda *_: KeyError())
    dynamic = function(compile_c(DYNAMIC), in_specs=vectors(1), out_specs=((F64, 1),), gil_threshold=0)
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
    grown = [sys.getrefcount(o) - c for o, c in zip((x, y, w, np.dtype("f8"), None), counts, strict=True)]
    assert max(map(abs, grown)) < 100  # others share None and the dtype; a leak counts 200


# each chunk adds 1 to its elements, and does so inside a nested loop
PARALLEL = VECTOR + SAME % ("", 1) + """
typedef struct { egt_rt *rt; double *out; int64_t chunk; } C;
static void inner(void *p, int64_t lo, int64_t hi) { double *out = p; for (; lo < hi; lo++) out[lo] += 1; }
static void outer(void *p, int64_t lo, int64_t hi)
{
    C *c = p;
    if (lo % c->chunk || hi - lo > c->chunk) return;
    c->rt->parallel_for(hi - lo, 3, inner, c->out + lo);
}
""" + MAIN + """{
    C c = {rt, V(2), (int64_t)V(1)[0]};
    for (int64_t i = 0; i < N; i++) c.out[i] = 0;
    rt->parallel_for(N, c.chunk, outer, &c);
    return 0;
}"""


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = runtime.get_threads()
    yield runtime.set_threads
    runtime.set_threads(before)


def parallel(compile_c: Any) -> Function:
    return function(compile_c(PARALLEL), in_specs=vectors(2), out_specs=((F64, 1),), gil_threshold=0)


def test_parallel_loops_run_each_chunk_once(compile_c: Any, threads: Callable[[int], None]) -> None:
    f = parallel(compile_c)
    for n in (1, 4, 2, 7, 3):
        threads(n)
        assert runtime.get_threads() == n
        for extent in (0, 1, 5, 1000, 200_000):
            for chunk in (1, 2, 7, 1000, 10**6):
                assert (f(np.zeros(extent), np.full(1, float(chunk))) == 1).all()
    for wrong in (0, -1, 5000):
        with pytest.raises(ValueError, match="1 to 1024 threads"):
            threads(wrong)


def test_the_pool_serves_many_python_threads(compile_c: Any, threads: Callable[[int], None]) -> None:
    f = parallel(compile_c)
    threads(3)
    good: list[bool] = []

    def run() -> None:
        good.extend((f(np.zeros(5000), np.full(1, 10.0)) == 1).all() for _ in range(50))

    callers = [threading.Thread(target=run) for _ in range(8)]
    for t in callers:
        t.start()
    for n in (2, 4, 3):
        threads(n)
    for t in callers:
        t.join()
    assert len(good) == 400 and all(good)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_children_of_fork_can_call(compile_c: Any, threads: Callable[[int], None]) -> None:
    threads(4)
    f = parallel(compile_c)
    w = Shared(np.zeros(3))
    slow = function(
        compile_c(SLOW.replace("20000", "20000000")), in_specs=vectors(1), shared=(w,), out_specs=((F64, 1),) * 2,
        updates=(0,), gil_threshold=0,
    )  # fmt: skip
    x, chunk = np.zeros(100_000), np.full(1, 100.0)
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            f(x, chunk)

    busy = [threading.Thread(target=keep_busy), threading.Thread(target=slow, args=(np.ones(3),))]
    for t in busy:
        t.start()
    for _ in range(5):
        child = os.fork()
        if not child:
            good = all((f(x, chunk) == 1).all() for _ in range(20))
            slow(np.ones(3))  # its lock may be held in the parent
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    for t in busy:
        t.join()
    assert (f(x, chunk) == 1).all()


MATMUL = """
PREPARE { out[0][0] = in[0][0]; out[0][1] = in[0][1]; out[0][2] = in[1][2]; plan[1] = 1 << 20; return 0; }
MAIN {
    const int64_t *a = strides[0], *b = strides[1], *c = strides[2];
    int64_t batch = shape[2][0], m = shape[2][1], n = shape[2][2], k = shape[0][2];
    char *fill = data[2];
    for (int64_t i = 0; i < batch * m * n * ITEM; i++) fill[i] = -1; /* NaN for floats */
    if (BY_COLUMNS) {
        char *room = rt->alloc(rt, 2 * batch * m * n * ITEM);
        if (!room) return -1;
        for (int64_t i = 0; i < 2 * batch * m * n * ITEM; i++) room[i] = -1;
        int64_t row = BY_COLUMNS * ITEM, column = m * BY_COLUMNS * ITEM, step = m * n * BY_COLUMNS * ITEM;
        int failed = rt->matmul(rt, DTYPE, m, n, k, data[0], a[1], a[2], data[1], b[1], b[2], room, row, column,
                                batch, a[0], b[0], step);
        for (int64_t l = 0; l < batch; l++) for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++)
            for (int t = 0; t < ITEM; t++)
                data[2][l * c[0] + i * c[1] + j * c[2] + t] = room[l * step + i * row + j * column + t];
        return failed;
    }
    return rt->matmul(rt, DTYPE, m, n, k, data[0], a[1], a[2], data[1], b[1], b[2], data[2], c[1], c[2],
                      batch, a[0], b[0], c[0]);
}"""


def product(compile_c: Any, dtype: np.dtype[Any], by_columns: int = 0) -> Function:
    text = MATMUL.replace("PREPARE", PREPARE).replace("MAIN", MAIN).replace("DTYPE", str(dtype.num))
    text = text.replace("ITEM", str(dtype.itemsize)).replace("BY_COLUMNS", str(by_columns))
    specs = ((dtype.num, 3, (-1,) * 3),)
    return function(compile_c(text), in_specs=specs * 2, out_specs=((dtype.num, 3),), needs_blas=True)


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
    return rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0] if dtype != bool else (
        rng.random(shape) < 0.3
    )


def assert_product(y: Array, a: Array, b: Array) -> None:
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(y, a @ b)
        return
    # Higham 2002, section 3.1: |error| <= k u |a| |b|, whatever the order of the sum
    a, b = a.astype(np.float64), b.astype(np.float64)
    bound = 2 * a.shape[-1] * np.finfo(y.dtype).eps * (abs(a) @ abs(b)) + 1e-300
    assert (abs(y - a @ b) <= bound).all()


SIZES = [(1, 1, 1), (2, 3, 4), (1, 1, 700), (1, 50, 70), (50, 1, 70), (40, 30, 20), (9, 7, 130), (3, 300, 5)]


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.char != "e"], ids=str)
def test_products_of_every_layout_are_those_of_numpy(compile_c: Any, dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(0)
    functions = [product(compile_c, dtype, by_columns) for by_columns in (0, 1, 2)]
    for m, n, k in SIZES:
        a, b = sample(rng, (2, m, k), dtype), sample(rng, (2, k, n), dtype)
        for x, y in itertools.product(layouts(a), layouts(b)):
            assert_product(functions[0](x, y), a, b)
        for f in functions:
            assert_product(f(a, b), a, b)
            assert_product(f(layouts(a)[1], layouts(b)[1]), a, b)


@pytest.mark.parametrize("dtype", [np.dtype(c) for c in "?hlfd"], ids=str)
def test_products_of_broadcast_and_empty_operands(compile_c: Any, dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(1)
    f = product(compile_c, dtype)
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
        assert y.shape == (batch, m, n) and not y.any()


@pytest.mark.parametrize("dtype", [np.dtype(c) for c in "?ilfd"], ids=str)
@pytest.mark.parametrize(("m", "n", "k"), [(300, 200, 150), (200, 1, 6000), (1, 200, 6000), (20, 700, 90)])
def test_large_products_do_not_depend_on_the_threads(
    compile_c: Any, threads: Callable[[int], None], dtype: np.dtype[Any], m: int, n: int, k: int
) -> None:
    rng = np.random.default_rng(2)
    f = product(compile_c, dtype)
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
def test_nan_and_infinity_pass_through_products(compile_c: Any, dtype: np.dtype[Any]) -> None:
    f = product(compile_c, dtype)
    for m, n, k in [*SIZES, (150, 150, 100)]:
        for special in (np.nan, np.inf, -np.inf):
            a, b = np.ones((1, m, k), dtype), np.zeros((1, k, n), dtype)
            a[0, m // 2, k // 2] = special
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(f(a, b), a @ b)
                np.testing.assert_array_equal(f(b.swapaxes(1, 2), a.swapaxes(1, 2)), (a @ b).swapaxes(1, 2))


def test_products_of_other_dtypes_are_refused(compile_c: Any) -> None:
    with pytest.raises(RuntimeError, match="status -2"):
        product(compile_c, np.dtype("e"))(np.zeros((1, 1, 1), "e"), np.zeros((1, 1, 1), "e"))


def test_products_without_memory_are_memory_errors(compile_c: Any) -> None:
    a = np.ones((1, 40, 50))
    for f, x, most in (
        (product(compile_c, a.dtype), layouts(a)[2], 2),
        (product(compile_c, a.dtype, 2), layouts(a)[2], 4),
        (product(compile_c, np.dtype("l")), layouts(a.astype("l"))[2], 2),
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
def test_factors_give_the_determinant(compile_c: Any, dtype: np.dtype[Any]) -> None:
    text = GETRF.replace("PREPARE", PREPARE).replace("MAIN", MAIN).replace("DTYPE", str(dtype.num))
    f = function(
        compile_c(text.replace("ITEM", str(dtype.itemsize))),
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
        assert np.isclose(np.prod(factors.diagonal(), dtype=np.float64) * (-1.0) ** swaps, expected, rtol=1e4 * np.finfo(dtype).eps)
    with pytest.raises(np.linalg.LinAlgError, match="2"):
        f(np.diag([1, 0, 2]).astype(dtype))


def test_a_missing_library_is_explained(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="pip install scipy-openblas32"):
        runtime.load_blas(tmp_path / "none.so")
    with pytest.raises(OSError, match=r"none\.so"):
        Library(tmp_path / "none.so")


def test_a_missing_symbol_is_explained(compile_c: Any) -> None:
    with pytest.raises(LookupError, match="no symbol egt_nothing"):
        compile_c(COUNTER).symbol("egt_nothing")


def in_new_process(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_threads_come_from_the_environment_and_the_affinity() -> None:
    program = "from egtensor.emit_c import runtime; print(runtime.get_threads())"
    assert in_new_process(program, EGTENSOR_THREADS="3").strip() == "3"
    assert in_new_process(program, EGTENSOR_THREADS="").strip() == str(len(os.sched_getaffinity(0)))
    for wrong in ("0", "-1", "two"):
        assert f"EGTENSOR_THREADS={wrong}\n  the number" in in_new_process(program, EGTENSOR_THREADS=wrong)


def test_blas_is_loaded_by_the_first_function_that_needs_it() -> None:
    program = (
        "from egtensor.emit_c import runtime; import sys;"
        "print('openblas32' in open('/proc/self/maps').read().replace('scipy_openblas', 'openblas32'),"
        "      'scipy_openblas32' in sys.modules)"
    )
    if sys.platform == "linux":
        assert in_new_process(program).split()[-1] == "False"


def test_the_header_needs_no_other_and_suits_every_compiler_mode() -> None:
    compiler = sysconfig.get_config_var("CC").split()[0]
    for standard in ("c11", "gnu17"):
        command = [compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]
        subprocess.run(command, input=HEADER, text=True, check=True)
    assert "#include" not in HEADER
