"""Campaigns: many random programs, compiled with many sets of rules, against the oracle."""

from __future__ import annotations

import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from egtensor.compiled import CompiledFunction
from egtensor.config import config
from egtensor.emit_c import render
from egtensor.errors import EgTensorError, ShapeError
from egtensor.extract.extract import extract
from egtensor.function import function
from egtensor.lang.expr import toposort
from egtensor.lang.interpret import interpret
from egtensor.lang.op import OPS, Leaf
from egtensor.lang.unify import unify
from egtensor.rules.domain import Domain
from egtensor.rules.limits import Limits
from egtensor.rules.members import check_members
from egtensor.rules.ruleset import RuleSet
from egtensor.rules.saturate import optimise_space
from egtensor.testing.evaluation import resolved
from egtensor.testing.generate import Kind, RandomChooser, Sample, generate
from egtensor.testing.oracle import Judged, compare, reference, wrong_gradient
from egtensor.testing.shrink import shrink

BATCH = 6  # samples that are compiled as one function
SHARE = 8  # batches that a process does before it reports
LENGTHENED = 4  # arguments that are made too long, one after the other
FULL = 4  # one batch of so many is built with the flags that users get
ROTATION = 8  # settings that a process goes through, since a change of rules costs a new e-graph
MEMBER_TOLERANCE = 1e-5  # of the largest element; wrong rules are wrong by far more


@dataclass(frozen=True)
class Setting:
    """Which rules a batch is compiled with."""

    name: str
    options: dict[str, Any]

    @property
    def keeps_infinities(self) -> bool:
        """Whether results must agree for infinite inputs too, not only for NaN."""
        return self.name in ("none", "exact")


@dataclass
class Finding:
    """A program that is compiled wrongly.

    seed     of the sample
    setting  the rules it was compiled with
    kind     "mismatch", "gradient", "members", "layout", "error", "contradiction" or "engine"
    message  what is wrong, and the shrunk program
    """

    seed: int
    setting: str
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: seed {self.seed}, rules {self.setting}\n{self.message}"


@dataclass
class Figures:
    """What a campaign did."""

    programs: int = 0
    skipped: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    matched: Counter[str] = field(default_factory=Counter)
    extracted: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    shrinking: bool = True

    def add(self, other: Figures) -> None:
        """Count what another process did."""
        self.programs += other.programs
        self.skipped += other.skipped
        for name in ("operators", "pairs", "matched", "extracted"):
            getattr(self, name).update(getattr(other, name))
        self.findings += other.findings

    def __str__(self) -> str:
        import rules_catalog

        tried = self.programs + self.skipped
        usable = [o.name for o in OPS.values() if not isinstance(o.body, Leaf)]
        rules = {str(r) for r in rules_catalog.rules(Domain.FINITE)}
        return (
            f"{self.programs} programs in {self.seconds:.0f} s ({self.programs / max(self.seconds, 1e-9):.1f}/s);"
            f" {self.skipped} of {tried} skipped ({100 * self.skipped / max(tried, 1):.1f}%)\n"
            f"operators: {len(self.operators)} of {len(usable)}; pairs of operators: {len(self.pairs)}\n"
            f"rules: {len(rules & set(self.matched))} of {len(rules)} matched,"
            f" {len(rules & set(self.extracted))} chosen\n"
            f"findings: {len(self.findings)}"
        )


def settings(seed: int) -> tuple[Setting, ...]:
    """No rules, those of each domain, and parts of the catalogue drawn by ``seed``."""
    import rules_catalog

    rng = np.random.default_rng(seed)
    found = [
        Setting("none", {"rules": RuleSet()}),
        Setting("exact", {"allow": Domain.EXACT}),
        Setting("real", {"allow": Domain.REAL}),
        Setting("finite", {"allow": Domain.FINITE}),
    ]
    for share in (0.5, 0.1):
        every = list(rules_catalog.rules(Domain.FINITE))
        part = RuleSet(r for r in every if rng.random() < share)
        found.append(Setting(f"{len(part)} rules drawn by {seed}", {"rules": part}))
    return tuple(found)


