"""Programs: typed lists of steps, operands before their uses; what extraction chooses and scheduling takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from egtensor.errors import VerifyError
from egtensor.lang.dims import Extent
from egtensor.lang.expr import Expr, Line, toposort
from egtensor.lang.op import Op, Types
from egtensor.lang.types import TensorType
from egtensor.rules.tables import result_type


@dataclass(frozen=True, slots=True)
class Step:
    """One operator applied to earlier steps.

    args   places of the operands in the program
    lines  lines of the user's file that this step stands for, nearest first
    rules  rules that made this step, where they were recorded
    """

    op: Op
    args: tuple[int, ...]
    attrs: tuple[Any, ...]
    type: Types
    lines: tuple[Line, ...] = field(default=(), compare=False)
    rules: tuple[str, ...] = field(default=(), compare=False)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        return dict(zip(self.op.attrs, self.attrs, strict=True))

    @property
    def tensor(self) -> TensorType:
        """The type of the one result."""
        assert isinstance(self.type, TensorType), f"{self.op} has several results"
        return self.type


@dataclass(frozen=True)
class Program:
    """Steps in an order in which they can run, and the places of the results.

    equalities  sizes that must be equal in a call, beyond what the types of the inputs say
    inputs      types of all arguments and shared variables, used or not; empty: those of the steps
    """

    steps: tuple[Step, ...]
    results: tuple[int, ...]
    equalities: tuple[tuple[Extent, Extent, Line], ...] = ()
    inputs: tuple[TensorType, ...] = ()

    def __str__(self) -> str:
        return show(self)


def from_exprs(roots: Sequence[Expr]) -> Program:
    """The program as written: one step per node."""
    order = toposort(roots)
    place = {node: k for k, node in enumerate(order)}
    steps = tuple(
        Step(n.op, tuple(place[a] for a in n.args), n.attrs, n.type, (n.line,)) for n in order
    )
    return Program(steps, tuple(place[r] for r in roots))


def to_exprs(program: Program) -> list[Expr]:
    """The results as expressions, e.g. to interpret them."""
    from egtensor.lang.expr import make

    made: list[Expr] = []
    for step in program.steps:
        made.append(make(step.op, tuple(made[a] for a in step.args), step.attrs))
    return [made[r] for r in program.results]


def verify(program: Program) -> Program:
    """The program itself, after checking that it is typed and ordered; VerifyError names the step."""
    for i, step in enumerate(program.steps):
        if any(not 0 <= a < i for a in step.args):
            raise _broken(i, step, "an operand does not come first", "order the steps")
        if step.op.arity is not None and len(step.args) != step.op.arity:
            raise _broken(i, step, f"it takes {step.op.arity} operands", "pass as many")
        if _rank_and_dtype(_inferred(program, step)) != _rank_and_dtype(step.type):
            raise _broken(
                i, step, f"its type rule gives {_inferred(program, step)}", "type it anew"
            )
    if any(not 0 <= r < len(program.steps) for r in program.results):
        raise VerifyError(
            f"program: a result is not among its {len(program.steps)} steps\n"
            f"  results are places of steps\n  fix: report this as a defect of egtensor"
        )
    return program


def _inferred(program: Program, step: Step) -> Types:
    return result_type(step.op, step.attrs, tuple(program.steps[a].type for a in step.args))


def _rank_and_dtype(types: Types) -> Iterable[Any]:
    # sizes may differ in form where they are equal only when the function runs
    return [(t.dtype, t.ndim) for t in (types if isinstance(types, tuple) else (types,))]


def _broken(i: int, step: Step, rule: str, fix: str) -> VerifyError:
    return VerifyError(
        f"program: step %{i} {step.op} : {step.type} is not valid\n  {rule}\n"
        f"  fix: {fix}; if you did not build this program, report it as a defect of egtensor"
    )


def show(program: Program) -> str:
    """One step per line: number, operator, operands, attributes, type."""
    from egtensor.lang.show import format_step

    lines = [
        format_step(k, s.op.name, s.args, s.attributes, s.type) for k, s in enumerate(program.steps)
    ]
    return "\n".join([*lines, f"return {', '.join(f'%{r}' for r in program.results)}"])
