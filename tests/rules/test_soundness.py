"""What a saturation must never do: merge different things, lose a NaN, fold a failure."""

import numpy as np
import pytest
from spaces import numbers, operators, saturated, values_for

import egtensor as et
from egtensor.lang.expr import scalar
from egtensor.lang.number import Number
from egtensor.lang.types import FLOAT64, TensorType
from egtensor.rules.dsl import (
    EXACT,
    REAL,
    Family,
    absolute,
    exp,
    finite,
    multiply,
    reciprocal,
    sqrt,
    square,
    where,
    x,
    y,
)
from egtensor.rules.members import check_members
from egtensor.rules.saturate import Limits

F = Family("sound")
F.rule("cancel", x - x, "=>", 0, over=REAL, ref="", when=finite(x))
F.rule("ratio", x / x, "=>", 1, over=REAL, ref="", when=[finite(x), x != 0])
F.rule("roots", sqrt(x) * sqrt(x), "=>", where(x >= 0, x, np.nan), over=REAL, ref="")
F.rule("root-square", sqrt(square(x)), "=>", absolute(x), over=REAL, ref="")
F.rule("square", x * x, "=>", square(x), over=EXACT, ref="")
F.rule("positive", absolute(x), "=>", x, over=EXACT, ref="", when=x >= 0)
F.rule("add-zero", x + 0, "=>", x, over=REAL, ref="")

BAD = Family("bad")
BAD.rule("cancel", x - x, "=>", 0, over=REAL, ref="")
BAD.rule("ratio", x / x, "=>", 1, over=REAL, ref="")
BAD.rule("zero-over", 0 / x, "=>", 0, over=REAL, ref="")
BAD.rule("over-zero", x / 0, "=>", 1, over=REAL, ref="")
BAD.rule("harmless", exp(x) * exp(y), "=>", exp(x + y), over=REAL, ref="")


@pytest.fixture
def v():
    return et.vector("v"), et.vector("w")


def test_a_contradiction_is_found_named_and_undone(v):
    a, b = v
    roots = [(a - a) / (b - b), et.exp(a) * et.exp(b)]
    with pytest.warns(RuntimeWarning, match=r"the literals [01] and [01] equal"):
        classes, report = saturated(roots, BAD)
    assert report.stopped == "contradiction"
    assert set(report.contradiction) <= {
        "bad/cancel",
        "bad/ratio",
        "bad/zero-over",
        "bad/over-zero",
    }
    assert len(report.contradiction) >= 2
    assert operators(classes, classes.roots[0]) == {"divide"}
    assert "contradiction between" in str(report)
    given = values_for(classes, v=np.array([1.0]), w=np.array([2.0]))
    assert check_members(classes, given) == []


def test_sound_rules_leave_zero_over_zero_alone(v):
    a, b = v
    classes, report = saturated([(a - a) / (b - b), a + b], F)
    assert report.stopped == "saturated"
    for given in ([1.0], [np.inf], [np.nan]):
        values = values_for(classes, v=np.array(given), w=np.array([2.0]))
        assert check_members(classes, values) == []


def test_the_square_of_a_root_is_not_an_absolute_value(v):
    a, _ = v
    classes, _ = saturated(et.where(a > 0, et.sqrt(a) * et.sqrt(a), et.absolute(a)), F)
    given = values_for(classes, v=np.array([-2.0, -0.0, 0.0, 3.0, np.nan, np.inf, -np.inf]))
    assert check_members(classes, given, rtol=1e-14) == []
    nodes = classes.nodes
    inputs = {classes.class_of[n] for n, e in enumerate(nodes) if e.op.name == "input"}
    absolute_ones = {classes.class_of[n] for n, e in enumerate(nodes) if e.op.name == "absolute"}
    assert not inputs & absolute_ones


def test_two_inputs_are_never_one(v):
    a, b = v
    wrong = Family("wrong")
    wrong.rule("first", multiply(x, y), "=>", x, over=REAL, ref="")
    wrong.rule("second", y * x, "=>", x, over=REAL, ref="")
    with pytest.warns(RuntimeWarning, match="two different inputs equal"):
        _, report = saturated(a * b, wrong)
    assert report.contradiction


