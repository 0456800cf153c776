"""Expressions as users write them, where they overflow or cancel, compile to accurate programs."""

import numpy as np
import pytest
import scipy.special as sc

import egtensor as et

V, M = et.vector("v"), et.matrix("m")
FAR = np.array([1000.0, -40.0, 0.0, 3.0])
ROWS = np.array([[1000.0, 999.0, -5.0], [-1000.0, -1001.0, -1003.0]])


def total(x):
    return x.sum(axis=1, keepdims=True)


def picked(p):
    """The gradient of minus the first column of logarithms: softmax less one there."""
    return sc.softmax(p, axis=1) - np.eye(3)[[0, 0]]


CASES = {
    "softplus": (et.log(1 + et.exp(V)), FAR, lambda v: np.logaddexp(0, v)),
    "softplus gradient": (et.grad(et.log(1 + et.exp(V)).sum(), V), FAR, sc.expit),
    "sigmoid": (et.exp(V) / (1 + et.exp(V)), FAR, sc.expit),
    "complement of sigmoid": (1 - et.sigmoid(V), FAR, lambda v: sc.expit(-v)),
    "logistic loss": (-et.log(et.sigmoid(V)), -FAR, lambda v: np.logaddexp(0, -v)),
    "logistic loss gradient": (
        et.grad(-et.log(et.sigmoid(V)).sum(), V), -FAR, lambda v: -sc.expit(-v)),
    "other logistic loss gradient": (
        et.grad(-et.log(1 - et.sigmoid(V)).sum(), V), FAR, sc.expit),
    "log1p": (et.log(1 + V), np.array([1e-18, 0.5]), np.log1p),
    "expm1": (et.exp(V) - 1, np.array([1e-18, 0.5]), np.expm1),
    "cosine near zero": (1 - et.cos(V), np.array([1e-9, 0.5]), lambda v: 2 * np.sin(v / 2) ** 2),
    "derivative of tanh": (1 - et.tanh(V) ** 2, np.array([30.0, 0.5]), lambda v: 1 / np.cosh(v) ** 2),
    "logsumexp": (et.log(et.exp(M).sum(axis=1)), ROWS, lambda m: sc.logsumexp(m, axis=1)),
    "logsumexp gradient": (
        et.grad(et.log(et.exp(M).sum(axis=1)).sum(), M), ROWS, lambda m: sc.softmax(m, axis=1)),
    "softmax": (et.exp(M) / total(et.exp(M)), ROWS, lambda m: sc.softmax(m, axis=1)),
    "softmax of a vector": (et.exp(V) / et.exp(V).sum(), FAR, sc.softmax),
    "log-softmax": (et.log(et.exp(M) / total(et.exp(M))), ROWS, lambda m: sc.log_softmax(m, axis=1)),
    "cross-entropy gradient": (
        et.grad(-et.log(et.exp(M) / total(et.exp(M)))[:, 0].sum(), M), ROWS, picked),
    "cross-entropy gradient of softmax": (
        et.grad(-et.log(et.softmax(M, axis=1))[:, 0].sum(), M), ROWS, picked),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_naive_expression_is_accurate(case):
    expr, at, expected = CASES[case]
    given = V if at.ndim == 1 else M
    got = et.function([given], expr)(at)
    # shifting exponents costs a few ulps of the exponent
    np.testing.assert_allclose(got, expected(at), rtol=1e-13, atol=1e-300)
