"""Functions of attributes that rules compute with: permutations, axes, shapes.

Each takes attribute values, and types where a rule passes a variable; None means that the rule does not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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


@attribute_function
def same_type(x: TensorType, y: TensorType) -> bool:
    """Whether two matched tensors have one type."""
    return x == y


@attribute_function
def has_dtype(x: TensorType, dtype: Any) -> bool:
    """Whether a matched tensor has this dtype already."""
    return bool(x.dtype == dtype)


@attribute_function
def passes_unchanged(x: TensorType, between: Any, to: Any) -> bool:
    """Whether a conversion to ``between`` on the way to ``to`` changes no value of ``x``."""
    source = x.dtype
    if not holds_all(source, between):
        return False
    # integers become other integers by wrapping, which floats do not do
    wraps = source.kind in "iu" and to.kind in "iu" and not holds_all(source, to)
    return not (between.kind == "f" and wraps)


def holds_all(source: Any, target: Any) -> bool:
    """Whether every value of one dtype is a value of another."""
    if source == target or source.kind == "b":
        return True
    if target.kind == "b" or (source.kind == "f" and target.kind != "f"):
        return False
    if target.kind == "f":
        bits = np.finfo(target).nmant + 1
        return bool(
            source.itemsize <= target.itemsize
            if source.kind == "f"
            else np.iinfo(source).bits - (source.kind == "i") <= bits
        )
    low, high = np.iinfo(source), np.iinfo(target)
    return bool(high.min <= low.min and low.max <= high.max)


@attribute_function
def is_empty(axes: tuple[int, ...]) -> bool:
    """Whether no axis is named."""
    return axes == ()


@attribute_function
def kept_permutation(p: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order of the axes left when ``axes`` are removed from a permutation by ``p``."""
    left = [a for k, a in enumerate(p) if k not in axes]
    return tuple(sorted(left).index(a) for a in left)


@attribute_function
def all_axes(x: TensorType) -> tuple[int, ...]:
    """Every axis of a matched tensor."""
    return tuple(range(x.ndim))


@attribute_function
def covers(axes: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    """Whether ``axes`` are all the axes of a shape."""
    return len(axes) == len(shape)


@attribute_function
def reduced_shape(x: TensorType, axes: tuple[int, ...]) -> tuple[Any, ...]:
    """The shape of a matched tensor without some axes."""
    return tuple(n for k, n in enumerate(x.shape) if k not in axes)


@attribute_function
def kept_shape(x: TensorType, axes: tuple[int, ...]) -> tuple[Any, ...]:
    """The shape of a matched tensor, with some axes of size 1."""
    return tuple(1 if k in axes else n for k, n in enumerate(x.shape))


@attribute_function
def are_units(x: TensorType, axes: tuple[int, ...]) -> bool:
    """Whether some axes, at least one, all have size 1."""
    return axes != () and all(x.shape[k] == 1 for k in axes)


@attribute_function
def permuted_shape(x: TensorType, p: tuple[int, ...]) -> tuple[Any, ...]:
    """The shape of the permutation of a matched tensor."""
    return tuple(x.shape[k] for k in p)


@attribute_function
def moves_units(x: TensorType, p: tuple[int, ...]) -> bool:
    """Whether a permutation leaves the axes in order, except those of size 1."""
    left = [k for k in p if x.shape[k] != 1]
    return left == sorted(left)


@attribute_function
def adds_units(x: TensorType, shape: tuple[Any, ...]) -> bool:
    """Whether stretching to ``shape`` only adds axes of size 1."""
    lead = len(shape) - x.ndim
    return lead > 0 and shape[lead:] == x.shape and all(n == 1 for n in shape[:lead])


@attribute_function
def swaps_last(p: tuple[int, ...]) -> bool:
    """Whether a permutation exchanges the last two axes and nothing else."""
    n = len(p)
    return n >= 2 and p == (*range(n - 2), n - 1, n - 2)


@attribute_function
def slice_starts(
    starts: tuple[Any, ...], steps: tuple[int, ...], then: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Where a slice of a slice starts, in the operand of the first."""
    return tuple(a + k * b for a, k, b in zip(starts, steps, then, strict=True))


@attribute_function
def slice_steps(first: tuple[int, ...], then: tuple[int, ...]) -> tuple[int, ...]:
    """The steps of a slice of a slice."""
    return tuple(a * b for a, b in zip(first, then, strict=True))


@attribute_function
def is_whole(
    x: TensorType, starts: tuple[Any, ...], steps: tuple[int, ...], sizes: tuple[Any, ...]
) -> bool:
    """Whether a slice takes all elements in order."""
    return (
        sizes == x.shape
        and all(s == 0 for s in starts)
        and all(k == 1 or n == 1 for k, n in zip(steps, sizes, strict=True))
    )


@attribute_function
def product_shape(x: TensorType, y: TensorType) -> tuple[Any, ...]:
    """The shape of the product of two matched matrices, or stacks of them."""
    return (*x.shape[:-1], y.shape[-1])


@attribute_function
def unpermuted(values: tuple[Any, ...], p: tuple[int, ...]) -> tuple[Any, ...]:
    """What belongs to each axis of the operand, given it for each axis of its permutation by ``p``."""
    return tuple(values[k] for k in invert(p))


@attribute_function
def has_elements(x: TensorType, axes: tuple[int, ...]) -> bool:
    """Whether no axis named is known to be empty; of unknown sizes kernels take the identity of the fold."""
    return all(x.shape[k] != 0 for k in axes)
