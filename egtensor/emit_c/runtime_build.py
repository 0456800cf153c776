"""How to build the compiled runtime ``egtensor.emit_c._runtime``.

In a checkout: ``python setup.py build_ext --inplace``.
"""

from pathlib import Path

import cffi
import numpy as np

HERE = Path(__file__).resolve().parent

ffi = cffi.FFI()
ffi.cdef("int egt_install(uintptr_t namespace);")
ffi.set_source(
    "egtensor.emit_c._runtime",
    '#include "runtime.c"',
    include_dirs=[np.get_include(), str(HERE)],
    depends=sorted(str(path) for path in HERE.glob("runtime*.[ch]")),
    extra_compile_args=["-O2", "-g0", "-ftree-vectorize", "-ffp-contract=off", "-pthread"],
    libraries=["dl"],
    # cffi would define Py_LIMITED_API, which hides vectorcall slots
    define_macros=[("_CFFI_NO_LIMITED_API", "1")],
    py_limited_api=False,
)
