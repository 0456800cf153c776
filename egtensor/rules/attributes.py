"""Functions of attributes that rules compute with: permutations, axes, shapes.

Each takes attribute values, and types where a rule passes a variable; None means that the rule does not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from egtensor.lang.pattern import AttrCall, AttrVariable, Pattern
from egtensor.lang.types import TensorType

ATTRIBUTE_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def attribute_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register ``function``; applied to attribute variables or patterns it makes an AttrCall."""
    name = function.__name__
    if name in ATTRIBUTE_FUNCTIONS:
        raise ValueError(f"attribute function {name!r} is defined twice; rename one of them")
    ATTRIBUTE_FUNCTIONS[name] = function

    def call(*args: Any) -> Any:
        if any(isinstance(a, (AttrVariable, AttrCall, Pattern)) for a in args):
            return AttrCall(name, args)
        return function(*args)

    call.__name__, call.__doc__ = name, function.__doc__
    return call


@attribute_function
def compose(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that applies ``p`` first, then ``q``."""
    return tuple(p[k] for k in q)


@attribute_function
def invert(p: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes ``p``."""
    return tuple(sorted(range(len(p)), key=p.__getitem__))


@attribute_function
def is_identity(p: tuple[int, ...]) -> bool:
    """Whether a permutation leaves every axis in place."""
    return p == tuple(range(len(p)))


@attribute_function
def disjoint(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two sets of axes share none."""
    return not set(a) & set(b)


@attribute_function
def merge_axes(first: tuple[int, ...], then: tuple[int, ...]) -> tuple[int, ...]:
    """The axes removed by removing ``first``, then ``then`` counted among those left."""
    highest = max((*first, *then), default=0) + len(first) + len(then) + 1
    left = [k for k in range(highest) if k not in first]
    return tuple(sorted((*first, *(left[k] for k in then))))


@attribute_function
def permuted_axes(axes: tuple[int, ...], p: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the operand that ``axes`` of its permutation by ``p`` are."""
    return tuple(sorted(p[k] for k in axes))


@attribute_function
def shape_of(x: TensorType) -> tuple[Any, ...]:
    """The shape of a matched tensor."""
    return x.shape


@attribute_function
def dtype_of(x: TensorType) -> Any:
    """The dtype of a matched tensor."""
    return x.dtype


@attribute_function
def same_shape(x: TensorType, shape: tuple[Any, ...]) -> bool:
    """Whether a matched tensor has just this shape."""
    return x.shape == shape


@attribute_function
def rank_is(x: TensorType, rank: int) -> bool:
    """Whether a matched tensor has ``rank`` axes."""
    return x.ndim == rank
