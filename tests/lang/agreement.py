"""Comparison of what egtensor and NumPy make of the same arrays."""

import numpy as np

import egtensor as et


def symbolic(array):
    """An input whose sizes are all unknown."""
    return et.tensor("x", array.dtype, (None,) * array.ndim)


def static(array):
    """An input whose sizes are all known."""
    return et.tensor("x", array.dtype, array.shape)


def assert_agree(build, numpy, *arrays, make=symbolic, rtol=1e-12):
    """``build`` of inputs and ``numpy`` of their values give equal dtypes, shapes and values."""
    xs = [make(a) for a in arrays]
    made = build(*xs)
    with np.errstate(all="ignore"):
        wanted = numpy(*arrays)
    several = isinstance(made, (list, tuple))
    got = et.interpret(list(made) if several else [made], dict(zip(xs, arrays, strict=True)))
    wanted = list(wanted) if several else [wanted]
    assert len(got) == len(wanted)
    for a, b in zip(got, map(np.asarray, wanted), strict=True):
        assert a.shape == b.shape
        assert a.dtype == (np.float32 if b.dtype == np.float16 else b.dtype)
        tolerance = max(rtol, 8 * np.finfo(a.dtype).eps) if a.dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
