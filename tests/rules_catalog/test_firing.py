"""In the e-graph, every rule unites its sides where its facts are known, and only there."""

import numpy as np
import pytest

from egtensor.lang.expr import make, rebuild, toposort
from egtensor.lang.facts import NOTHING, close
from egtensor.lang.op import OPS
from egtensor.lang.unify import unify
from egtensor.rules import sample
from egtensor.rules.rule import Holds
from egtensor.rules.ruleset import RuleSet
from egtensor.rules.saturate import Limits, optimise_space
from rules_catalog import families

RULES = [r for f in families() for r in f]
DIRECTED = [d for r in RULES for d in ((r, r.inverse()) if r.both_ways else (r,))]
GUARDED = [r for r in RULES if any(isinstance(c, Holds) for c in r.when)]
WANTED = ("float64", "int64", "bool")


def examples(rule):
    """Both sides of a rule, in the dtypes it is about, floats first."""
    rng = np.random.default_rng(4)
    found = {}
    for made in sample.instances(rule, rng, points=3):
        dtypes = {s.dtype.name for s in made.symbols.values()}
        static = all(n != 0 for s in made.symbols.values() for n in s.shape)
        sizes = sum(len(s.shape) for s in made.symbols.values())
        if static and made.lhs is not made.rhs:
            for d in WANTED:
                if d in dtypes:
                    found.setdefault(d, []).append((-sizes, len(found), made))
    for d in WANTED:
        for *_, made in sorted(found.get(d, []), key=lambda m: m[:2])[:3]:
            yield made


def with_facts(rule, made, known):
    """The roots of an example whose variables have the facts that the rule asks for, if ``known``."""
    needed = dict.fromkeys(made.symbols, NOTHING)
    for c in rule.when:
        if isinstance(c, Holds):
            needed[c.subject.name] |= c.fact
    placed = {}
    for n, s in made.symbols.items():
        serial, name, type_, _ = s.attrs
        facts = close(needed[n]) if known else NOTHING
        placed[s] = make(OPS["input"], (), (serial, name, type_, facts))
    return rebuild([made.lhs, made.rhs], placed)


def unites(rule, roots):
    """Whether a saturation with this rule alone puts both sides into one class."""
    inputs = [e for e in toposort(roots) if e.op is OPS["input"]]
    request = unify(roots, inputs)
    classes, _ = optimise_space(request.roots, RuleSet([rule]), Limits())
    one, other = classes.roots
    return one == other


@pytest.mark.parametrize("rule", DIRECTED, ids=str)
def test_a_rule_unites_its_sides(rule):
    tried = list(examples(rule))
    assert tried, "no example"
    assert all(unites(rule, with_facts(rule, made, known=True)) for made in tried)


@pytest.mark.parametrize("rule", GUARDED, ids=str)
def test_a_rule_leaves_its_sides_apart_where_nothing_is_known(rule):
    floats = [m for m in examples(rule) if any(s.dtype.kind == "f" for s in m.symbols.values())]
    assert floats, "no example"
    assert not any(unites(rule, with_facts(rule, made, known=False)) for made in floats)
