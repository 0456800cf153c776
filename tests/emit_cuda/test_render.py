"""Kernels rendered as CUDA compile for a GPU; without a compiler for it, the tests skip themselves."""

import shutil
import subprocess

import pytest

from egtensor.emit_cuda.render import render
from egtensor.errors import UnsupportedError
from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS, OPS
from tests.kernels.native import plan_of, symbol

F = FUNCTIONS
NVCC = shutil.which("nvcc")


def programs():
    x = symbol(0, "x", "float32", (size("n"), size("m")))
    b = symbol(1, "b", "float32", (x.shape[1],))
    i = symbol(1, "i", "int64", (size("k"),))
    mean = F["mean"](x, axis=1, keepdims=True)
    variance = F["mean"]((x - mean) * (x - mean), axis=1, keepdims=True)
    return {
        "elementwise": ([OPS["tanh"](x * x + b), OPS["where"](x > 0, x, -x)], [x, b]),
        "softmax": ([F["softmax"](x, axis=1)], [x]),
        "layer norm": ([(x - mean) / OPS["sqrt"](variance + 1e-5) * b], [x, b]),
        "columns": ([F["sum"](x, axis=0), F["max"](x, axis=0)], [x]),
        "gather": ([x[i] * 2], [x, i]),
    }


@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
@pytest.mark.parametrize("name", programs())
def test_rendered_kernels_compile(name, tmp_path):
    roots, inputs = programs()[name]
    source = render(plan_of(roots, inputs))
    (tmp_path / "kernels.cu").write_text(source.text)
    command = [NVCC, "-cubin", *source.flags, "-o", "kernels.cubin", "kernels.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "#include" not in source.text


def test_a_row_is_one_visit_of_a_block():
    roots, inputs = programs()["softmax"]
    text = render(plan_of(roots, inputs)).text
    assert text.count("__global__") == 1
    assert text.count("__syncthreads") == 6


def test_plans_with_calls_have_no_cuda_text():
    x = symbol(0, "x", "float32", (size("n"), size("n")))
    with pytest.raises(UnsupportedError, match="cuda: a plan with calls"):
        render(plan_of([OPS["matmul"](x, x)], [x]))
