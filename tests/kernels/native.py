"""Compile expressions as they are written, without the optimiser, and run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egtensor.emit_c.build import build
from egtensor.emit_c.render import render
from egtensor.emit_c.runtime import Function
from egtensor.extract.program import Program, from_exprs
from egtensor.kernels.plan import KernelPlan, verify
from egtensor.kernels.schedule import schedule
from egtensor.kernels.target import Source
from egtensor.lang.expr import Expr, make
from egtensor.lang.facts import NOTHING
from egtensor.lang.interpret import interpret
from egtensor.lang.op import OPS
from egtensor.lang.types import TensorType
from egtensor.lang.unify import unify

Array = Any


def symbol(number: int, name: str, dtype: Any, shape: tuple[Any, ...]) -> Expr:
    """Argument ``number`` of a program."""
    return make(OPS["input"], (), (number, name, TensorType(np.dtype(dtype), shape), NOTHING))


def program_of(roots: Sequence[Expr], inputs: Sequence[Expr]) -> Program:
    """The program as written, over all of ``inputs``."""
    request = unify(roots, inputs)
    made = from_exprs(request.roots)
    types = tuple(i.type for i in request.inputs)
    return Program(made.steps, made.results, request.equalities, types)


def plan_of(roots: Sequence[Expr], inputs: Sequence[Expr]) -> KernelPlan:
    """The verified kernel plan of the program as written."""
    return verify(schedule(program_of(roots, inputs)))


class SiteError(Exception):
    """A compiled function returned an error."""


def compiled(
    roots: Sequence[Expr], inputs: Sequence[Expr], directory: Path, **options: Any
) -> Function:
    """A function of arrays for ``inputs``, giving a list."""
    source: Source = render(plan_of(roots, inputs))
    library = build(source, directory, **options)

    def error(site: int, info: tuple[int, ...]) -> Exception:
        found = source.sites[site - 1]
        return SiteError(f"{found.kind}: {found.message.format(*info)}")

    return Function(
        prepare=library.symbol("egt_prepare"),
        main=library.symbol("egt_main"),
        in_specs=tuple((i.dtype.num, i.ndim, (-1,) * i.ndim) for i in inputs),
        out_specs=tuple((r.dtype.num, r.ndim) for r in roots),
        packing=1,
        keepalive=library,
        error=error,
        needs_blas=source.needs_blas,
    )


def agree(
    roots: Sequence[Expr],
    inputs: dict[Expr, Array],
    directory: Path,
    *,
    ulps: float = 64,
    **options: Any,
) -> list[Array]:
    """Run compiled and interpreted and compare; differences of a few units in the last place of
    the largest element are those of another order of summation."""
    f = compiled(roots, list(inputs), directory, **options)
    got: list[Array] = f(*inputs.values())  # type: ignore[assignment]
    wanted = interpret(list(roots), inputs)
    for g, w in zip(got, wanted, strict=True):
        expected = np.asarray(w)
        assert g.dtype == expected.dtype
        assert g.shape == expected.shape
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(g, expected)
            continue
        finite = np.abs(expected[np.isfinite(expected)])
        scale = float(finite.max()) if finite.size else 1.0
        tolerance = ulps * float(np.finfo(expected.dtype).eps) * scale
        np.testing.assert_allclose(g, expected, rtol=0, atol=tolerance)
    return got
