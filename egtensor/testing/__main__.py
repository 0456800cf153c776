"""python -m egtensor.testing: fuzz the compiler, or try whether the fuzzer catches seeded bugs."""

from __future__ import annotations

import argparse
import sys

from egtensor.testing.campaign import fuzz, print_findings
from egtensor.testing.seeded import campaign


def main(arguments: list[str]) -> int:
    """Run one command; 1 where something was found to be wrong."""
    parser = argparse.ArgumentParser(prog="python -m egtensor.testing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    trial = commands.add_parser("fuzz", help="random programs against the oracle")
    trial.add_argument("count", type=int, nargs="?", default=500)
    trial.add_argument("--seed", type=int, default=0)
    trial.add_argument("--jobs", type=int, default=2)
    mutation = commands.add_parser(
        "seeded", help="whether random programs reveal bugs put in on purpose"
    )
    mutation.add_argument("--bugs", default="tests/fuzz/seeded.py", help="a file with a table BUGS")
    mutation.add_argument("--count", type=int, default=2000, help="programs for each bug")
    mutation.add_argument("--seconds", type=float, default=600, help="for each bug")
    mutation.add_argument("--jobs", type=int, default=2)
    mutation.add_argument("names", nargs="*", help="bugs to try; default: all")
    given = parser.parse_args(arguments)
    if given.command == "seeded":
        trials = campaign(given.bugs, given.count, given.names, given.jobs, given.seconds)
        return 0 if 20 * sum(t.how == "missed" for t in trials) <= len(trials) else 1
    figures = fuzz(given.count, given.seed, given.jobs)
    print_findings(figures.findings)
    print(f"\n{figures}" if figures.findings else figures)
    return 1 if figures.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
