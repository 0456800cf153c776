"""Measure the sections of the benchmark and keep their rows in one JSON file."""

import datetime
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import accounting, workloads
from benchmarks.ceilings import measure_ceilings
from benchmarks.compiling import measure_compilation, measure_imports
from benchmarks.memory import measure_memory
from benchmarks.optimiser import EXPRESSIONS, measure_optimiser
from benchmarks.peers import OURS, OURS_WITHOUT_RULES, PEERS, PeerEntry
from benchmarks.processes import ask_all, installed, started
from benchmarks.report import markdown
from benchmarks.running import Effort, measure_runs
from benchmarks.workloads import Case

Row = dict[str, Any]
FULL_EFFORT = Effort()
INTERLEAVED = ("call", "run")  # sections whose peers are only comparable within one run
SECTIONS = ("call", "run", "compile", "import", "optimiser", "memory")


@dataclass(frozen=True)
class Campaign:
    """What to measure and how thoroughly.

    peers      names of the rows wanted; all if empty
    only       measure only cases whose name contains this
    repeats    new processes per compilation or import
    budget     seconds after which a compilation is not repeated
    ceilings   whether to measure the ceilings of the machine
    note       what a reader must know of the conditions
    """

    threads: int = 1
    sections: Sequence[str] = SECTIONS
    peers: Sequence[str] = ()
    only: str = ""
    call_cases: Sequence[Case] = workloads.CALL_CASES
    run_cases: Sequence[Case] = workloads.RUN_CASES
    compile_cases: Sequence[Case] = workloads.COMPILE_CASES
    memory_cases: Sequence[Case] = workloads.MEMORY_CASES
    expressions: Sequence[str] = tuple(EXPRESSIONS)
    effort: Effort = FULL_EFFORT
    repeats: int = 7
    budget: float = 40.0
    ceilings: bool = True
    note: str = ""


SHORT = Campaign(
    sections=("call", "run", "compile", "import"),
    peers=("numpy", OURS, OURS_WITHOUT_RULES),
    call_cases=workloads.CALL_CASES[:1],
    run_cases=workloads.SHORT_CASES,
    compile_cases=workloads.COMPILE_CASES[:1],
    effort=Effort(block_seconds=0.002, wanted=3, rounds=4, budget=0.5),
    repeats=1,
    ceilings=False,
)


def measure(campaign: Campaign, out: Path) -> dict[str, Any]:
    """Measure, and write ``out`` and its Markdown after each row.

    Rows that ``out`` already has are kept, or replaced by those of the same case.
    """
    result: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    log = out.with_suffix(".log").absolute()
    wanted = [entry for entry in PEERS if not campaign.peers or entry.name in campaign.peers]
    versions, entries = _working(installed(wanted), campaign.threads, log)
    result |= {
        "date": str(datetime.date.today()),
        "threads": campaign.threads,
        "note": campaign.note or result.get("note", ""),
        "machine": accounting.machine(),
        "versions": result.get("versions", {}) | versions,
        "ceilings": result.get("ceilings", {}) | _ceilings(campaign),
    }
    for section in campaign.sections:
        for row in _rows(section, campaign, entries, result["ceilings"], log):
            _keep(result.setdefault(section, []), row, interleaved=section in INTERLEAVED)
            out.write_text(json.dumps(result, indent=1) + "\n")
            out.with_suffix(".md").write_text(markdown(result) + "\n")
            print(f"{section}: {row['case']}", file=sys.stderr, flush=True)
    return result


def _working(
    entries: Sequence[PeerEntry], threads: int, log: Path
) -> tuple[dict[str, str], list[PeerEntry]]:
    """Ask each peer for its version; print one line for each that does not start."""
    with started(entries, threads, log) as processes:
        replies = ask_all(processes, "hello")
    for name, reply in replies.items():
        if "version" not in reply:
            print(f"skipped {name}: {reply['error']}", file=sys.stderr, flush=True)
    versions = {name: reply["version"] for name, reply in replies.items() if "version" in reply}
    return versions, [entry for entry in entries if entry.name in versions]


def _ceilings(campaign: Campaign) -> dict[str, float]:
    if not campaign.ceilings:
        return {}
    with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        return measure_ceilings(campaign.threads, Path(folder))


def _rows(
    section: str,
    campaign: Campaign,
    entries: Sequence[PeerEntry],
    ceilings: dict[str, float],
    log: Path,
) -> Iterator[Row]:
    threads = campaign.threads
    match section:
        case "call" | "run":
            cases = _chosen(
                campaign.call_cases if section == "call" else campaign.run_cases, campaign
            )
            effort = campaign.effort
            yield from measure_runs(
                cases, entries, threads=threads, effort=effort, ceilings=ceilings, log=log
            )
        case "compile":
            cases = _chosen(campaign.compile_cases, campaign)
            repeats, budget = campaign.repeats, campaign.budget
            yield from measure_compilation(
                cases, entries, threads=threads, repeats=repeats, budget=budget, log=log
            )
        case "import":
            yield from measure_imports(entries, threads=threads, repeats=campaign.repeats)
        case "optimiser":
            if any(entry.name == OURS for entry in entries):
                yield from measure_optimiser(
                    campaign.expressions, repeats=campaign.repeats, log=log
                )
        case "memory":
            cases = _chosen(campaign.memory_cases, campaign)
            yield from measure_memory(cases, entries, threads=threads, log=log)
        case _:
            raise ValueError(f"unknown section {section!r}; there are {', '.join(SECTIONS)}")


def _chosen(cases: Sequence[Case], campaign: Campaign) -> list[Case]:
    return [case for case in cases if campaign.only in case.name]


def _keep(rows: list[Row], row: Row, *, interleaved: bool) -> None:
    """Replace the row of the same case, or append; peers timed apart from each other are joined."""
    for place, old in enumerate(rows):
        if old["case"] == row["case"]:
            if "peers" in row and not interleaved:
                row["peers"] = old["peers"] | row["peers"]
            rows[place] = row
            return
    rows.append(row)
