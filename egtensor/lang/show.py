"""The printed form of expressions: shared subexpressions are named, casts and broadcasts left out."""

from __future__ import annotations

from egtensor.lang.expr import Expr, toposort

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@", "less": "<",
    "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
SILENT = frozenset(("broadcast_to", "cast"))
LIMIT = 200


def show(expr: Expr, limit: int = LIMIT) -> str:
    """One line; ``...`` stands for what is beyond ``limit`` characters."""
    text: dict[Expr, str] = {}
    for node in toposort([expr])[-4 * limit :]:
        text[node] = _one(node, [text.get(a, "...") for a in node.args])[: 2 * limit]
    shown = text[expr]
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _one(node: Expr, args: list[str]) -> str:
    name = node.op.name
    if name in ("input", "shared"):
        return str(node.attrs[1])
    if name in ("literal", "constant", "extent"):
        return str(node.attrs[0])
    if name in SILENT:
        return args[0]
    if name in INFIX:
        return f"({args[0]} {INFIX[name]} {args[1]})"
    attrs = [f"{k}={_attr(v)}" for k, v in node.attributes.items()]
    return f"{name}({', '.join(args + attrs)})"


def _attr(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + ",".join(map(_attr, value)) + ")"
    return str(value)


def listing(roots: list[Expr]) -> str:
    """One node per line, operands first: number, operator, operands, attributes, type."""
    order = toposort(roots)
    number = {node: k for k, node in enumerate(order)}
    return "\n".join(
        format_step(k, n.op.name, tuple(number[a] for a in n.args), n.attributes, n.type)
        for k, n in enumerate(order)
    )


def format_step(
    number: int, name: str, args: tuple[int, ...], attrs: dict[str, object], type_: object
) -> str:
    """``%3 = name(%1, %2, attribute=value) : type``."""
    shown = [f"%{a}" for a in args]
    shown += [
        f"{k}={_attr(v)}" for k, v in attrs.items() if k not in ("serial", "container", "type")
    ]
    types = type_ if isinstance(type_, tuple) else (type_,)
    return f"%{number} = {name}({', '.join(shown)}) : {', '.join(map(str, types))}"
