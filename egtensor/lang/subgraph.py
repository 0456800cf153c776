"""Programs inside programs: the bodies of loops and the branches of conditionals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from egtensor.lang.expr import Expr, fold


@dataclass(frozen=True, eq=False)
class SubGraph:
    """Expressions of their own inputs; nothing outside is mentioned.

    inputs   input nodes, in the order of the operands they stand for
    outputs  expressions of them
    """

    inputs: tuple[Expr, ...]
    outputs: tuple[Expr, ...]

    def _key(self) -> tuple[Any, ...]:
        return (*map(id, self.inputs), -1, *map(id, self.outputs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubGraph) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def map_nodes(self, node: Callable[[Expr, list[Expr]], Expr]) -> SubGraph:
        """The sub-program with ``node(expr, new operands)`` in place of every node."""
        values = fold([*self.inputs, *self.outputs], node)
        return SubGraph(
            tuple(values[i] for i in self.inputs), tuple(values[o] for o in self.outputs)
        )

    def __str__(self) -> str:
        return f"<{len(self.inputs)} -> {len(self.outputs)}>"
