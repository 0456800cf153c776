"""What is read out of a saturated e-graph: e-classes, and the e-nodes that can compute each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from egtensor.lang.expr import Line
from egtensor.lang.op import Op, Types


@dataclass(frozen=True, slots=True)
class ENode:
    """An operator applied to e-classes.

    rule  the rule that first made it; None for nodes of the program as written or where not recorded
    """

    op: Op
    attrs: tuple[Any, ...]
    args: tuple[int, ...]
    rule: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class EClasses:
    """Densely numbered e-classes, in an order that depends on the program and the rules alone.

    members  per class, places in ``nodes``
    source   per class, the e-node of the program as written (acyclic as a whole), or -1
    types    per class, the type of its value, or None where no member of the program as written has it
    lines    per class, lines of the user's file, nearest first
    roots    classes of the results
    lossy    e-nodes that a STABLE rule has a more accurate form of
    """

    nodes: tuple[ENode, ...]
    class_of: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    source: tuple[int, ...]
    types: tuple[Types | None, ...]
    lines: tuple[tuple[Line, ...], ...]
    roots: tuple[int, ...]
    lossy: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.members)
