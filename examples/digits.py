"""Learn to read handwritten digits: softmax regression, and a network with one hidden layer.

The data are the 1,797 images of 8 by 8 pixels that scikit-learn ships (test set of the UCI "Optical
Recognition of Handwritten Digits").  Both models are trained twice on the same batches: by a
compiled function whose gradients egtensor derived, and by NumPy with gradients derived by hand.

    python examples/digits.py
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

import egtensor as et

OUT = Path(__file__).parent / "out"
CLASSES = 10


@dataclass(frozen=True)
class Recipe:
    """What is trained and how; the median test accuracy over the seeds must reach ``wanted``."""

    name: str
    sizes: tuple[int, ...]
    rate: float
    batch: int
    epochs: int
    wanted: float


RECIPES = (
    Recipe("softmax regression", (64, CLASSES), rate=0.5, batch=20, epochs=40, wanted=0.95),
    Recipe("network 64-128-10", (64, 128, CLASSES), rate=0.5, batch=10, epochs=40, wanted=0.97),
)


@dataclass(frozen=True)
class Learner:
    """A model with weights of its own.

    step     images, labels -> loss; changes the weights
    predict  images -> labels
    explain  () -> how the step was optimised
    """

    step: Callable
    predict: Callable
    explain: Callable = str


@dataclass
class Curves:
    """Mean training loss and test accuracy after each epoch, and the seconds spent in steps."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    seconds: float = 0.0


def initial_weights(sizes, seed):
    """One pair (matrix, bias) per layer: normal with variance 1 / inputs, and zeros."""
    rng = np.random.default_rng(seed)
    for n, m in pairwise(sizes):
        yield rng.normal(scale=n**-0.5, size=(n, m)).astype(np.float32), np.zeros(m, np.float32)


def compiled(weights, rate) -> Learner:
    """The model as egtensor sees it: the loss is written down, the rest is derived."""
    x, y = et.fmatrix("x"), et.ivector("y")
    layers = [
        (et.shared(W, name=f"W{i}"), et.shared(b, name=f"b{i}")) for i, (W, b) in enumerate(weights)
    ]
    *hidden, (W, b) = layers
    h = x
    for V, c in hidden:
        h = et.tanh(h @ V + c)
    p = et.softmax(h @ W + b, axis=1)
    loss = -et.log(p)[et.arange(y.shape[0]), y].mean()

    parameters = [parameter for layer in layers for parameter in layer]
    gradients = et.grad(loss, parameters)
    updates = [(w, w - rate * g) for w, g in zip(parameters, gradients, strict=True)]
    step = et.function([x, y], loss, updates=updates)
    return Learner(step, et.function([x], et.argmax(p, axis=1)), step.explain)


def by_hand(weights, rate) -> Learner:
    """The same model in NumPy; the gradients are derived on paper."""
    *hidden, (W, b) = [(W.copy(), b.copy()) for W, b in weights]

    def forward(x):
        values = [x]
        for V, c in hidden:
            values.append(np.tanh(values[-1] @ V + c))
        z = values[-1] @ W + b
        return values, z - z.max(axis=1, keepdims=True)

    def step(x, y):
        values, z = forward(x)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        here = np.arange(len(y)), y
        loss = (np.log(total[:, 0]) - z[here]).mean()
        g = e / total
        g[here] -= 1
        g /= np.float32(len(y))
        for (V, c), h in zip([(W, b), *reversed(hidden)], reversed(values), strict=True):
            dV, dc = h.T @ g, g.sum(axis=0)
            if h is not x:
                g = (g @ V.T) * (1 - h * h)
            V -= np.float32(rate) * dV
            c -= np.float32(rate) * dc
        return loss

    return Learner(step, lambda x: forward(x)[1].argmax(axis=1))


