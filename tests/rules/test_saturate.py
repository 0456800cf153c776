"""Saturation: what rules find, when they stop, and that it is the same everywhere."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from spaces import numbers, operators, saturated, values_for

import egtensor as et
from egtensor.diff.grad import grad
from egtensor.errors import EngineError
from egtensor.lang.op import OPS
from egtensor.rules import declare, egraph, saturate
from egtensor.rules.attributes import attribute_function
from egtensor.rules.dsl import (
    EXACT,
    MODULAR,
    REAL,
    SHAPE,
    STABLE,
    Family,
    axes,
    axes2,
    broadcast_to,
    c,
    compose,
    exp,
    finite,
    is_identity,
    is_integer,
    log,
    log1p,
    matmul,
    merge_axes,
    perm,
    perm2,
    rint,
    shape,
    sigmoid,
    sqrt,
    square,
    sum,
    tanh,
    transpose,
    where,
    x,
    y,
    z,
)
from egtensor.rules.members import check_members
from egtensor.rules.saturate import Limits

F = Family("some")
F.rule("log-exp", log(exp(x)), "=>", x, over=REAL, ref="")
F.rule("log1p", log(1 + x), "=>", log1p(x), over=STABLE, ref="")
F.rule("exp-add", exp(x) * exp(y), "=>", exp(x + y), over=STABLE, ref="")
F.rule("sigmoid", 1 / (1 + exp(-x)), "=>", sigmoid(x), over=STABLE, ref="")
F.rule("transpose-twice", transpose(transpose(x, axes=perm), axes=perm2), "=>",
       transpose(x, axes=compose(perm, perm2)), over=SHAPE, ref="")  # fmt: skip
F.rule(
    "transpose-nothing",
    transpose(x, axes=perm),
    "=>",
    x,
    over=SHAPE,
    ref="",
    when=is_identity(perm),
)
F.rule("sum-twice", sum(sum(x, axes=axes), axes=axes2), "=>", sum(x, axes=merge_axes(axes, axes2)),
       over=REAL, ref="")  # fmt: skip
F.rule("factor", x * y + x * z, "<=>", x * (y + z), over=REAL, ref="")
F.rule("root-square", sqrt(x) * sqrt(x), "=>", where(x >= 0, x, np.nan), over=REAL, ref="")
F.rule("cancel", x - x, "=>", 0, over=REAL, ref="", when=finite(x))
F.rule("square", x * x, "=>", square(x), over=EXACT, ref="")
F.rule("rint-integer", rint(x), "=>", x, over=EXACT, ref="", when=is_integer(x))


@pytest.fixture
def v():
    return et.vector("v"), et.vector("w")


def test_rules_find_other_forms(v):
    classes, report = saturated(et.log(1.0 + et.exp(v[0]) * et.exp(v[1])), F)
    assert operators(classes, classes.roots[0]) == {"log", "log1p"}
    assert report.matches["some/log1p"] == 1
    assert report.stopped == "saturated"
    assert "some/exp-add" in str(report)


def test_operands_of_commutative_operators_are_matched_in_both_orders(v):
    a, b = v
    for y_ in (a * b + a * a, b * a + a * a, a * a + b * a, a * a + a * b):
        classes, _ = saturated(y_, F)
        assert "multiply" in operators(classes, classes.roots[0])


def test_sums_of_the_same_two_are_one(v):
    a, b = v
    classes, _ = saturated([et.exp(a + b), et.exp(b + a)])
    assert classes.roots[0] == classes.roots[1]


def test_the_program_as_written_is_always_there(v):
    a, b = v
    written = et.log(et.exp(a)) * (1.0 + b) + (a - a)
    classes, _ = saturated(written, F)
    todo, seen = [classes.roots[0]], set()
    while todo:
        k = todo.pop()
        assert classes.source[k] >= 0
        node = classes.nodes[classes.source[k]]
        assert classes.class_of[classes.source[k]] == k
        todo += [arg for arg in node.args if arg not in seen]
        seen.update(node.args)
    names = {classes.nodes[classes.source[k]].op.name for k in seen}  # log(exp(v)) is v
    assert names == {"add", "subtract", "multiply", "input", "literal"}


def test_attributes_are_computed(v):
    m = et.tensor3("m")
    classes, _ = saturated([m.transpose(2, 0, 1).transpose(1, 2, 0), m.sum(0).sum(1)], F)
    assert "input" in operators(classes, classes.roots[0])
    merged = [classes.nodes[n].attrs for n in classes.members[classes.roots[1]]]
    assert ((0, 2),) in merged


def test_an_attribute_function_may_decline():
    @attribute_function
    def never_here(p):
        raise IndexError(p)

    f = Family("declining")
    f.rule("never", transpose(x, axes=perm), "=>", exp(transpose(x, axes=perm)), over=REAL, ref="",
           when=never_here(perm))  # fmt: skip
    classes, report = saturated(et.matrix("m").T, f)
    assert operators(classes, classes.roots[0]) == {"permute"}
    assert not report.matches


def test_derivatives_are_resolved_first(v):
    a, b = v
    g = grad((et.log(1.0 + et.exp(a * b))).sum(), a)
    classes, report = saturated(g, F)
    assert report.pullbacks > 0
    assert all(node.op.name != "pullback" for node in classes.nodes)
    given = values_for(classes, v=np.array([0.3, -2.0]), w=np.array([1.5, 0.1]))
    assert check_members(classes, given) == []
    resolved, _ = saturated(g)
    assert all(s >= 0 for s in resolved.source)


def test_new_terms_are_typed_as_python_types_them(v):
    a, b = v
    m = et.matrix("m")
    roots = [
        et.sqrt(a) * et.sqrt(a),
        et.log(1.0 + et.exp(a)),
        m.T.T,
        m.sum(0).sum(0),
        a * b + a * a,
    ]
    classes, _ = saturated(roots, F)
    for n, node in enumerate(classes.nodes):
        types = tuple(classes.types[k] for k in node.args)
        assert None not in types
        from egtensor.rules.tables import result_type

        assert result_type(node.op, node.attrs, types) == classes.types[classes.class_of[n]]


@pytest.mark.parametrize(
    ("dtype", "found"), [("int32", False), ("uint8", False), ("float32", True)]
)
def test_rules_over_the_reals_leave_integers_alone(dtype, found):
    a = et.vector("a", dtype=dtype)
    classes, _ = saturated(a - a, [_rule(x - x, 0, over=REAL)])
    assert (numbers(classes, classes.roots[0]) == ["0"]) is found


def test_modular_rules_are_for_integers():
    for dtype, found in (("int8", True), ("uint64", True), ("float64", False), ("bool", False)):
        a = et.vector("a", dtype=dtype)
        classes, _ = saturated(a * a * a, [_rule(x * x, square(x), over=MODULAR)])
        assert any(n.op.name == "square" for n in classes.nodes) is found


def test_exact_rules_are_for_every_dtype():
    for dtype in ("int8", "uint64", "float32", "float64", "bool"):
        a, b = et.vector("a", dtype=dtype), et.vector("b", dtype=dtype)
        classes, _ = saturated(et.where(et.vector("k", dtype="bool"), a, a) * b,
                               [_rule(where(c, x, x), x, over=EXACT)])  # fmt: skip
        assert any(operators(classes, k) == {"input", "where"} for k in range(len(classes)))


def test_literals_of_rules_are_rounded_as_the_dtype_is():
    f = _rule(exp(x), tanh(x) * 0.1, over=REAL)
    for dtype, shown in (("float64", "0.1"), ("float32", "0.10000000149011612")):
        classes, _ = saturated(et.exp(et.vector("a", dtype=dtype)), [f])
        assert shown in [str(n.attrs[0]) for n in classes.nodes if n.op.name == "literal"]
    back = _rule(tanh(x) * 0.1, exp(x), over=REAL)
    for dtype in ("float64", "float32"):
        classes, _ = saturated(et.tanh(et.vector("a", dtype=dtype)) * 0.1, [back])
        assert "exp" in operators(classes, classes.roots[0])


def test_facts_of_inputs_guard_rules(v):
    a, _ = v
    classes, _ = saturated(a - a, F)
    assert numbers(classes, classes.roots[0]) == []
    finite_ones = et.tanh(et.isfinite(a).astype("float64"))
    classes, _ = saturated(finite_ones - finite_ones, F)
    assert numbers(classes, classes.roots[0]) == ["0"]


def test_facts_of_new_terms_are_found_in_the_e_graph(v):
    a, _ = v
    family = [_rule(exp(x), rint(tanh(x)), over=REAL), *F]
    classes, report = saturated(et.rint(et.exp(a)), family)
    assert report.matches["some/rint-integer"] > 0
    assert operators(classes, classes.roots[0]) == {"exp", "rint"}


def test_integers_are_known_to_be_whole(v):
    k = et.vector("k", dtype="int32").astype("float64")
    classes, _ = saturated(et.rint(k), F)
    assert operators(classes, classes.roots[0]) == {"rint", "cast"}


def test_limits_on_rows_stop_the_search(v):
    a, b = v
    grow = _rule(exp(x), exp(x + 1) * 0.36787944117144233, over=REAL, directed=False)
    classes, report = saturated(et.exp(a) * b, [grow], Limits(rows=40, explore=30))
    assert report.stopped == "rows"
    assert report.rows["simplify"] < 10
    assert len(classes.nodes) < 80
    given = values_for(classes, v=np.array([0.5]), w=np.array([2.0]))
    assert check_members(classes, given) == []


def test_limits_on_iterations_stop_the_search(v):
    a, _ = v
    grow = _rule(exp(x), exp(x + 1) * 0.36787944117144233, over=REAL)
    _, report = saturated(et.exp(a), [grow], Limits(explore=2))
    assert report.stopped == "explored"
    assert list(report.rows) == ["simplify", "explore 1", "explore 2"]


def test_simplification_that_does_not_end_is_stopped(v):
    a, _ = v
    grow = _rule(exp(x), exp(x + 1) * 0.36787944117144233, over=REAL, directed=True)
    _, report = saturated(et.exp(a), [grow], Limits(rows=200, explore=0))
    assert report.iterations <= 2 * saturate.SIMPLIFY_ITERATIONS


def test_a_condition_may_speak_of_a_subterm(v):
    a, b = v
    f = Family("subterm")
    f.rule(
        "log-product",
        log(x * y),
        "=>",
        log(x) + log(y),
        over=REAL,
        ref="",
        when=[x * y > 0, x >= 0],
    )
    known = et.exp(a) * et.exp(b)  # at least 0, and 0 where a or b is -inf
    assert saturated(et.log(known), f)[1].matches == {}
    classes, report = saturated(et.log((1.0 + et.exp(a)) * (1.0 + et.exp(b))), f)
    assert report.matches == {"subterm/log-product": 2}
    assert operators(classes, classes.roots[0]) == {"log", "add"}


def test_rules_of_moves_alone_ask_for_the_kind_of_dtype():
    f = Family("kinds")
    f.rule("shift", transpose(x, axes=perm), "=>", transpose(x + 0, axes=perm), over=REAL, ref="")
    for dtype, found in (("float32", True), ("int32", False)):
        classes, _ = saturated(et.matrix("m", dtype=dtype).T, f)
        assert any(n.op.name == "add" for n in classes.nodes) is found


def test_moving_a_literal_gives_a_literal():
    r = _rule(exp(x), x * 0, over=REAL)
    m = et.matrix("m")
    shifted = _rule(transpose(x * 0, axes=perm), transpose(x * 0, axes=perm) * 1, over=REAL)
    spread = _rule(broadcast_to(x, shape=shape), broadcast_to(x, shape=shape) * 1, over=REAL)
    zero = _rule(x * 0, 0, over=REAL, name="zero")
    classes, _ = saturated(et.exp(m).T, [r, zero, shifted, spread])
    assert numbers(classes, classes.roots[0]) == ["0"]


def test_rules_are_recorded_on_request(v):
    a, b = v
    written = et.log(1.0 + et.exp(a) * et.exp(b))
    classes, _ = saturated(written, F, record=True)
    made = {node.op.name: node.rule for node in classes.nodes}
    assert made["log1p"] == "some/log1p"
    assert made["log"] is None
    plain, _ = saturated(written, F)
    assert plain == classes
    assert all(node.rule is None for node in plain.nodes)


def test_forms_with_a_more_accurate_one_are_marked(v):
    a, b = v
    classes, _ = saturated([et.log(1.0 + et.exp(a)) * b, et.log(b)], F)
    assert [classes.nodes[n].op.name for n in classes.lossy] == ["log"]
    (n,) = classes.lossy
    assert operators(classes, classes.class_of[n]) == {"log", "log1p"}


def test_matrix_products_are_regrouped():
    a, b, d = et.matrix("a"), et.matrix("b"), et.vector("d")
    r = _rule(matmul(matmul(x, y), z), matmul(x, matmul(y, z)), over=REAL)
    classes, _ = saturated((a @ b) @ et.matrix("k"), [r])
    assert len(classes.members[classes.roots[0]]) == 2
    assert d.ndim == 1


def test_classes_do_not_depend_on_what_was_compiled_before(v):
    a, b = v
    written = et.log(1.0 + et.exp(a) * et.exp(b)) * (a * b + a * a)
    saturate._forget_all()
    first, _ = saturated(written, F)
    saturate._forget_all()
    saturated(et.matrix("m").T.T + et.sqrt(et.matrix("n")), F)
    saturated(a.astype("float32") * 3, F)
    second, _ = saturated(written, F)
    assert _comparable(first) == _comparable(second)


PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import egtensor as et
from test_saturate import F, saturated, _comparable
from egtensor.diff.grad import grad
a, b = et.vector("a"), et.vector("b")
y = (et.log(1.0 + et.exp(a) * et.exp(b)) * (a * b + a * a)).sum()
classes, _ = saturated([y, grad(y, a)], F)
print(_comparable(classes))
"""