def fuzz(count: int, seed: int = 0, jobs: int = 2, until: float = float("inf")) -> Figures:
    """Try about ``count`` random programs.

    seed   of the first sample
    jobs   processes
    until  stop at this time of ``time.monotonic``
    """
    start = time.monotonic()
    total = Figures()
    firsts = range(seed, seed + count, BATCH * SHARE)
    if jobs == 1:
        for first in firsts:
            total.add(share(first))
            if time.monotonic() > until:
                break
    else:
        for part in _in_processes(list(firsts), jobs):
            total.add(part)
    total.seconds = time.monotonic() - start
    return total


def _in_processes(firsts: Sequence[int], jobs: int) -> Iterator[Figures]:
    """The shares of several processes; one that crashes them is reported and left out."""
    left = list(firsts)
    while left:
        with (
            tempfile.TemporaryDirectory(prefix="egtensor-fuzz-") as notes,
            ProcessPoolExecutor(jobs, get_context("spawn")) as pool,
        ):
            parts = [(first, pool.submit(share, first, notes)) for first in left]
            try:
                for first, part in parts:
                    yield part.result()
                    left.remove(first)
            except BrokenProcessPool:
                crashed = [int(note.name) for note in Path(notes).iterdir()]
                left = [first for first in left if first not in crashed]
                yield Figures(findings=[_crash(Path(notes) / str(c)) for c in crashed])


def _crash(note: Path) -> Finding:
    seed, setting = note.read_text().split(" ", 1)
    return Finding(
        int(seed), setting, "crash", "a batch from this seed ends the process, or its companion"
    )


