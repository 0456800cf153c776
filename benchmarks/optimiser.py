"""Time egtensor's optimiser alone, on expressions of about 35, 600 and 5000 nodes.

Usage: python -m benchmarks.optimiser REPEATS NAME...  prints one JSON object.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.processes import environment

RATE = 0.01
BUDGET = 60.0  # s; the C compiler takes most of it for the largest expression
ENOUGH = 2  # reports besides the first, however long they take


def measure_optimiser(names: Sequence[str], *, repeats: int, log: Path) -> Iterator[dict[str, Any]]:
    """Yield one row per expression, each measured in a new process."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="benchmark_") as folder, log.open("a") as stderr:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.optimiser", str(repeats), name],
                env=environment(Path(folder), 1),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                check=False,
            )
        lines = done.stdout.splitlines()
        result = json.loads(lines[-1]) if done.returncode == 0 else {"error": "failed; see the log"}
        yield {"case": name, **result}


def logistic(et: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Write the loss of logistic regression and its gradient, naively."""
    x, w, target = et.matrix("x"), et.vector("w"), et.vector("target")
    p = 1 / (1 + et.exp(-(x @ w)))
    loss = -(target * et.log(p) + (1 - target) * et.log(1 - p)).sum()
    return [x, w, target], [loss, et.grad(loss, w)], []


def perceptron(et: Any, *, layers: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Write a training step of ``layers`` layers with mixed activations and a naive softmax."""
    x, target = et.matrix("x"), et.matrix("target")
    activations = (et.tanh, lambda z: et.maximum(z, 0), lambda z: 1 / (1 + et.exp(-z)))
    parameters, hidden = [], x
    for layer in range(layers):
        w, b = et.matrix(f"w{layer}"), et.vector(f"b{layer}")
        parameters += [w, b]
        hidden = activations[layer % 3](hidden @ w + b)
    p = et.exp(hidden) / et.exp(hidden).sum(axis=1, keepdims=True)
    loss = -(target * et.log(p)).sum() + 1e-4 * (parameters[0] ** 2).sum()
    return [x, target], [loss, *_descend(et, loss, parameters)], parameters


def lstm(et: Any, *, steps: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Write a training step of an LSTM unrolled over ``steps`` time steps, sigmoids spelt out."""
    gates = [(et.matrix(f"w{g}"), et.matrix(f"U{g}"), et.vector(f"b{g}")) for g in range(4)]
    h, c = et.matrix("h"), et.matrix("c")
    data, loss = [h, c], 0
    for t in range(steps):
        x, target = et.matrix(f"x{t}"), et.matrix(f"target{t}")
        data += [x, target]
        keep, add, show, new = (x @ w + h @ U + b for w, U, b in gates)
        c = c / (1 + et.exp(-keep)) + et.tanh(new) / (1 + et.exp(-add))
        h = et.tanh(c) / (1 + et.exp(-show))
        loss = loss + ((h - target) ** 2).sum()
    parameters = [p for gate in gates for p in gate]
    return data, [loss, *_descend(et, loss, parameters)], parameters


def _descend(et: Any, loss: Any, parameters: list[Any]) -> list[Any]:
    gradients = et.grad(loss, parameters)
    return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]


EXPRESSIONS: dict[str, Callable[[Any], tuple[list[Any], list[Any], list[Any]]]] = {
    "logistic regression and gradient": logistic,
    "perceptron of 30 layers, training": lambda et: perceptron(et, layers=30),
    "LSTM of 50 steps, training": lambda et: lstm(et, steps=50),
}


def _measure(name: str, repeats: int) -> dict[str, Any]:
    import egtensor as et

    reports, start = [], time.perf_counter()
    for repeat in range(repeats + 1):  # the first also pays for what is loaded lazily
        if len(reports) > ENOUGH and time.perf_counter() - start > BUDGET:
            break
        et.config.cache_dir = f"{os.environ['BENCHMARK_CACHE']}/{repeat}"
        data, outputs, parameters = EXPRESSIONS[name](et)
        reports.append(et.function(data + parameters, outputs).report)
    stages = {stage: [report.seconds[stage] for report in reports] for stage in reports[0].seconds}
    return {"nodes": reports[0].nodes, "stages": stages}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[2], int(sys.argv[1]))))
