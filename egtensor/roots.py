"""What a function is asked to compute: inputs, outputs and updates, checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from egtensor.errors import FunctionError, TypeRuleError
from egtensor.lang.dims import Extent, Size, as_size
from egtensor.lang.expr import Expr, as_expr, cast, fold, remake, toposort
from egtensor.lang.unify import map_extents, sizes_in
from egtensor.shared import SharedVariable, owner_of

Packing = Literal["one", "list", "dict"]


@dataclass(frozen=True)
class Roots:
    """The request that all stages work on.

    inputs   input nodes, in the order of the arguments
    outputs  expressions of the results
    packing  how results are handed back
    keys     names of the results, for ``dict``
    updates  shared variables and their new values
    shared   shared nodes the expressions use, those updated included, in order of creation
    """

    inputs: tuple[Expr, ...]
    outputs: tuple[Expr, ...]
    packing: Packing
    keys: tuple[Any, ...]
    updates: tuple[tuple[SharedVariable, Expr], ...]
    shared: tuple[SharedVariable, ...]

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """Outputs, then new values of the updated variables."""
        return (*self.outputs, *(new for _, new in self.updates))


def collect(
    inputs: Sequence[Expr],
    outputs: Any,
    updates: Any = (),
    givens: Any = (),
    on_unused_input: str = "raise",
) -> Roots:
    """Check a request and put it in order.

    raises  FunctionError for symbols that are no inputs, unused inputs, updates that do not fit
    """
    inputs = _checked_inputs(inputs)
    exprs, packing, keys = _unpacked(outputs)
    pairs = _pairs(updates, "updates")
    replaced = {_symbol(a, "givens"): as_expr(b) for a, b in _pairs(givens, "givens")}
    if replaced:
        _check_givens(replaced)
        new = _given([*exprs, *(as_expr(v) for _, v in pairs)], replaced)
        exprs = tuple(new[: len(exprs)])
        pairs = [(s, v) for (s, _), v in zip(pairs, new[len(exprs) :], strict=True)]
    checked = _checked_updates(pairs)
    leaves = _leaves([*exprs, *(v for _, v in checked)])
    while extra := _default_updates(checked, leaves):
        checked += extra
        leaves = _leaves([*exprs, *(v for _, v in checked)])
    sizes = _sizes_below([*exprs, *(v for _, v in checked)])
    _check_symbols(inputs, leaves, sizes, on_unused_input)
    used = {n: None for n in leaves if isinstance(n, SharedVariable)}
    used.update(dict.fromkeys(s for s, _ in checked))
    # a variable may be there for its sizes alone
    used.update(dict.fromkeys(owner for s in sizes if (owner := owner_of(s)) is not None))
    shared = tuple(sorted(used, key=lambda s: s.container.storage.id))
    return Roots(inputs, exprs, packing, keys, tuple(checked), shared)


def _leaves(roots: Iterable[Expr]) -> list[Expr]:
    return [n for n in toposort(roots) if n.op.name in ("input", "shared")]


def _checked_inputs(inputs: Any) -> tuple[Expr, ...]:
    if isinstance(inputs, Expr) or not isinstance(inputs, (list, tuple)):
        raise FunctionError(
            f"function: inputs must be a list of symbols, not {type(inputs).__name__}\n"
            f"  they are the arguments of the compiled function, in order\n"
            f"  fix: write et.function([x], ...)"
        )
    for k, x in enumerate(inputs):
        if not isinstance(x, Expr) or x.op.name != "input":
            hint = (
                "a shared variable is not passed as an argument: leave it out"
                if isinstance(x, SharedVariable)
                else "pass symbols made by et.vector, et.matrix, et.tensor, ..."
            )
            raise FunctionError(
                f"function: input {k} is not a symbol: {x}\n"
                f"  inputs are symbols without a value\n  fix: {hint}"
            )
    if len(set(inputs)) != len(inputs):
        raise FunctionError(
            "function: an input is listed twice\n"
            "  each argument belongs to one symbol\n  fix: remove the repetition"
        )
    return tuple(inputs)


def _unpacked(outputs: Any) -> tuple[tuple[Expr, ...], Packing, tuple[Any, ...]]:
    if isinstance(outputs, Mapping):
        return tuple(map(as_expr, outputs.values())), "dict", tuple(outputs)
    if isinstance(outputs, (list, tuple)):
        return tuple(map(as_expr, outputs)), "list", ()
    if outputs is None:
        return (), "list", ()
    return (as_expr(outputs),), "one", ()


def _pairs(given: Any, what: str) -> list[tuple[Any, Any]]:
    if isinstance(given, Mapping):
        return list(given.items())
    pairs = list(given or ())
    if any(not isinstance(p, (tuple, list)) or len(p) != 2 for p in pairs):
        raise FunctionError(
            f"function: {what} must be pairs or a dict\n"
            f"  each pair names a variable and the expression it becomes\n"
            f"  fix: write {what}=[(variable, expression), ...]"
        )
    return [tuple(p) for p in pairs]


def _symbol(x: Any, what: str) -> Expr:
    if not isinstance(x, Expr):
        raise FunctionError(
            f"function: {what} replaces {x!r}, which is not an expression\n"
            f"  givens replace symbols or subexpressions\n  fix: name an expression of the program"
        )
    return x


def _check_givens(replaced: dict[Expr, Expr]) -> None:
    for old, new in replaced.items():
        if old.dtype != new.dtype or old.ndim != new.ndim:
            raise FunctionError(
                f"function: givens replace {old} of type {old.type} by a value of type {new.type}\n"
                f"  dtype and rank must stay the same\n  fix: convert the new value"
            )


def _given(roots: list[Expr], replaced: dict[Expr, Expr]) -> list[Expr]:
    """The roots with some nodes replaced, all at once, and the sizes of replaced symbols with them."""
    kept = {s for n in _leaves(roots) if n not in replaced for s in sizes_in(n.type)}
    sizes: dict[Size, Extent] = {}
    for old, new in replaced.items():
        if old.op.name in ("input", "shared"):
            for a, b in zip(old.shape, new.shape, strict=True):
                size = as_size(a)
                if size is not None and size not in kept:
                    sizes.setdefault(size, b)

    def node(expr: Expr, args: list[Expr]) -> Expr:
        if expr in replaced:
            return replaced[expr]
        attrs = tuple(map_extents(a, sizes) for a in expr.attrs)
        if attrs == expr.attrs and all(a is b for a, b in zip(args, expr.args, strict=True)):
            return expr
        return remake(expr, tuple(args), attrs)

    values = fold(roots, node)
    return [values[r] for r in roots]


def _checked_updates(pairs: list[tuple[Any, Any]]) -> list[tuple[SharedVariable, Expr]]:
    checked: dict[SharedVariable, Expr] = {}
    for variable, value in pairs:
        if not isinstance(variable, SharedVariable):
            raise FunctionError(
                f"function: an update names {variable}, which is not a shared variable\n"
                f"  only shared variables keep their values between calls\n"
                f"  fix: make it with et.shared"
            )
        if variable in checked:
            raise FunctionError(
                f"function: {variable.name!r} is updated twice\n"
                f"  all updates happen at once\n  fix: keep one of them"
            )
        checked[variable] = _fitting(variable, value)
    return list(checked.items())


def _fitting(variable: SharedVariable, value: Any) -> Expr:
    new = as_expr(value)
    if new.ndim != variable.ndim:
        raise FunctionError(
            f"function: the update of {variable.name!r} has type {new.type}, the variable"
            f" {variable.type}\n  the rank cannot change\n  fix: reshape or reduce the new value"
        )
    if new.dtype == variable.dtype:
        return new
    if new.op.name in ("literal", "extent") or _widens_only_integers(new, variable):
        return cast(new, variable.dtype)
    culprit = _first_widening(new, variable)
    where = f" at {culprit.line[0]}:{culprit.line[1]}" if culprit.line else ""
    raise TypeRuleError(
        f"function: the update of {variable.name!r} is {new.dtype}, the variable {variable.dtype}\n"
        f"  it first becomes {new.dtype} in {culprit}{where}\n"
        f"  fix: convert there, or write .astype({str(variable.dtype)!r}) on the update"
    )


def _widens_only_integers(new: Expr, variable: SharedVariable) -> bool:
    return new.dtype.kind in "biu" and variable.dtype.kind == "f" and new.dtype.itemsize < 8


def _first_widening(new: Expr, variable: SharedVariable) -> Expr:
    for node in toposort([new]):
        if (
            not isinstance(node.type, tuple)
            and node.dtype == new.dtype
            and node.op.name != "cast"
            and node.args
        ):
            return node
    return new


def _default_updates(
    pairs: list[tuple[SharedVariable, Expr]], leaves: list[Expr]
) -> list[tuple[SharedVariable, Expr]]:
    updated = {s for s, _ in pairs}
    return [
        (n, n.container.default_update)
        for n in leaves
        if isinstance(n, SharedVariable)
        and n not in updated
        and n.container.default_update is not None
    ]


def _sizes_below(roots: Iterable[Expr]) -> set[Size]:
    """The named sizes that attributes of a program mention."""
    nodes = (n for n in toposort(roots) if n.op.name not in ("input", "shared"))
    return {size for node in nodes for attr in node.attrs for size in sizes_in(attr)}


def _check_symbols(
    inputs: tuple[Expr, ...], leaves: list[Expr], sizes: set[Size], on_unused: str
) -> None:
    symbols = [n for n in leaves if n.op.name == "input"]
    for symbol in symbols:
        if symbol not in set(inputs):
            where = f"{symbol.line[0]}:{symbol.line[1]}" if symbol.line else "an unknown line"
            raise FunctionError(
                f"function: the symbol {symbol.attrs[1]!r} ({symbol.type}, made at {where}) is used"
                f" but is not among the inputs\n"
                f"  every symbol needs a value: as an argument or through givens\n"
                f"  fix: add it to the inputs"
            )
    if on_unused not in ("raise", "warn", "ignore"):
        raise FunctionError(
            f"function: on_unused_input={on_unused!r} is not valid\n"
            f"  it is 'raise', 'warn' or 'ignore'\n  fix: choose one of them"
        )
    told = {x for x in inputs if not sizes.isdisjoint(sizes_in(x.type))}
    unused = [x for x in inputs if x not in told and x not in set(symbols)]
    if not unused or on_unused == "ignore":
        return
    message = (
        f"function: the input {unused[0].attrs[1]!r} is not used by any output or update\n"
        f"  an unused argument is often a mistake\n"
        f"  fix: remove it, or pass on_unused_input='ignore'"
    )
    if on_unused == "raise":
        raise FunctionError(message)
    import warnings

    warnings.warn(message, stacklevel=4)
