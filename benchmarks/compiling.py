"""Time compilation, cold and from the disk cache, and the import of the library."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import PeerEntry
from benchmarks.processes import environment, started
from benchmarks.workloads import Case

IMPORT = """
import time
{before}
start = time.process_time()
import {package}
print(time.process_time() - start)
"""


def measure_compilation(
    cases: Sequence[Case],
    entries: Sequence[PeerEntry],
    *,
    threads: int,
    repeats: int,
    budget: float,
    log: Path,
) -> Iterator[dict[str, Any]]:
    """Yield one row per case: seconds from the program's text to its first result.

    The process has compiled something else before.

    repeats  new processes and new caches per case, fewer if ``budget`` seconds are spent first
    """
    compiling = [entry for entry in entries if entry.compiles]
    for case in cases:
        row: dict[str, Any] = {"case": case.name, "peers": {}}
        for entry in compiling:
            start = time.perf_counter()
            replies = []
            while len(replies) < repeats and (not replies or time.perf_counter() - start < budget):
                replies.append(_cold_then_cached(case, entry, threads, log))
            if "skip" not in replies[0]:
                row["peers"][entry.name] = _summary(replies)
        yield row


def measure_imports(
    entries: Sequence[PeerEntry], *, threads: int, repeats: int
) -> Iterator[dict[str, Any]]:
    """Yield one row per package: CPU seconds of importing it, alone and after NumPy."""
    for package in dict.fromkeys(entry.package for entry in entries):
        row: dict[str, Any] = {"case": package}
        for key, before in (("alone", ""), ("after_numpy", "import numpy")):
            code = IMPORT.format(before=before, package=package)
            times = sorted(_seconds_printed(code, threads) for _ in range(repeats))
            row |= {key: statistics.median(times), f"{key}_sample": times}
        yield row


def _cold_then_cached(case: Case, entry: PeerEntry, threads: int, log: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="benchmark_cache_") as folder:
        cold = _compile_once(case, entry, Path(folder), threads, log)
        if entry.caches_on_disk and "total" in cold:
            cold["cached"] = _compile_once(case, entry, Path(folder), threads, log).get("total")
    return cold


def _compile_once(
    case: Case, entry: PeerEntry, cache: Path, threads: int, log: Path
) -> dict[str, Any]:
    with started([entry], threads, log, cache) as (process,):
        process.ask("warm_up")
        reply = process.ask("build", case)
    if "build_seconds" in reply:
        reply["total"] = reply["build_seconds"] + reply["first_call_seconds"]
    return reply


def _summary(replies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    good = [reply for reply in replies if "total" in reply]
    if not good:
        return dict(replies[0])
    cached = [reply["cached"] for reply in good if reply.get("cached") is not None]
    summary: dict[str, Any] = {
        "seconds": statistics.median(reply["total"] for reply in good),
        "cpu_seconds": statistics.median(reply["cpu_seconds"] for reply in good),
        "sample": [float(f"{reply['total']:.4g}") for reply in good],
        "wrong": good[0]["wrong"],
    }
    if cached:
        summary |= {
            "cached_seconds": statistics.median(cached),
            "cached_sample": [float(f"{s:.4g}") for s in cached],
        }
    return summary


def _seconds_printed(code: str, threads: int) -> float:
    with tempfile.TemporaryDirectory(prefix="benchmark_import_") as folder:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment(Path(folder), threads),
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)
