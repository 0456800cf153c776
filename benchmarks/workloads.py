"""What is measured: inputs, plain NumPy reference, and nominal operation and byte counts.

The elementwise group is that of Theano's first paper (Bergstra et al., SciPy 2010, figure 4);
logistic regression and the 784-500-10 perceptron are those of its figures 1 and 2.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
Sizes = Mapping[str, int]

TRANSCENDENTAL = 16  # nominal operations of one call of exp, log or tanh
LEARNING_RATE = 0.01
GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715
LAYER_NORM_EPSILON = 1e-5
TOLERANCE = {
    "float64": 1e-9,
    "float32": 2e-4,
}  # largest error over largest entry; float32 products of 784 terms


@dataclass(frozen=True)
class Workload:
    """One program, written once per peer, and how to judge its results and its time.

    make         sizes, generator -> inputs in the order of the arguments
    reference    inputs -> outputs, as a user first writes it in NumPy; a step: loss, then new state
    operations   of the best known algorithm, a fused multiply-add counting two
    traffic      elements that must be read or written at least once
    state        inputs that a training step updates; they come first
    live         elements of the largest set of intermediates that must exist together
    """

    name: str
    make: Callable[[Sizes, np.random.Generator], dict[str, Array]]
    reference: Callable[..., list[Array]]
    operations: Callable[[Sizes], float]
    traffic: Callable[[Sizes], float]
    state: tuple[str, ...] = ()
    live: Callable[[Sizes], float] = field(default=lambda sizes: 0)


@dataclass(frozen=True)
class Case:
    """A workload at one size and one dtype."""

    workload: str
    dtype: str
    sizes: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """Return the printed name, e.g. ``softmax[m=1024, n=1024, float32]``."""
        sizes = [f"{key}={value}" for key, value in self.sizes]
        return f"{self.workload}[{', '.join([*sizes, self.dtype])}]"

    @property
    def itemsize(self) -> int:
        """Return the bytes of one element."""
        return np.dtype(self.dtype).itemsize


def case(workload: str, dtype: str, **sizes: int) -> Case:
    """Name ``workload`` at ``sizes`` in ``dtype``."""
    return Case(workload, dtype, tuple(sizes.items()))


def inputs_of(case: Case) -> dict[str, Array]:
    """Draw the inputs of ``case``, the same in every process; floats are rounded to its dtype."""
    generator = np.random.default_rng([0, *case.workload.encode()])
    drawn = WORKLOADS[case.workload].make(dict(case.sizes), generator)
    return {
        name: np.ascontiguousarray(value.astype(case.dtype) if value.dtype.kind == "f" else value)
        for name, value in drawn.items()
    }


def expected_of(case: Case) -> list[Array]:
    """Evaluate the reference in float64 on the inputs of ``case``."""
    widened = [v.astype(np.float64) if v.dtype.kind == "f" else v for v in inputs_of(case).values()]
    return [np.asarray(value) for value in WORKLOADS[case.workload].reference(*widened)]


def softmax(x: Array) -> Array:
    """Normalise the exponentials of each row."""
    exponentials = np.exp(x - x.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def layer_norm(x: Array, scale: Array, shift: Array) -> Array:
    """Centre and scale each row to unit variance."""
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + LAYER_NORM_EPSILON) * scale + shift


def gelu(x: Array) -> Array:
    """Gate ``x`` by a tanh close to the normal distribution (Hendrycks and Gimpel 2016)."""
    return 0.5 * x * (1 + np.tanh(GELU_SCALE * (x + GELU_CUBIC * x**3)))


def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the mean negative log likelihood and its gradient with respect to ``logits``."""
    rows = np.arange(logits.shape[0])
    gradient = softmax(logits)
    loss = -np.log(gradient[rows, labels]).mean()
    gradient[rows, labels] -= 1
    gradient /= logits.shape[0]
    return loss, gradient


def logistic_step(w: Array, b: Array, x: Array, labels: Array) -> list[Array]:
    """Take one step of gradient descent on multinomial logistic regression."""
    loss, g = cross_entropy(x @ w + b, labels)
    return [loss, w - LEARNING_RATE * (x.T @ g), b - LEARNING_RATE * g.sum(axis=0)]


def mlp_step(w1: Array, b1: Array, w2: Array, b2: Array, x: Array, labels: Array) -> list[Array]:
    """Take one step of gradient descent on a perceptron with one hidden layer of tanh."""
    hidden = np.tanh(x @ w1 + b1)
    loss, g2 = cross_entropy(hidden @ w2 + b2, labels)
    g1 = (g2 @ w2.T) * (1 - hidden * hidden)
    gradients = [x.T @ g1, g1.sum(axis=0), hidden.T @ g2, g2.sum(axis=0)]
    updated = [p - LEARNING_RATE * g for p, g in zip((w1, b1, w2, b2), gradients, strict=True)]
    return [loss, *updated]


def weighted_sum(*xs: Array) -> list[Array]:
    """Sum the arguments, the i-th weighted by i."""
    total = xs[0]
    for weight, x in enumerate(xs[1:], start=2):
        total = total + weight * x
    return [total]


