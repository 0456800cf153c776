"""Testing numerical programs by properties: random typed expressions, their inputs, and an oracle.

    from egtensor.testing import samples, agreement

    @given(samples())
    def test_my_rules(sample):
        assert agreement(sample, rules=my_rules).ok
"""

from egtensor.testing.generate import Chooser, RandomChooser, Sample, generate
from egtensor.testing.oracle import Agreement, agreement
from egtensor.testing.strategies import samples

__all__ = ["Agreement", "Chooser", "RandomChooser", "Sample", "agreement", "generate", "samples"]
