"""``jit``: plain functions of arrays, traced once per kind of arguments and compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from egtensor.errors import InputError
from egtensor.function import function
from egtensor.lang.api import tensor
from egtensor.lang.expr import Expr


class Jit:
    """A function that compiles itself at the first call with each combination of dtypes and ranks.

    Axes of size 1 are specialised, since only they broadcast; all other sizes share one compilation.
    """

    def __init__(self, fn: Callable[..., Any], options: dict[str, Any]) -> None:
        self._fn = fn
        self._options = options
        self._compiled: dict[Any, Any] = {}
        self._last: Any = None
        update_wrapper(self, fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args = self._positional(args, kwargs)
        if any(isinstance(a, Expr) for a in args):
            return self._fn(*args)  # inside another expression: part of it
        arrays = [self._array(k, a) for k, a in enumerate(args)]
        kinds = tuple((a.dtype, tuple(n == 1 for n in a.shape)) for a in arrays)
        compiled = self._compiled.get(kinds)
        if compiled is None:
            compiled = self._compiled[kinds] = self._compile(arrays)
        self._last = compiled
        return compiled(*arrays)

    @property
    def compilations(self) -> int:
        """How many kinds of arguments were compiled for."""
        return len(self._compiled)

    @property
    def last(self) -> Any:
        """The compiled function of the last call: its program, source, report."""
        return self._last

    def _compile(self, arrays: list[Any]) -> Any:
        symbols = [
            tensor(f"x{k}", dtype=a.dtype, shape=tuple(1 if n == 1 else None for n in a.shape))
            for k, a in enumerate(arrays)
        ]
        traced = self._fn(*symbols)
        outputs = list(traced) if isinstance(traced, tuple) else traced
        compiled = function(symbols, outputs, on_unused_input="ignore", **self._options)
        compiled.report.specialised = tuple(
            f"x{k}.shape[{axis}] == 1"
            for k, a in enumerate(arrays)
            for axis, n in enumerate(a.shape)
            if n == 1
        )
        return compiled

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments in the order of the parameters."""
        try:
            bound = inspect.signature(self._fn).bind(*args, **kwargs)
        except TypeError as error:
            raise self._misfit(str(error)) from None
        if bound.kwargs:
            raise self._misfit(f"{next(iter(bound.kwargs))!r} can only be given by name")
        return bound.args

    def _misfit(self, problem: str) -> InputError:
        return InputError(
            f"{self._fn.__name__}: {problem}\n"
            f"  the function takes {inspect.signature(self._fn)}\n"
            f"  fix: pass every argument once; those of jit have positions"
        )

    def _array(self, k: int, value: Any) -> Any:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise InputError(
                f"{self._fn.__name__}: argument {k} is {type(value).__name__}, not an array of numbers\n"
                f"  jit traces functions of arrays\n"
                f"  fix: bind other arguments with functools.partial before jit"
            )
        return array


def jit(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a plain function of arrays; also a decorator.

    fn       takes and returns tensors, using egtensor's functions and operators
    options  those of ``function``: allow, accuracy, rules, limits
    returns  a callable; results are arrays, lists or dicts as ``fn`` returns them
    """
    return Jit(fn, options) if fn is not None else lambda f: Jit(f, options)
