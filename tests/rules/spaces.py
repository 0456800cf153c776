"""What the tests of this folder share: saturating small programs, and finding things in the result."""

from egtensor.lang.expr import toposort
from egtensor.lang.unify import unify
from egtensor.rules.rule import REAL
from egtensor.rules.ruleset import RuleSet
from egtensor.rules.saturate import Limits, optimise_space


def saturated(roots, rules=(), limits=None, record=False):
    """The e-classes of some expressions, and the report."""
    roots = list(roots) if isinstance(roots, (list, tuple)) else [roots]
    inputs = [n for n in toposort(roots) if n.op.name == "input"]
    request = unify(roots, inputs)
    rules = RuleSet(rules).allowed(REAL)
    return optimise_space(request.roots, rules, limits or Limits(), record)


def operators(classes, eclass):
    """The names of the operators that can compute a class."""
    return {classes.nodes[n].op.name for n in classes.members[eclass]}


def numbers(classes, eclass):
    """The literals in a class."""
    nodes = [classes.nodes[n] for n in classes.members[eclass]]
    return [str(n.attrs[0]) for n in nodes if n.op.name == "literal"]


def values_for(classes, **given):
    """Values for the inputs of e-classes, by name."""
    from egtensor.lang.expr import make

    return {
        make(n.op, (), n.attrs): given[n.attrs[1]] for n in classes.nodes if n.op.name == "input"
    }
