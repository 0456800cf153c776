"""What a program is estimated to cost: a roofline over arithmetic and bytes moved.

The estimate is additive over e-nodes, so that a search can use it: elementwise nodes pay their
arithmetic; leaves, results, reductions and library calls pay for the bytes they move and their start.
Unknown sizes count as their hints.  Unit: seconds on one core.  Roofline: Williams, Waterman and
Patterson 2009.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, assert_never

from egtensor.lang.dims import Shape, estimate, product
from egtensor.lang.op import (
    ArgReduce,
    Derived,
    Gather,
    Item,
    Join,
    Leaf,
    Library,
    Op,
    Prefix,
    Reduce,
    Region,
    Reshape,
    Scalar,
    Scatter,
    Types,
    View,
)
from egtensor.lang.types import TensorType

NEVER = 1e30
VIEW = 1e-9  # breaks ties in favour of fewer steps
UNROLLED_STEPS = 1000  # trip count assumed where it is unknown


@dataclass(frozen=True)
class CostModel:
    """Seconds per unit of work.

    addition  one float32 addition in a vectorised loop
    byte      one byte moved to or from memory
    product   one multiply-add of a float32 matrix product
    step      the loop of one reduction or move
    call      one library call
    """

    addition: float
    byte: float
    product: float
    step: float
    call: float

    @staticmethod
    @cache
    def of(target: str) -> CostModel:
        """The shipped table of a target."""
        name = f"cost_table_{'cuda' if target == 'cuda' else 'c'}.json"
        table = json.loads((files("egtensor.extract") / name).read_text())
        return CostModel(**{k: v for k, v in table.items() if k != "comment"})

    def node(
        self, op: Op, attrs: dict[str, Any], operands: tuple[Types, ...], result: Types
    ) -> float:
        """The cost of one node, its operands not included."""
        match op.body:
            case Scalar():
                return VIEW + self.arithmetic(op, _first(result))
            case Leaf(kind):
                return VIEW + (self._bytes(result) if kind in ("input", "constant") else 0.0)
            case View() | Item():
                return VIEW
            case Reshape():
                return self.step / 4
            case Reduce() | ArgReduce() | Prefix():
                return self.step + self.arithmetic(op, _first(operands[0])) + self._bytes(result)
            case Join() | Gather() | Scatter():
                return self.step + 2 * self._bytes(result) + VIEW
            case Library():
                return self._library(op, attrs, operands, result)
            case Region():
                return UNROLLED_STEPS * self.call
            case Derived():
                return NEVER
            case _:
                assert_never(op.body)

    def result(self, type_: Types) -> float:
        """The cost of writing a result of the program."""
        return self._bytes(type_)

    def arithmetic(self, op: Op, type_: TensorType) -> float:
        """Seconds of arithmetic per element, times the elements."""
        assert isinstance(op.cost, (int, float))
        return self.work(op.cost, type_)

    def work(self, additions: float, type_: TensorType) -> float:
        """Seconds of so many float32 additions for each element."""
        return additions * self.addition * elements(type_.shape) * _width(type_)

    def _bytes(self, types: Types) -> float:
        each = types if isinstance(types, tuple) else (types,)
        return sum(elements(t.shape) * t.dtype.itemsize for t in each) * self.byte

    def _library(
        self, op: Op, attrs: dict[str, Any], operands: tuple[Types, ...], result: Types
    ) -> float:
        assert callable(op.cost)
        tensors = tuple(_first(t) for t in operands)
        moved = sum(self._bytes(t) for t in (*tensors, result))
        work = estimate(op.cost(tensors, attrs)) * self.product * _width(tensors[0])
        return self.call + max(work, moved)


@lru_cache(maxsize=65536)
def elements(shape: Shape) -> int:
    """About how many elements a tensor of this shape has."""
    return estimate(product(shape))


def _first(types: Types) -> TensorType:
    return types[0] if isinstance(types, tuple) else types


def _width(type_: TensorType) -> float:
    """How many times slower than float32 a vector of this dtype is."""
    return type_.dtype.itemsize / 4 if type_.dtype.kind != "b" else 0.25
