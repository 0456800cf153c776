"""A rule that is not well-formed is refused where it is written, in three lines."""

import pytest

from egtensor.errors import RuleError
from egtensor.lang.facts import GE0, LEM1, NEGATIVE, NONZERO, NOTNAN, POSITIVE
from egtensor.rules import dsl
from egtensor.rules.dsl import (
    EXACT,
    REAL,
    STABLE,
    Family,
    a,
    axes,
    exp,
    is_integer,
    isfinite,
    log,
    merge_axes,
    notnan,
    perm,
    sum,
    transpose,
    where,
    x,
    y,
    z,
)
from egtensor.rules.rule import FINITE, Domain, admitted
from egtensor.rules.ruleset import RuleSet


def rule(*sides, name="a-rule", over=REAL, when=()):
    f = Family("test")
    lhs, rhs = sides
    f.rule(name, lhs, "=>", rhs, over=over, ref="a book", when=when)
    return f.rules[0]


def refused(match, *sides, **options):
    with pytest.raises(RuleError, match=match) as caught:
        rule(*sides, **options)
    assert "\n  fix: " in str(caught.value)


def test_a_variable_of_the_right_side_must_be_on_the_left():
    refused(
        r"rule test/exp-split: the right-hand side uses y, z, which the left-hand side does not bind\n"
        r"  lhs: exp\(x\)\n  rhs: multiply\(exp\(subtract\(x, y\)\), exp\(z\)\)\n"
        r"  fix: mention it on the left, or swap the two sides",
        exp(x), exp(x - y) * exp(z), name="exp-split",
    )  # fmt: skip


@pytest.mark.parametrize("lhs", [x, 1.0], ids=["variable", "literal"])
def test_the_left_side_must_have_an_operator(lhs):
    refused("a bare variable or literal on the left matches every e-class", lhs, exp(x))


def test_a_side_is_a_pattern_or_a_number():
    refused("a side of a rule is a pattern or a number, not <float64", exp(x), exp(1.0))


def test_the_right_side_of_a_rule_both_ways_must_have_an_operator():
    f = Family("test")
    with pytest.raises(RuleError, match="a bare variable or literal on the left"):
        f.rule("log-exp", log(exp(x)), "<=>", x, over=REAL, ref="")


@pytest.mark.parametrize("name", ["LogExp", "log_exp", "log exp", "-log", ""])
def test_names_are_in_kebab_case(name):
    refused("the name is not in kebab-case", log(exp(x)), x, name=name)


def test_names_are_unique_in_a_family():
    f = Family("test")
    f.rule("log-exp", log(exp(x)), "=>", x, over=REAL, ref="")
    with pytest.raises(RuleError, match="rule test/log-exp is defined twice"):
        f.refuted("log-exp", log(exp(x)), "=>", y, at={x: 1.0, y: 2.0})


def test_an_arrow_is_one_of_two():
    with pytest.raises(RuleError, match="'->' is not an arrow"):
        Family("test").rule("log-exp", log(exp(x)), "->", x, over=REAL, ref="")


def test_a_literal_needs_a_type():
    refused("the type of the literal 1 on the right cannot be inferred",
            sum(x, axes=axes), sum(where(exp(x) > 0, 1, 2), axes=axes))  # fmt: skip
    rule(exp(x) * 2, where(exp(x) > 0, 1, 2))


def test_an_attribute_function_must_be_registered():
    from egtensor.lang.pattern import AttrCall

    refused("halves is not an attribute function",
            sum(x, axes=axes), sum(x, axes=AttrCall("halves", (axes,))))  # fmt: skip


def test_attributes_on_the_left_are_not_computed():
    refused("would have to be solved for", sum(x, axes=merge_axes(axes, axes)), sum(x, axes=axes))


@pytest.mark.parametrize("given", [x > 3, x * y, 1, x == y], ids=str)
def test_a_condition_must_be_a_fact(given):
    refused("is not a fact\n  facts compare with 0, 1 or -1", exp(x) * y, x, when=[given])


def test_a_condition_speaks_of_the_left_side():
    refused(
        "the condition .* uses a, which the left-hand side does not bind", exp(x), x, when=[a > 0]
    )


def test_a_stable_rule_goes_one_way():
    with pytest.raises(RuleError, match="a STABLE rule goes one way"):
        Family("test").rule("log-exp", log(exp(x)), "<=>", exp(log(x)), over=STABLE, ref="")


def test_patterns_have_no_truth():
    with pytest.raises(RuleError, match="its conditions go into when"):
        bool(x > 0)


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        (x > 0, POSITIVE), (x >= 0, GE0), (x < 0, NEGATIVE), (x != 0, NONZERO), (x <= -1, LEM1),
        (notnan(x), NOTNAN),
    ],
    ids=str,
)  # fmt: skip
def test_conditions_are_masks_of_facts(given, fact):
    (holds,) = rule(exp(x), x, when=[given]).when
    assert holds.fact == fact
    assert holds.subject is x


def test_predicates_are_conditions():
    assert NOTNAN in rule(exp(x), x, when=[isfinite(x)]).when[0].fact
    assert rule(exp(x), x, when=is_integer(x)).when[0].fact


def test_operators_have_the_short_names_of_numpy():
    assert dsl.sum is dsl.reduce_sum
    assert dsl.transpose is dsl.permute
    assert dsl.abs is dsl.absolute
    with pytest.raises(AttributeError, match="no operator or attribute function 'sumo'"):
        _ = dsl.sumo


def test_a_family_shows_its_rules():
    made = rule(transpose(exp(x), axes=perm), exp(transpose(x, axes=perm)), over=EXACT)
    assert made.statement == "permute(exp(x), axes=perm) => exp(permute(x, axes=perm))"
    assert str(made.inverse()) == str(made) == "test/a-rule"


def test_domains_admit_more_and_more():
    assert admitted(EXACT) < admitted(REAL) < admitted(FINITE) == set(Domain)
    with pytest.raises(RuleError, match="allow=STABLE is not a level"):
        admitted(STABLE)


@pytest.fixture
def three():
    f, g = Family("f"), Family("g")
    f.rule("one", exp(x), "=>", x, over=REAL, ref="")
    f.rule("two", log(x), "=>", x, over=EXACT, ref="")
    g.rule("three", exp(log(x)), "=>", x, over=FINITE, ref="")
    return RuleSet(f) + g


def test_sets_of_rules_are_chosen_from_by_name(three):
    assert [str(r) for r in three] == ["f/one", "f/two", "g/three"]
    assert [str(r) for r in three.without("f/one")] == ["f/two", "g/three"]
    assert [str(r) for r in three.only("f/*")] == ["f/one", "f/two"]
    assert [str(r) for r in three.allowed(EXACT)] == ["f/two"]
    assert "f/two" in three
    assert len(three.without("*")) == 0
    with pytest.raises(RuleError, match="no rule is named 'f/four'"):
        three.without("f/four")


def test_equal_sets_of_rules_have_one_digest(three):
    assert three.digest == (three + three).digest
    assert three.digest != three.without("f/one").digest


def test_two_rules_of_one_name_are_refused(three):
    other = Family("f")
    other.rule("one", exp(x), "=>", exp(exp(x)), over=REAL, ref="")
    with pytest.raises(RuleError, match="rule f/one is in the set twice"):
        _ = three + other
