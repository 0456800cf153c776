"""Small C kernels for the tests of the runtime, compiled as generated code is."""

import functools
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from egtensor.emit_c import runtime
from egtensor.emit_c.runtime import Function, Library, Shared

Array = npt.NDArray[Any]
HEADER = (Path(runtime.__file__).parent / "runtime.h").read_text()
F64 = np.dtype(np.float64).num
DTYPES = [np.dtype(c) for c in "?bBhHiIlLqQefd"]
PREPARE = "int egt_prepare(const int64_t *const *in, int64_t *const *out, int64_t *plan)\n"
MAIN = (
    "int egt_main(egt_rt *rt, char **data, const int64_t *const *shape,"
    " const int64_t *const *strides)\n"
)

# outputs have the shape of the first array; the kernels below are for contiguous float64 vectors
SAME = PREPARE + "{ %s for (int i = 0; i < %d; i++) out[i][0] = in[0][0]; return 0; }\n"
VECTOR = "#define N shape[0][0]\n#define V(i) ((double *)data[i])\n"
# after a delay: out0 = 2 in0 + W; W := W + in0
COUNTER = (
    VECTOR
    + SAME % ("plan[0] = 128;", 2)
    + MAIN
    + """{
    for (volatile int64_t k = 0; k < DELAY; k++);
    for (int64_t i = 0; i < N; i++) {
        V(2)[i] = 2 * V(0)[i] + V(1)[i];
        V(3)[i] = V(1)[i] + V(0)[i];
    }
    return 0;
}"""
)


@functools.cache
def compile_c(text: str) -> Library:
    """Compile C text after runtime.h."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.so"
        command = ["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-x", "c", "-"]
        subprocess.run([*command, "-o", str(path)], input=HEADER + text, text=True, check=True)
        return Library(path)


def function(text: str, cls: type[Function] = Function, **options: Any) -> Function:
    """A Function of C text; by default of one float64 vector."""
    library = compile_c(text)
    options = {"in_specs": vectors(1), "out_specs": ((F64, 1),), **options}
    return cls(
        prepare=library.symbol("egt_prepare"),
        main=library.symbol("egt_main"),
        keepalive=library,
        **options,
    )


def vectors(n: int) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """Specs of n float64 vectors of any length."""
    return ((F64, 1, (-1,)),) * n


def counter(shared: Shared, delay: int = 0, text: str = COUNTER, **options: Any) -> Function:
    """A function that adds its argument to a shared variable, ``delay`` empty loops later."""
    text = text.replace("DELAY", str(delay))
    return function(text, shared=(shared,), out_specs=((F64, 1),) * 2, updates=(0,), **options)
