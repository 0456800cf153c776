"""One neuron: a weighted sum of the inputs, plus a bias.  The smallest useful function."""

import numpy as np

import egtensor as et


def main():
    """Compile the neuron, call it, and ask for its gradient; the two results."""
    w, x, b = et.vector("w"), et.vector("x"), et.scalar("b")
    output = et.dot(w, x) + b

    neuron = et.function([w, x, b], output)
    value = neuron([1.0, 2.0, 3.0], [0.5, -1.0, 2.0], 0.25)
    print(f"dot(w, x) + b = {float(value)}")

    slope = et.function([w, x, b], et.grad(et.tanh(output), w))
    gradient = slope([1.0, 2.0, 3.0], [0.5, -1.0, 2.0], 0.25)
    print(f"the gradient of tanh(dot(w, x) + b) by w = {np.array2string(gradient, precision=6)}")
    return value, gradient


if __name__ == "__main__":
    main()
