"""Random programs agree with their oracle, whatever rules they are compiled with."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import egtensor as et
from egtensor.lang.op import OPS, Leaf
from egtensor.rules.ruleset import RuleSet
from egtensor.testing import agreement, arrays, campaign, laid_out, samples
from egtensor.testing.generate import Kind, RandomChooser, generate
from egtensor.testing.growers import GROWERS

QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


@QUICK
@given(samples(steps=4))
def test_drawn_programs_agree_with_the_oracle(sample):
    found = agreement(sample)
    assert found.ok, found.message


@QUICK
@given(samples(steps=4, special="nan"))
def test_no_rule_loses_a_nan(sample):
    found = agreement(sample)
    assert found.ok, found.message


@QUICK
@given(samples(steps=4, special="all"))
def test_programs_as_written_keep_infinities_and_zeros(sample):
    found = agreement(sample, rules=RuleSet())
    assert found.ok, found.message


@QUICK
@given(st.data())
def test_results_do_not_depend_on_how_arguments_lie_in_memory(data):
    x = et.tensor3("x")
    fn = FUNCTION.setdefault(
        "fn", et.function([x], [et.tanh(x) * 2, x.sum(axis=1), x[::-1, :, 1:]])
    )
    shape = data.draw(st.tuples(*[st.integers(0, 5)] * 3))
    value = data.draw(arrays(np.float64, shape))
    for got, wanted in zip(fn(data.draw(laid_out(value))), fn(value), strict=True):
        np.testing.assert_array_equal(got, wanted)


FUNCTION: dict = {}


@pytest.mark.parametrize("setting", campaign.settings(0), ids=lambda s: s.name)
def test_a_short_campaign_finds_nothing(setting):
    figures = campaign.Figures()
    for first in range(5_000_000, 5_000_000 + 8 * campaign.BATCH, campaign.BATCH):
        campaign.batch(range(first, first + campaign.BATCH), setting, figures)
    assert figures.findings == [], "\n".join(map(str, figures.findings))
    assert figures.programs > 20


def test_few_samples_cannot_be_judged():
    from egtensor.testing.oracle import reference

    judged = [reference(generate(RandomChooser(s), Kind(3 + s % 7))) for s in range(200)]
    assert sum(j is None for j in judged) <= 10


def test_every_operator_is_applied():
    seen: set[str] = set()
    figures = campaign.Figures()
    for seed in range(1000):
        campaign.count_operators(generate(RandomChooser(seed), Kind(8)), figures)
    seen = set(figures.operators)
    unseen = {o.name for o in OPS.values() if not isinstance(o.body, Leaf)} - seen
    assert unseen <= {"pullback", "stop_gradient"}, "add a grower, or try it more often"
    assert len(GROWERS) > 200
