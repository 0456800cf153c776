"""The shortest time this machine could take, from ceilings measured in the same run.

Source: Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model".
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import WORKLOADS, Case

FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp")
LEVELS = (
    ("L1", 48e3),
    ("L2", 1e6),
    ("L3", 24e6),
    ("DRAM", float("inf")),
)  # bytes touched; about those of 2020s servers


@dataclass(frozen=True)
class Roofline:
    """The least seconds a case can take, and what binds it: a cache level, or ``flop``."""

    seconds: float
    bound: str


def measure_ceilings(threads: int, folder: Path) -> dict[str, float]:
    """Compile and run ``ceilings.c`` in ``folder``.

    returns operations per second by dtype, and bytes per second by cache level
    """
    program = folder / "ceilings"
    source = Path(__file__).with_name("ceilings.c")
    subprocess.run(["gcc", *FLAGS, str(source), "-o", str(program)], check=True)
    done = subprocess.run([str(program), str(threads)], check=True, capture_output=True, text=True)
    ceilings: dict[str, float] = json.loads(done.stdout)
    return ceilings


def roofline(case: Case, ceilings: Mapping[str, float]) -> Roofline:
    """Take the larger of compulsory traffic over bandwidth and operations over the peak rate."""
    workload = WORKLOADS[case.workload]
    sizes = dict(case.sizes)
    traffic = workload.traffic(sizes) * case.itemsize
    level = next(name for name, limit in LEVELS if traffic <= limit)
    moving, computing = traffic / ceilings[level], workload.operations(sizes) / ceilings[case.dtype]
    return Roofline(moving, level) if moving >= computing else Roofline(computing, "flop")
