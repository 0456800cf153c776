"""Operators that hold programs: conditionals of which one branch runs, and loops with carried values.

Reverse mode of a loop runs it backwards over the carried values that a second forward pass keeps
(Griewank and Walther 2008, 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from egtensor.errors import ShapeError, TypeRuleError, UnsupportedError
from egtensor.lang.dims import Extent
from egtensor.lang.expr import (
    Expr,
    as_expr,
    cast,
    make,
    new_serial,
    rebuild,
    resolve,
    scalar,
    toposort,
)
from egtensor.lang.facts import NOTHING
from egtensor.lang.op import (
    OPS,
    ArgReduce,
    Attrs,
    Leaf,
    Op,
    Reduce,
    Region,
    Reshape,
    View,
    composed,
)
from egtensor.lang.ops.creation import as_extent
from egtensor.lang.ops.elementwise import add, not_equal
from egtensor.lang.ops.shape import along
from egtensor.lang.subgraph import SubGraph
from egtensor.lang.types import BOOL, Equalities, TensorType, extents_agree


def _placeholder(type_: TensorType, name: str, serial: int) -> Expr:
    return make(OPS["input"], (), (serial, name, type_, NOTHING))


def bound(type_: TensorType) -> Expr:
    """A new symbol for an input of a sub-program under construction."""
    return _placeholder(type_, "bound", new_serial())


def close(inputs: Sequence[Expr], outputs: Sequence[Expr]) -> SubGraph:
    """The sub-program from ``inputs`` to ``outputs``; built alike from equal types, two are equal."""
    # negative numbers are no user's inputs
    names = {x: _placeholder(x.type, f"arg{k}", -1 - k) for k, x in enumerate(inputs)}
    # derivatives in a sub-program are resolved here: the e-graph resolves only those around it
    return SubGraph(tuple(names.values()), tuple(resolve(rebuild(outputs, names))))


def captured(outputs: Sequence[Expr], inputs: Sequence[Expr], hoist: bool) -> list[Expr]:
    """What a sub-program must be given besides its ``inputs``.

    hoist  whether whole expressions that do not depend on them may be computed outside
    """
    moving: set[Expr] = set(inputs)
    fallible: set[Expr] = set()
    needed: dict[Expr, None] = {}
    for node in toposort(outputs):
        if any(a in moving for a in node.args):
            moving.add(node)
        if node.op.fallible or any(a in fallible for a in node.args):
            fallible.add(node)
    stack = list(reversed(outputs))
    seen: set[Expr] = set(inputs)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        symbol = isinstance(node.op.body, Leaf) and node.op.name in ("input", "shared")
        cheap = isinstance(node.op.body, (View, Reshape, Leaf)) or isinstance(node.type, tuple)
        if symbol or (hoist and not (node in moving or node in fallible or cheap)):
            needed[node] = None
        else:
            stack.extend(reversed(node.args))
    return list(needed)


def _inner_equalities(graph: SubGraph, equalities: Equalities) -> None:
    # sizes are compared before any branch is chosen; that an axis has elements matters only if it is
    for node in toposort(graph.outputs):
        if not isinstance(node.op.body, (Reduce, ArgReduce)):
            equalities.extend(node.equalities)


def _around(around: Any) -> Any:
    from egtensor.lang.interpret import Surroundings

    return around or Surroundings()


def _cond_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> tuple[TensorType, ...]:
    then, other = attrs["then"], attrs["other"]
    for graph in (then, other):
        _inner_equalities(graph, equalities)
    for a, b in zip(then.outputs, other.outputs, strict=True):
        agree = a.dtype == b.dtype and a.ndim == b.ndim
        if not agree or not all(
            map(lambda m, n: extents_agree(m, n, equalities), a.shape, b.shape)
        ):
            raise TypeRuleError(
                f"cond: one branch gives {a.type}, the other {b.type}\n"
                f"  both branches give results of the same dtypes and shapes\n"
                f"  fix: convert or broadcast one of them"
            )
    return tuple(a.type for a in then.outputs)


def _cond_numpy(
    c: Any, *operands: Any, then: SubGraph, other: SubGraph, around: Any = None
) -> tuple[Any, ...]:
    return tuple(_around(around).run(then if c else other, operands))


def _float_outputs(graph: SubGraph) -> list[int]:
    return [k for k, y in enumerate(graph.outputs) if y.dtype.kind == "f"]


def _pulled(
    graph: SubGraph, outputs: Sequence[Expr], cotangents: Sequence[Expr], wrt: Sequence[Expr]
) -> list[Expr]:
    """Cotangents of some inputs of a sub-program, zeros where there is none."""
    from egtensor.diff.pullback import pull_back

    sums: dict[Expr, Expr] = {}
    for y, g in zip(outputs, cotangents, strict=True):
        sums[y] = add(sums[y], g) if y in sums else g
    found = (
        pull_back(list(sums), list(sums.values()), list(wrt)) if sums and wrt else [None] * len(wrt)
    )
    # a sub-program is optimised by itself: it holds operators, not derivatives of operators
    return resolve(scalar(0, x.type) if g is None else g for x, g in zip(wrt, found, strict=True))


def _cond_vjp(
    g: Any, y: Any, c: Any, *operands: Any, then: SubGraph, other: SubGraph
) -> tuple[Any, ...]:
    floats = [k for k, x in enumerate(operands) if x.dtype.kind == "f"]
    given = _float_outputs(then)
    branches = []
    for graph in (then, other):
        seeds = [bound(g[k].type) for k in given]
        pulled = _pulled(
            graph, [graph.outputs[k] for k in given], seeds, [graph.inputs[k] for k in floats]
        )
        branches.append(close((*graph.inputs, *seeds), pulled))
    if not floats:
        return None, *(None for _ in operands)
    made = cond(c, *operands, *(g[k] for k in given), then=branches[0], other=branches[1])
    found = dict(zip(floats, made, strict=True))
    return None, *(found.get(k) for k in range(len(operands)))


cond: Op = Op(
    name="cond", numpy=_cond_numpy, arity=None, attrs=("then", "other"), body=Region("cond"), type_rule=_cond_type,
    vjp=_cond_vjp, results=None, cost=1,
    doc="The outputs of one of two sub-programs of the operands after the first, which is a boolean.",
)  # fmt: skip


def _scan_type(
    op: Op, types: tuple[TensorType, ...], attrs: Attrs, equalities: Equalities
) -> tuple[TensorType, ...]:
    extent, body = attrs["extent"], attrs["body"]
    n, m = attrs["n_carries"], attrs["n_sequences"]
    _inner_equalities(body, equalities)
    for t in types[n : n + m]:
        if not t.ndim or not extents_agree(t.shape[0], extent, equalities):
            raise ShapeError(
                f"scan: a sequence of type {t} for {extent} steps\n"
                f"  the first axis of each sequence has one element per step\n"
                f"  fix: slice the sequence, or pass n_steps"
            )
    for init, carried in zip(types[:n], body.outputs[:n], strict=True):
        agree = init.dtype == carried.dtype and init.ndim == carried.ndim
        if not agree or not all(
            map(lambda a, b: extents_agree(a, b, equalities), init.shape, carried.shape)
        ):
            raise TypeRuleError(
                f"scan: a carried value starts as {init} and becomes {carried.type}\n"
                f"  it keeps its dtype and shape from step to step\n"
                f"  fix: give outputs_info that dtype and shape, or convert what the function returns"
            )
    stacked = (y.type.with_shape((extent, *y.shape)) for y in body.outputs[n:])
    return (*types[:n], *stacked)


def _scan_numpy(
    *operands: Any,
    extent: int,
    n_carries: int,
    n_sequences: int,
    body: SubGraph,
    around: Any = None,
) -> tuple[Any, ...]:
    run = _around(around)
    carries = list(operands[:n_carries])
    sequences = operands[n_carries : n_carries + n_sequences]
    rest = operands[n_carries + n_sequences :]
    steps = []
    for k in range(extent):
        outputs = run.run(body, [*carries, *(s[k] for s in sequences), *rest])
        carries = outputs[:n_carries]
        steps.append(outputs[n_carries:])
    if steps:
        return (*carries, *(np.stack(column) for column in zip(*steps, strict=True)))
    empty = (np.zeros((0, *run.shape(y.type)), y.dtype) for y in body.outputs[n_carries:])
    return (*carries, *empty)


def _reversed(x: Expr) -> Expr:
    return along(x, 0, x.shape[0] - 1, x.shape[0], -1)  # type: ignore[no-any-return]


def _carried_into(
    states: list[int], operands: Sequence[Expr], extent: Extent, n: int, m: int, body: SubGraph
) -> list[Expr]:
    """Carried values as each step finds them: the loop once more, keeping them."""
    if not states:
        return []
    kept = SubGraph(body.inputs, (*body.outputs[:n], *(body.inputs[k] for k in states)))
    return list(scan(*operands, extent=extent, n_carries=n, n_sequences=m, body=kept)[n:])


def _scan_vjp(
    g: Any, y: Any, *operands: Any, extent: Extent, n_carries: int, n_sequences: int, body: SubGraph
) -> tuple[Any, ...]:
    n, m = n_carries, n_sequences
    floats = [k for k, x in enumerate(operands) if x.dtype.kind == "f"]
    moving, invariant = [k for k in floats if k < n], [k for k in floats if k >= n + m]
    swept = [k for k in floats if n <= k < n + m]
    given = [k for k in _float_outputs(body) if k >= n]
    seeds = {k: bound(body.outputs[k].type) for k in (*moving, *given)}
    sums = {k: bound(body.inputs[k].type) for k in invariant}
    inner = [body.inputs[k] for k in floats]
    step = _pulled(body, [body.outputs[k] for k in seeds], list(seeds.values()), inner)
    pulled = dict(zip(floats, step, strict=True))
    carried = [
        *(_as(pulled[k], seeds[k].type) for k in moving),
        *(add(total, pulled[k]) for k, total in sums.items()),
    ]
    outputs = [*carried, *(pulled[k] for k in swept)]
    used = set(toposort(outputs))
    needed = [k for k, x in enumerate(body.inputs) if x in used]
    states, stepwise = [k for k in needed if k < n], [k for k in needed if n <= k < n + m]
    rest = [k for k in needed if k >= n + m]
    back = close(
        (
            *(seeds[k] for k in moving), *sums.values(), *(body.inputs[k] for k in (*states, *stepwise)),
            *(seeds[k] for k in given), *(body.inputs[k] for k in rest),
        ),
        outputs,
    )  # fmt: skip
    saved = _carried_into(states, operands, extent, n, m, body)
    sequences = [*saved, *(operands[k] for k in stepwise), *(g[k] for k in given)]
    made = scan(
        *(g[k] for k in moving), *(scalar(0, operands[k].type) for k in invariant),
        *map(_reversed, sequences), *(operands[k] for k in rest),
        extent=extent, n_carries=len(carried), n_sequences=len(sequences), body=back,
    )  # fmt: skip
    found = dict(zip((*moving, *invariant), made[: len(carried)], strict=True))
    found |= {k: _reversed(s) for k, s in zip(swept, made[len(carried) :], strict=True)}
    return tuple(found.get(k) for k in range(len(operands)))


def _as(g: Expr, type_: TensorType) -> Expr:
    from egtensor.lang.expr import broadcast

    return broadcast(cast(g, type_.dtype), type_.shape)


scan: Op = Op(
    name="scan", numpy=_scan_numpy, arity=None, attrs=("extent", "n_carries", "n_sequences", "body"),
    body=Region("scan"), type_rule=_scan_type, vjp=_scan_vjp, results=None, cost=1,
    doc="A loop: operands are carried values, sequences and invariants; results are the final carried values and"
        " the stacked outputs of each step.",
)  # fmt: skip


def _branch(value: Any, operands: Sequence[Any]) -> tuple[list[Expr], bool]:
    made = value(*operands) if callable(value) else value
    several = isinstance(made, (list, tuple))
    return [as_expr(v) for v in (made if several else [made])], several


def _conditional(name: str, c: Any, then: Any, other: Any, operands: Sequence[Any]) -> Any:
    c = as_expr(c)
    if c.ndim:
        raise TypeRuleError(
            f"{name}: the condition is {c.type}\n"
            f"  one branch is chosen as a whole, so it is a scalar\n"
            f"  fix: use et.where to choose element by element, or reduce with et.any or et.all"
        )
    (first, several), (second, _) = (_branch(v, operands) for v in (then, other))
    if len(first) != len(second):
        raise TypeRuleError(
            f"{name}: one branch gives {len(first)} results, the other {len(second)}\n"
            f"  both branches give equally many\n"
            f"  fix: return as many from each"
        )
    dtypes = [np.result_type(a.dtype, b.dtype) for a, b in zip(first, second, strict=True)]
    sides = [[cast(v, d) for v, d in zip(side, dtypes, strict=True)] for side in (first, second)]
    outside = captured([*sides[0], *sides[1]], [], hoist=False)
    branches = [close(outside, side) for side in sides]
    truth = c if c.dtype == BOOL else not_equal(c, 0)
    found = list(cond(truth, *outside, then=branches[0], other=branches[1]))
    return found if several else found[0]


@composed(numpy=lambda c, a, b: a if c else b)
def ifelse(c: Any, a: Any, b: Any) -> Any:
    """``a`` if the scalar ``c`` is not zero, else ``b``; only the chosen one is computed.

    a, b  expressions of equal shape, or lists of them
    """
    return _conditional("ifelse", c, a, b, ())


@composed(numpy=lambda c, a, b, *operands: a(*operands) if c else b(*operands), name="cond")
def cond_(c: Any, then: Any, other: Any, *operands: Any) -> Any:
    """The results of one of two functions of ``operands``; only the chosen one is computed.

    then, other  functions, or expressions
    """
    return _conditional("cond", c, then, other, tuple(map(as_expr, operands)))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _no_taps(value: Any) -> Any:
    if isinstance(value, dict):
        given = {k: v for k, v in value.items() if k not in ("initial", "input")}
        if any(v not in (None, [0], [-1]) for v in given.values()):
            raise UnsupportedError(
                f"scan: {given}\n"
                f"  steps see one element of each sequence, and the last value of each output\n"
                f"  fix: pass shifted slices as several sequences, and carry several values"
            )
        return value.get("initial", value.get("input"))
    return value


@composed(numpy=lambda *_, **__: None, name="scan")
def scan_(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    go_backwards: bool = False,
) -> tuple[Any, dict[Any, Any]]:
    """Apply ``fn`` step by step, as Theano's scan.

    fn             (element of each sequence, last value of each recurrent output, non_sequences) -> outputs
    sequences      tensors that the loop runs over along their first axis
    outputs_info   per output its initial value, or None for one that no step sees
    n_steps        how many steps; the size of the sequences if not given
    returns        outputs stacked along a new first axis, and an empty dictionary of updates
    """
    given = [as_expr(_no_taps(s)) for s in _listed(sequences)]
    extent = _steps(given, n_steps)
    given = [along(s, 0, 0, extent) if n_steps is not None else s for s in given]
    given = [_reversed(s) for s in given] if go_backwards else given
    info = [
        None if v is None else as_expr(_no_taps(v)) for v in map(_no_taps, _listed(outputs_info))
    ]
    inits = [v for v in info if v is not None]
    carries = [bound(v.type) for v in inits]
    elements = [bound(s.type.with_shape(s.shape[1:])) for s in given]
    made, single = _outputs(fn(*elements, *carries, *_listed(non_sequences)))
    info = info or [None] * len(made)
    if len(info) != len(made):
        raise TypeRuleError(
            f"scan: the function returns {len(made)} outputs, outputs_info has {len(info)} entries\n"
            f"  there is an initial value, or None, for each output\n"
            f"  fix: list as many"
        )
    new = [y for y, v in zip(made, info, strict=True) if v is not None]
    outside = captured(made, [*carries, *elements], hoist=True)
    body = close((*carries, *elements, *outside), (*new, *made))
    found = scan(
        *inits, *given, *outside,
        extent=extent, n_carries=len(inits), n_sequences=len(given), body=body,
    )[len(inits) :]  # fmt: skip
    return (found[0] if single else list(found)), {}


def _outputs(returned: Any) -> tuple[list[Expr], bool]:
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict):
        if returned[1]:
            raise UnsupportedError(
                "scan: updates of shared variables from inside a loop\n"
                "  a step is a function of its arguments\n"
                "  fix: carry the value in outputs_info, and update the variable with the last one"
            )
        returned = returned[0]
    several = isinstance(returned, (list, tuple))
    return [as_expr(y) for y in (returned if several else [returned])], not several


def _steps(given: list[Expr], n_steps: Any) -> Extent:
    if n_steps is not None:
        return as_extent(n_steps, "n_steps")
    if not given:
        raise ShapeError(
            "scan: neither sequences nor n_steps\n"
            "  the number of steps is the size of the sequences, or n_steps\n"
            "  fix: pass one of them"
        )
    sizes = [s.shape[0] for s in given]
    shortest = sizes[0]
    for n in sizes[1:]:
        shortest = n if isinstance(n, int) else shortest
    return shortest
