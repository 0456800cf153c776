"""python -m egtensor.testing: fuzz the compiler, or try whether the fuzzer catches seeded bugs."""

from __future__ import annotations

import argparse
import sys

from egtensor.testing.campaign import fuzz, print_findings


def main(arguments: list[str]) -> int:
    """Run one command; 1 where something was found to be wrong."""
    parser = argparse.ArgumentParser(prog="python -m egtensor.testing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    trial = commands.add_parser("fuzz", help="random programs against the oracle")
    trial.add_argument("count", type=int, nargs="?", default=500)
    trial.add_argument("--seed", type=int, default=0)
    trial.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(arguments)
    figures = fuzz(given.count, given.seed, given.jobs)
    print_findings(figures.findings)
    print(f"\n{figures}" if figures.findings else figures)
    return 1 if figures.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
