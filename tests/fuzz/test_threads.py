"""Functions are compiled and called from many threads and after a fork, with the results of one thread."""

import os
import threading

import numpy as np
import pytest

import egtensor as et

LARGE = np.linspace(-1, 1, 300_001)


def in_threads(work, count=16):
    """Run ``work(k)`` in ``count`` threads at once; what they gave, or raise what they raised."""
    results, errors = [None] * count, []
    start = threading.Barrier(count)

    def run(k):
        start.wait()
        try:
            results[k] = work(k)
        except BaseException as error:  # handed to the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return results


def in_child(work):
    """Whether ``work()`` holds in a forked child that ends by itself."""
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = bool(work())
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(child, 0)[1] == 0


def test_sixteen_threads_share_one_function_and_get_the_same_bits():
    x = et.vector("x")
    fn = et.function([x], [et.tanh(x) * 2, et.cumsum(x), (x * x).sum()])
    values = [LARGE * (k + 1) for k in range(16)]
    alone = [[np.array(r) for r in fn(v)] for v in values]
    for _ in range(3):
        for got, wanted in zip(in_threads(lambda k: fn(values[k])), alone, strict=True):
            for g, w in zip(got, wanted, strict=True):
                np.testing.assert_array_equal(g, w)


def test_sixteen_threads_compile_at_once():
    def work(k):
        x = et.vector("x")
        return et.function([x], et.exp(x) * (k + 0.5) + x)(np.arange(4.0))

    for k, got in enumerate(in_threads(work)):
        np.testing.assert_allclose(got, np.exp(np.arange(4.0)) * (k + 0.5) + np.arange(4.0))


def test_threads_that_update_several_variables_never_see_half_an_update():
    a, b = et.shared(np.zeros(2000), "a"), et.shared(np.zeros(2000), "b")
    step = et.function([], [(a - b).sum()], updates=[(a, a + 1), (b, b + 1)])
    assert all(
        total == 0
        for found in in_threads(lambda k: [step()[0] for _ in range(40)])
        for total in found
    )
    np.testing.assert_array_equal(a.get_value(), 640)
    np.testing.assert_array_equal(b.get_value(), 640)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_threads_run_can_call_compile_and_update():
    x = et.vector("x")
    count = et.shared(np.int64(0), "count")
    fn = et.function([x], (et.exp(x) * x).sum(), updates=[(count, count + 1)])
    expected = fn(LARGE)
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            fn(LARGE)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for t in threads:
        t.start()

    def child():
        before = int(count.get_value())
        same = fn(LARGE) == expected and int(count.get_value()) == before + 1
        y = et.vector("y")
        return same and np.array_equal(et.function([y], y * 3 + 0.125)(np.ones(2)), [3.125, 3.125])

    try:
        outcomes = [in_child(child) for _ in range(5)]
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert outcomes == [True] * 5
