"""Settings: attributes of ``config``, each also an environment variable ``EGTENSOR_<NAME>``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from egtensor.errors import ConfigError


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "egtensor"


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return parse


def _count(value: Any) -> int:
    n = int(value)
    if n < 1:
        raise ValueError("an integer of at least 1")
    return n


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "on"):
        return True
    if str(value).lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("a boolean: 1 or 0")


# name: (parser, default, what it is for)
SETTINGS: dict[str, tuple[Callable[[Any], Any], Callable[[], Any], str]] = {
    "floatX": (_one_of("float32", "float64"), lambda: "float64", "dtype of vector(), shared(0.1)"),
    "target": (_one_of("c", "cuda", "interpret"), lambda: "c", "what functions are compiled for"),
    "cache_dir": (Path, _default_cache, "where compiled functions are kept"),
    "cache": (_flag, lambda: True, "whether compiled functions are kept on disk"),
    "threads": (_count, _available_cores, "threads that one call may use"),
    "cc": (str, lambda: os.environ.get("CC", ""), "the C compiler; empty: gcc, cc or clang"),
    "check": (_flag, lambda: False, "verify every intermediate form"),
}


class Config:
    """The settings; assigning one validates it."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in SETTINGS:
            raise AttributeError(_unknown(name))
        if name not in self._values:
            given = os.environ.get(f"EGTENSOR_{name.upper()}")
            self._values[name] = SETTINGS[name][1]() if given is None else _parsed(name, given)
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        elif name not in SETTINGS:
            raise ConfigError(_unknown(name))
        else:
            self._values[name] = _parsed(name, value)
            for observer in _observers.get(name, ()):
                observer(self._values[name])

    def __dir__(self) -> list[str]:
        return list(SETTINGS)

    @contextmanager
    def set(self, **values: Any) -> Iterator[None]:
        """Change settings for a ``with`` block."""
        before = {name: getattr(self, name) for name in values}
        for name, value in values.items():
            setattr(self, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    def __repr__(self) -> str:
        return "\n".join(f"{n} = {getattr(self, n)!r}  # {d}" for n, (_, _, d) in SETTINGS.items())


_observers: dict[str, list[Callable[[Any], None]]] = {}


def on_change(name: str, observer: Callable[[Any], None]) -> None:
    """Call ``observer`` with the new value whenever setting ``name`` is assigned."""
    _observers.setdefault(name, []).append(observer)


def _parsed(name: str, value: Any) -> Any:
    try:
        return SETTINGS[name][0](value)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"config.{name}: {value!r} is not valid\n"
            f"  it is {SETTINGS[name][2]}: {error}\n"
            f"  fix: assign a valid value, or unset EGTENSOR_{name.upper()}"
        ) from None


def _unknown(name: str) -> str:
    return (
        f"config has no setting {name!r}\n"
        f"  the settings are {', '.join(SETTINGS)}\n"
        f"  fix: use one of these"
    )


config = Config()
