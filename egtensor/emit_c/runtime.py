"""The compiled runtime, ready for use: call path, shared variables, threads, BLAS.

How a compiled function is called, and what it may call, stands in ``runtime.h``.
"""

import os

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
    "default_threads",
    "fail_alloc_after",
    "get_threads",
    "load_blas",
    "set_threads",
]


def default_threads() -> int:
    """How many threads to use: ``EGTENSOR_THREADS``, else the CPUs this process may run on."""
    wish = os.environ.get("EGTENSOR_THREADS", "")
    if not wish:
        allowed = getattr(os, "sched_getaffinity", None)
        return len(allowed(0)) if allowed else os.cpu_count() or 1
    if not wish.isdecimal() or not int(wish):
        raise ValueError(
            f"EGTENSOR_THREADS={wish}\n"
            "  the number of threads is an integer of at least 1\n"
            "  fix: EGTENSOR_THREADS=4, or unset it to use every CPU"
        )
    return int(wish)


def load_openblas() -> None:
    """Load the BLAS of scipy-openblas32, which takes 5 to 30 ms: once a function needs it."""
    import scipy_openblas32

    name = "libscipy_openblas" + (".dylib" if os.uname().sysname == "Darwin" else ".so")
    load_blas(os.path.join(scipy_openblas32.get_lib_dir(), name))


_runtime.set_blas_loader(load_openblas)
set_threads(default_threads())
