"""Rendered C of a few programs, to be read: tests/golden/*.c; --update-golden writes them anew."""

import subprocess
import sys
from pathlib import Path

import pytest

from egtensor.emit_c.render import render
from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS, OPS
from tests.kernels.native import plan_of, symbol

F = FUNCTIONS
GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("elementwise", "softmax", "layer_norm", "columns", "gather", "product", "loop")


def text_of(name):
    """The part of the C text that is not the same for all programs."""
    n, m = size("n"), size("m")
    x = symbol(0, "x", "float32", (n, m))
    b = symbol(1, "b", "float32", (m,))
    i = symbol(1, "i", "int64", (size("k"),))
    w = symbol(1, "w", "float32", (m, m))
    mean = F["mean"](x, axis=1, keepdims=True)
    variance = F["mean"]((x - mean) * (x - mean), axis=1, keepdims=True)
    roots, inputs = {
        "elementwise": lambda: ([OPS["tanh"](x * x + b), F["sum"](x)], [x, b]),
        "softmax": lambda: ([F["softmax"](x, axis=1)], [x]),
        "layer_norm": lambda: ([(x - mean) / OPS["sqrt"](variance + 1e-5) * b], [x, b]),
        "columns": lambda: ([F["sum"](x, axis=0), F["transpose"](x) * 2], [x]),
        "gather": lambda: ([x[i] * 2], [x, i]),
        "product": lambda: ([OPS["tanh"](OPS["matmul"](x, F["transpose"](w)))], [x, w]),
        "loop": lambda: (
            [F["scan"](lambda v, h: h * 2 + v, sequences=[x], outputs_info=[b])[0]],
            [x, b],
        ),
    }[name]()
    text = render(plan_of(roots, inputs)).text
    return text[text.index("struct egt_env {") :]


@pytest.mark.parametrize("name", NAMES)
def test_rendered_c_is_as_recorded(name, request):
    path = GOLDEN / f"{name}.c"
    text = text_of(name)
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()


def test_the_text_does_not_depend_on_the_hash_seed():
    code = (
        "from tests.emit_c.test_golden import NAMES, text_of\n"
        "import hashlib; print(hashlib.sha256(''.join(map(text_of, NAMES)).encode()).hexdigest())"
    )
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1
