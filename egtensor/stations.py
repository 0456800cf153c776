"""Every intermediate form of one expression, from what the user writes to native code."""

from __future__ import annotations

import re
from typing import Any

from egtensor.diff.grad import grad
from egtensor.extract.extract import extract
from egtensor.function import default_options
from egtensor.kernels.schedule import schedule
from egtensor.lang import api
from egtensor.lang.expr import Expr, toposort
from egtensor.lang.show import listing
from egtensor.lang.unify import unify
from egtensor.rules.saturate import optimise_space


def print_stations(expression: str, by: str | None, constructor: str) -> int:
    """Print the forms of ``expression``; 0."""
    names: dict[str, Any] = api.names()
    words = dict.fromkeys(re.findall(r"(?<![\w.])([a-z]\w*)\b(?!\s*[(=])", expression))
    symbols = {w: names[constructor](w) for w in words if w not in names}
    root = eval(expression, {"__builtins__": {}}, {**names, **symbols})
    for title, text in forms(root, list(symbols.values()), symbols[by] if by else None):
        print(f"== {title}\n{text}\n")
    return 0


def forms(root: Expr, inputs: list[Expr], by: Expr | None = None) -> list[tuple[str, str]]:
    """Pairs (station, printed form)."""
    shown = [("Expr: the expression as written", listing([root]))]
    if by is not None:
        root = grad(root, by)
        shown.append(("Expr: its gradient, pullbacks unresolved", listing([root])))
    options = default_options()
    request = unify([root], [n for n in toposort([root]) if n in set(inputs)])
    classes, report = optimise_space(request.roots, options.rules, options.limits, record=True)
    shown.append(("EGraph: saturated", f"{report}\n{show_classes(classes)}"))
    candidates = extract(classes, options.cost_model, accuracy=options.accuracy)
    for k, candidate in enumerate(candidates):
        title = "as written" if k == len(candidates) - 1 else f"choice {k + 1}"
        shown.append((f"Program: {title}, {candidate.cost:.3g} s", str(candidate.program)))
    plan = schedule(candidates[0].program)
    shown.append(("KernelPlan", str(plan)))
    source = options.target.render(plan)
    shown.append(("Source", source.text[source.text.find("struct egt_env") :]))
    shown.append(("CompiledFunction", f"built by: {' '.join(source.flags)}"))
    return shown


def show_classes(classes: Any) -> str:
    """One e-class per line, with the e-nodes that can compute it."""
    lines = []
    for c, members in enumerate(classes.members):
        nodes = [_show_node(classes.nodes[n]) for n in members]
        root = "  <- result" if c in classes.roots else ""
        lines.append(f"e{c}: {' | '.join(nodes)}{root}")
    return "\n".join(lines)


def _show_node(node: Any) -> str:
    attrs = [str(a) for a in node.attrs if not hasattr(a, "dtype")]
    rule = f" [{node.rule}]" if node.rule else ""
    return f"{node.op.name}({', '.join([*(f'e{a}' for a in node.args), *attrs])}){rule}"
