"""Functions take, compute, update and hand back what they were asked to."""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import FunctionError, InputError, ShapeError, TypeRuleError

X = np.linspace(-1, 1, 12).reshape(3, 4)


def test_one_output_is_an_array():
    x = et.matrix("x")
    fn = et.function([x], et.tanh(x) * 2 + 1)
    np.testing.assert_allclose(fn(X), np.tanh(X) * 2 + 1, rtol=1e-14)


def test_outputs_come_back_as_they_were_given():
    x = et.matrix("x")
    parts = et.function([x], [x + 1, x.sum(axis=0)])(X)
    assert isinstance(parts, list)
    np.testing.assert_allclose(parts[1], X.sum(axis=0))
    named = et.function([x], {"a": x + 1, "b": x.sum()})(X)
    assert sorted(named) == ["a", "b"]
    assert named["b"].shape == ()


def test_results_alias_no_argument_and_not_each_other():
    x = et.matrix("x")
    fn = et.function([x], [x, x, x.T])
    argument = X.copy()
    a, b, c = fn(argument)
    assert not any(
        np.shares_memory(p, q) for p, q in ((a, b), (a, argument), (a, c), (c, argument))
    )
    a[...] = 7
    np.testing.assert_array_equal(b, X)


@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed", "broadcast"])
def test_arguments_may_have_any_strides(order):
    x = et.matrix("x")
    fn = et.function([x], [et.exp(x), x.sum(axis=1), x @ x.T])
    value = {
        "C": X,
        "F": np.asfortranarray(X),
        "strided": np.repeat(np.repeat(X, 2, 0), 3, 1)[::2, ::3],
        "reversed": X[::-1, ::-1],
        "broadcast": np.broadcast_to(X[:1], (5, 4)),
    }[order]
    got = fn(value)
    for g, want in zip(got, [np.exp(value), value.sum(axis=1), value @ value.T], strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-13)


