"""A check of every union: all e-nodes of a class, evaluated on the same inputs, must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.lang.expr import Expr, make
from egtensor.lang.interpret import Precision, evaluate
from egtensor.rules.classes import EClasses


@dataclass(frozen=True)
class Disagreement:
    """An e-node whose value is not that of its class.

    kind      "defined": NaN or infinite where the other is not; "value": finite and different; "type"
    eclass    number of the class
    expected  the e-node that stands for the class, as an expression, and its value
    found     the other e-node and its value
    rule      the rule that made the other e-node, where recorded
    """

    kind: str
    eclass: int
    expected: tuple[Expr, Any]
    found: tuple[Expr, Any]
    rule: str | None

    def __str__(self) -> str:
        made = f", made by {self.rule}" if self.rule else ""
        return (
            f"{self.kind}: class {self.eclass}: {self.found[0]}{made}, is {self.found[1]};"
            f" {self.expected[0]} is {self.expected[1]}"
        )


def check_members(
    classes: EClasses,
    values: Mapping[Expr, Any],
    rtol: float = 1e-7,
    atol: float = 0.0,
    precision: Precision = None,
) -> list[Disagreement]:
    """All e-nodes whose value differs from that of their class, definedness included.

    values  arrays for the input nodes
    rtol    of the largest element; results of rules are rounded differently
    precision  "high": compare in the next wider float type
    """
    standing: list[Expr | None] = [None] * len(classes)
    for c, members in enumerate(classes.members):
        source = classes.source[c]
        for n in (source, *members) if source >= 0 else members:
            made = _expression(classes, n, standing)
            if made is not None:
                standing[c] = made
                break
    places, nodes = [], []
    for n, c in enumerate(classes.class_of):
        made, stands = _expression(classes, n, standing), standing[c]
        if made is not None and stands is not None and made is not stands:
            places.append((n, c))
            nodes += [made, stands]
    with np.errstate(all="ignore"):
        found = evaluate(nodes, values, precision)
    wrong = []
    for k, (n, c) in enumerate(places):
        pair = (nodes[2 * k], found[2 * k]), (nodes[2 * k + 1], found[2 * k + 1])
        kind = _difference(pair[0][1], pair[1][1], rtol, atol)
        if kind is not None:
            wrong.append(Disagreement(kind, c, pair[1], pair[0], classes.nodes[n].rule))
    return wrong


def _expression(classes: EClasses, n: int, standing: list[Expr | None]) -> Expr | None:
    node = classes.nodes[n]
    args = [standing[a] for a in node.args]
    if any(a is None for a in args):
        return None
    return make(node.op, tuple(a for a in args if a is not None), node.attrs)


def _difference(a: Any, b: Any, rtol: float, atol: float) -> str | None:
    if isinstance(a, tuple) or isinstance(b, tuple):
        pairs = zip(a, b, strict=True)
        return next((d for x, y in pairs if (d := _difference(x, y, rtol, atol))), None)
    x, y = np.asarray(a), np.asarray(b)
    if x.dtype != y.dtype or x.shape != y.shape:
        return "type"
    if x.dtype.kind != "f":
        return None if np.array_equal(x, y) else "value"
    finite = np.isfinite(x)
    if not np.array_equal(finite, np.isfinite(y)):
        return "defined"
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return "defined"
    scale = max(np.abs(y[finite]).max(initial=0.0), 0.0)
    close = np.abs(x[finite] - y[finite]) <= atol + rtol * scale
    return None if close.all() else "value"
