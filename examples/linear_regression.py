"""Fit a line, one example at a time: stochastic gradient descent as in the Theano tutorial.

200 epochs over 100 points, with scalar inputs and shared scalars; then the same fit with one vector
of all points per step.  The points lie around y = 2 x.
"""

import numpy as np

import egtensor as et

EPOCHS = 200
POINTS = 100
SLOPE = 2.0


def points():
    """100 places between -1 and 1, and values around a line of slope 2."""
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, POINTS)
    return x, SLOPE * x + rng.normal(scale=0.33, size=POINTS)


def fit(x, y, epochs, feed, rate):
    """Fit ``w x + b`` by gradient descent.

    x, y   symbols: scalars, or vectors of one length
    feed   the arguments of the steps of one epoch
    returns slope and intercept
    """
    w, b = et.shared(0.0, name="w"), et.shared(0.0, name="b")
    cost = et.mean((w * x + b - y) ** 2)
    gw, gb = et.grad(cost, [w, b])
    step = et.function([x, y], cost, updates=[(w, w - rate * gw), (b, b - rate * gb)])
    for _ in range(epochs):
        for arguments in feed:
            step(*arguments)
    return float(w.get_value()), float(b.get_value())


def main(epochs=EPOCHS):
    """Both fits; their slopes."""
    xs, ys = points()
    one_by_one = list(zip(xs, ys, strict=True))
    slope, intercept = fit(et.scalar("x"), et.scalar("y"), epochs, one_by_one, rate=0.01)
    print(f"one point per step:   y = {slope:.4f} x {intercept:+.4f}")
    together, offset = fit(et.vector("x"), et.vector("y"), epochs, [(xs, ys)], rate=0.1)
    print(f"all points per step:  y = {together:.4f} x {offset:+.4f}")
    return slope, together


if __name__ == "__main__":
    main()
