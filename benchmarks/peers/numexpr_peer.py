"""numexpr: the elementwise workloads, and softmax with its reductions in NumPy."""

from collections.abc import Callable, Mapping

import numexpr
import numpy as np

from benchmarks.workloads import GELU_CUBIC, GELU_SCALE, Array, Case

COMPILES_ON_FIRST_CALL = True
EXPRESSIONS = {
    "warm_up": "exp(a) - 3",
    "call_1": "a * 2 + 1",
    "call_10": " + ".join(f"{i + 1} * x{i}" for i in range(10)),
    "ew_a1": "a + 1",
    "ew_2a3b": "2 * a + 3 * b",
    "ew_sq": "a**2 + b**2 + 2 * a * b",
    "ew_b10": "2 * a + b**10",
    "softplus": "where(x > 0, x, 0) + log1p(exp(-abs(x)))",
    "gelu": "half * x * (1 + tanh(scale * (x + cubic * x**3)))",
}


def version() -> str:
    """Return the library and its version."""
    return f"numexpr {numexpr.__version__}"


def build(case: Case, inputs: Mapping[str, Array]) -> Callable[[], list[Array]]:
    """Bind the expression of ``case``; constants take its dtype, for numexpr widens to float64."""
    if case.workload == "softmax":
        return lambda: [_softmax(inputs["x"])]
    if case.workload not in EXPRESSIONS:
        raise NotImplementedError(case.workload)
    text = EXPRESSIONS[case.workload]
    values = dict(inputs)
    if case.workload == "gelu":
        constants = {"half": 0.5, "scale": GELU_SCALE, "cubic": GELU_CUBIC}
        values |= {name: np.asarray(value, case.dtype) for name, value in constants.items()}
    return lambda: [numexpr.evaluate(text, local_dict=values, global_dict={})]


def _softmax(x: Array) -> Array:
    greatest = x.max(axis=1, keepdims=True)
    exponentials = numexpr.evaluate("exp(x - m)", local_dict={"x": x, "m": greatest})
    total = exponentials.sum(axis=1, keepdims=True)
    result: Array = numexpr.evaluate("e / s", local_dict={"e": exponentials, "s": total})
    return result


def to_numpy(result: list[Array]) -> list[Array]:
    """Copy a result to NumPy."""
    return [np.array(value) for value in result]