def test_classes_are_the_same_in_every_process():
    shown = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=os.path.dirname(__file__))],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        shown.add(done.stdout)
    assert len(shown) == 1
    assert "log1p" in shown.pop()


def test_importing_egtensor_does_not_import_egglog():
    code = "import egtensor as et, sys; et.rules.none(); et.exp(et.vector('x')); print('egglog' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_two_threads_saturate_at_once(v):
    a, b = v
    written = et.log(1.0 + et.exp(a) * et.exp(b)) * (a * b + a * a)
    found = []

    def work():
        for _ in range(3):
            found.append(saturated(written, F)[0])
        saturate._forget_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 6
    assert all(other == found[0] for other in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_starts_with_engines_of_its_own(v):
    a, _ = v
    saturated(et.log(et.exp(a)), F)
    pid = os.fork()
    if pid == 0:
        ok = False
        try:
            ok = not saturate._engines.kept and bool(saturated(et.log(et.exp(a)), F))
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_interrupt_leaves_the_engine_usable(v, monkeypatch):
    a, _ = v
    written = et.log(1.0 + et.exp(a))
    before, _ = saturated(written, F)

    def interrupted(self, *rulesets):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(egraph.EGraph, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            saturated(written, F)
    after, _ = saturated(written, F)
    assert after == before


def test_a_failure_of_the_engine_gives_the_program_as_written(v, monkeypatch):
    a, _ = v
    y_ = et.log(1.0 + et.exp(a)).sum()
    run = egraph.Engine.run

    def broken(self, *rulesets):
        if "some/log1p" in self.rule_names.values():
            self.execute(egraph._bindings().Pop(egraph._span(), 99))
        return run(self, *rulesets)

    monkeypatch.setattr(egraph.Engine, "run", broken)
    with pytest.warns(RuntimeWarning, match="the e-graph engine failed"):
        classes, report = saturated([y_, grad(y_, a)], F)
    assert report.stopped == "engine"
    assert operators(classes, classes.roots[0]) == {"reduce_sum"}
    assert all(node.op.name not in ("pullback", "log1p") for node in classes.nodes)


def test_panics_of_the_engine_are_errors_of_ours():
    engine = egraph.Engine(saturate.RuleSet())
    with pytest.raises(EngineError, match="the e-graph engine failed"):
        engine.load(["(rule ((nonsense x)) ())"])


def test_engines_are_recycled(v, monkeypatch):
    a, _ = v
    monkeypatch.setattr(saturate, "RECYCLE", 2)
    made = []
    build = egraph.Engine.__init__
    monkeypatch.setattr(
        egraph.Engine, "__init__", lambda self, *args: made.append(1) or build(self, *args)
    )
    saturate._forget_all()
    for _ in range(5):
        saturated(et.log(et.exp(a)), F)
    assert len(made) == 3


def test_every_operator_can_be_declared():
    """Facts, folding and typing of every operator are well-formed for the engine."""
    from egtensor.lang.op import Derived, Leaf
    from egtensor.rules.constructors import constructor
    from egtensor.rules.infer import kinds_of, principal

    engine = egraph.Engine(saturate.RuleSet())
    for op in list(OPS.values()):
        if isinstance(op.body, (Leaf, Derived)):
            continue
        kinds = kinds_of(op) if principal(op) is not None else [""]
        arity = 3 if op.arity is None else op.arity
        engine.require([constructor(op, kind, arity) for kind in kinds])
        for kind in kinds:
            engine.load(declare.typing_rule(constructor(op, kind, arity), engine.context))


def _rule(lhs, rhs, over, directed=None, name="only"):
    _rule.count += 1
    f = Family(f"own{_rule.count}")
    f.rule(name, lhs, "=>", rhs, over=over, ref="", directed=directed)
    return f.rules[0]


_rule.count = 0


def _comparable(classes):
    nodes = [(n.op.name, tuple(map(str, n.attrs)), n.args) for n in classes.nodes]
    return nodes, classes.class_of, classes.source, classes.roots
