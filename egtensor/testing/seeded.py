"""Mutation testing of the compiler: bugs put in on purpose, and whether random programs reveal them."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from egtensor.testing.campaign import (
    BATCH,
    Figures,
    batch,
    built_quickly,
    judge_gradients,
    private_cache,
    settings,
)

OTHERS = (
    10**7
)  # distance to seeds of programs whose gradients are judged, and which are not compiled
Bug = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Trial:
    """What became of one bug.

    programs  how many were tried until it was caught, or in all
    how       kind of the first finding, "crash", or "missed"
    """

    name: str
    programs: int
    seconds: float
    how: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.name:34} {self.how:12} {self.programs:5} programs {self.seconds:6.1f} s"


def bugs_of(file: str) -> dict[str, Bug]:
    """The table ``BUGS`` of a Python file: names and context managers that put a bug in."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.BUGS)


def try_bug(file: str, name: str, count: int, seed: int = 0, seconds: float = 1e9) -> Trial:
    """Compile random programs with one bug put in, until one is found to be wrong."""
    start = time.monotonic()
    figures = Figures(shrinking=False)
    with private_cache(), built_quickly(), bugs_of(file)[name]():
        chosen = settings(seed)[:4]
        for number, first in enumerate(range(seed, seed + count, BATCH)):
            seeds = range(first, first + BATCH)
            batch(seeds, chosen[number % len(chosen)], figures)
            if not figures.findings:
                judge_gradients([s + k * OTHERS for s in seeds for k in (1, 2)], figures)
            spent = time.monotonic() - start
            if figures.findings:
                found = figures.findings[0]
                return Trial(name, figures.programs, spent, found.kind, found.message)
            if spent > seconds:
                break
    return Trial(name, figures.programs, time.monotonic() - start, "missed")


def campaign(
    file: str, count: int, names: Sequence[str] = (), jobs: int = 2, seconds: float = 1e9
) -> list[Trial]:
    """Try the bugs of a file, each in a process of its own; prints what became of each."""
    chosen = list(names or bugs_of(file))
    done = []
    for k in range(0, len(chosen), jobs):
        for trial in _at_once(file, chosen[k : k + jobs], count, seconds):
            print(trial, flush=True)
            done.append(trial)
    caught = sum(t.how != "missed" for t in done)
    print(f"{caught} of {len(done)} bugs caught ({100 * caught / max(len(done), 1):.0f}%)")
    return done


def _at_once(file: str, names: Sequence[str], count: int, seconds: float) -> list[Trial]:
    """One process for each of some bugs; a process that ends has found its bug."""
    start = time.monotonic()
    pools = [ProcessPoolExecutor(1, get_context("spawn")) for _ in names]
    tasks = [
        pool.submit(try_bug, file, name, count, 0, seconds)
        for pool, name in zip(pools, names, strict=True)
    ]
    trials = []
    for name, task, pool in zip(names, tasks, pools, strict=True):
        try:
            trials.append(task.result())
        except BrokenProcessPool:
            trials.append(Trial(name, 0, time.monotonic() - start, "crash"))
        pool.shutdown()
    return trials
