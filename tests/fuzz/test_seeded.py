"""Random programs reveal bugs that are put into the compiler on purpose; all of them: see the campaign.

python -m egtensor.testing seeded
"""

from pathlib import Path

import pytest

from egtensor.testing.seeded import bugs_of, campaign

FILE = str(Path(__file__).with_name("seeded.py"))
QUICK = [
    "tails of reductions dropped",
    "strides of matrices ignored",
    "one row too few",
    "modulo has the sign of the dividend",
    "casts round",
    "derivative of a quotient",
    "absolute-dropped",
    "operands of a difference exchanged",
]


def test_there_are_bugs_of_every_kind():
    assert len(bugs_of(FILE)) >= 40
    assert set(QUICK) <= set(bugs_of(FILE))


@pytest.mark.slow
def test_random_programs_reveal_seeded_bugs():
    trials = campaign(FILE, 600, QUICK)
    missed = [t.name for t in trials if t.how == "missed"]
    assert missed == []
