"""Shared variables of the compiled runtime: snapshots, commits, recycling, many threads."""

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from egtensor.emit_c.runtime import Shared, fail_alloc_after
from tests.emit_c.c_kernels import COUNTER, F64, MAIN, SAME, VECTOR, counter, function, vectors


@pytest.fixture(autouse=True)
def no_injected_failure() -> Iterator[None]:
    yield
    fail_alloc_after(0)


def test_updates_are_swapped_in() -> None:
    w = Shared(np.zeros(3))
    f = counter(w)
    before = w.array
    assert f(np.ones(3)).tolist() == [2, 2, 2]
    assert before.tolist() == [0, 0, 0]
    assert w.array.tolist() == [1, 1, 1]
    assert f(np.ones(3)).tolist() == [3, 3, 3]
    assert w.array.tolist() == [2, 2, 2]


def test_former_values_are_recycled_only_when_nobody_has_them() -> None:
    w = Shared(np.zeros(3))
    f, x = counter(w), np.ones(3)
    held = [w.array]
    for i in range(5):
        assert w.spare_bytes == 0
        f(x)
        held.append(w.array)
        assert [h[0] for h in held] == list(range(i + 2))
    view = held.pop()[:2]
    held.clear()
    f(x)
    assert w.spare_bytes == 0
    assert view.tolist() == [5, 5]
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


def test_results_do_not_alias_shared_storage() -> None:
    w = Shared(np.zeros(3))
    f = counter(w)
    results = [f(np.ones(3)) for _ in range(9)]
    assert [r[0] for r in results] == [2 + i for i in range(9)]
    for a, b in itertools.combinations([*results, w.array], 2):
        assert not np.shares_memory(a, b)


def test_concurrent_updates_lose_nothing() -> None:
    w = Shared(np.zeros(3))
    f = counter(w, delay=20_000, gil_threshold=0)
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
PAIR = (
    VECTOR
    + SAME % ("", 2)
    + MAIN
    + """{
    for (volatile int64_t k = 0; k < 5000; k++);
    for (int64_t i = 0; i < N; i++) {
        V(3)[i] = V(1)[i] + V(0)[i];
        V(4)[i] = V(2)[i] + V(0)[i];
    }
    return 0;
}"""
)
DIFFERENCE = (
    VECTOR
    + SAME % ("", 1)
    + MAIN
    + """{
    for (int64_t i = 0; i < N; i++)
        V(2)[i] = V(0)[i] - V(1)[i];
    return 0;
}"""
)


def test_a_call_sees_one_moment_and_lock_orders_do_not_deadlock() -> None:
    u, v = Shared(np.zeros(100)), Shared(np.zeros(100))
    assert u.id < v.id
    options: dict[str, Any] = {"out_specs": ((F64, 1),) * 2, "updates": (0, 1), "gil_threshold": 0}
    write = function(PAIR, in_specs=vectors(1), shared=(u, v), packing=1, **options)
    reverse = function(PAIR, in_specs=vectors(1), shared=(v, u), packing=1, **options)
    read = function(DIFFERENCE, in_specs=(), shared=(u, v), out_specs=((F64, 1),), gil_threshold=0)
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


def test_setting_a_value_waits_for_an_update() -> None:
    w = Shared(np.zeros(3))
    f = counter(w, delay=200_000_000, gil_threshold=0)
    running = threading.Thread(target=f, args=(np.ones(3),))
    running.start()
    time.sleep(0.02)
    w.array = np.full(3, 7.0)
    running.join()
    assert w.array.tolist() == [7, 7, 7]


def test_each_failed_allocation_leaves_shared_values_as_they_were() -> None:
    w = Shared(np.zeros(3))
    f = counter(w, packing=1)
    x, n = np.ones(3), 0
    f(x)
    while True:
        n += 1
        assert n < 20
        old, bits = w.array, w.array.tobytes()
        fail_alloc_after(n)
        g = counter(w, packing=1)
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


def test_an_error_commits_nothing_and_releases_the_lock() -> None:
    text = COUNTER.replace("return 0;\n}", "return N == 2 ? 4 : 0;\n}")
    w = Shared(np.zeros(2))
    f = counter(w, text=text)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="status 4"):
            f(np.ones(2))
    assert w.array.tolist() == [0, 0]
    w.array = np.zeros(3)
    f(np.ones(3))
    assert w.array.tolist() == [1, 1, 1]


def test_shared_arrays_must_keep_their_type() -> None:
    w = Shared(np.zeros(3))
    f = counter(w)
    w.array = np.zeros(3, np.float32)
    with pytest.raises(TypeError, match="shared variable 0"):
        f(np.ones(3))
    for wrong in ([1.0], np.zeros(3, ">f8"), np.array([None]), np.ma.zeros(3)):
        with pytest.raises(TypeError, match=r"fix: numpy\.require"):
            w.array = wrong
        with pytest.raises(TypeError, match="aligned"):
            Shared(wrong)
