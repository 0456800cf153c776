"""Functions that run out of memory, at whatever allocation, leave shared variables old or new, never between."""

import numpy as np
import pytest

import egtensor as et
from egtensor.emit_c.runtime import fail_alloc_after
from egtensor.testing.generate import Kind, RandomChooser, generate

ALLOCATIONS = 60  # more than any of these functions makes


@pytest.fixture(autouse=True)
def no_faults_remain():
    yield
    fail_alloc_after(0)


def bits(variables):
    return [v.get_value().tobytes() for v in variables]


def outcomes(fn, variables, arguments):
    """Call ``fn`` from the same state with each allocation failing in turn: how often it failed."""
    start = [v.get_value() for v in variables]
    old = bits(variables)
    results = [np.asarray(r).tobytes() for r in fn(*arguments)]
    new = bits(variables)
    failed = 0
    for n in range(1, ALLOCATIONS):
        for v, value in zip(variables, start, strict=True):
            v.set_value(value)
        fail_alloc_after(n)
        try:
            got = fn(*arguments)
        except MemoryError:
            fail_alloc_after(0)
            failed += 1
            assert bits(variables) == old, f"allocation {n}: something was updated"
        else:
            fail_alloc_after(0)
            assert bits(variables) == new
            assert [np.asarray(r).tobytes() for r in got] == results
    return failed


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    w, b = et.shared(rng.normal(size=(50, 20)), "w"), et.shared(np.zeros(20), "b")
    count = et.shared(np.int64(0), "count")
    x = et.matrix("x")
    y = et.tanh(x @ w + b)
    cost = (y * y).mean()
    grads = et.grad(cost, [w, b])
    updates = [(w, w - 0.1 * grads[0]), (b, b - 0.1 * grads[1]), (count, count + 1)]
    return et.function([x], [cost, y], updates=updates), (w, b, count), rng.normal(size=(30, 50))


def test_a_training_step_is_whole_or_has_not_happened(model):
    fn, variables, x = model
    assert outcomes(fn, variables, [x]) >= 2
    assert outcomes(fn, variables, [np.asfortranarray(x)]) >= 3  # and room for a contiguous copy


def test_updates_that_grow_are_whole_or_have_not_happened():
    a, b = et.shared(np.arange(3.0), "a"), et.shared(np.ones(2), "b")
    fn = et.function(
        [], [a.sum()], updates=[(a, et.concatenate([a, b])), (b, et.concatenate([b, a]))]
    )
    assert outcomes(fn, (a, b), []) >= 2


def test_a_failed_index_updates_nothing():
    a, count = et.shared(np.zeros(4), "a"), et.shared(np.int64(0), "count")
    i = et.lvector("i")
    fn = et.function([i], a[i].sum(), updates=[(a, a + a[i].sum() + 1), (count, count + 1)])
    fn(np.array([0, 3]))
    before = bits((a, count))
    with pytest.raises(IndexError):
        fn(np.array([0, 4]))
    assert bits((a, count)) == before


def test_generated_functions_with_updates_survive_every_failure():
    tried = 0
    for seed in range(400):
        sample = generate(RandomChooser(seed), Kind(5))
        streams = [s for s, _ in sample.shared]
        if not sample.updates or sample.grown.count("uniform"):
            continue
        sample.reset()
        fn = et.function(
            sample.inputs, sample.outputs, updates=sample.updates, on_unused_input="ignore"
        )
        outcomes(fn, streams, sample.arguments)
        tried += 1
        if tried == 12:
            break
    assert tried == 12
