"""PyTensor, shared by the peers of its two back ends (the mode is set by their modules)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks.workloads import (
    GELU_CUBIC,
    GELU_SCALE,
    LAYER_NORM_EPSILON,
    LEARNING_RATE,
    WORKLOADS,
    Array,
    Case,
)

COMPILES_ON_FIRST_CALL = False


def version() -> str:
    """Return the library and its version."""
    return f"pytensor {pytensor.__version__}"


def _layer_norm(x, scale, shift):
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return [centred / pt.sqrt(variance + LAYER_NORM_EPSILON) * scale + shift]


def _descend(logits, labels, parameters):
    rows = pt.arange(logits.shape[0])
    loss = -pt.special.log_softmax(logits, axis=1)[rows, labels].mean()
    rate = np.asarray(LEARNING_RATE, logits.dtype)
    gradients = pt.grad(loss, list(parameters))
    return [loss, *(p - rate * g for p, g in zip(parameters, gradients, strict=True))]


def _mlp_step(w1, b1, w2, b2, x, labels):
    logits = pt.tanh(x @ w1 + b1) @ w2 + b2
    return _descend(logits, labels, (w1, b1, w2, b2))


PROGRAMS: dict[str, Callable[..., list[Any]]] = {
    "warm_up": lambda a: [pt.exp(a) - 3],
    "call_1": lambda a: [a * 2 + 1],
    "call_10": lambda *xs: [sum((i + 1) * x for i, x in enumerate(xs))],
    "ew_a1": lambda a: [a + 1],
    "ew_2a3b": lambda a, b: [2 * a + 3 * b],
    "ew_sq": lambda a, b: [a**2 + b**2 + 2 * a * b],
    "ew_b10": lambda a, b: [2 * a + b**10],
    "softplus": lambda x: [pt.softplus(x)],
    "gelu": lambda x: [0.5 * x * (1 + pt.tanh(GELU_SCALE * (x + GELU_CUBIC * x**3)))],
    "softmax": lambda x: [pt.special.softmax(x, axis=1)],
    "layer_norm": _layer_norm,
    "logistic_step": lambda w, b, x, labels: _descend(x @ w + b, labels, (w, b)),
    "mlp_step": _mlp_step,
}


def build(case: Case, inputs: Mapping[str, Array], *, mode: Any) -> Callable[[], Any]:
    """Compile for unknown sizes; the state of a step is in shared variables."""
    state = WORKLOADS[case.workload].state
    with pytensor.config.change_flags(floatX=case.dtype):
        shared = {name: pytensor.shared(inputs[name].copy(), name=name) for name in state}
        symbols = {
            name: pt.tensor(name, dtype=str(value.dtype), shape=(None,) * value.ndim)
            for name, value in inputs.items()
            if name not in state
        }
        outputs = PROGRAMS[case.workload](*shared.values(), *symbols.values())
        results, updates = (outputs[0], outputs[1:]) if state else (outputs, [])
        pairs = list(zip(shared.values(), updates, strict=True))
        function = pytensor.function(list(symbols.values()), results, updates=pairs, mode=mode)
    function.trust_input = True
    values = [inputs[name] for name in symbols]
    if not state:
        return partial(function, *values)
    return lambda: (function(*values), tuple(shared.values()))


def to_numpy(result: Any) -> list[Array]:
    """Copy a result to NumPy, with the shared variables as they are now."""
    if isinstance(result, tuple):
        loss, state = result
        return [np.array(loss), *(variable.get_value() for variable in state)]
    return [np.array(value) for value in result]
