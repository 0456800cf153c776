"""The process of one peer: commands as JSON lines on stdin, replies on what was stdout.

Usage: python -m benchmarks.worker PEER.  What libraries print goes to stderr.
"""

import gc
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from benchmarks import accounting
from benchmarks.peers import Peer, entry_named, load
from benchmarks.workloads import TOLERANCE, WARM_UP, Array, Case, expected_of, inputs_of

Reply = dict[str, Any]
SLOW_CALL = 0.01  # s; quicker programs run once before a block: another peer has used the caches


class Worker:
    """A peer, and the program it has built last."""

    def __init__(self, peer: Peer, import_seconds: float) -> None:
        """Serve ``peer``, whose import took ``import_seconds``."""
        self.peer = peer
        self.import_seconds = import_seconds
        self.run: Callable[[], Any] | None = None
        self.call_seconds = 0.0

    def hello(self) -> Reply:
        """Tell the version."""
        return {"version": self.peer.version(), "import_seconds": self.import_seconds}

    def warm_up(self) -> Reply:
        """Compile an unrelated program, so that what is loaded lazily is loaded."""
        self.peer.build(WARM_UP, inputs_of(WARM_UP))()
        return {}

    def build(self, case: Case) -> Reply:
        """Build and call the program of ``case``, time both, and check the result."""
        self.run = None
        inputs = inputs_of(case)
        before = {name: value.copy() for name, value in inputs.items()}
        gc.collect()
        start, cpu = time.perf_counter(), accounting.cpu_seconds()
        run = self.peer.build(case, inputs)
        built = time.perf_counter()
        result = run()
        called, cpu = time.perf_counter(), accounting.cpu_seconds() - cpu
        problem = _problem(self.peer.to_numpy(result), expected_of(case), case.dtype)
        if not all(np.array_equal(before[name], inputs[name]) for name in inputs):
            problem = "an input was changed"
        self.run = run
        return {
            "build_seconds": built - start,
            "first_call_seconds": called - built,
            "cpu_seconds": cpu,
            "wrong": problem,
        }

    def estimate(self) -> Reply:
        """Return roughly the seconds of a call, by which the length of a block is chosen."""
        assert self.run is not None
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            self.run()
            seconds.append(time.perf_counter() - start)
        self.call_seconds = min(seconds)
        return {"seconds": self.call_seconds}

    def time(self, calls: int) -> Reply:
        """Time one block of ``calls`` calls."""
        run = self.run
        assert run is not None
        gc.disable()
        if self.call_seconds < SLOW_CALL:
            run()
        waiting, cpu, start = accounting.waiting_seconds(), time.process_time(), time.perf_counter()
        for _ in repeat(None, calls):
            run()
        wall = time.perf_counter() - start
        cpu = time.process_time() - cpu
        waiting = accounting.waiting_seconds() - waiting
        gc.enable()
        return {"wall": wall / calls, "cpu": cpu / calls, "waiting": waiting / wall}

    def memory(self, case: Case) -> Reply:
        """Return the bytes a call of ``case`` adds at its peak: results and intermediates."""
        run = self.peer.build(case, inputs_of(case))
        if self.peer.COMPILES_ON_FIRST_CALL:
            run()
        gc.collect()
        accounting.reset_peak()
        before = accounting.resident_bytes()
        result = run()
        added = accounting.peak_bytes() - before
        del result
        return {"added_bytes": added}

    def drop(self) -> Reply:
        """Forget the program."""
        self.run = None
        gc.collect()
        return {}


def _problem(got: list[Array], expected: list[Array], dtype: str) -> str:
    """Say what is wrong with a result, in a few words; nothing if nothing is."""
    if len(got) != len(expected):
        return f"{len(got)} results instead of {len(expected)}"
    for value, reference in zip(got, expected, strict=True):
        if value.shape != reference.shape:
            return f"shape {value.shape} instead of {reference.shape}"
        if str(value.dtype) != dtype:
            return f"{value.dtype} instead of {dtype}"
        error = np.abs(value - reference).max() / np.abs(reference).max()
        if not error <= TOLERANCE[dtype]:  # also when it is NaN
            return f"error {error:.1e}"
    return ""


def without_folders(text: str) -> str:
    """Leave only the last part of each absolute path, for results are published.

    >>> without_folders("cannot open /usr/lib/libm.so (No such file)")
    'cannot open libm.so (No such file)'
    """
    return re.sub(r"(?<![\w.])/(?:[^\s/:'\"()]+/)+", "", text)


def _answer(worker: Worker, command: dict[str, Any]) -> Reply:
    name = command.pop("do")
    if "case" in command:
        workload, dtype, sizes = command["case"]
        command["case"] = Case(workload, dtype, tuple((key, size) for key, size in sizes))
    try:
        reply: Reply = getattr(worker, name)(**command)
    except NotImplementedError:
        return {"skip": True}
    except Exception as error:  # whatever a library raises is a result of the comparison
        traceback.print_exc()
        return {"error": without_folders(f"{type(error).__name__}: {error}")[:300]}
    return reply


def main() -> None:
    """Answer commands until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    start = time.perf_counter()
    peer = load(entry_named(sys.argv[1]))
    worker = Worker(peer, time.perf_counter() - start)
    for line in sys.stdin:
        print(json.dumps(_answer(worker, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
