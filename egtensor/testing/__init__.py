"""Testing numerical programs by properties: random typed programs, their inputs, and an oracle.

from egtensor.testing import samples, agreement

@given(samples())
def test_my_rules(sample):
    assert agreement(sample, rules=my_rules).ok
"""

from egtensor.testing.generate import Chooser, Kind, RandomChooser, Sample, generate
from egtensor.testing.oracle import Agreement, agreement

__all__ = [
    "Agreement",
    "Chooser",
    "Kind",
    "RandomChooser",
    "Sample",
    "agreement",
    "arrays",
    "generate",
    "laid_out",
    "samples",
]


def __getattr__(name: str) -> object:
    if name in ("samples", "arrays", "laid_out"):  # hypothesis is needed by tests only
        from egtensor.testing import strategies

        return getattr(strategies, name)
    raise AttributeError(f"module 'egtensor.testing' has no attribute {name!r}")
