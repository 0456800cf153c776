"""Time the compiled programs, in short blocks that are interleaved over the peers."""

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.blocks import Block, sample
from benchmarks.ceilings import roofline
from benchmarks.peers import PeerEntry
from benchmarks.processes import PeerProcess, ask_all, started
from benchmarks.workloads import Case

PAUSE = (
    0.003  # s before a block, so that one peer's idle threads are at rest when the next is timed
)


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    block_seconds  length of a block
    wanted         undisturbed blocks per peer
    rounds         blocks per peer at most
    budget         seconds per peer, after which only a few blocks are asked for
    """

    block_seconds: float = 0.004
    wanted: int = 15
    rounds: int = 40
    budget: float = 2.5


def measure_runs(
    cases: Sequence[Case],
    entries: Sequence[PeerEntry],
    *,
    threads: int,
    effort: Effort,
    ceilings: Mapping[str, float],
    log: Path,
) -> Iterator[dict[str, Any]]:
    """Yield one row per case; the cases of one workload share a process per peer."""
    for _, group in groupby(cases, key=lambda case: case.workload):
        with started(entries, threads, log) as processes:
            for case in group:
                row = {
                    "case": case.name,
                    "dtype": case.dtype,
                    "peers": _measure(case, processes, threads, effort),
                }
                if ceilings:
                    row["roofline"] = asdict(roofline(case, ceilings))
                yield row


def _measure(
    case: Case, processes: Sequence[PeerProcess], threads: int, effort: Effort
) -> dict[str, Any]:
    replies = {
        name: reply
        for name, reply in ask_all(processes, "build", case).items()
        if "skip" not in reply
    }
    ready = [
        process for process in processes if "build_seconds" in replies.get(process.entry.name, {})
    ]
    blocks = _interleaved(ready, effort)
    for process in ready:
        process.ask("drop")
    for name, timed in blocks.items():
        chosen = sample(timed, threads)
        replies[name] |= {
            "seconds": statistics.median(chosen),
            "sample": [float(f"{seconds:.4g}") for seconds in chosen],
            "undisturbed": sum(block.is_undisturbed for block in timed),
            "blocks": len(timed),
        }
    return replies


def _interleaved(processes: Sequence[PeerProcess], effort: Effort) -> dict[str, list[Block]]:
    generator = random.Random(1)
    calls = {}
    for process in processes:
        estimate = process.ask("estimate")
        if "seconds" in estimate:
            calls[process] = max(1, int(effort.block_seconds / max(estimate["seconds"], 1e-8)))
    blocks: dict[PeerProcess, list[Block]] = {process: [] for process in calls}
    spent = dict.fromkeys(calls, 0.0)
    for _ in range(effort.rounds):
        order = [
            process for process in calls if _wants_more(blocks[process], spent[process], effort)
        ]
        if not order:
            break
        generator.shuffle(order)
        for process in order:
            time.sleep(PAUSE)
            start = time.perf_counter()
            reply = process.ask("time", calls=calls[process])
            spent[process] += time.perf_counter() - start
            if "wall" in reply:
                blocks[process].append(Block(**reply))
    return {process.entry.name: timed for process, timed in blocks.items() if timed}


def _wants_more(blocks: Sequence[Block], spent: float, effort: Effort) -> bool:
    if sum(block.is_undisturbed for block in blocks) >= effort.wanted:
        return False
    return spent < effort.budget or len(blocks) < min(effort.wanted, 5)