def test_fifty_shapes_run_through_one_compilation():
    x, y = et.matrix("x"), et.vector("y")
    fn = et.function([x, y], [(x + y).sum(axis=0), et.tanh(x) * y])
    rng = np.random.default_rng(0)
    shapes = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 7), (7, 1)]
    shapes += [(int(a), int(b)) for a, b in rng.integers(0, 70, (44, 2))]
    for shape in shapes:
        a, b = rng.normal(size=shape), rng.normal(size=shape[1])
        total, scaled = fn(a, b)
        np.testing.assert_allclose(total, (a + b).sum(axis=0), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(scaled, np.tanh(a) * b, rtol=1e-12)
    assert fn.compilations == 1


def test_updates_read_old_values_and_happen_together():
    a, b = et.shared(np.array([1.0, 2.0]), "a"), et.shared(np.array([3.0, 4.0]), "b")
    fn = et.function([], a + b, updates=[(a, b), (b, a)])
    np.testing.assert_array_equal(fn(), [4, 6])
    np.testing.assert_array_equal(a.get_value(), [3, 4])
    np.testing.assert_array_equal(b.get_value(), [1, 2])


def test_givens_are_simultaneous_and_reach_updates():
    x, y = et.vector("x"), et.vector("y")
    s = et.shared(np.zeros(2), "s")
    fn = et.function([x, y], x - y, givens=[(x, y), (y, x)], updates=[(s, s + x)])
    np.testing.assert_array_equal(fn([1.0, 2.0], [5.0, 5.0]), [4, 3])
    np.testing.assert_array_equal(s.get_value(), [5, 5])


def test_shared_variables_may_change_size():
    w = et.shared(np.ones((2, 3)), "w")
    fn = et.function([], w.sum())
    assert fn() == 6
    w.set_value(np.ones((5, 5)))
    assert fn() == 25


def test_sixteen_threads_lose_no_update():
    count = et.shared(np.zeros(3000), "count")
    fn = et.function([], count.sum(), updates=[(count, count + 1)])
    threads = [threading.Thread(target=lambda: [fn() for _ in range(50)]) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(count.get_value(), 800)


def test_a_forked_child_can_call():
    x = et.matrix("x")
    fn = et.function([x], (x @ x).sum() + et.exp(x).sum())
    big = np.ones((300, 300))
    expected = float(fn(big))
    child = os.fork()
    if child == 0:
        os._exit(0 if abs(float(fn(big)) - expected) < 1e-6 * abs(expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_keyword_arguments_and_conversions():
    x, y = et.fvector("x"), et.ivector("y")
    fn = et.function([x, y], x * y)
    assert fn([1.0, 2.0], y=np.array([2, 3], np.int32)).dtype == np.float64
    with pytest.raises(
        InputError, match=r"argument 0 \('x'\) must be float32\[x_0\], got float64\[2\]"
    ):
        fn(np.zeros(2), np.zeros(2, np.int32))
    relaxed = et.function([x], x + 1, allow_downcast=True)
    assert relaxed(np.zeros(2)).dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]],), "the rank is 2, not 1"),
        ((["a"],), "it is not numeric"),
        (([1.0], [2.0]), "2 arguments given, 1 expected"),
        (([1j],), "it is not numeric"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    x = et.vector("x")
    with pytest.raises(InputError, match=message):
        et.function([x], x + 1)(*arguments)


def test_sizes_that_disagree_are_explained():
    x, y = et.vector("x"), et.vector("y")
    fn = et.function([x, y], x + y)
    with pytest.raises(ShapeError, match="fix"):
        fn(np.zeros(2), np.zeros(3))
    np.testing.assert_array_equal(fn(np.zeros(2), np.ones(2)), [1, 1])


def test_a_symbol_that_is_no_input_is_named():
    x, y = et.vector("x"), et.vector("y")
    with pytest.raises(FunctionError, match=r"the symbol 'y' .*test_function.py:\d+\) is used"):
        et.function([x], x + y)


def test_an_unused_input_is_an_error_unless_ignored():
    x, y = et.vector("x"), et.vector("y")
    with pytest.raises(FunctionError, match="the input 'y' is not used"):
        et.function([x, y], x)
    assert et.function([x, y], x, on_unused_input="ignore")([1.0], [2.0]) == [1.0]


def test_an_update_that_widens_names_the_culprit():
    w = et.shared(np.zeros(2, np.float32), "w")
    x = et.dvector("x")
    with pytest.raises(
        TypeRuleError, match=r"update of 'w' is float64.*\n.*it first becomes float64 in"
    ):
        et.function([x], [], updates=[(w, w - 0.1 * x)])


def test_pickled_functions_compute_the_same():
    x = et.matrix("x")
    w = et.shared(np.ones(4), "w")
    fn = et.function([x], {"y": et.exp(x) * w}, updates=[(w, w * 2)])
    again = pickle.loads(pickle.dumps(fn))
    np.testing.assert_array_equal(again(X)["y"], fn(X)["y"])
    np.testing.assert_array_equal(again(X)["y"], fn(X)["y"])


def test_dumped_functions_load_without_optimising(tmp_path):
    x = et.matrix("x")
    w = et.shared(np.arange(4.0), "w")
    fn = et.function([x], (et.exp(x) * w).sum(axis=1), updates=[(w, w + 1)])
    fn.dump(tmp_path / "f.egt")
    again = et.load(tmp_path / "f.egt")
    np.testing.assert_array_equal(again(X), fn(X))
    np.testing.assert_array_equal(again(X), fn(X))
    assert again.report.cached
    (tmp_path / "broken.egt").write_text("no")
    with pytest.raises(InputError, match="is not a dumped function"):
        et.load(tmp_path / "broken.egt")


def test_the_disk_cache_saves_the_optimiser():
    def build():
        x = et.vector("x")
        return et.function([x], et.log(1 + x) * 3.25)

    first, second = build(), build()
    assert not first.report.cached
    assert second.report.cached
    assert first.source == second.source
    np.testing.assert_array_equal(second([1.0, 2.0]), first([1.0, 2.0]))


PROGRAM = """
import numpy as np, egtensor as et, sys
et.config.cache_dir = sys.argv[1]
x, y = et.fmatrix("x"), et.ivector("y")
W = et.shared(np.zeros((4, 3), "f4"), "W")
p = et.softmax(x @ W, axis=1)
cost = -et.log(p)[et.arange(y.shape[0]), y].mean()
f = et.function([x, y], cost, updates=[(W, W - 0.1 * et.grad(cost, W))])
sys.stdout.write(f.source)
"""


def test_the_same_program_gives_the_same_code_in_every_process(tmp_path):
    texts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert "egt_main" in texts[0]


def test_check_agrees_and_bisect_finds_nothing_wrong():
    x = et.vector("x")
    w = et.shared(np.ones(3), "w")
    fn = et.function([x], et.log(et.exp(x)) * w, updates=[(w, w + x)])
    assert fn.check(np.array([0.5, 1.0, 2.0]))
    np.testing.assert_array_equal(w.get_value(), 1)
    assert et.bisect(fn, np.array([0.5, 1.0, 2.0])) == ()


def test_explain_names_the_rules_and_the_costs():
    x = et.vector("x")
    fn = et.function([x], et.log(1 + x))
    explanation = fn.explain()
    assert "explog/" in str(explanation)
    assert "log1p" in str(explanation.program)
    assert "<table>" in explanation._repr_html_()


def test_interpreted_functions_behave_alike():
    x = et.vector("x")
    w = et.shared(np.ones(2), "w")
    fn = et.function([x], [x * w], updates=[(w, w + 1)], target="interpret")
    np.testing.assert_array_equal(fn([1.0, 2.0])[0], [1, 2])
    np.testing.assert_array_equal(fn([1.0, 2.0])[0], [2, 4])


def test_jit_compiles_once_per_kind_of_arguments():
    @et.jit
    def norm(x, y):
        return et.sqrt((x * x).sum()) + y

    np.testing.assert_allclose(norm(np.array([3.0, 4.0]), 1.0), 6)
    np.testing.assert_allclose(norm(np.array([3.0, 4.0, 0.0]), 2.0), 7)
    assert norm.compilations == 1
    assert norm(np.array([3.0, 4.0], np.float32), np.float32(1)).dtype == np.float32
    assert norm.compilations == 2


def test_eval_optimises_and_interprets():
    x = et.vector("x")
    np.testing.assert_allclose(et.log(et.exp(x)).eval({x: np.array([1.0, 2.0])}), [1, 2])
    with pytest.raises(FunctionError, match="the symbol 'x' has no value"):
        x.eval()


def test_large_constants_are_data_and_not_text():
    x = et.vector("x")
    table = np.arange(100_000.0)
    fn = et.function([x], [(x * table).sum(), et.constant(table)])
    assert len(fn.source) < 50_000
    total, copy = fn(np.ones(100_000))
    assert total == table.sum()
    copy[:] = 0
    assert fn(np.ones(100_000))[0] == table.sum()
    again = pickle.loads(pickle.dumps(fn))
    assert again(np.ones(100_000))[0] == table.sum()
    other = et.function([x], [(x * (table + 1)).sum(), et.constant(table + 1)])
    assert other(np.ones(100_000))[0] == (table + 1).sum()


def test_a_shared_variable_may_be_there_for_its_sizes_alone():
    s = et.shared(np.ones(7), "s")
    fn = et.function([], et.zeros_like(s))
    assert fn().shape == (7,)
    s.set_value(np.ones(3))
    assert fn().shape == (3,)


def test_bisect_finds_the_rule_at_fault():
    from egtensor.rules.dsl import REAL, Family, exp
    from egtensor.rules.dsl import x as a
    from egtensor.rules.dsl import y as b

    family = Family("mine")
    family.rule("absorb", exp(a) + b, "=>", exp(a), over=REAL, ref="none", directed=True)
    x = et.vector("x")
    fn = et.function([x], et.exp(x) + x * x, rules=et.rules.default() + family)
    report = fn.check(np.array([0.5, 2.0]))
    assert not report
    assert "differs" in str(report)
    assert et.bisect(fn, np.array([0.5, 2.0])) == ("mine/absorb",)


@pytest.mark.parametrize("name", ["a*/b", "{0}", "a\nb", 'x"y', "int", "\\", "*/int main(){", "%d"])
def test_names_may_be_anything(name):
    x, y = et.vector(name), et.shared(np.ones(2), name)
    fn = et.function([x], x + y)
    assert fn.history.source is not None
    np.testing.assert_array_equal(fn(np.ones(2)), [2, 2])
    with pytest.raises(ShapeError, match="must be equal, but are 3 and 2"):
        fn(np.ones(3))


def test_sizes_known_only_in_the_call_may_have_to_be_equal():
    x = et.vector("x")
    positive = x > 0
    fn = et.function([x], x[positive] + x[~positive])
    np.testing.assert_array_equal(fn([1.0, -2.0, 3.0, -5.0]), [-1, -2])
    with pytest.raises(et.errors.ExecutionError, match="there are 1 elements where 2 must be"):
        fn([1.0, 2.0, -3.0])
