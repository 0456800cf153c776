"""Print a result as Markdown tables."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.blocks import ENOUGH, Interval, ratio_interval
from benchmarks.peers import OURS, OURS_WITHOUT_RULES, PEERS

Row = Mapping[str, Any]
ORDER = [entry.name for entry in PEERS]
MEBIBYTE = 2**20
BACK_END = ("schedule", "render", "build")  # stages that are not the optimiser's


def markdown(result: Mapping[str, Any]) -> str:
    """Print all sections that ``result`` has."""
    parts = [_conditions(result)]
    for section, (title, table) in TABLES.items():
        if result.get(section):
            parts.append(f"## {title}\n\n{table(result[section])}")
    return "\n\n".join(parts)


def duration(seconds: float) -> str:
    """Print seconds with three digits and a unit.

    >>> duration(0.0000123)
    '12.3 us'
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _conditions(result: Mapping[str, Any]) -> str:
    machine, ceilings = result["machine"], result["ceilings"]
    lines = [
        f"# Benchmarks of {result['date']}, {result['threads']} thread(s)",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['vectors']}. "
        + "; ".join(dict.fromkeys(result["versions"].values()))
        + ".",
    ]
    if ceilings:
        rates = [f"{dtype} {ceilings[dtype] / 1e9:.0f} GFLOP/s" for dtype in ("float32", "float64")]
        rates += [
            f"{level} {ceilings[level] / 1e9:.0f} GB/s" for level in ("L1", "L2", "L3", "DRAM")
        ]
        lines += ["", f"Ceilings measured in this run: {', '.join(rates)}."]
    lines += [
        "",
        "Medians; the best of a row is bold. `~`: too few undisturbed blocks. "
        "Square brackets: 95% bootstrap interval.",
    ]
    if result.get("note"):
        lines += ["", result["note"]]
    return "\n".join(lines)


def _peers_of(rows: Sequence[Row]) -> list[str]:
    return [name for name in ORDER if any(name in row["peers"] for row in rows)]


def _table(heading: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _is_good(reply: Row | None) -> bool:
    return reply is not None and "seconds" in reply and not reply.get("wrong")


def _cell(reply: Row | None, best: float) -> str:
    if reply is None:
        return ""
    if not _is_good(reply):
        return "wrong" if reply.get("wrong") else "failed"
    text = duration(reply["seconds"]) + ("~" if reply.get("undisturbed", ENOUGH) < ENOUGH else "")
    return f"**{text}**" if reply["seconds"] == best else text


def _interval(interval: Interval) -> str:
    return f"{interval.ratio:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _against(row: Row, others: Sequence[str]) -> str:
    """Print our time over that of the best of ``others``."""
    ours = row["peers"].get(OURS)
    good = [row["peers"][name] for name in others if _is_good(row["peers"].get(name))]
    if not _is_good(ours) or not good:
        return ""
    best = min(good, key=lambda reply: reply["seconds"])
    return _interval(ratio_interval(ours["sample"], best["sample"]))


def _timing_table(rows: Sequence[Row]) -> str:
    peers = _peers_of(rows)
    rivals = [name for name in peers if name not in (OURS, OURS_WITHOUT_RULES)]
    ours = OURS in peers
    heading = ["case", "least possible", *peers]
    heading += (
        [f"{OURS} / best peer", f"{OURS} / rules off", "least possible / best"] if ours else []
    )
    body = []
    for row in rows:
        good = {name: r["seconds"] for name, r in row["peers"].items() if _is_good(r)}
        best = min(good.values(), default=math.nan)
        roof = row.get("roofline")
        line = [row["case"], f"{duration(roof['seconds'])} ({roof['bound']})" if roof else ""]
        line += [_cell(row["peers"].get(name), best) for name in peers]
        if ours:
            line += [_against(row, rivals), _against(row, [OURS_WITHOUT_RULES])]
            line.append(f"{roof['seconds'] / best:.0%}" if roof and good else "")
        body.append(line)
    return _table(heading, body) + "\n\n" + _ratios(rows, rivals)


def _ratios(rows: Sequence[Row], rivals: Sequence[str]) -> str:
    """Print the geometric mean, over the cases both got right, of our time over each rival's."""
    parts = []
    for name in [*rivals, OURS_WITHOUT_RULES]:
        pairs = [(row["peers"].get(OURS), row["peers"].get(name)) for row in rows]
        logs = [
            math.log(a["seconds"] / b["seconds"]) for a, b in pairs if _is_good(a) and _is_good(b)
        ]
        if logs:
            parts.append(f"{name} {math.exp(statistics.mean(logs)):.2f} ({len(logs)})")
    return f"Geometric mean of {OURS} / peer (cases): {', '.join(parts)}." if parts else ""


def _compile_table(rows: Sequence[Row]) -> str:
    peers = _peers_of(rows)
    body = []
    for row in rows:
        for key, label in (
            ("seconds", "cold"),
            ("cpu_seconds", "cold, CPU time"),
            ("cached_seconds", "from disk"),
        ):
            values = [row["peers"].get(name, {}) for name in peers]
            best = min((value[key] for value in values if key in value), default=math.nan)
            cells = [
                _cell({"seconds": value[key]}, best) if key in value else "" for value in values
            ]
            body.append([row["case"], label, *cells])
    note = "From the program's text to its first result; the process has compiled before."
    return _table(["program", "", *peers], body) + "\n\n" + note


def _import_table(rows: Sequence[Row]) -> str:
    body = [[row["case"], duration(row["alone"]), duration(row["after_numpy"])] for row in rows]
    return _table(["package", "alone", "NumPy already imported"], body)


def _optimiser_table(rows: Sequence[Row]) -> str:
    medians = [
        {stage: statistics.median(times[1:]) for stage, times in row.get("stages", {}).items()}
        for row in rows
    ]
    stages = list(dict.fromkeys(stage for warm in medians for stage in warm))
    body = []
    for row, warm in zip(rows, medians, strict=True):
        optimising = sum(time for stage, time in warm.items() if stage not in BACK_END)
        line = [row["case"], str(row.get("nodes", row.get("error")))]
        line.append(duration(optimising) if warm else "")
        body.append(line + [duration(warm[stage]) if stage in warm else "" for stage in stages])
    return _table(["expression", "nodes", "optimiser", *stages], body)


def _memory_table(rows: Sequence[Row]) -> str:
    peers = _peers_of(rows)
    body = []
    for row in rows:
        line = [row["case"], f"{row['needed_bytes'] / MEBIBYTE:.0f} MiB"]
        for name in peers:
            reply = row["peers"].get(name, {})
            line.append(f"{reply['bytes'] / row['needed_bytes']:.2f}" if "bytes" in reply else "")
        body.append(line)
    note = "Peak memory over what is needed: inputs, outputs, the largest live intermediates."
    return _table(["case", "needed", *peers], body) + "\n\n" + note


TABLES: dict[str, tuple[str, Callable[[Sequence[Row]], str]]] = {
    "call": ("Call overhead: vectors of 10 elements", _timing_table),
    "run": ("Run time", _timing_table),
    "compile": ("Compile time", _compile_table),
    "import": ("Import, CPU time", _import_table),
    "optimiser": ("Optimiser alone", _optimiser_table),
    "memory": ("Peak memory", _memory_table),
}
