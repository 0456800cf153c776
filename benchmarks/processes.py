"""Start the processes of the peers and talk to them."""

import ctypes.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.peers import PeerEntry
from benchmarks.workloads import Case

ROOT = Path(__file__).resolve().parent.parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "EGTENSOR_THREADS",
    "NPROC",  # XLA's thread pool
)
LIMIT = 300.0  # s for one command, compilation included


def environment(cache: Path, threads: int) -> dict[str, str]:
    """Make the environment of a peer: its cache, its threads, and no OPENBLAS_* set from outside.

    An OPENBLAS_CORETYPE meant for other machines halves the speed of all that use OpenBLAS.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "EGTENSOR_"))}
    kept |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    openblas = ",blas__ldflags=-lopenblas" if ctypes.util.find_library("openblas") else ""
    kept |= {
        "BENCHMARK_CACHE": str(cache),
        "NUMBA_CACHE_DIR": f"{cache}/numba",
        "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor{openblas}",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "PYTHONWARNINGS": "ignore",
    }
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    if threads == 1:
        kept["XLA_FLAGS"] = (
            f"{kept.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
        )
    return kept


class PeerProcess:
    """A running worker; `ask` sends a command and waits for its reply."""

    def __init__(self, entry: PeerEntry, cache: Path, threads: int, log: Path) -> None:
        """Start the worker of ``entry``; it stores in ``cache``, and its stderr goes to ``log``."""
        self.entry = entry
        self.ended = ""
        with log.open("a") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", entry.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(cache, threads),
                cwd=cache,
                text=True,
            )

    def ask(self, do: str, case: Case | None = None, **arguments: Any) -> dict[str, Any]:
        """Send one command; a process that has died or takes too long answers with an error."""
        if self.ended:
            return {"error": self.ended}
        command = {"do": do, **arguments} | ({"case": astuple(case)} if case else {})
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        assert self._process.stdin
        assert self._process.stdout
        try:
            print(json.dumps(command), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            self.ended = f"the process ended during {do} (limit {LIMIT:.0f} s)"
            return {"error": self.ended}
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the worker."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def started(
    entries: Sequence[PeerEntry], threads: int, log: Path, cache: Path | None = None
) -> Iterator[list[PeerProcess]]:
    """Run one process per peer, each with a cold cache or all with ``cache``; end them after."""
    with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        processes = []
        try:
            for entry in entries:
                own = cache or Path(folder, entry.module)
                own.mkdir(exist_ok=True)
                processes.append(PeerProcess(entry, own, threads, log))
            yield processes
        finally:
            for process in processes:
                process.close()


def ask_all(
    processes: Sequence[PeerProcess], do: str, case: Case | None = None
) -> dict[str, dict[str, Any]]:
    """Send one command to all, two at a time, and collect the replies by peer."""
    with ThreadPoolExecutor(2) as pool:
        replies = pool.map(lambda process: process.ask(do, case), processes)
        return {
            process.entry.name: reply for process, reply in zip(processes, replies, strict=True)
        }


def installed(entries: Sequence[PeerEntry]) -> list[PeerEntry]:
    """Leave out the peers whose package is missing, one printed line each."""
    found = []
    for entry in entries:
        if find_spec(entry.package) is None:
            print(f"skipped {entry.name}: {entry.package} is not installed", flush=True)
        else:
            found.append(entry)
    return found
