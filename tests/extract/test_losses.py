"""Accuracy is worth time: forms with a more accurate one are charged for it."""

import pytest

import egtensor as et
from egtensor.extract.cost import CostModel
from egtensor.extract.extract import extract
from egtensor.lang.expr import toposort
from egtensor.lang.unify import unify
from egtensor.rules.dsl import REAL, STABLE, Family, exp, log, negative, sigmoid, softplus, x
from egtensor.rules.ruleset import RuleSet
from egtensor.rules.saturate import optimise_space

F = Family("accuracy")
F.rule("log-sigmoid", log(sigmoid(x)), "=>", -softplus(-x), over=STABLE, ref="")
F.rule("sigmoid", 1 / (1 + exp(-x)), "=>", sigmoid(x), over=STABLE, ref="")
F.rule("neg-neg", negative(negative(x)), "=>", x, over=REAL, ref="")


@pytest.fixture(scope="module")
def classes():
    v = et.vector("v")
    roots = [et.log(1 / (1 + et.exp(-v)))]
    inputs = [n for n in toposort(roots) if n.op.name == "input"]
    return optimise_space(unify(roots, inputs).roots, RuleSet(F))[0]


@pytest.mark.parametrize("accuracy", ["balanced", "best"])
def test_the_accurate_form_is_chosen(classes, accuracy):
    best, *_, written = extract(classes, CostModel.of("c"), accuracy=accuracy)
    assert "softplus" in [s.op.name for s in best.program.steps]
    assert best.loss == 0.0
    assert [s.op.name for s in written.program.steps][-1] == "log"
    assert written.loss > 0.0
    assert written.cost > written.loss


def test_fast_programs_are_not_charged(classes):
    assert all(e.loss == 0.0 for e in extract(classes, CostModel.of("c"), accuracy="fast"))
