"""The examples run and reach what they promise; short forms of them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_neuron_and_its_gradient_are_right():
    value, gradient = load("neuron").main()
    w, x, b = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 2.0]), 0.25
    assert value == pytest.approx(w @ x + b, rel=1e-15)
    np.testing.assert_allclose(gradient, (1 - np.tanh(w @ x + b) ** 2) * x, rtol=1e-9)


def test_the_line_that_is_fitted_has_the_true_slope():
    slopes = load("linear_regression").main()
    np.testing.assert_allclose(slopes, 2.0, atol=0.15)


def test_three_epochs_of_digits_learn_and_are_plotted(tmp_path, capsys):
    digits = load("digits")
    digits.main(["--epochs", "3", "--seeds", "0", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "3/3 [####################]" in printed
    assert (tmp_path / "digits.png").stat().st_size > 1000


@pytest.mark.parametrize("place", [0, 1], ids=["softmax", "network"])
def test_training_follows_the_gradients_derived_by_hand(place):
    digits = load("digits")
    recipe = digits.RECIPES[place]
    curves, numpy_curves, _ = digits.train(recipe, seeds=[0], epochs=5)
    # float32 rounding of some 300 steps, amplified by the training itself
    np.testing.assert_allclose(curves[0].loss, numpy_curves[0].loss, rtol=1e-3)
    assert curves[0].accuracy[-1] > 0.9
