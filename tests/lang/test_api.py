"""Names, constructors of inputs, promises about them, and what importing costs."""

import subprocess
import sys

import numpy as np
import pytest

import egtensor as et
from egtensor.lang.api import KINDS, PREFIXES
from egtensor.lang.facts import FINITE, GE0, LE1, NONZERO, NOTNAN


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_constructors_have_theanos_names_dtypes_and_ranks(prefix, kind):
    x = getattr(et, prefix + kind)("x")
    rank, fixed = KINDS[kind]
    assert x.ndim == rank
    assert x.dtype == (PREFIXES[prefix] or et.config.floatX)
    if fixed:
        assert [n == 1 for n in x.shape] == [n == 1 for n in fixed]


def test_the_default_dtype_is_a_setting():
    with et.config.set(floatX="float32"):
        assert et.vector().dtype == et.zeros(2).dtype == np.float32
    assert et.vector().dtype == np.float64


def test_inputs_of_one_name_are_two_inputs():
    assert et.vector("x") is not et.vector("x")


def test_shapes_are_declared_as_numbers_sizes_and_none():
    n = et.size("n")
    x = et.tensor("x", "float32", (None, 3, n, "rows"))
    assert str(x.type) == "float32[x_0,3,n,rows]"
    a, b = et.sizes("a b")
    assert (str(a), str(b)) == ("a", "b")


def test_arithmetic_of_sizes_may_leave_the_integers():
    x = et.fvector("x")
    n = x.shape[0]
    made = [n / 2, 1 / n, 0.5 * n, n * 0.5, n + 0.5, 1.5 - n, x / n, n * x, n - x.sum()]
    got = et.interpret(made, {x: np.ones(4, "f4")})
    for value, wanted in zip(got[:6], (2, 0.25, 2, 2, 4.5, -2.5), strict=True):
        assert value == wanted
    assert [g.dtype for g in got[6:]] == [np.float32] * 3


def test_a_range_is_known_as_facts():
    facts = et.vector("x", range=(0.5, 1)).attrs[3]
    for fact in (NOTNAN, FINITE, GE0, NONZERO, LE1):
        assert fact in facts
    assert FINITE not in et.vector("x", range=(0, np.inf)).attrs[3]


def test_numpys_other_names_are_the_same_functions():
    assert et.abs is et.absolute
    assert et.acos is et.arccos
    assert et.concat is et.concatenate


def test_modules_are_not_mistaken_for_the_functions_of_their_names():
    import egtensor.diff.grad
    import egtensor.shared  # noqa: F401

    assert callable(et.shared)
    assert et.diff(et.vector()).ndim == 1
    assert et.linalg.inv
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        et.nonsense  # noqa: B018


HEAVY = "scipy sympy egglog cffi mpmath hypothesis"


def test_importing_loads_nothing_heavy():
    code = f"import sys, egtensor;print([m for m in '{HEAVY}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
