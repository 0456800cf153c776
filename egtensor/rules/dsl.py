"""The vocabulary of rules_catalog/: variables, operators by name, families, domains, conditions.

Besides the names below, every operator of the registry can be imported from here, short where NumPy is
short (``sum`` for ``reduce_sum``), and every attribute function.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import egtensor.lang.ops  # noqa: F401  # registers the operators
from egtensor.errors import RuleError
from egtensor.lang.op import OPS, Op
from egtensor.lang.pattern import AttrVariable, Variable
from egtensor.rules import attributes
from egtensor.rules.domain import EXACT, FINITE, MODULAR, REAL, SHAPE, STABLE, Domain
from egtensor.rules.infer import as_side
from egtensor.rules.rule import (
    Refuted,
    Rule,
    finite,
    is_integer,
    notnan,
)

__all__ = [
    "EXACT", "FINITE", "MODULAR", "REAL", "SHAPE", "STABLE", "Domain", "Family", "a", "axes", "axes2", "axis",
    "axis2", "b", "c", "dtype", "dtype2", "finite", "finite_or_zero", "g", "inf", "is_integer", "largest", "m",
    "n", "nan", "notnan", "perm", "perm2", "pi", "shape", "shape2", "shifted", "shifted_sum", "sizes", "sizes2",
    "starts", "starts2", "steps", "steps2", "stretched", "stretched_largest", "w", "x", "y", "z",
]  # fmt: skip

x, y, z, w, a, b, c, g, m, n = map(Variable, "x y z w a b c g m n".split())
axes, axes2, axis, axis2, shape, shape2, perm, perm2, dtype, dtype2 = map(
    AttrVariable, "axes axes2 axis axis2 shape shape2 perm perm2 dtype dtype2".split()
)
starts, starts2, steps, steps2, sizes, sizes2 = map(
    AttrVariable, "starts starts2 steps steps2 sizes sizes2".split()
)
nan, inf, pi = math.nan, math.inf, math.pi

Arrow = Literal["=>", "<=>"]

# what catalogue files call operators whose registered name says more
ALIASES = {"transpose": "permute", "abs": "absolute", "concatenate": "join", "mul": "multiply"}
REDUCTION = "reduce_"


def operator(name: str) -> Op | None:
    """The operator a catalogue file means by ``name``, or None."""
    for candidate in (name, name.rstrip("_"), REDUCTION + name.rstrip("_"), ALIASES.get(name, "")):
        if candidate in OPS:
            return OPS[candidate]
    return None


def __getattr__(name: str) -> Any:
    found = operator(name)
    if found is not None:
        return found
    if name in attributes.ATTRIBUTE_FUNCTIONS:
        return getattr(attributes, name)
    raise AttributeError(f"egtensor.rules.dsl has no operator or attribute function {name!r}")


def finite_or_zero(x: Any) -> Any:
    """``x`` where it is finite, else 0."""
    return OPS["where"](OPS["isfinite"](x), x, 0)


def stretched(x: Any, kept: Any, shape: Any) -> Any:
    """``x`` reshaped to ``kept``, which has axes of size 1, then stretched to ``shape``."""
    return OPS["broadcast_to"](OPS["reshape"](x, shape=kept), shape=shape)


def largest(x: Any, axes: Any) -> Any:
    """The largest element along ``axes`` where it is finite, else 0: what exponents may be shifted by."""
    return finite_or_zero(OPS["reduce_max"](x, axes=axes))


def stretched_largest(x: Any, axes: Any) -> Any:
    """``largest`` in the shape of ``x``."""
    most = OPS["reduce_max"](x, axes=axes)
    return finite_or_zero(stretched(most, attributes.kept_shape(x, axes), attributes.shape_of(x)))


def shifted(x: Any, axes: Any) -> Any:
    """``x`` less its largest element along ``axes``, where that is finite: exponents that do not overflow."""
    return x - stretched_largest(x, axes)


def shifted_sum(x: Any, axes: Any) -> Any:
    """The sum of the exponentials of ``shifted``, told from other sums by ``positive``."""
    return OPS["positive"](OPS["reduce_sum"](OPS["exp"](shifted(x, axes)), axes=axes))


@dataclass(eq=False)
class Family:
    """The rules of one file of the catalogue, in order."""

    name: str
    rules: list[Rule] = field(default_factory=list)
    refutations: list[Refuted] = field(default_factory=list)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def rule(
        self,
        name: str,
        lhs: Any,
        arrow: Arrow,
        rhs: Any,
        *,
        over: Domain,
        ref: str,
        when: Any = (),
        proved: str | None = None,
        directed: bool | None = None,
    ) -> None:
        """Declare that ``lhs`` may become ``rhs`` (and back, with ``<=>``) on ``over``, given ``when``."""
        self._check(name, arrow)
        conditions = tuple(when) if isinstance(when, (list, tuple)) else (when,)
        made = Rule(
            self.name, name, lhs, rhs, over, conditions, ref, arrow == "<=>", proved, directed
        )
        self.rules.append(made)

    def refuted(
        self, name: str, lhs: Any, arrow: Arrow, rhs: Any, *, at: Mapping[Any, Any]
    ) -> None:
        """Record a tempting rule that is false, and a point that shows it."""
        self._check(name, arrow)
        point = {k.name: v for k, v in at.items()}
        self.refutations.append(Refuted(self.name, name, as_side(lhs), as_side(rhs), point))

    def check(self) -> Any:
        """Check the obligations of every rule, and that the false ones are still refuted; print the result."""
        from egtensor.rules.check import check_rules

        return check_rules(self.rules, self.refutations)

    def _check(self, name: str, arrow: Arrow) -> None:
        if name in {r.name for r in self.rules} | {r.name for r in self.refutations}:
            raise RuleError(
                f"rule {self.name}/{name} is defined twice\n"
                f"  names are unique within a family\n"
                f"  fix: rename one of them"
            )
        if arrow not in ("=>", "<=>"):
            raise RuleError(
                f"rule {self.name}/{name}: {arrow!r} is not an arrow\n"
                f'  "=>" rewrites from left to right, "<=>" both ways\n'
                f"  fix: use one of them"
            )
