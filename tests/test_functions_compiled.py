"""Every function of the language, compiled, against its interpretation."""

import sys
from pathlib import Path

import numpy as np
import pytest

import egtensor as et
from egtensor.lang.op import FUNCTIONS

sys.path.insert(0, str(Path(__file__).parent / "lang"))
from agreement import static, symbolic
from function_calls import CASES, split_call


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_compiled_functions_agree_with_interpretation(name):
    for call in CASES[name]:
        operands, rest, options = split_call(call)
        make = static if any(1 in a.shape for a in operands) else symbolic
        xs = [make(a) for a in operands]
        made = FUNCTIONS[name](*xs, *rest, **options)
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        wanted = et.interpret(results, dict(zip(xs, operands, strict=True)))
        got = et.function(xs, results, on_unused_input="ignore")(*operands)
        for a, b in zip(got, wanted, strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            # another order of summation: the rounding of a few dozen operations
            tolerance = 64 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
