"""Measuring the cost table of this machine: seconds per unit of work, for the C target.

Each figure is the median of many short runs on one thread, as a difference or a slope where a call has
a cost of its own.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import egtensor as et
from egtensor.config import config
from egtensor.function import function
from egtensor.rules import none

RUNS = 200


def measure() -> dict[str, float]:
    """The table: addition, byte, product, step, call."""
    with config.set(threads=1, cache=False):
        return {
            "addition": _addition(),
            "byte": _byte(),
            "product": _product(),
            "step": _step(),
            "call": _call(),
        }


def _seconds(call: Callable[[], Any], runs: int = RUNS) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _compiled(inputs: list[Any], outputs: Any) -> Any:
    return function(inputs, outputs, rules=none())


def _addition() -> float:
    """Per element of a chain of additions on data in the first-level cache."""
    x, y = et.fvector("x"), et.fvector("y")
    n, short, long = 4096, 8, 72
    data = np.ones(n, np.float32)

    def chain(length: int) -> Any:
        total = x
        for k in range(length):
            total = total + y if k % 2 else total * y
        return _compiled([x, y], total)

    brief, deep = chain(short), chain(long)
    slope = _seconds(lambda: deep(data, data)) - _seconds(lambda: brief(data, data))
    return max(slope, 1e-9) / (long - short) / n


def _byte() -> float:
    """Per byte read or written by a loop over data beyond the second-level cache."""
    x = et.fvector("x")
    data = np.ones(1 << 22, np.float32)
    fn = _compiled([x], x + 1)
    return _seconds(lambda: fn(data), 30) / (2 * data.nbytes)


def _product() -> float:
    """Per multiply-add of a large matrix product."""
    x = et.fmatrix("x")
    data = np.ones((512, 512), np.float32)
    fn = _compiled([x], x @ x)
    return _seconds(lambda: fn(data), 30) / 512**3


def _step() -> float:
    """What one more small reduction costs."""
    x = et.fmatrix("x")
    data = np.ones((4, 4), np.float32)
    one = _compiled([x], [x.sum(axis=0)])
    many = _compiled([x], [(x * k).sum(axis=k % 2) for k in range(2, 18)])
    return max(_seconds(lambda: many(data)) - _seconds(lambda: one(data)), 1e-8) / 15


def _call() -> float:
    """What one more small matrix product costs."""
    x = et.fmatrix("x")
    data = np.ones((8, 8), np.float32)
    one = _compiled([x], x @ x)
    chain = x
    for _ in range(16):
        chain = chain @ x
    many = _compiled([x], chain)
    return max(_seconds(lambda: many(data)) - _seconds(lambda: one(data)), 1e-8) / 15


def main(path: str) -> int:
    """Measure, print, and write the table to ``path``; 0."""
    table = {name: float(f"{value:.2g}") for name, value in measure().items()}
    text = {
        "comment": "seconds per unit of work on one core; python -m egtensor calibrate",
        **table,
    }
    Path(path).write_text(json.dumps(text, indent=2) + "\n")
    print("\n".join(f"{name:<10} {value:.2g} s" for name, value in table.items()))
    return 0
