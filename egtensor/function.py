"""The whole compiler as one list of stages.

user call -> Expr -> EGraph -> saturated EGraph -> Program -> KernelPlan -> Source -> CompiledFunction
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from egtensor import cache
from egtensor.compiled import (
    Binding,
    CompiledFunction,
    History,
    InterpretedFunction,
    numbered_inputs,
)
from egtensor.config import config
from egtensor.diff.pullback import resolve
from egtensor.emit_c import C
from egtensor.errors import CompileError, EngineError, FunctionError, UnsupportedError
from egtensor.kernels.target import Source, Target
from egtensor.lang.expr import Expr, toposort
from egtensor.lang.op import OPS
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import TensorType
from egtensor.lang.unify import Unified, sizes_in, told_sizes, unify
from egtensor.report import FunctionReport
from egtensor.roots import Roots, collect
from egtensor.rules.domain import Domain
from egtensor.rules.limits import Limits
from egtensor.shared import Container
from egtensor.signature import Signature

if TYPE_CHECKING:
    from egtensor.extract.cost import CostModel
    from egtensor.extract.extract import Extracted
    from egtensor.extract.program import Program
    from egtensor.rules.ruleset import RuleSet


WRITTEN = 64  # elements up to which a constant is part of the generated text


@dataclass(frozen=True)
class Options:
    """What a compilation may do and what it aims for.

    allow        which rules of the catalogue are used
    given_rules  rules used instead of the catalogue's; empty: compile the program as written
    given_costs  what is minimised instead of the time by the shipped table
    limits       bounds on the e-graph
    target       the kind of code
    """

    allow: Domain = Domain.REAL
    given_rules: RuleSet | None = None
    given_costs: CostModel | None = None
    limits: Limits = field(default_factory=Limits)
    target: Target = C
    accuracy: str = "balanced"

    @property
    def rules(self) -> RuleSet:
        """The rules of the e-graph."""
        if self.given_rules is not None:
            return self.given_rules
        import rules_catalog

        return rules_catalog.rules(self.allow)

    @property
    def cost_model(self) -> CostModel:
        """What is minimised."""
        from egtensor.extract.cost import CostModel

        return self.given_costs or CostModel.of(self.target.name)

    @property
    def digest(self) -> str:
        """What these options are, for keys; the catalogue is told by the stamps of its files."""
        rules = "catalogue" if self.given_rules is None else self.given_rules.digest
        parts = (self.allow, rules, self.given_costs, self.limits, self.target.name, self.accuracy)
        return " ".join(map(str, parts))


def function(
    inputs: Sequence[Expr],
    outputs: Any = None,
    *,
    updates: Any = (),
    givens: Any = (),
    target: str | None = None,
    allow: Domain = Domain.REAL,
    accuracy: str = "balanced",
    rules: RuleSet | None = None,
    cost_model: CostModel | None = None,
    limits: Limits | None = None,
    on_unused_input: str = "raise",
    allow_downcast: bool = False,
) -> CompiledFunction | InterpretedFunction:
    """Compile ``outputs`` and ``updates`` as a function of ``inputs``.

    inputs          symbols, in the order of the arguments
    outputs         an expression, a list, a dict, or None; results are handed back alike
    updates         pairs (shared variable, new value), or a dict: all at once, after the outputs
    givens          pairs (expression, replacement), all at once, inside updates too
    target          "c" or "interpret"; default config.target
    allow           which rules: EXACT, REAL or FINITE
    accuracy        "fast", "balanced" or "best"
    rules           a rule set in place of the default one
    limits          bounds on rows and iterations of the e-graph
    on_unused_input "raise", "warn" or "ignore"
    allow_downcast  whether float64 arguments are rounded to float32 parameters
    raises          FunctionError for requests that do not fit together
    """
    roots = collect(inputs, outputs, updates, givens, on_unused_input)
    options = _options(target, allow, accuracy, rules, cost_model, limits)
    constants = large_constants(roots.exprs)
    request = unify(roots.exprs, (*roots.inputs, *roots.shared, *constants))
    _check_sizes(request)
    binding = _bind(roots, constants, request, allow_downcast)
    if _target_name(target) == "interpret":
        return InterpretedFunction(_as_written(request, options), binding)
    key = cache.key(request, options)
    history = cache.load(key, request, options) or _compiled(request, options)
    try:
        library = options.target.build(history.source)
    except CompileError as error:
        warn_once(error)
        return InterpretedFunction(history, binding)
    if not history.report.cached:
        cache.save(key, request, history)
    return CompiledFunction(history, binding, library)


def _check_sizes(request: Unified) -> None:
    """Refuse sizes that neither an argument nor a shared variable tells."""
    nodes = toposort(request.roots)
    told = told_sizes(nodes, request.inputs)
    for node in (*request.inputs, *nodes):
        found = (s for a in node.attrs if not isinstance(a, SubGraph) for s in sizes_in(a))
        size = next((s for s in found if s not in told), None)
        if size is not None:
            where = f" at {node.line[0]}:{node.line[1]}" if node.line else ""
            raise FunctionError(
                f"function: the size {size} of {node.op.name}{where} is not known in a call\n"
                f"  sizes become known from arguments and shared variables with an axis of that size\n"
                f"  fix: add an input with such an axis, or write a number"
            )


def _compiled(request: Unified, options: Options) -> History:
    """Run the stages from expressions to source text."""
    # at first need: a function from the disk cache runs none of these stages
    from egtensor.kernels.plan import verify
    from egtensor.kernels.schedule import plan_cost, schedule

    report = FunctionReport(nodes=len(toposort(request.roots)))
    candidates = optimise(request.roots, options, report)
    with _timed(report, "schedule"):
        programs = [_checked(c.program, request) for c in candidates]
        plans = [schedule(p) for p in programs]
        best = min(range(len(plans)), key=lambda i: (plan_cost(plans[i]) + candidates[i].loss, i))
        if config.check:
            verify(plans[best])
    with _timed(report, "render"):
        source: Source = options.target.render(plans[best])
    report.cost_written, report.cost = candidates[-1].cost, candidates[best].cost
    return History(request.roots, programs[best], source, report, options)


def optimise(
    exprs: Sequence[Expr], options: Options, report: FunctionReport
) -> tuple[Extracted, ...]:
    """The cheapest programs found that compute ``exprs``, and last the program as written."""
    from egtensor.extract.extract import Extracted, extract
    from egtensor.extract.program import from_exprs
    from egtensor.rules.saturate import optimise_space

    if not options.rules:
        with _timed(report, "resolve"):
            written = from_exprs(resolve(list(exprs)))
        return (Extracted(written, 0.0),)
    try:
        with _timed(report, "saturate"):
            classes, report.saturation = optimise_space(exprs, options.rules, options.limits)
    except EngineError as error:
        warnings.warn(f"{error}\nThe program is compiled as written.", RuntimeWarning, stacklevel=4)
        return (Extracted(from_exprs(resolve(list(exprs))), 0.0),)
    with _timed(report, "extract"):
        return extract(classes, options.cost_model, accuracy=options.accuracy)


def _checked(program: Program, request: Unified) -> Program:
    from egtensor.extract.program import verify

    program = replace(program, equalities=request.equalities, inputs=request.declared)
    return verify(program) if config.check else program


def _options(
    target: str | None,
    allow: Domain,
    accuracy: str,
    rules: RuleSet | None,
    cost_model: CostModel | None,
    limits: Limits | None,
) -> Options:
    if accuracy not in ("fast", "balanced", "best"):
        raise FunctionError(
            f"function: accuracy={accuracy!r} is not valid\n"
            f"  it is 'fast', 'balanced' or 'best'\n  fix: choose one of them"
        )
    if not isinstance(allow, Domain):
        raise FunctionError(
            f"function: allow={allow!r} is not valid\n"
            f"  it is et.EXACT, et.REAL or et.FINITE\n  fix: choose one of them"
        )
    return Options(allow, rules, cost_model, limits or Limits(), accuracy=accuracy)


def default_options() -> Options:
    """The options of a call of ``function`` that names none."""
    return _options(None, Domain.REAL, "balanced", None, None, None)


def _target_name(target: str | None) -> str:
    name = target or config.target
    if name == "cuda":
        raise UnsupportedError(
            "function: target='cuda' cannot run functions yet\n"
            "  kernels render to CUDA source, but nothing launches them\n"
            "  fix: use target='c'"
        )
    if name not in ("c", "interpret"):
        raise FunctionError(
            f"function: target={name!r} is not known\n"
            f"  it is 'c' or 'interpret'\n  fix: choose one of them"
        )
    return name


def large_constants(exprs: Sequence[Expr]) -> tuple[Expr, ...]:
    """Constants that are passed to the code as data instead of being written into it."""
    return tuple(
        n for n in toposort(exprs) if n.op is OPS["constant"] and n.attrs[0].array.size > WRITTEN
    )


def _bind(roots: Roots, constants: tuple[Expr, ...], request: Unified, downcast: bool) -> Binding:
    types: tuple[TensorType, ...] = tuple(i.type for i in request.inputs)
    n = len(roots.inputs)
    place = {s: k for k, s in enumerate(roots.shared)}
    return Binding(
        signature=Signature(tuple(str(i.attrs[1]) for i in roots.inputs), types[:n], downcast),
        shared=(
            *(s.container for s in roots.shared),
            *(Container.of_constant(c.attrs[0].array, c.type) for c in constants),
        ),
        shared_types=types[n:],
        outputs=tuple(r.type for r in request.roots),
        updates=tuple(place[s] for s, _ in roots.updates),
        packing=roots.packing,
        keys=roots.keys,
    )


def _as_written(request: Unified, options: Options) -> History:
    from egtensor.extract.program import from_exprs

    exprs = tuple(resolve(list(request.roots)))
    report = FunctionReport(nodes=len(toposort(exprs)))
    return History(exprs, from_exprs(exprs), None, report, options)


_warned: set[str] = set()


def warn_once(error: CompileError) -> None:
    text = str(error)
    if text not in _warned:
        _warned.add(text)
        warnings.warn(
            f"{text}\nFunctions are interpreted until then.", RuntimeWarning, stacklevel=3
        )


@contextmanager
def _timed(report: FunctionReport, stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        report.seconds[stage] = report.seconds.get(stage, 0.0) + time.perf_counter() - start


def optimize(expr: Any, *, allow: Domain = Domain.REAL, rules: RuleSet | None = None) -> Program:
    """The best program found for an expression or a list of them.

    returns  a Program, which prints as one step per line
    """
    exprs = list(expr) if isinstance(expr, (list, tuple)) else [expr]
    leaves = [n for n in toposort(exprs) if n.op.name in ("input", "shared")]
    options = _options(None, allow, "balanced", rules, None, None)
    request = unify(exprs, leaves)
    return optimise(request.roots, options, FunctionReport())[0].program


def evaluate(expr: Expr, values: dict[Expr, Any]) -> Any:
    """Optimise ``expr`` and interpret the chosen program."""
    from egtensor.extract.program import to_exprs
    from egtensor.lang.interpret import interpret

    leaves = [n for n in toposort([expr]) if n.op.name in ("input", "shared")]
    # some may be there for their sizes alone
    leaves = list(dict.fromkeys([*leaves, *(n for n in values if n.op.name == "input")]))
    missing = [n for n in leaves if n.op.name == "input" and n not in values]
    if missing:
        raise FunctionError(
            f"eval: the symbol {missing[0].attrs[1]!r} has no value\n"
            f"  every symbol of the expression needs one\n"
            f"  fix: pass eval({{{missing[0].attrs[1]}: value}})"
        )
    options = _options(None, Domain.REAL, "balanced", None, None, None)
    request = unify([expr], leaves)
    program = optimise(request.roots, options, FunctionReport())[0].program
    arrays = {
        new: values[old] if old.op.name == "input" else old.attrs[3].storage.array
        for old, new in zip(leaves, request.inputs, strict=True)
    }
    (result,) = interpret(to_exprs(program), arrays)
    return result


def recompile(fn: Any, rules: RuleSet) -> CompiledFunction | InterpretedFunction:
    """The same function compiled with other rules, sharing its shared variables."""
    options = replace(fn.history.options, given_rules=rules)
    exprs = fn.history.exprs
    history = _compiled(unify(exprs, numbered_inputs(exprs, fn.binding.types)), options)
    return CompiledFunction(history, fn.binding, options.target.build(history.source))
