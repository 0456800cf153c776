"""Operators without operands, and the ones that hold programs together."""

from __future__ import annotations

from typing import Any

import numpy as np

from egtensor.lang.dims import Dim, Extent
from egtensor.lang.number import Number
from egtensor.lang.op import Attrs, Item, Leaf, Missing, Op
from egtensor.lang.types import DType, Equalities, TensorType

NO_OPERANDS = Missing("it has no operands")


def _stated(position: str) -> Any:
    def rule(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
        return attrs[position]  # type: ignore[no-any-return]

    return rule


def _symbol_value(**attrs: Any) -> Any:
    raise KeyError(attrs["name"])


input_: Op = Op(
    name="input",
    numpy=_symbol_value,
    body=Leaf("input"),
    arity=0,
    attrs=("serial", "name", "type", "facts"),
    type_rule=_stated("type"),
    vjp=NO_OPERANDS,
    cost=0,
    doc="A symbol that a call gives a value; two symbols of one name are different.",
)
shared: Op = Op(
    name="shared",
    numpy=_symbol_value,
    body=Leaf("input"),
    arity=0,
    attrs=("serial", "name", "type", "container"),
    type_rule=_stated("type"),
    vjp=NO_OPERANDS,
    cost=0,
    doc="A variable that keeps its value between calls.",
)
constant: Op = Op(
    name="constant",
    numpy=lambda *, data: data.array,
    body=Leaf("constant"),
    arity=0,
    attrs=("data",),
    type_rule=lambda op, types, attrs, _: attrs["data"].type,
    vjp=NO_OPERANDS,
    cost=0,
    doc="An array that is part of the program.",
)


def _filled(number: Number, type: TensorType) -> Any:
    return np.full(type.shape, number.array(type.dtype), dtype=type.dtype)


literal: Op = Op(
    name="literal",
    numpy=_filled,
    body=Leaf("literal"),
    arity=0,
    attrs=("number", "type"),
    type_rule=_stated("type"),
    vjp=NO_OPERANDS,
    cost=0,
    doc="A tensor whose elements are all one number.",
)


def _extent(extent: int, type: TensorType) -> Any:
    return np.full(type.shape, extent, dtype=type.dtype)


extent: Op = Op(
    name="extent",
    numpy=_extent,
    body=Leaf("extent"),
    arity=0,
    attrs=("extent", "type"),
    type_rule=_stated("type"),
    vjp=NO_OPERANDS,
    cost=0,
    doc="A tensor whose elements are all one size, known when the function is called.",
)


def _iota_type(op: Op, types: tuple[TensorType, ...], attrs: Attrs, _: Equalities) -> TensorType:
    return TensorType(attrs["dtype"], (attrs["extent"],))


def _iota(extent: Extent, dtype: DType) -> Any:
    return np.arange(extent, dtype=dtype) if not isinstance(extent, Dim) else None


iota: Op = Op(
    name="iota",
    numpy=_iota,
    body=Leaf("iota"),
    arity=0,
    attrs=("extent", "dtype"),
    type_rule=_iota_type,
    vjp=NO_OPERANDS,
    cost=1,
    doc="0, 1, ... up to a size.",
)
item: Op = Op(
    name="item",
    numpy=lambda results, *, index: results[index],
    body=Item(),
    arity=1,
    attrs=("index",),
    type_rule=lambda op, types, attrs, _: types[0][attrs["index"]],  # type: ignore[index]  # a tuple of types
    vjp=Missing("the operator with several results is differentiated as a whole"),
    cost=0,
    doc="One result of an operator that has several.",
)