def load(seed):
    """Training images and labels, then those of the test: a fifth, every digit in proportion."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        (images / 16).astype(np.float32),
        labels.astype(np.int32),
        test_size=0.2,
        stratify=labels,
        random_state=seed,
    )
    return x, y, x_test, y_test


def batches(n, size, rng) -> Iterator[np.ndarray]:
    """Places of ``size`` examples at a time, in random order; the last batch may be smaller."""
    order = rng.permutation(n)
    return (order[i : i + size] for i in range(0, n, size))


def run_epoch(learner, data, places, curves):
    """One pass over the training images."""
    x, y, x_test, y_test = data
    chunks = [(x[i], y[i]) for i in places]
    start = perf_counter()
    losses = [float(learner.step(*chunk)) for chunk in chunks]
    curves.seconds += perf_counter() - start
    curves.loss.append(float(np.mean(losses)))
    curves.accuracy.append(float(np.mean(np.asarray(learner.predict(x_test)) == y_test)))


def train(recipe, seeds, epochs):
    """Train every seed with both learners, epoch by epoch, and tell of the progress.

    returns  (curves per seed, NumPy's curves per seed, explanation of the compiled step)
    """
    from threadpoolctl import threadpool_limits

    data = [load(seed) for seed in seeds]
    rngs = [np.random.default_rng(seed) for seed in seeds]
    start = perf_counter()
    ours = [compiled(list(initial_weights(recipe.sizes, s)), recipe.rate) for s in seeds]
    print(f"\n{recipe.name}: {len(seeds)} seeds, compiled in {perf_counter() - start:.2f} s")
    numpys = [by_hand(list(initial_weights(recipe.sizes, s)), recipe.rate) for s in seeds]
    curves, numpy_curves = [Curves() for _ in seeds], [Curves() for _ in seeds]
    # matrices this small are multiplied faster by one thread, and NumPy would take all
    with threadpool_limits(1):
        for epoch in range(1, epochs + 1):
            for k, rng in enumerate(rngs):
                places = list(batches(len(data[k][0]), recipe.batch, rng))
                run_epoch(ours[k], data[k], places, curves[k])
                run_epoch(numpys[k], data[k], places, numpy_curves[k])
            show_progress(epoch, epochs, curves)
    return curves, numpy_curves, ours[0].explain()


def show_progress(epoch, epochs, curves):
    bar = "#" * (20 * epoch // epochs)
    loss = " ".join(f"{c.loss[-1]:.4f}" for c in curves)
    accuracy = " ".join(f"{c.accuracy[-1]:.4f}" for c in curves)
    print(f"  {epoch:>3}/{epochs} [{bar:<20}] loss {loss}   test {accuracy}", flush=True)


def summarise(recipe, curves, numpy_curves):
    """Print what was reached and how long it took; the median test accuracy over the seeds."""
    reached = median(c.accuracy[-1] for c in curves)
    seconds = sum(c.seconds for c in curves)
    numpy_seconds = sum(c.seconds for c in numpy_curves)
    difference = max(
        abs(a - b)
        for ours, numpys in zip(curves, numpy_curves, strict=True)
        for a, b in zip(ours.loss, numpys.loss, strict=True)
    )
    print(f"  median test accuracy {reached:.4f} (NumPy {median_of(numpy_curves):.4f})")
    print(
        f"  training took {seconds:.3f} s; the same loop in NumPy {numpy_seconds:.3f} s,"
        f" {numpy_seconds / seconds:.2f} times as long"
    )
    print(f"  losses differ from NumPy's by at most {difference:.1e}")
    return reached


def median_of(curves) -> float:
    return median(c.accuracy[-1] for c in curves)


def plot(results, path):
    """Save the curves of all seeds, one row per model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(results), 2, figsize=(9, 3 * len(results)), squeeze=False)
    for (left, right), (recipe, curves) in zip(axes, results, strict=True):
        for c in curves:
            left.plot(range(1, len(c.loss) + 1), c.loss)
            right.plot(range(1, len(c.accuracy) + 1), c.accuracy)
        right.axhline(recipe.wanted, color="grey", linestyle=":")
        left.set(title=recipe.name, ylabel="training loss", yscale="log", xlabel="epoch")
        right.set(title=recipe.name, ylabel="test accuracy", ylim=(0.85, 1.0), xlabel="epoch")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


def main(argv=None) -> int:
    """Train both models; 1 when one of them missed its accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, help="fewer epochs than the recipes say")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the plot")
    options = parser.parse_args(argv)

    results, missed = [], []
    for recipe in RECIPES:
        curves, numpy_curves, explanation = train(
            recipe, options.seeds, options.epochs or recipe.epochs
        )
        if summarise(recipe, curves, numpy_curves) < recipe.wanted:
            missed.append(f"{recipe.name} (wanted {recipe.wanted})")
        print("  how the training step was optimised:")
        print("    " + str(explanation).replace("\n", "\n    "))
        results.append((recipe, curves))
    plot(results, options.out / "digits.png")
    print(f"\ncurves: {options.out / 'digits.png'}")
    print(f"below the wanted accuracy: {', '.join(missed)}" if missed else "both models passed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
