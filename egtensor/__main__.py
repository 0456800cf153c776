"""Commands: ``python -m egtensor rules | check | explain | cache | calibrate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m egtensor", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    rules = commands.add_parser("rules", help="list the rules, or check their obligations")
    rules.add_argument("action", nargs="?", default="list", choices=("list", "check"))
    rules.add_argument("names", nargs="*", help="family/name patterns; default: all")
    check = commands.add_parser("check", help="is everything egtensor needs here?")
    check.set_defaults()
    explain = commands.add_parser("explain", help="print every intermediate form of an expression")
    explain.add_argument("expression", help="e.g. 'log(1 + exp(x)).sum()'")
    explain.add_argument("--grad", metavar="SYMBOL", help="differentiate by a symbol first")
    explain.add_argument("--type", default="fvector", help="constructor of the symbols (fvector)")
    cache = commands.add_parser("cache", help="the disk cache")
    cache.add_argument("action", nargs="?", default="show", choices=("show", "clear"))
    calibrate = commands.add_parser("calibrate", help="measure the cost table of this machine")
    calibrate.add_argument("path", nargs="?", default="cost_table_c.json", help="file to write")
    options = parser.parse_args(argv)
    return COMMANDS[options.command](options)


def _rules(options: argparse.Namespace) -> int:
    from egtensor.rules import listing

    return int(listing.main(options.action, options.names))


def _check(_: argparse.Namespace) -> int:
    from egtensor.doctor import diagnose

    problems = 0
    for name, problem in diagnose():
        print(f"{name:<22} {'ok' if problem is None else problem}")
        problems += problem is not None
    return 1 if problems else 0


def _explain(options: argparse.Namespace) -> int:
    from egtensor.stations import print_stations

    return print_stations(options.expression, options.grad, options.type)


def _cache(options: argparse.Namespace) -> int:
    from egtensor import cache
    from egtensor.config import config

    if options.action == "clear":
        print(f"{cache.clear()} files removed from {config.cache_dir}")
    else:
        files, size = cache.usage()
        print(f"{config.cache_dir}: {files} files, {size / 2**20:.1f} MiB")
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from egtensor.calibrate import main as calibrate

    return calibrate(options.path)


COMMANDS = {
    "rules": _rules,
    "check": _check,
    "explain": _explain,
    "cache": _cache,
    "calibrate": _calibrate,
}

if __name__ == "__main__":
    sys.exit(main())
