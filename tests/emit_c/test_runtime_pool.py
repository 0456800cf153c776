"""The thread pool of the compiled runtime, and the runtime across fork and start-up."""

import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from egtensor.emit_c import runtime
from egtensor.emit_c.runtime import Function, Shared
from tests.emit_c.c_kernels import HEADER, MAIN, SAME, VECTOR, counter, function, vectors

# each chunk adds 1 to its elements, and does so inside a nested loop
PARALLEL = (
    VECTOR
    + SAME % ("", 1)
    + """
typedef struct { egt_rt *rt; double *out; int64_t chunk; } C;
static void inner(void *p, int64_t lo, int64_t hi)
{
    for (; lo < hi; lo++)
        ((double *)p)[lo] += 1;
}
static void outer(void *p, int64_t lo, int64_t hi)
{
    C *c = p;
    if (lo % c->chunk || hi - lo > c->chunk) return;
    c->rt->parallel_for(hi - lo, 3, inner, c->out + lo);
}
"""
    + MAIN
    + """{
    C c = {rt, V(2), (int64_t)V(1)[0]};
    for (int64_t i = 0; i < N; i++) c.out[i] = 0;
    rt->parallel_for(N, c.chunk, outer, &c);
    return 0;
}"""
)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = runtime.get_threads()
    yield runtime.set_threads
    runtime.set_threads(before)


def parallel() -> Function:
    return function(PARALLEL, in_specs=vectors(2), gil_threshold=0)


def test_parallel_loops_run_each_chunk_once(threads: Callable[[int], None]) -> None:
    f = parallel()
    for n in (1, 4, 2, 7, 3):
        threads(n)
        assert runtime.get_threads() == n
        for extent in (0, 1, 5, 1000, 200_000):
            for chunk in (1, 2, 7, 1000, 10**6):
                assert (f(np.zeros(extent), np.full(1, float(chunk))) == 1).all()
    for wrong in (0, -1, 5000):
        with pytest.raises(ValueError, match="1 to 1024 threads"):
            threads(wrong)


def test_the_pool_serves_many_python_threads(threads: Callable[[int], None]) -> None:
    f = parallel()
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
    assert len(good) == 400
    assert all(good)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_children_of_fork_can_call(threads: Callable[[int], None]) -> None:
    threads(4)
    f = parallel()
    w = Shared(np.zeros(3))
    slow = counter(w, delay=20_000_000, gil_threshold=0)
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


def in_new_process(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_number_of_threads_is_a_setting() -> None:
    program = """
from egtensor.config import config
from egtensor.emit_c import runtime
print(runtime.get_threads())
config.threads = 5
print(runtime.get_threads())
"""
    assert in_new_process(program, EGTENSOR_THREADS="3").split() == ["3", "5"]
    assert "config.threads: 'two' is not valid" in in_new_process(program, EGTENSOR_THREADS="two")


def test_importing_the_runtime_loads_no_blas() -> None:
    program = """
import sys
from egtensor.emit_c import runtime
print("scipy_openblas32" in sys.modules)
runtime.load_openblas()
print("scipy_openblas32" in sys.modules)
"""
    assert in_new_process(program).split() == ["False", "True"]


def test_the_header_needs_no_other_and_suits_every_compiler_mode() -> None:
    compiler = sysconfig.get_config_var("CC").split()[0]
    for standard in ("c11", "gnu17"):
        command = [
            compiler,
            f"-std={standard}",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-x",
            "c",
            "-",
        ]
        subprocess.run(command, input=HEADER, text=True, check=True)
    assert "#include" not in HEADER