def _one_vector(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    return {"a": generator.uniform(0.5, 1.5, sizes["n"])}


def _two_vectors(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    return {name: generator.uniform(0.5, 1.5, sizes["n"]) for name in "ab"}


def _ten_vectors(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    return {f"x{i}": generator.normal(0, 1, sizes["n"]) for i in range(10)}


def _one_matrix(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    return {"x": generator.normal(0, 2, (sizes["m"], sizes["n"]))}


def _layer_norm_inputs(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    m, n = sizes["m"], sizes["n"]
    x = generator.normal(1, 2, (m, n))
    return {"x": x, "scale": generator.normal(1, 0.1, n), "shift": generator.normal(0, 0.1, n)}


def _logistic_inputs(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    batch = sizes["batch"]
    return {
        "w": generator.normal(0, 0.01, (784, 10)),
        "b": np.zeros(10),
        "x": generator.uniform(0, 1, (batch, 784)),
        "labels": generator.integers(0, 10, batch),
    }


def _mlp_inputs(sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    batch = sizes["batch"]
    return {
        "w1": generator.normal(0, 0.04, (784, 500)),
        "b1": np.zeros(500),
        "w2": generator.normal(0, 0.05, (500, 10)),
        "b2": np.zeros(10),
        "x": generator.uniform(0, 1, (batch, 784)),
        "labels": generator.integers(0, 10, batch),
    }


def _of_n(count: float) -> Callable[[Sizes], float]:
    return lambda sizes: count * sizes["n"]


def _of_matrix(count: float) -> Callable[[Sizes], float]:
    return lambda sizes: count * sizes["m"] * sizes["n"]


def _logistic_traffic(sizes: Sizes) -> float:
    return (
        sizes["batch"] * 784 + 3 * 7840
    )  # x is read once; w is read for the product, then updated


def _mlp_operations(sizes: Sizes) -> float:
    return sizes["batch"] * (4 * 784 * 500 + 6 * 5000) + 2 * 397510


def _mlp_traffic(sizes: Sizes) -> float:
    return sizes["batch"] * 784 + 3 * 397510


def _mlp_live(sizes: Sizes) -> float:
    return sizes["batch"] * (2 * 500 + 10)  # the hidden layer, its gradient, the logits


_ALL = [
    Workload("warm_up", _one_vector, lambda a: [np.exp(a) - 3], _of_n(TRANSCENDENTAL), _of_n(2)),
    Workload("call_1", _one_vector, lambda a: [a * 2 + 1], _of_n(2), _of_n(2)),
    Workload("call_10", _ten_vectors, weighted_sum, _of_n(20), _of_n(11)),
    Workload("ew_a1", _one_vector, lambda a: [a + 1], _of_n(1), _of_n(2)),
    Workload("ew_2a3b", _two_vectors, lambda a, b: [2 * a + 3 * b], _of_n(3), _of_n(3)),
    Workload("ew_sq", _two_vectors, lambda a, b: [a**2 + b**2 + 2 * a * b], _of_n(2), _of_n(3)),
    Workload("ew_b10", _two_vectors, lambda a, b: [2 * a + b**10], _of_n(6), _of_n(3)),
    Workload(
        "softplus",
        _one_matrix,
        lambda x: [np.logaddexp(0, x)],
        _of_matrix(2 * TRANSCENDENTAL + 3),
        _of_matrix(2),
    ),
    Workload(
        "gelu", _one_matrix, lambda x: [gelu(x)], _of_matrix(TRANSCENDENTAL + 8), _of_matrix(2)
    ),
    Workload(
        "softmax",
        _one_matrix,
        lambda x: [softmax(x)],
        _of_matrix(TRANSCENDENTAL + 4),
        _of_matrix(2),
    ),
    Workload(
        "layer_norm",
        _layer_norm_inputs,
        lambda x, scale, shift: [layer_norm(x, scale, shift)],
        _of_matrix(9),
        _of_matrix(2),
    ),
    Workload(
        "logistic_step",
        _logistic_inputs,
        logistic_step,
        lambda sizes: 4 * sizes["batch"] * 7840,
        _logistic_traffic,
        state=("w", "b"),
        live=lambda sizes: sizes["batch"] * 10,
    ),
    Workload(
        "mlp_step",
        _mlp_inputs,
        mlp_step,
        _mlp_operations,
        _mlp_traffic,
        state=("w1", "b1", "w2", "b2"),
        live=_mlp_live,
    ),
]
WORKLOADS = {workload.name: workload for workload in _ALL}

WARM_UP = case("warm_up", "float64", n=10)
CALL_CASES = (case("call_1", "float64", n=10), case("call_10", "float64", n=10))
RUN_CASES = (
    *(
        case(name, dtype, n=n)
        for name in ("ew_a1", "ew_2a3b", "ew_sq", "ew_b10")
        for dtype in ("float64", "float32")
        for n in (10**5, 10**6)
    ),
    *(
        case(name, "float32", m=1024, n=1024)
        for name in ("softplus", "gelu", "softmax", "layer_norm")
    ),
    *(case("logistic_step", dtype, batch=b) for dtype in ("float64", "float32") for b in (60, 600)),
    *(case("mlp_step", dtype, batch=60) for dtype in ("float64", "float32")),
)
COMPILE_CASES = (
    case("call_1", "float64", n=10),
    case("logistic_step", "float32", batch=60),
    case("mlp_step", "float32", batch=60),
)
MEMORY_CASES = (
    case("ew_sq", "float64", n=10**7),
    *(case(name, "float32", m=4096, n=4096) for name in ("gelu", "softmax", "layer_norm")),
    case("mlp_step", "float32", batch=6000),
)
SHORT_CASES = (
    case("call_1", "float64", n=10),
    case("ew_sq", "float32", n=10**5),
    case("softmax", "float32", m=128, n=256),
    case("logistic_step", "float32", batch=60),
)
