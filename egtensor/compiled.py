"""Compiled functions: what can be called, and the history they keep."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from egtensor.emit_c import runtime
from egtensor.errors import EgTensorError, ExecutionError, IndexOutOfBoundsError, ShapeError
from egtensor.kernels.target import Source
from egtensor.lang.expr import Expr, make, toposort
from egtensor.lang.facts import NOTHING
from egtensor.lang.op import OPS
from egtensor.lang.types import TensorType
from egtensor.report import FunctionReport
from egtensor.signature import Signature

if TYPE_CHECKING:
    from egtensor.explain import Explanation
    from egtensor.extract.program import Program

PACKINGS = {"one": 0, "list": 1, "dict": 2}


@dataclass
class History:
    """How a function came about, stage by stage; everything but the source may be made again on demand.

    exprs    the request: outputs, then new values of shared variables, over numbered inputs
    program  the chosen program
    source   generated text; None where the function is interpreted
    report   figures of the compilation
    options  what the compilation was asked for
    """

    exprs: tuple[Expr, ...]
    program: Program
    source: Source | None
    report: FunctionReport
    options: Any
    _explanation: Explanation | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Binding:
    """Where arguments come from and results go.

    signature  the arguments
    shared     containers of the shared variables the program reads, after the arguments
    outputs    types of all outputs: results, then new values
    updates    for each new value, the place of its container in ``shared``
    packing    how results are handed back
    keys       names of the results, for ``dict``
    """

    signature: Signature
    shared: tuple[Any, ...]
    shared_types: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    updates: tuple[int, ...]
    packing: str
    keys: tuple[Any, ...]

    @property
    def types(self) -> tuple[TensorType, ...]:
        """Types of the arguments, then of the shared variables."""
        return (*self.signature.types, *self.shared_types)

    @property
    def results(self) -> int:
        """How many outputs are handed back."""
        return len(self.outputs) - len(self.updates)

    def pack(self, values: list[Any]) -> Any:
        """The results as the caller asked for them."""
        if self.packing == "one":
            return values[0]
        return dict(zip(self.keys, values, strict=True)) if self.packing == "dict" else values


class Described:
    """What every compiled function can tell about itself."""

    history: History
    binding: Binding

    @property
    def expr(self) -> Any:
        """The expressions it computes, as written, over numbered inputs."""
        exprs = self.history.exprs
        return exprs[0] if self.binding.packing == "one" and len(exprs) == 1 else list(exprs)

    @property
    def report(self) -> FunctionReport:
        """Figures of the compilation."""
        return self.history.report

    @property
    def program(self) -> Program:
        """The chosen program."""
        return self.history.program

    @property
    def plan(self) -> Any:
        """The kernels of the chosen program."""
        from egtensor.kernels.schedule import schedule

        return schedule(self.history.program)

    @property
    def source(self) -> str:
        """The generated text; for an interpreted function its program."""
        source = self.history.source
        return str(self.history.program) if source is None else source.text

    @property
    def compilations(self) -> int:
        """How often it was compiled: once, for all sizes."""
        return 1

    def explain(self) -> Explanation:
        """Which rules made the program what it is, and what they saved."""
        from egtensor.explain import explain

        if self.history._explanation is None:
            self.history._explanation = explain(self.history)
        return self.history._explanation

    def check(self, *args: Any, **kwargs: Any) -> Any:
        """Compare the compiled function with its interpretation, step by step, on these arguments."""
        from egtensor.check import check

        return check(self, args, kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        from egtensor.store import document, revive

        return revive, (document(self), self.binding.shared)

    def dump(self, path: Any) -> None:
        """Write everything needed to load the function elsewhere without optimising it again."""
        from egtensor.store import dump

        dump(self, path)

    def __repr__(self) -> str:
        names = ", ".join(
            f"{n}: {t}"
            for n, t in zip(self.binding.signature.names, self.binding.signature.types, strict=True)
        )
        outputs = ", ".join(map(str, self.binding.outputs[: self.binding.results]))
        return f"<egtensor function ({names}) -> {outputs or 'nothing'}>"


class CompiledFunction(Described, runtime.Function):
    """A function compiled to native code."""

    def __init__(self, history: History, binding: Binding, library: Any) -> None:
        source = history.source
        assert source is not None
        self.history = history
        self.binding = binding
        runtime.Function.__init__(
            self,
            prepare=library.symbol("egt_prepare"),
            main=library.symbol("egt_main"),
            in_specs=tuple(map(_spec, binding.signature.types)),
            out_specs=tuple((t.dtype.num, t.ndim) for t in binding.outputs),
            shared=tuple(c.storage for c in binding.shared),
            shared_specs=tuple(map(_spec, binding.shared_types)),
            nresults=binding.results,
            updates=binding.updates,
            packing=PACKINGS[binding.packing],  # type: ignore[arg-type]  # one of the literals
            keys=binding.keys,
            keepalive=library,
            convert=binding.signature.conform,
            error=lambda site, info: error_at(source, site, info),
            needs_blas=source.needs_blas,
        )


def _spec(type_: TensorType) -> tuple[int, int, tuple[int, ...]]:
    shape = tuple(e if isinstance(e, int) else -1 for e in type_.shape)
    return type_.dtype.num, type_.ndim, shape


def error_at(source: Source, site: int, info: tuple[int, ...]) -> EgTensorError:
    """The exception for a site number that compiled code returned."""
    found = source.sites[site - 1]
    where = f"\n  at {found.line[0]}:{found.line[1]}" if found.line else ""
    kinds = {"size": ShapeError, "index": IndexOutOfBoundsError}
    message = found.message.format(*info)
    return kinds.get(found.kind, ExecutionError)(message + where)


class InterpretedFunction(Described):
    """A function that is interpreted step by step with NumPy: slower, with the same results."""

    def __init__(self, history: History, binding: Binding) -> None:
        self.history = history
        self.binding = binding
        self._inputs = numbered_inputs(history.exprs, binding.types)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from egtensor.lang.interpret import interpret

        binding = self.binding
        arrays = binding.signature.conform(args, kwargs)
        with _UPDATES:
            arrays = (*arrays, *(c.storage.array for c in binding.shared))
            values = dict(zip(self._inputs, arrays, strict=True))
            outputs = [
                np.array(v, order="C", copy=True)
                for v in interpret(list(self.history.exprs), values)
            ]
            for place, new in zip(binding.updates, outputs[binding.results :], strict=True):
                binding.shared[place].storage.array = new
        return binding.pack(outputs[: binding.results])


_UPDATES = threading.RLock()


def numbered_inputs(exprs: Sequence[Expr], types: Sequence[TensorType]) -> list[Expr]:
    """The inputs of numbered expressions; some may be there for their sizes alone."""
    used = {n.attrs[0]: n for n in toposort(exprs) if n.op.name == "input"}
    return [
        used[k] if k in used else make(OPS["input"], (), (k, f"input_{k}", t, NOTHING))
        for k, t in enumerate(types)
    ]
