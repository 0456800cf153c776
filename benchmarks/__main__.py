"""Run the benchmarks or print a result: python -m benchmarks run|report."""

import argparse
import datetime
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.campaign import SECTIONS, SHORT, Campaign, measure
from benchmarks.report import markdown

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Parse the command line and do what it says."""
    options = _parser().parse_args()
    if options.command == "report":
        print(markdown(json.loads(options.file.read_text())))
        return
    name = (
        f"{datetime.date.today()}-threads{options.threads}{'-short' if options.short else ''}.json"
    )
    out = options.out or RESULTS / name
    out.parent.mkdir(parents=True, exist_ok=True)
    campaign = replace(
        SHORT if options.short else Campaign(), threads=options.threads, only=options.only
    )
    if options.sections:
        campaign = replace(campaign, sections=options.sections.split(","))
    if options.note:
        campaign = replace(campaign, note=options.note)
    if options.peers:
        campaign = replace(campaign, peers=[peer.strip() for peer in options.peers.split(";")])
    print(markdown(measure(campaign, out)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, write JSON and Markdown, and print the tables")
    run.add_argument("--threads", type=int, default=1, help="threads of every peer (default: 1)")
    run.add_argument(
        "--sections", help=f"separated by commas; default: all of {','.join(SECTIONS)}"
    )
    run.add_argument(
        "--peers", help="names of peers separated by semicolons; default: all installed"
    )
    run.add_argument("--only", default="", help="only cases whose name contains this text")
    run.add_argument("--out", type=Path, help="JSON file; rows it already has are kept or replaced")
    run.add_argument(
        "--short", action="store_true", help="less than a minute: NumPy and egtensor, few cases"
    )
    report = commands.add_parser("report", help="print the tables of a result")
    report.add_argument("file", type=Path)
    return parser


if __name__ == "__main__":
    main()
