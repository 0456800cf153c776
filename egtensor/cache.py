"""The disk cache of chosen programs: what was optimised once is not optimised again.

One JSON file per request, named by a digest of everything that could change the result.  Files are
written under a temporary name and then renamed, so that a reader never sees half of one, and begin with a
digest of the rest; whatever cannot be read or does not fit its digest is compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import cache as memoized
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egtensor.compiled import History
from egtensor.config import config
from egtensor.emit_c.build import warn_not_kept
from egtensor.kernels.target import Source
from egtensor.lang.expr import Line, toposort
from egtensor.lang.op import Scalar
from egtensor.lang.serialize import dump_numbered, load_numbered
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.unify import Unified
from egtensor.report import FunctionReport

if TYPE_CHECKING:
    from egtensor.extract.program import Program
    from egtensor.function import Options

FORMAT = 2
SOURCES = frozenset((".py", ".c", ".h", ".txt", ".json"))


def key(request: Unified, options: Options) -> str:
    """The digest of a request: expressions, rules, limits, costs, target, versions."""
    parts = (
        dump_numbered([*request.roots, *request.inputs]),
        str([(str(a), str(b)) for a, b, _ in request.equalities]),
        str(_places(_lines(request))),
        str([str(t) for t in request.declared]),
        options.digest,
        str(config.threads),
        _versions(),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _lines(request: Unified) -> list[Line]:
    """Lines of the user's files that messages may name, in an order that the request alone decides.

    Elementwise operations never fail; being shared between programs, their lines are often others'.
    """
    lines = [line for _, _, line in request.equalities]
    for node in toposort(request.roots):
        if node.args and not isinstance(node.op.body, Scalar):
            lines.append(node.line)
        for graph in (a for a in node.attrs if isinstance(a, SubGraph)):
            lines += _lines(replace(request, roots=graph.outputs, equalities=()))
    return lines


def _places(lines: Sequence[Line]) -> list[int]:
    """Which lines are the same: for each its first place."""
    first: dict[Line, int] = {}
    return [first.setdefault(line, k) for k, line in enumerate(lines)]


def _numbered(source: Source, request: Unified) -> Source:
    """The source with places among the lines of the request instead of lines, which may move."""
    lines = _lines(request)
    place = dict(zip(reversed(lines), reversed(range(len(lines))), strict=True))
    return replace(
        source,
        sites=tuple(
            replace(s, line=("", place[s.line]) if s.line in place else s.line)
            for s in source.sites
        ),
    )


def _renumbered(source: Source, request: Unified) -> Source:
    """The source with the lines of this request."""
    lines = _lines(request) if source.sites else []
    return replace(
        source,
        sites=tuple(
            replace(s, line=lines[s.line[1]]) if s.line and not s.line[0] else s
            for s in source.sites
        ),
    )


@memoized
def _versions() -> str:
    """What the result depends on besides the request; editing a file must not find old results."""
    here = Path(__file__).parent
    catalogue = here.parent / "rules_catalog"
    files = [
        *sorted(f for root in (here, catalogue) for f in root.rglob("*") if f.suffix in SOURCES),
        *(Path(s.origin) for s in map(find_spec, ("egglog", "numpy")) if s and s.origin),
    ]
    stamps = [f"{f.name}:{(stat := f.stat()).st_size}:{stat.st_mtime_ns}" for f in files]
    text = "\n".join([str(FORMAT), platform.machine(), *stamps])
    return hashlib.sha256(text.encode()).hexdigest()


def _seal(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _path(digest: str) -> Path:
    return Path(config.cache_dir) / "programs" / f"{digest}.json"


def load(digest: str, request: Unified, options: Options) -> History | None:
    """The history kept under ``digest``, or None."""
    if not config.cache:
        return None
    try:
        content = _path(digest).read_bytes()
    except OSError:
        return None
    seal, _, text = content.partition(b"\n")
    if seal != _seal(text):
        return None  # damaged: a wrong number in the source would go unnoticed
    kept = json.loads(text)
    source = _renumbered(Source.from_json(kept["source"]), request)
    report = FunctionReport(
        nodes=kept["nodes"], cost_written=kept["cost_written"], cost=kept["cost"], cached=True
    )
    return CachedHistory(request.roots, kept["program"], source, report, options)


class CachedHistory(History):
    """A history whose program is read from its text when somebody asks for it."""

    def __init__(
        self,
        exprs: Any,
        program_text: str,
        source: Source | None,
        report: FunctionReport,
        options: Any,
    ) -> None:
        self.exprs, self.source, self.report, self.options = exprs, source, report, options
        self.program_text = program_text
        self._program: Program | None = None
        self._explanation = None

    @property
    def program(self) -> Program:  # type: ignore[override]  # a field of the base class, made late
        """The chosen program."""
        if self._program is None:
            from egtensor.extract.program import from_exprs

            self._program = from_exprs(load_numbered(self.program_text))
        return self._program


def save(digest: str, request: Unified, history: History) -> None:
    """Keep a history; a cache that cannot be written is reported once and then left alone."""
    if not config.cache or not history.report.reproducible:
        return
    assert history.source is not None
    kept = {
        "source": _numbered(history.source, request).to_json(),
        "program": program_text(history),
        "nodes": history.report.nodes,
        "cost_written": history.report.cost_written,
        "cost": history.report.cost,
    }
    try:
        text = json.dumps(kept).encode()
        write_atomically(_path(digest), _seal(text) + b"\n" + text)
    except OSError as error:
        warn_not_kept(Path(config.cache_dir), error)


def program_text(history: History) -> str:
    """The chosen program as text."""
    if isinstance(history, CachedHistory):
        return history.program_text
    from egtensor.extract.program import to_exprs

    return dump_numbered(to_exprs(history.program))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; OSError where it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def usage() -> tuple[int, int]:
    """Files in the cache, and their bytes."""
    files = [f for f in Path(config.cache_dir).rglob("*") if f.is_file()]
    return len(files), sum(f.stat().st_size for f in files)


def clear() -> int:
    """Remove every file of the cache; how many there were."""
    removed = 0
    for f in sorted(Path(config.cache_dir).rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            if f.is_file():
                f.unlink()
                removed += 1
            else:
                f.rmdir()
    return removed
