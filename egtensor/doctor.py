"""Is everything here that egtensor needs? One short test for each part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from egtensor.errors import EgTensorError


def diagnose() -> Iterator[tuple[str, str | None]]:
    """Pairs (part, what is wrong with it or None)."""
    for name, test in (
        ("e-graph engine", _engine),
        ("C compiler", _compiler),
        ("cache directory", _cache),
        ("BLAS", _blas),
    ):
        try:
            test()
            yield name, None
        except (EgTensorError, OSError, ImportError) as error:
            yield name, str(error)


def _engine() -> None:
    import egglog.bindings

    egglog.bindings.EGraph()


def _compiler() -> None:
    from egtensor.compiled import CompiledFunction
    from egtensor.function import function
    from egtensor.lang.api import tensor

    x = tensor("x", shape=(1,))
    fn = function([x], x + 1)
    if not isinstance(fn, CompiledFunction) or float(np.asarray(fn(np.zeros(1)))[0]) != 1:
        raise EgTensorError("compiled functions do not run")


def _cache() -> None:
    from egtensor.cache import write_atomically
    from egtensor.config import config

    write_atomically(config.cache_dir / "doctor", b"")


def _blas() -> None:
    from egtensor.emit_c.runtime import load_openblas

    load_openblas()
