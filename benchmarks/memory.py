"""Measure peak memory against what no program can do without.

That is inputs, outputs and the largest set of intermediates that are live together.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import PeerEntry
from benchmarks.processes import started
from benchmarks.workloads import WORKLOADS, Case, expected_of, inputs_of


def measure_memory(
    cases: Sequence[Case], entries: Sequence[PeerEntry], *, threads: int, log: Path
) -> Iterator[dict[str, Any]]:
    """Yield one row per case: the bytes needed, and those of inputs and a call at its peak."""
    for case in cases:
        inputs, outputs = _input_bytes(case), _output_bytes(case)
        live = WORKLOADS[case.workload].live(dict(case.sizes)) * case.itemsize
        row: dict[str, Any] = {
            "case": case.name,
            "needed_bytes": inputs + outputs + live,
            "peers": {},
        }
        for entry in entries:
            with started([entry], threads, log) as (process,):
                process.ask("warm_up")
                reply = process.ask("memory", case)
            if "added_bytes" in reply:
                reply["bytes"] = inputs + reply.pop("added_bytes")
            if "skip" not in reply:
                row["peers"][entry.name] = reply
        yield row


def _input_bytes(case: Case) -> int:
    return sum(value.nbytes for value in inputs_of(case).values())


def _output_bytes(case: Case) -> int:
    """Count the outputs that are not the new state: a step can update its state in place."""
    outputs = expected_of(case)
    if WORKLOADS[case.workload].state:
        outputs = outputs[:1]
    return sum(value.size for value in outputs) * case.itemsize
