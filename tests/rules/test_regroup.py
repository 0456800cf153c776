"""Sums and products of the program as written are one where order and grouping alone differ."""

import numpy as np
import pytest
from spaces import saturated

import egtensor as et
from egtensor.lang.expr import toposort
from egtensor.rules.dsl import EXACT, REAL, Family, exp, log, x
from egtensor.rules.regroup import WIDEST, regrouped

REALS, EXACTLY = Family("reals"), Family("exactly")
REALS.rule("log-exp", log(exp(x)), "=>", x, over=REAL, ref="")
EXACTLY.rule("log-exp", log(exp(x)), "=>", x, over=EXACT, ref="")


@pytest.mark.parametrize(
    "op", [np.add, np.multiply, np.maximum], ids=["add", "multiply", "maximum"]
)
def test_every_grouping_of_four_is_one(op):
    a, b, c, d = (et.vector(n) for n in "abcd")
    f = et.lang.op.OPS[op.__name__]
    forms = [f(f(f(a, b), c), d), f(f(d, a), f(c, b)), f(a, f(d, f(b, c)))]
    classes, _ = saturated([et.exp(y) for y in forms], REALS)
    assert len(set(classes.roots)) == 1


def test_products_inside_sums_are_compared_too():
    a, b, c = (et.vector(n) for n in "abc")
    classes, _ = saturated([et.exp(a * b + c * b), et.exp(b * c + b * a)], REALS)
    assert classes.roots[0] == classes.roots[1]


def test_floating_sums_are_as_written_under_exact_rules():
    a, b, c = (et.vector(n) for n in "abc")
    classes, _ = saturated([(a + b) + c, a + (b + c)], EXACTLY)
    assert classes.roots[0] != classes.roots[1]


def test_integers_wrap_alike_in_every_grouping():
    a, b, c = (et.vector(n, dtype="int8") for n in "abc")
    classes, _ = saturated([(a + b) + c, a + (b + c)], EXACTLY)
    assert classes.roots[0] == classes.roots[1]


def test_what_is_taken_twice_is_counted_twice():
    a, b = et.vector("a"), et.vector("b")
    classes, _ = saturated([(a + b) + b, (a + a) + b], REALS)
    assert classes.roots[0] != classes.roots[1]


def test_nothing_happens_without_rules():
    a, b, c = (et.vector(n) for n in "abc")
    classes, _ = saturated([(a + b) + c, a + (b + c)])
    assert classes.roots[0] != classes.roots[1]


def test_wide_sums_are_left_alone():
    terms = [et.tensor(f"v{k}", shape=(3,)) for k in range(WIDEST + 2)]

    def total(order):
        y = order[0]
        for t in order[1:]:
            y = y + t
        return y

    narrow = [total(terms[:9]), total(terms[8::-1])]
    wide = [total(terms), total(terms[::-1])]
    assert len(regrouped(toposort(narrow), rounding=True)) == 1
    order = toposort(wide)
    assert len(order) - 1 not in [k for k, _ in regrouped(order, rounding=True)]