def share(first: int, notes: str | None = None) -> Figures:
    """Some batches, in this process.

    notes  directory for a note of what is being done, for the case that the process ends
    """
    figures = Figures()
    note = Path(notes or tempfile.gettempdir()) / f"{first}"
    with private_cache():
        round_ = first // (BATCH * SHARE)
        chosen = settings(round_ // ROTATION)
        setting = chosen[round_ % len(chosen)]
        for k in range(SHARE):
            seeds = range(first + k * BATCH, first + (k + 1) * BATCH)
            if notes:
                note.write_text(f"{seeds[0]} {setting.name}")
            with built_quickly() if k % FULL else nullcontext():
                batch(seeds, setting, figures)
    note.unlink(missing_ok=True)
    return figures


@contextmanager
def private_cache() -> Iterator[None]:
    """Keep compiled functions in a directory of their own, removed at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="egtensor-fuzz-") as folder,
        config.set(cache_dir=folder),
    ):
        yield


@contextmanager
def built_quickly() -> Iterator[None]:
    """Let the C compiler leave out its optimisations: four times as fast, the same text."""
    flags = render.FLAGS
    render.FLAGS = [f for f in ("-O0", *flags) if f != "-O1" and "vect" not in f]
    try:
        yield
    finally:
        render.FLAGS = flags


def batch(seeds: Sequence[int], setting: Setting, figures: Figures) -> None:
    """Compile the samples of some seeds as one function and judge them."""
    number = seeds[0] // BATCH
    if number % 50 == 49:
        try_samples({seeds[0]: Kind(steps=3, large=True)}, setting, figures)
        return
    kinds = {s: kind_of(s, setting) for s in seeds}
    try_samples(kinds, setting, figures)
    if (
        number % 20 == 7
    ):  # the same programs with other numbers or dtypes must not be taken for these
        twin = 1 + number // 8 % 2
        twins = {s: Kind(k.steps, k.special, twin=twin) for s, k in kinds.items()}
        try_samples(twins, setting, figures)


def kind_of(seed: int, setting: Setting) -> Kind:
    """What sort of sample a seed gives."""
    steps = 3 + seed % 7
    if seed % 5 == 3 and not setting.name.startswith(
        ("finite", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    ):
        return Kind(steps, "all" if setting.keeps_infinities else "nan")
    return Kind(steps)


def try_samples(kinds: dict[int, Kind], setting: Setting, figures: Figures) -> None:
    """Generate, judge, compile and compare; findings are shrunk."""
    judged: list[tuple[int, Sample, list[Judged]]] = []
    for seed, kind in kinds.items():
        try:
            sample = generate(RandomChooser(seed), kind)
            wanted = reference(sample)
        except Exception as error:
            figures.findings.append(Finding(seed, setting.name, "build", described(error)))
            continue
        if wanted is None:
            figures.skipped += 1
            continue
        figures.programs += 1
        count_operators(sample, figures)
        problem = wrong_gradient(sample)
        if problem:
            figures.findings.append(
                Finding(seed, setting.name, "gradient", f"{problem}\n{sample!r}")
            )
        judged.append((seed, sample, wanted))
    if not judged:
        return
    found = failure_of(
        joined([s for _, s, _ in judged]), [j for _, _, w in judged for j in w], setting, figures
    )
    if found and not figures.shrinking:
        figures.findings.append(Finding(judged[0][0], setting.name, *found))
    elif found:
        alone = len(figures.findings)
        for seed, sample, wanted in judged:
            fault = failure_of(joined([sample]), wanted, setting, figures)
            if fault:
                figures.findings.append(explained(seed, sample, setting, fault[0]))
        if len(figures.findings) == alone:  # only together
            figures.findings.append(Finding(judged[0][0], setting.name, *found))


def judge_gradients(seeds: Sequence[int], figures: Figures) -> None:
    """Compare the gradients of some programs with differences; nothing is compiled."""
    for seed in seeds:
        sample = generate(RandomChooser(seed), Kind(3 + seed % 7))
        figures.programs += 1
        problem = wrong_gradient(sample)
        if problem:
            figures.findings.append(Finding(seed, "none", "gradient", f"{problem}\n{sample!r}"))


def explained(seed: int, sample: Sample, setting: Setting, kind: str) -> Finding:
    """The finding with the smallest program that has it."""

    def fails(smaller: Sample) -> bool:
        try:
            wanted = reference(smaller)
        except Exception:
            return False
        found = wanted is not None and failure_of(joined([smaller]), wanted, setting, Figures())
        return bool(found) and found[0] == kind  # type: ignore[index]  # not empty here

    small = shrink(sample, fails)
    wanted = reference(small)
    found = failure_of(joined([small]), wanted, setting, Figures()) if wanted is not None else None
    message = found[1] if found else "does not fail again"
    return Finding(seed, setting.name, kind, f"{message}\n{small!r}")


def joined(samples: Sequence[Sample]) -> Sample:
    """One program that computes several."""
    return Sample(
        inputs=[x for s in samples for x in s.inputs],
        values=[v for s in samples for v in s.values],
        layouts=[how for s in samples for how in s.layouts],
        outputs=[o for s in samples for o in s.roots],
        shared=[pair for s in samples for pair in s.shared],
        updates=[pair for s in samples for pair in s.updates],
    )


def failure_of(
    whole: Sample, wanted: Sequence[Judged], setting: Setting, figures: Figures
) -> tuple[str, str] | None:
    """Kind and text of what is wrong with a program; None where nothing is."""
    try:
        whole.reset()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # the compiler's failures are found below
            fn: Any = function(
                whole.inputs,
                whole.outputs,
                updates=whole.updates,
                on_unused_input="ignore",
                **setting.options,
            )
        if not isinstance(fn, CompiledFunction):
            fn.history.options.target.build(fn.history.source)  # tells why not
        got = list(fn(*whole.arguments))
        state = [s.get_value() for s, _ in whole.updates]
        whole.reset()
        again = list(fn(*whole.values))
        whole.reset()
    except Exception as error:
        return "error", described(error)
    problem = compare(got, wanted)
    if problem:
        return "mismatch", f"{problem}\n{fn.program}"
    problem = wrong_state(whole, state, got)
    if problem:
        return "state", f"{problem}\n{fn.program}"
    problem = compare(again, wanted)
    if problem:
        return "layout", f"with contiguous arguments, second call: {problem}\n{fn.program}"
    problem = wrong_refusal(whole, fn)
    if problem:
        return "sizes", f"{problem}\n{fn.program}"
    saturation = fn.report.saturation
    if saturation is not None:
        figures.matched.update(saturation.matches)
        if saturation.stopped in ("contradiction", "engine"):
            return saturation.stopped, str(saturation)
    return wrong_members(whole, fn, figures)


def described(error: Exception) -> str:
    """An exception and the last places it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = "".join(f"\n  in {f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(error).__name__}: {error}{places}"


def wrong_state(whole: Sample, state: Sequence[Any], got: Sequence[Any]) -> str:
    """Whether shared variables hold what the same expressions are as outputs."""
    place = {o: k for k, o in enumerate(whole.outputs)}
    for (variable, new), value in zip(whole.updates, state, strict=True):
        if not np.array_equal(value, got[place[new]], equal_nan=value.dtype.kind == "f"):
            return f"update of {variable.name}: {value!r} instead of {got[place[new]]!r}"
    return ""


def wrong_refusal(whole: Sample, fn: Any) -> str:
    """Whether sizes that disagree are accepted: one argument is longer than the others expect."""
    long = [k for k, v in enumerate(whole.values) if v.ndim and v.size and v.shape[0] > 1]
    for k in long[:LENGTHENED]:
        values = list(whole.values)
        values[k] = np.concatenate([values[k], values[k][:1]])
        reason = _refusal(whole, values)
        if not reason:
            continue
        try:
            fn(*values)
        except EgTensorError:
            continue
        finally:
            whole.reset()
        return f"a call is not refused though {reason}"
    return ""


def _refusal(whole: Sample, values: Sequence[Any]) -> str:
    """Why the interpreter finds that sizes disagree; empty where it does not."""
    try:
        interpret(whole.outputs, {**whole.known, **dict(zip(whole.inputs, values, strict=True))})
    except ShapeError as error:
        return str(error)
    except (EgTensorError, IndexError, ValueError, np.linalg.LinAlgError):
        return ""
    return ""


def wrong_members(whole: Sample, fn: Any, figures: Figures) -> tuple[str, str] | None:
    """Members of an e-class that are not equal."""
    rules = fn.history.options.rules
    if not rules:
        return None
    leaves = [*whole.inputs, *(s for s, _ in whole.shared)]
    request = unify(resolved(whole.outputs), leaves)
    classes, _ = optimise_space(request.roots, rules, Limits(), record=True)
    chosen = extract(classes, fn.history.options.cost_model)[0].program
    figures.extracted.update(r for step in chosen.steps for r in step.rules)
    known = whole.known
    values = {new: known[old] for old, new in zip(leaves, request.inputs, strict=True)}
    wrong = check_members(classes, values, MEMBER_TOLERANCE, MEMBER_TOLERANCE, "high")
    return ("members", "\n".join(map(str, wrong[:3]))) if wrong else None


def count_operators(sample: Sample, figures: Figures) -> None:
    """Count the operators of a program, and which feeds which."""
    for node in toposort(resolved(sample.roots)):
        if not isinstance(node.op.body, Leaf):
            figures.operators[node.op.name] += 1
            figures.pairs.update(
                (a.op.name, node.op.name) for a in node.args if not isinstance(a.op.body, Leaf)
            )


def print_findings(findings: Iterable[Finding], most: int = 20) -> None:
    """Print the first findings of each kind."""
    for finding in list(findings)[:most]:
        print(f"\n{finding}")
