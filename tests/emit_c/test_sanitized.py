"""Generated code under the address and undefined-behaviour sanitizers, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from pathlib import Path
import numpy as np
from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS as F, OPS
from tests.kernels.native import agree, symbol

x = symbol(0, "x", "float32", (size("n"), size("m")))
i = symbol(1, "i", "int64", (size("k"),))
y = OPS["exp"](x)
roots = [y, F["sum"](y), F["softmax"](x, axis=0), F["softmax"](x, axis=1), F["transpose"](y), x[i],
         F["pad"](x, ((1, 2), (0, 3))) * 2, F["concatenate"]([x, y], axis=1), F["argmax"](x, axis=1),
         F["cumsum"](x, axis=0), OPS["scatter_add"](x, y[i], i, axes=(0,)), x[OPS["greater"](x, 0)]]
for shape in ((1, 1), (5, 3), (33, 40), (4, 600)):
    value = np.random.default_rng(0).standard_normal(shape).astype("float32")
    agree(roots, {x: value, i: np.array([0, -1])}, Path(sys.argv[1]), sanitize=True)
    agree([x * 2], {x: np.asfortranarray(value)[::2]}, Path(sys.argv[1]), sanitize=True)
"""


def _runtime_library(name):
    try:
        found = subprocess.run(
            ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        return None
    return found if os.path.isabs(found) else None


@pytest.mark.slow
def test_generated_code_is_clean_under_sanitizers(tmp_path):
    libraries = [_runtime_library(n) for n in ("libasan.so", "libubsan.so")]
    if None in libraries:
        pytest.skip("gcc has no sanitizers here")
    environment = {
        **os.environ,
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "runtime error" not in done.stderr
