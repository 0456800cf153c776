"""Every rule of the catalogue meets the obligations of its domain, and only true rules do."""

import pytest

from egtensor.errors import RuleError
from egtensor.rules import check
from rules_catalog import families

RULES = [r for f in families() for r in f]
DIRECTED = [d for r in RULES for d in ((r, r.inverse()) if r.both_ways else (r,))]
REFUTED = [r for f in families() for r in f.refutations]
# of every hundred rules, at most this many may rest on sampling alone
MOST_SAMPLED = 15


@pytest.mark.parametrize("rule", DIRECTED, ids=str)
def test_a_rule_meets_its_obligations(rule):
    check.check(rule)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_false_relatives_of_a_rule_are_rejected(rule):
    accepted = []
    for mutant in check.mutants(rule):
        try:
            check.check_values(mutant)
        except RuleError:
            continue
        accepted.append(f"{mutant.lhs} => {mutant.rhs} if {list(map(str, mutant.when))}")
    assert not accepted


@pytest.mark.parametrize("claim", REFUTED, ids=str)
def test_a_false_rule_is_still_refuted_by_its_counterexample(claim):
    assert check.is_refuted(claim)


def test_few_rules_rest_on_sampling():
    sampled = [r for r in RULES if r.proved is not None]
    assert all(r.proved.startswith("sampled: ") for r in sampled)
    assert len(sampled) * 100 <= MOST_SAMPLED * len(RULES)
