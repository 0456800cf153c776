"""JAX on the CPU, with 64-bit types.

Dispatch is inline: by default calls above a small size go to another thread, which costs 15 us.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax import lax, nn

from benchmarks.workloads import LAYER_NORM_EPSILON, LEARNING_RATE, WORKLOADS, Array, Case

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_enable_async_dispatch", False)
jax.config.update("jax_compilation_cache_dir", os.environ["BENCHMARK_CACHE"] + "/jax")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

COMPILES_ON_FIRST_CALL = True


def version() -> str:
    """Return the library and its version."""
    return f"jax {jax.__version__}, jaxlib {jaxlib.__version__}"


def _layer_norm(x, scale, shift):
    centred = x - x.mean(axis=1, keepdims=True)
    return [centred * lax.rsqrt(x.var(axis=1, keepdims=True) + LAYER_NORM_EPSILON) * scale + shift]


def _logistic_logits(parameters, x):
    w, b = parameters
    return x @ w + b


def _mlp_logits(parameters, x):
    w1, b1, w2, b2 = parameters
    return jnp.tanh(x @ w1 + b1) @ w2 + b2


def _descent(logits_of):
    def loss_of(parameters, x, labels):
        logits = logits_of(parameters, x)
        return -nn.log_softmax(logits, axis=1)[jnp.arange(x.shape[0]), labels].mean()

    def step(*arguments):
        *parameters, x, labels = arguments
        loss, gradients = jax.value_and_grad(loss_of)(tuple(parameters), x, labels)
        return [loss, *(p - LEARNING_RATE * g for p, g in zip(parameters, gradients, strict=True))]

    return step


PROGRAMS: dict[str, Callable[..., list[Any]]] = {
    "warm_up": lambda a: [jnp.exp(a) - 3],
    "call_1": lambda a: [a * 2 + 1],
    "call_10": lambda *xs: [sum((i + 1) * x for i, x in enumerate(xs))],
    "ew_a1": lambda a: [a + 1],
    "ew_2a3b": lambda a, b: [2 * a + 3 * b],
    "ew_sq": lambda a, b: [a**2 + b**2 + 2 * a * b],
    "ew_b10": lambda a, b: [2 * a + b**10],
    "softplus": lambda x: [nn.softplus(x)],
    "gelu": lambda x: [nn.gelu(x, approximate=True)],
    "softmax": lambda x: [nn.softmax(x, axis=1)],
    "layer_norm": _layer_norm,
    "logistic_step": _descent(_logistic_logits),
    "mlp_step": _descent(_mlp_logits),
}


def build(case: Case, inputs: Mapping[str, Array]) -> Callable[[], Any]:
    """Trace and jit; a step donates its state."""
    program = PROGRAMS[case.workload]
    count = len(WORKLOADS[case.workload].state)
    values = tuple(jnp.array(value) for value in inputs.values())
    compiled = jax.jit(program, donate_argnums=tuple(range(count)))
    if not count:
        return lambda: jax.block_until_ready(compiled(*values))
    state, data = values[:count], values[count:]

    def step() -> Any:
        nonlocal state
        result = jax.block_until_ready(compiled(*state, *data))
        state = tuple(result[1:])
        return result

    return step


def to_numpy(result: Any) -> list[Array]:
    """Copy a result to NumPy."""
    return [np.array(value) for value in result]
