"""Generated C reads and writes only what it may, and does nothing that C leaves undefined."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import numpy as np
import egtensor as et
from egtensor.compiled import CompiledFunction
from egtensor.emit_c import build
from egtensor.testing import campaign
from egtensor.testing.generate import Kind, RandomChooser, generate
from egtensor.testing.oracle import compare, reference

et.config.cache_dir = sys.argv[1]
checked = 0
for first in range(0, 128, 4):
    samples = [generate(RandomChooser(s), Kind(4 + s % 4)) for s in range(first, first + 4)]
    samples = [(s, r) for s in samples if (r := reference(s)) is not None]
    whole = campaign.joined([s for s, _ in samples])
    whole.reset()
    fn = et.function(whole.inputs, whole.outputs, updates=whole.updates, on_unused_input="ignore")
    library = build.build(fn.history.source, sanitize=True)
    checking = CompiledFunction(fn.history, fn.binding, library)
    wrong = compare(checking(*whole.arguments), [j for _, r in samples for j in r])
    assert not wrong, wrong
    checked += len(samples)
print(checked)
"""


def libasan():
    """The path of gcc's run time library for addresses, or None."""
    try:
        found = subprocess.run(
            ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    path = found.stdout.strip()
    return path if os.path.isabs(path) else None


@pytest.mark.slow
@pytest.mark.skipif(libasan() is None, reason="gcc has no address sanitizer here")
def test_generated_programs_pass_the_sanitizers(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={
            **os.environ,
            "LD_PRELOAD": libasan(),
            "PYTHONMALLOC": "malloc",
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    assert int(found.stdout) > 100
