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
    import egtensor as et

    x = et.vector("x")
    fn = et.function([x], x + 1)
    if not isinstance(fn, et.compiled.CompiledFunction) or fn(np.zeros(1))[0] != 1:
        raise EgTensorError("compiled functions do not run")


def _cache() -> None:
    from egtensor.cache import write_atomically
    from egtensor.config import config

    write_atomically(config.cache_dir / "doctor", b"")


def _blas() -> None:
    from egtensor.emit_c.runtime import load_openblas

    load_openblas()
