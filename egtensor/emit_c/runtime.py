"""The compiled runtime, ready for use: call path, shared variables, threads, BLAS.

How a compiled function is called, and what it may call, stands in ``runtime.h``.
"""

import os

from egtensor.config import config, on_change
from egtensor.emit_c import _runtime

if _runtime.lib.egt_install(id(_runtime.__dict__)):
    raise ImportError(
        "egtensor.emit_c._runtime: the types could not be made; the reason is printed above\n"
        "  the runtime is compiled against the NumPy and Python it was built with\n"
        "  fix: pip install --force-reinstall --no-binary egtensor egtensor"
    )

Function = _runtime.Function
Library = _runtime.Library
Shared = _runtime.Shared
fail_alloc_after = _runtime.fail_alloc_after
get_threads = _runtime.get_threads
load_blas = _runtime.load_blas
set_threads = _runtime.set_threads

__all__ = [
    "Function",
    "Library",
    "Shared",
    "fail_alloc_after",
    "get_threads",
    "load_blas",
    "load_openblas",
    "set_threads",
]


def load_openblas() -> None:
    """Load the BLAS of scipy-openblas32, which takes 5 to 30 ms: once a function needs it."""
    import scipy_openblas32

    name = "libscipy_openblas" + (".dylib" if os.uname().sysname == "Darwin" else ".so")
    load_blas(os.path.join(scipy_openblas32.get_lib_dir(), name))


_runtime.set_blas_loader(load_openblas)
set_threads(config.threads)
on_change("threads", set_threads)
