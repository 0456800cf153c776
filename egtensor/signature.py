"""Arguments of a compiled function: what is accepted, what is converted, what is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from egtensor.errors import InputError
from egtensor.lang.types import TensorType


@dataclass(frozen=True)
class Signature:
    """Names and types of the arguments.

    downcast  whether float64 arguments are rounded to float32 parameters
    """

    names: tuple[str, ...]
    types: tuple[TensorType, ...]
    downcast: bool = False

    def conform(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> tuple[Any, ...]:
        """Arrays of exactly the declared dtypes and ranks.

        raises  InputError names the argument, what was expected and what was given
        """
        values = self._bound(args, kwargs or {})
        return tuple(self._array(k, v) for k, v in enumerate(values))

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        shown = ", ".join(f"{n}: {t}" for n, t in zip(self.names, self.types, strict=True))
        values = dict(enumerate(args))
        for name, value in kwargs.items():
            places = [k for k, n in enumerate(self.names) if n == name and k not in values]
            if not places:
                raise InputError(
                    f"call: there is no argument {name!r} left to give\n"
                    f"  the function takes ({shown})\n  fix: use one of these names, each once"
                )
            values[places[0]] = value
        if len(values) != len(self.names) or set(values) != set(range(len(self.names))):
            raise InputError(
                f"call: {len(args) + len(kwargs)} arguments given, {len(self.names)} expected\n"
                f"  the function takes ({shown})\n  fix: pass every argument once"
            )
        return [values[k] for k in range(len(self.names))]

    def _array(self, k: int, value: Any) -> Any:
        declared = self.types[k]
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise self._error(k, f"{type(value).__name__}", str(error), "pass an array") from None
        given = f"{array.dtype}[{','.join(map(str, array.shape))}]"
        if array.dtype.kind not in "biuf":
            raise self._error(k, given, "it is not numeric", "pass an array of numbers")
        weak = type(value) in (bool, int, float, list, tuple)
        if array.dtype != declared.dtype and not self._converts(array.dtype, declared.dtype, weak):
            fix = f".astype({str(declared.dtype)!r})"
            lossy = array.dtype.kind == declared.dtype.kind == "f"
            raise self._error(
                k,
                given,
                f"{array.dtype} does not convert to {declared.dtype} without loss",
                f"pass {self.names[k]}{fix}" + (", or allow_downcast=True" if lossy else ""),
            )
        if array.ndim != declared.ndim:
            raise self._error(
                k,
                given,
                f"the rank is {array.ndim}, not {declared.ndim}",
                "reshape the argument, e.g. with x[None] or x[:, None]",
            )
        for axis, (n, size) in enumerate(zip(array.shape, declared.shape, strict=True)):
            if isinstance(size, int) and n != size:
                raise self._error(
                    k, given, f"axis {axis} has {n} elements, not {size}", "pass the declared size"
                )
        return np.require(array.astype(declared.dtype, copy=False), requirements="A")

    def _converts(self, given: Any, declared: Any, weak: bool) -> bool:
        if np.can_cast(given, declared, "safe"):
            return True
        loss_is_fine = weak or self.downcast
        return loss_is_fine and declared.kind == "f" and given.kind in "biuf"

    def _error(self, k: int, given: str, rule: str, fix: str) -> InputError:
        return InputError(
            f"call: argument {k} ({self.names[k]!r}) must be {self.types[k]}, got {given}\n"
            f"  {rule}\n  fix: {fix}"
        )
