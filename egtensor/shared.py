"""Shared variables: tensors that keep their values between calls and can be updated by functions."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from egtensor.config import config
from egtensor.emit_c.runtime import Shared as Storage
from egtensor.errors import InputError, TypeRuleError
from egtensor.lang import dims
from egtensor.lang.expr import Expr, make
from egtensor.lang.op import OPS
from egtensor.lang.types import TensorType, as_dtype
from egtensor.lang.unify import sizes_in


class Container:
    """The storage of one shared variable, and the expression that stands for it.

    default_update  the new value that every function using the variable gives it, unless told otherwise
    """

    def __init__(self, storage: Storage, name: str, type_: TensorType) -> None:
        self.storage = storage
        self.name = name
        self.type = type_
        self.default_update: Expr | None = None
        self._variable: weakref.ref[SharedVariable] | None = None

    @staticmethod
    def of_constant(array: Any, type_: TensorType) -> Container:
        """The container of an array that no program writes to."""
        return Container(Storage(array), "constant", type_)

    def __reduce__(self) -> tuple[Any, ...]:
        written = (self.storage.array, self.name, self.type.dtype.name, self.type.shape)
        # the default update mentions the variable, which must exist before it is loaded
        return restore, written, self.default_update

    def __setstate__(self, default_update: Expr) -> None:
        self.default_update = default_update

    @property
    def variable(self) -> SharedVariable:
        """The expression."""
        found = self._variable() if self._variable is not None else None
        if found is None:
            found = _wrap(self)
        return found


class SharedVariable(Expr):
    """An expression whose value is stored and can be read and replaced."""

    __slots__ = ()

    @property
    def container(self) -> Container:
        """Where the value is kept."""
        return self.attrs[3]  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """The name it was given."""
        return self.container.name

    def get_value(self, borrow: bool = False) -> Any:
        """The value now: a copy, or with ``borrow`` the stored array, which must not be written to."""
        value = self.container.storage.array
        return value if borrow else np.array(value, order="K", copy=True)

    def set_value(self, value: Any, borrow: bool = False) -> None:
        """Replace the value.

        value   same dtype and rank; sizes may change unless they were declared
        borrow  keep ``value`` itself, which the caller must not write to afterwards
        """
        declared = self.container.type
        array = _as_array(value, declared.dtype)
        problem = _misfit(array, declared)
        if problem:
            raise InputError(
                f"shared variable {self.name!r}: cannot take a value of type"
                f" {array.dtype}[{','.join(map(str, array.shape))}]\n  {problem}\n"
                f"  fix: convert the value, or make a new shared variable"
            )
        kept = array if borrow and array is value else np.array(array, order="C", copy=True)
        self.container.storage.array = kept

    def __reduce__(self) -> tuple[Any, ...]:
        return Expr.__reduce__(self)


def restore(value: Any, name: str, dtype: str, shape: tuple[Any, ...]) -> Container:
    """A container with a value, as it was pickled."""
    array = np.asarray(value).astype(dtype, copy=False)
    storage = Storage(np.array(array, order="C", copy=True))
    return Container(storage, name, TensorType(array.dtype, _declared_sizes(name, array, shape)))


def shared(
    value: Any, name: str | None = None, *, shape: Any = None, borrow: bool = False
) -> SharedVariable:
    """Make a shared variable.

    value   array or number; a Python float becomes ``config.floatX``
    name    for messages
    shape   declared sizes, ``None`` for those that may change; without it every size may change
    borrow  keep ``value`` itself instead of a copy
    """
    if isinstance(value, Expr):
        raise TypeRuleError(
            "shared: the value is symbolic\n"
            "  a shared variable holds an array\n"
            "  fix: evaluate it first, e.g. with .eval()"
        )
    array = np.asarray(value, dtype=config.floatX if type(value) is float else None)
    array = array.astype(as_dtype(array.dtype), copy=False)
    storage = Storage(array if borrow and array is value else np.array(array, order="C", copy=True))
    label = name or "shared"
    type_ = TensorType(array.dtype, _declared_sizes(label, array, shape))
    return _wrap(Container(storage, label, type_))


def _wrap(container: Container) -> SharedVariable:
    made = make(
        OPS["shared"], (), (container.storage.id, container.name, container.type, container)
    )
    made.__class__ = SharedVariable
    assert isinstance(made, SharedVariable)
    for size in sizes_in(container.type):
        _OWNERS[size] = weakref.ref(container)  # a container holds its sizes
    container._variable = weakref.ref(made)
    return made


_OWNERS: weakref.WeakKeyDictionary[dims.Size, weakref.ref[Container]]
_OWNERS = weakref.WeakKeyDictionary()


def owner_of(size: dims.Size) -> SharedVariable | None:
    """The shared variable that one of its sizes tells, if it is a size of one."""
    reference = _OWNERS.get(size)
    container = reference() if reference is not None else None
    return None if container is None else container.variable


def _declared_sizes(name: str, array: Any, shape: Any) -> dims.Shape:
    if shape is None:
        shape = (None,) * array.ndim
    if len(shape) != array.ndim or any(
        isinstance(s, int) and s != n for s, n in zip(shape, array.shape, strict=True)
    ):
        raise InputError(
            f"shared variable {name!r}: shape {shape} does not fit the value's {array.shape}\n"
            f"  declared sizes must be those of the value, or None\n"
            f"  fix: declare as many sizes as the value has axes"
        )
    return tuple(
        dims.size(f"{name}_{k}", hint=int(n)) if s is None else s
        for k, (s, n) in enumerate(zip(shape, array.shape, strict=True))
    )


def _as_array(value: Any, dtype: Any) -> Any:
    if isinstance(value, Expr):
        raise InputError(
            "set_value: the value is symbolic\n"
            "  a shared variable holds an array\n"
            "  fix: evaluate it first, e.g. with .eval()"
        )
    array = np.asarray(value)
    if type(value) in (int, float, bool, list) and np.can_cast(array.dtype, dtype, "same_kind"):
        array = array.astype(dtype)
    return array


def _misfit(array: Any, declared: TensorType) -> str:
    if array.dtype != declared.dtype:
        return f"its dtype is {declared.dtype}"
    if array.ndim != declared.ndim:
        return f"its rank is {declared.ndim}"
    for k, (given, size) in enumerate(zip(array.shape, declared.shape, strict=True)):
        if isinstance(size, int) and given != size:
            return f"its size along axis {k} is declared as {size}"
    return ""
