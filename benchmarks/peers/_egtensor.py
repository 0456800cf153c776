"""egtensor, shared by the peers with and without its rules: the text a user would write."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import egtensor as et
from benchmarks.workloads import (
    GELU_CUBIC,
    GELU_SCALE,
    LAYER_NORM_EPSILON,
    LEARNING_RATE,
    WORKLOADS,
    Array,
    Case,
)

et.config.cache_dir = os.environ["BENCHMARK_CACHE"] + "/egtensor"
COMPILES_ON_FIRST_CALL = False


def version() -> str:
    """Return the library and its version."""
    return f"egtensor {et.__version__}"


def _gelu(x: Any) -> list[Any]:
    return [0.5 * x * (1 + et.tanh(GELU_SCALE * (x + GELU_CUBIC * x**3)))]


def _layer_norm(x: Any, scale: Any, shift: Any) -> list[Any]:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return [centred / et.sqrt(variance + LAYER_NORM_EPSILON) * scale + shift]


def _descend(logits: Any, labels: Any, parameters: tuple[Any, ...]) -> list[Any]:
    likelihood = et.softmax(logits, axis=1)[et.arange(labels.shape[0]), labels]
    loss = -et.log(likelihood).mean()
    gradients = et.grad(loss, list(parameters))
    return [loss, *(p - LEARNING_RATE * g for p, g in zip(parameters, gradients, strict=True))]


def _mlp_step(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, labels: Any) -> list[Any]:
    return _descend(et.tanh(x @ w1 + b1) @ w2 + b2, labels, (w1, b1, w2, b2))


PROGRAMS: dict[str, Callable[..., list[Any]]] = {
    "warm_up": lambda a: [et.exp(a) - 3],
    "call_1": lambda a: [a * 2 + 1],
    "call_10": lambda *xs: [sum((i + 1) * x for i, x in enumerate(xs))],
    "ew_a1": lambda a: [a + 1],
    "ew_2a3b": lambda a, b: [2 * a + 3 * b],
    "ew_sq": lambda a, b: [a**2 + b**2 + 2 * a * b],
    "ew_b10": lambda a, b: [2 * a + b**10],
    "softplus": lambda x: [et.log(1 + et.exp(x))],
    "gelu": _gelu,
    "softmax": lambda x: [et.softmax(x, axis=1)],
    "layer_norm": _layer_norm,
    "logistic_step": lambda w, b, x, labels: _descend(x @ w + b, labels, (w, b)),
    "mlp_step": _mlp_step,
}


def compile_case(case: Case, inputs: Mapping[str, Array], **options: Any) -> tuple[Any, list[Any]]:
    """Compile the program of ``case`` for unknown sizes.

    returns the function of the inputs that are not state, and the shared variables of the state
    """
    state = WORKLOADS[case.workload].state
    shared = [et.shared(inputs[name], name=name) for name in state]
    symbols = [
        et.tensor(name, dtype=str(value.dtype), shape=(None,) * value.ndim)
        for name, value in inputs.items()
        if name not in state
    ]
    outputs = PROGRAMS[case.workload](*shared, *symbols)
    if not state:
        return et.function(symbols, outputs[0], **options), shared
    updates = list(zip(shared, outputs[1:], strict=True))
    return et.function(symbols, outputs[0], updates=updates, **options), shared


def build(case: Case, inputs: Mapping[str, Array], **options: Any) -> Callable[[], Any]:
    """Bind the compiled function to ``inputs``; the state of a step is in shared variables."""
    function, shared = compile_case(case, inputs, **options)
    values = [value for name, value in inputs.items() if name not in WORKLOADS[case.workload].state]
    if not shared:
        return partial(function, *values)
    return lambda: (function(*values), tuple(shared))


def to_numpy(result: Any) -> list[Array]:
    """Copy a result to NumPy, with the shared variables as they are now."""
    if isinstance(result, tuple):
        loss, state = result
        return [np.array(loss), *(variable.get_value() for variable in state)]
    return [np.array(result)]
