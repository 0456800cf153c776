"""Forks, interrupts and kills in the middle of compilations."""

import os
import subprocess
import sys

FORK = """
import os, threading, numpy as np, egtensor as et
x = et.vector("x")
compiled, leave = threading.Event(), threading.Event()
def other():
    et.function([x], et.exp(x) * 2)
    compiled.set()
    leave.wait()
thread = threading.Thread(target=other)
thread.start()
compiled.wait()
et.function([x], et.exp(x) * 3)
child = os.fork()
if child == 0:
    ok = np.allclose(et.function([x], et.exp(x) * 4)(np.zeros(1)), 4)
    os._exit(0 if ok else 1)
leave.set()
thread.join()
et.function([x], et.exp(x) * 5)
print(os.waitpid(child, 0)[1])
"""


def run(script, cache, **more):
    """Run a script in a process of its own."""
    environment = {**os.environ, "EGTENSOR_CACHE_DIR": str(cache)}
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, **more
    )


def test_a_child_drops_no_engine_of_a_thread_it_has_not(tmp_path):
    done = run(FORK, tmp_path)
    assert done.stdout == "0\n"
    assert done.stderr == ""
