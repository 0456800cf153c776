"""Estimates from timed blocks on a machine that other jobs may use too.

Source of the intervals: Efron and Tibshirani 1993, chapter 13 (percentile bootstrap).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNDISTURBED = 0.03  # largest share of a block that its threads may have waited for a core
ENOUGH = 3  # fewer undisturbed blocks than this are no sample
RESAMPLES = 2000


@dataclass(frozen=True)
class Block:
    """One timed block: wall and CPU seconds of a call, and the share spent waiting for a core."""

    wall: float
    cpu: float
    waiting: float

    @property
    def is_undisturbed(self) -> bool:
        """Tell whether other jobs took (almost) nothing of this block."""
        return self.waiting < UNDISTURBED


@dataclass(frozen=True)
class Interval:
    """A ratio and its 95% confidence interval."""

    ratio: float
    low: float
    high: float


def sample(blocks: Sequence[Block], threads: int) -> list[float]:
    """Choose the seconds per call that represent ``blocks``.

    Undisturbed blocks if there are enough of them; otherwise the least disturbed quarter, where
    one thread's CPU time replaces a longer wall time: it leaves out the waiting for a core.
    """
    undisturbed = [block.wall for block in blocks if block.is_undisturbed]
    if len(undisturbed) >= ENOUGH:
        return undisturbed
    least = sorted(blocks, key=lambda block: block.waiting)[: max(ENOUGH, len(blocks) // 4)]
    return [min(block.wall, block.cpu) if threads == 1 else block.wall for block in least]


def ratio_interval(numerator: Sequence[float], denominator: Sequence[float]) -> Interval:
    """Estimate the ratio of the medians of two samples, resampling each one.

    >>> ratio_interval([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
    Interval(ratio=2.0, low=2.0, high=2.0)
    """
    generator = np.random.default_rng(0)
    medians = []
    for values in (numerator, denominator):
        draws = generator.choice(np.asarray(values), size=(RESAMPLES, len(values)))
        medians.append(np.median(draws, axis=1))
    low, high = np.quantile(medians[0] / medians[1], (0.025, 0.975))
    ratio = statistics.median(numerator) / statistics.median(denominator)
    return Interval(ratio, float(low), float(high))
