"""PyTorch, shared by the peers that run it eagerly and through torch.compile."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.workloads import LAYER_NORM_EPSILON, LEARNING_RATE, WORKLOADS, Array, Case


def version() -> str:
    """Return the library and its version."""
    return f"torch {torch.__version__}"


def _logistic_loss(parameters, x, labels):
    w, b = parameters
    return functional.cross_entropy(x @ w + b, labels)


def _mlp_loss(parameters, x, labels):
    w1, b1, w2, b2 = parameters
    return functional.cross_entropy(torch.tanh(x @ w1 + b1) @ w2 + b2, labels)


def _value_and_gradients(loss_of, parameters, x, labels):
    """Differentiate by the tape when run eagerly, by torch.func inside a compiled graph."""
    if torch.compiler.is_compiling():
        gradients, loss = torch.func.grad_and_value(loss_of)(parameters, x, labels)
        return loss, gradients
    tracked = [p.detach().requires_grad_() for p in parameters]
    loss = loss_of(tracked, x, labels)
    return loss.detach(), torch.autograd.grad(loss, tracked)


def _descent(loss_of):
    def step(*arguments):
        *parameters, x, labels = arguments
        loss, gradients = _value_and_gradients(loss_of, tuple(parameters), x, labels)
        return [loss, *(p - LEARNING_RATE * g for p, g in zip(parameters, gradients, strict=True))]

    return step


PROGRAMS: dict[str, Callable[..., list[Any]]] = {
    "warm_up": lambda a: [torch.exp(a) - 3],
    "call_1": lambda a: [a * 2 + 1],
    "call_10": lambda *xs: [sum((i + 1) * x for i, x in enumerate(xs))],
    "ew_a1": lambda a: [a + 1],
    "ew_2a3b": lambda a, b: [2 * a + 3 * b],
    "ew_sq": lambda a, b: [a**2 + b**2 + 2 * a * b],
    "ew_b10": lambda a, b: [2 * a + b**10],
    "softplus": lambda x: [functional.softplus(x)],
    "gelu": lambda x: [functional.gelu(x, approximate="tanh")],
    "softmax": lambda x: [torch.softmax(x, 1)],
    "layer_norm": lambda x, scale, shift: [
        functional.layer_norm(x, x.shape[1:], scale, shift, LAYER_NORM_EPSILON)
    ],
    "logistic_step": _descent(_logistic_loss),
    "mlp_step": _descent(_mlp_loss),
}


def build(
    case: Case,
    inputs: Mapping[str, Array],
    *,
    prepare: Callable[[Any], Any] = lambda program: program,
) -> Callable[[], Any]:
    """Bind the program, passed through ``prepare``, to ``inputs``; a step keeps its state."""
    program = prepare(PROGRAMS[case.workload])
    count = len(WORKLOADS[case.workload].state)
    values = tuple(torch.from_numpy(np.array(value)) for value in inputs.values())
    if not count:
        return lambda: program(*values)
    state, data = values[:count], values[count:]

    def step() -> Any:
        nonlocal state
        result = program(*state, *data)
        state = tuple(result[1:])
        return result

    return step


def to_numpy(result: Any) -> list[Array]:
    """Copy a result to NumPy."""
    return [value.detach().numpy().copy() for value in result]