def test_two_types_are_never_one():
    m = et.matrix("m")
    from egtensor.rules.dsl import axes, sum

    wrong = Family("wrong-type")
    wrong.rule("first", exp(sum(x, axes=axes)), "=>", sum(exp(x), axes=axes), over=REAL, ref="")
    wrong.rule("second", sum(exp(x), axes=axes), "=>", exp(exp(x)), over=REAL, ref="")
    wrong.rule("third", exp(exp(x)), "=>", exp(x) * 1, over=REAL, ref="")
    with pytest.warns(RuntimeWarning, match="two different types equal"):
        _, report = saturated([et.exp(m.sum(0)), et.exp(et.exp(m))], wrong)
    assert "wrong-type/second" in report.contradiction


def test_a_bare_variable_must_have_the_type_of_the_left_side():
    from egtensor.rules.dsl import axes, sum

    m = et.matrix("m")
    drop = Family("dropping")
    drop.rule("sum", sum(x, axes=axes), "=>", x, over=REAL, ref="")
    classes, report = saturated([m.sum(0), m.sum(axis=())], drop)
    assert report.stopped == "saturated"
    assert operators(classes, classes.roots[0]) == {"reduce_sum"}
    assert "input" in operators(classes, classes.roots[1])


def literal(value, dtype=FLOAT64):
    return scalar(value, TensorType(np.dtype(dtype), ()))


def folded(y_, rules=()):
    classes, _ = saturated(y_, rules)
    return numbers(classes, classes.roots[0])


def test_operators_on_literals_are_computed():
    add, neg = et.lang.op.OPS["add"], et.lang.op.OPS["negative"]
    assert folded(add(literal(2), literal(3))) == ["5"]
    assert folded(neg(literal(0.0))) == ["-0.0"]
    assert folded(add(neg(literal(0.0)), literal(0.0))) == ["0"]
    assert folded(et.lang.op.OPS["less"](literal(1), literal(2))) == ["1"]


def test_not_a_number_is_one_literal():
    sub, log = et.lang.op.OPS["subtract"], et.lang.op.OPS["sqrt"]
    classes, report = saturated(
        [sub(literal(np.inf), literal(np.inf)), log(literal(-1.0)), literal(np.nan)]
    )
    assert len(set(classes.roots)) == 1
    assert numbers(classes, classes.roots[0]) == ["nan"]
    assert report.stopped == "saturated"


def test_folding_computes_in_the_dtype():
    add, mul = et.lang.op.OPS["add"], et.lang.op.OPS["multiply"]
    assert folded(add(literal(0.1, "float32"), literal(0.2, "float32"))) == [
        str(float(np.float32(0.1) + np.float32(0.2)))
    ]
    assert folded(mul(literal(100, "int8"), literal(3, "int8"))) == [str(np.int8(44))]


def test_casts_of_literals_are_computed():
    from egtensor.lang.expr import make

    assert folded(make(et.lang.op.OPS["cast"], (literal(2.7),), (np.dtype("int32"),))) == ["2"]


def test_inexact_functions_fold_only_where_rounding_may_differ():
    assert folded(et.exp(literal(1.0))) == []
    assert folded(et.exp(literal(1.0)), F) == [str(Number.of(np.exp(1.0)))]


def test_zeros_of_both_signs_are_equal_over_the_reals():
    r = Family("signed")
    r.rule("minus", x * -1, "=>", -x, over=REAL, ref="")
    r.rule("zero", x * 0, "=>", 0, over=REAL, ref="", when=finite(x))
    _, report = saturated([et.vector("k", dtype="int32").astype("float64") * 0.0 * -1.0], r)
    assert report.stopped == "saturated"
    _, report = saturated(et.lang.op.OPS["multiply"](literal(0.0), literal(-1.0)), r)
    assert report.stopped == "saturated"


def test_check_members_finds_what_a_wrong_rule_did(v):
    a, _ = v
    wrong = Family("widening")
    wrong.rule("root", sqrt(x) * sqrt(x), "=>", x, over=REAL, ref="")
    wrong.rule("reciprocal", reciprocal(x), "=>", 2 / x, over=REAL, ref="")
    classes, _ = saturated(et.sqrt(a) * et.sqrt(a) + et.reciprocal(a), wrong, Limits(), record=True)
    found = check_members(classes, values_for(classes, v=np.array([-4.0, 1.0])))
    kinds = {(d.kind, d.rule) for d in found}
    assert ("value", "widening/reciprocal") in kinds
    assert any(kind == "defined" for kind, _ in kinds)
    assert "made by widening/reciprocal" in "\n".join(map(str, found))
