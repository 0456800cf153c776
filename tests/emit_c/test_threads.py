"""Results do not depend on the number of threads, to the last bit."""

import numpy as np
import pytest

from egtensor.emit_c.runtime import get_threads, set_threads
from egtensor.lang.dims import size
from egtensor.lang.op import FUNCTIONS, OPS
from tests.kernels.native import compiled, symbol

F = FUNCTIONS


@pytest.fixture
def threads():
    before = get_threads()
    yield set_threads
    set_threads(before)


def test_results_do_not_depend_on_the_number_of_threads(tmp_path, threads):
    x = symbol(0, "x", "float32", (size("n"), size("m")))
    y = OPS["exp"](x)
    mean = F["mean"](x, axis=0, keepdims=True)
    roots = [
        y * 2, F["sum"](y), F["sum"](y, axis=0), F["sum"](y, axis=1), F["softmax"](x, axis=1),
        F["softmax"](x, axis=0), F["cumsum"](x, axis=0), F["argmax"](x, axis=1),
        F["sum"]((x - mean) * (x - mean)), F["transpose"](x) + 1, F["max"](x),
    ]  # fmt: skip
    f = compiled(roots, [x], tmp_path)
    rng = np.random.default_rng(0)
    for shape in ((700, 900), (3, 200_000), (200_000, 3)):
        value = rng.standard_normal(shape).astype("float32")
        threads(1)
        alone = f(value)
        for count in (2, 5):
            threads(count)
            for a, b in zip(alone, f(value), strict=True):
                assert a.tobytes() == b.tobytes()
