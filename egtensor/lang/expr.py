"""Expressions: immutable, hash-consed, typed nodes with NumPy's operators.

Casts and broadcasts are explicit: the operands of an elementwise node have the dtypes it computes with
and the shape of its result, up to sizes that are recorded as equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from types import FrameType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from egtensor.errors import TypeRuleError, UnsupportedError
from egtensor.lang.constant import ConstantData
from egtensor.lang.dims import Dim, Extent, Shape
from egtensor.lang.number import Number
from egtensor.lang.op import FUNCTIONS, OPS, Derived, Op, Reshape, Types, View
from egtensor.lang.types import (
    BOOL,
    FLOAT64,
    INT64,
    DType,
    Equalities,
    TensorType,
    Weak,
    as_dtype,
    broadcast_shapes,
)

Line = tuple[str, int] | None
UNIFORM = frozenset(("literal", "extent"))  # all elements alike: moving them changes the shape only
_NODES: WeakValueDictionary[tuple[Any, ...], Expr] = WeakValueDictionary()
_serial = count()
_symbols = count(1 << 20)  # above the numbers of inputs by position


def _binary(op: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: OPS[op](x, y)


def _swapped(op: str) -> Callable[[Any, Any], Any]:
    return lambda y, x: OPS[op](x, y)


def _method(function: str) -> Callable[..., Any]:
    def method(self: Expr, *args: Any, **options: Any) -> Any:
        return (FUNCTIONS.get(function) or OPS[function])(self, *args, **options)

    method.__name__ = function
    return method


class Expr:
    """One node of an expression: an operator, its operands and attributes, and the type of its value.

    Two expressions built alike are one object. ``==`` is elementwise; use ``is`` or ``et.same``.
    """

    __slots__ = ("__weakref__", "args", "attrs", "equalities", "line", "op", "serial", "type")
    __array_ufunc__: Any = None  # NumPy arrays leave binary operators to expressions
    __array_priority__ = 1000

    op: Op
    args: tuple[Expr, ...]
    attrs: tuple[Any, ...]
    type: Any  # TensorType, or a tuple of them for operators with several results
    equalities: tuple[tuple[Extent, Extent], ...]
    line: Line
    serial: int

    @property
    def dtype(self) -> DType:
        """The dtype of the value."""
        return self.type.dtype  # type: ignore[no-any-return]

    @property
    def shape(self) -> Shape:
        """The sizes of the axes: integers, or symbolic sizes usable wherever a size is."""
        return self.type.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.type.shape)

    @property
    def size(self) -> Extent:
        """The number of elements."""
        return self.type.size  # type: ignore[no-any-return]

    @property
    def T(self) -> Expr:
        """All axes reversed."""
        return FUNCTIONS["transpose"](self)  # type: ignore[no-any-return]

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        return dict(zip(self.op.attrs, self.attrs, strict=True))

    def __bool__(self) -> bool:
        raise TypeRuleError(
            f"the truth of a symbolic expression is not known: {self}\n"
            f"  Python's if, and, or, not need a value now\n"
            f"  fix: use et.where (elementwise), et.cond or et.ifelse (lazy); `is` or et.same to"
            f" compare expressions"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeRuleError(
                "len() of a scalar expression\n"
                "  a scalar has no first axis\n"
                "  fix: use a tensor of rank 1 or more"
            )
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Expr]:
        return (self[i] for i in range(len(self)))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeRuleError(
            f"NumPy cannot turn the symbolic expression {self} into an array\n"
            f"  it has no value until it is evaluated\n"
            f"  fix: use the function of the same name in egtensor, or .eval({{input: value}})"
        )

    def __str__(self) -> str:
        from egtensor.lang.show import show

        return show(self)

    def __repr__(self) -> str:
        return f"<{self.type}: {self}>"

    def __copy__(self) -> Expr:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from egtensor.lang.serialize import dump_root, load_root

        return load_root, dump_root(self)

    def __getitem__(self, index: Any) -> Expr:
        return FUNCTIONS["getitem"](self, index)  # type: ignore[no-any-return]

    __add__, __radd__ = _binary("add"), _swapped("add")
    __sub__, __rsub__ = _binary("subtract"), _swapped("subtract")
    __mul__, __rmul__ = _binary("multiply"), _swapped("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _swapped("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _swapped("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _swapped("remainder")
    __and__, __rand__ = _binary("bitwise_and"), _swapped("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _swapped("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _swapped("bitwise_xor")
    __lshift__, __rlshift__ = _binary("left_shift"), _swapped("left_shift")
    __rshift__, __rrshift__ = _binary("right_shift"), _swapped("right_shift")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __eq__, __ne__ = _binary("equal"), _binary("not_equal")
    __hash__ = object.__hash__
    __neg__, __abs__, __invert__ = _method("negative"), _method("absolute"), _method("invert")
    __matmul__, __pow__ = _method("matmul"), _method("power")

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS["matmul"](other, self)

    def __rpow__(self, other: Any) -> Any:
        return (FUNCTIONS.get("power") or OPS["power"])(other, self)

    def __pos__(self) -> Expr:
        return self

    def __divmod__(self, other: Any) -> tuple[Expr, Expr]:
        return OPS["divmod"](self, other)  # type: ignore[no-any-return]

    def __rdivmod__(self, other: Any) -> tuple[Expr, Expr]:
        return OPS["divmod"](other, self)  # type: ignore[no-any-return]

    sum, prod, max, min = _method("sum"), _method("prod"), _method("max"), _method("min")
    mean, var, std = _method("mean"), _method("var"), _method("std")
    any, all = _method("any"), _method("all")
    argmax, argmin, cumsum = _method("argmax"), _method("argmin"), _method("cumsum")
    reshape, transpose, swapaxes = _method("reshape"), _method("transpose"), _method("swapaxes")
    squeeze, flatten, ravel = _method("squeeze"), _method("flatten"), _method("ravel")
    repeat, take, dot = _method("repeat"), _method("take"), _method("dot")
    clip, round = _method("clip"), _method("round")

    def astype(self, dtype: Any) -> Expr:
        """Convert to ``dtype`` as NumPy's ``astype`` does."""
        return cast(self, as_dtype(dtype))

    def eval(self, values: dict[Expr, Any] | None = None) -> Any:
        """Optimise, then interpret, with ``values`` for the inputs.

        returns  a NumPy array
        """
        from egtensor.function import evaluate

        return evaluate(self, values or {})


def make(op: Op, args: tuple[Expr, ...], attrs: tuple[Any, ...] = ()) -> Expr:
    """The one node with this operator, these operands and attributes; its type comes from the type rule."""
    key = (op.name, *map(id, args), attrs)
    found = _NODES.get(key)
    if found is None and isinstance(op.body, (View, Reshape)) and args[0].op.name in UNIFORM:
        value, type_ = args[0].attrs
        moved = _type_of(op, args, attrs, [])
        assert isinstance(moved, TensorType)
        return make(args[0].op, (), (value, type_.with_shape(moved.shape)))
    if found is None:
        equalities: Equalities = []
        found = Expr()
        found.op, found.args, found.attrs = op, args, attrs
        found.type = _type_of(op, args, attrs, equalities)
        found.equalities = tuple(equalities)
        found.line = user_line()
        found.serial = next(_serial)
        _NODES[key] = found
    return found


def _type_of(
    op: Op, args: tuple[Expr, ...], attrs: tuple[Any, ...], equalities: Equalities
) -> Types:
    types = tuple(a.type for a in args)
    if op.type_rule is not None:
        return op.type_rule(op, types, dict(zip(op.attrs, attrs, strict=True)), equalities)
    assert op.promote is not None
    shape = broadcast_shapes(op.name, types, equalities)
    results = op.promote(op.name, tuple(t.dtype for t in types))[len(args) :]
    made = tuple(TensorType(d, shape) for d in results)
    return made[0] if op.results == 1 else made


def apply(op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """The expression ``op(operands, **attrs)``; a tuple for operators with several results."""
    if op.arity is not None and len(operands) != op.arity:
        raise TypeRuleError(
            f"{op.name}: takes {op.arity} operands, got {len(operands)}\n"
            f"  every operator has a fixed number of operands\n"
            f"  fix: call it with {op.arity}"
        )
    unknown = [n for n in attrs if n not in op.attrs]
    missing = [n for n in op.attrs if n not in attrs]
    if unknown or missing:
        raise TypeRuleError(
            f"{op.name}: unknown or missing attributes {', '.join(unknown + missing)}\n"
            f"  its attributes are: {', '.join(op.attrs) or 'none'}\n"
            f"  fix: pass exactly these by name"
        )
    args = elementwise_operands(op, operands) if op.promote else tuple(map(as_expr, operands))
    node = make(op, args, tuple(attrs[n] for n in op.attrs))
    return items(node) if isinstance(node.type, tuple) else node


def items(node: Expr) -> tuple[Expr, ...]:
    """The results of an operator that has several."""
    return tuple(make(OPS["item"], (node,), (i,)) for i in range(len(node.type)))


def elementwise_operands(op: Op, operands: tuple[Any, ...]) -> tuple[Expr, ...]:
    """The operands cast to the dtypes the operator computes with and broadcast to their common shape."""
    assert op.promote is not None
    raw = [_operand(op.name, o) for o in operands]
    dtypes = op.promote(op.name, tuple(map(_weak_dtype, raw)))
    types = [
        TensorType(d, r.shape if isinstance(r, Expr) else ())
        for r, d in zip(raw, dtypes, strict=False)
    ]
    shape = broadcast_shapes(op.name, types, [])
    return tuple(
        broadcast(cast(r, t.dtype), shape)
        if isinstance(r, Expr)
        else scalar(r, TensorType(t.dtype, shape))
        for r, t in zip(raw, types, strict=True)
    )


def _operand(name: str, value: Any) -> Expr | int | float | Dim:
    if isinstance(value, (Expr, Dim)):
        return value
    if type(value) is int or type(value) is float:
        return value
    if isinstance(value, complex):
        raise UnsupportedError(
            f"{name}: complex numbers are not supported, got {value!r}\n"
            f"  tensors hold booleans, integers and floats\n"
            f"  fix: compute with real and imaginary parts"
        )
    return as_expr(value)


def _weak_dtype(operand: Expr | int | float | Dim) -> DType | Weak:
    if isinstance(operand, Expr):
        return operand.dtype
    return int if isinstance(operand, Dim) else type(operand)


def as_expr(value: Any) -> Expr:
    """An expression as it is; numbers, sizes and arrays as constants.

    raises  TypeRuleError for anything else
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, Dim):
        return scalar(value, TensorType(INT64, ()))
    if isinstance(value, (bool, np.bool_)):
        return scalar(value, TensorType(BOOL, ()))
    if type(value) in (int, float):
        return scalar(value, TensorType(INT64 if type(value) is int else FLOAT64, ()))
    return constant(value)


def constant(value: Any) -> Expr:
    """An array as part of the program; a copy is taken."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise TypeRuleError(
            f"cannot use {type(value).__name__} {str(value)[:60]!r} in an expression\n"
            f"  operands are expressions, numbers, sizes and arrays of numbers\n"
            f"  fix: convert it to a NumPy array of numbers"
        )
    dtype = as_dtype(array.dtype)
    if array.ndim == 0:
        return scalar(array[()], TensorType(dtype, ()))
    return make(OPS["constant"], (), (ConstantData.of(array.astype(dtype)),))


def scalar(value: Any, type_: TensorType) -> Expr:
    """A number or a size, everywhere in a tensor of ``type_``."""
    if isinstance(value, Dim):
        return make(OPS["extent"], (), (value, type_))
    return make(OPS["literal"], (), (_rounded(value, type_.dtype), type_))


def _rounded(value: Any, dtype: DType) -> Number:
    try:
        with np.errstate(all="ignore"):
            return Number.of(dtype.type(value))
    except OverflowError:
        raise TypeRuleError(
            f"the integer {value} does not fit {dtype}\n"
            f"  Python integers take the dtype of their partner, and must fit it\n"
            f"  fix: convert the partner with .astype first"
        ) from None


def cast(x: Expr, dtype: DType) -> Expr:
    """``x`` in ``dtype``; literals are converted at once."""
    if x.dtype == dtype:
        return x
    if x.op.name == "literal":
        number, type_ = x.attrs
        with np.errstate(all="ignore"):
            converted = np.asarray(number.array(x.dtype)).astype(dtype)[()]
        return scalar(converted, type_.with_dtype(dtype))
    if x.op.name == "extent":
        return scalar(x.attrs[0], x.type.with_dtype(dtype))
    return make(OPS["cast"], (x,), (dtype,))


def broadcast(x: Expr, shape: Shape) -> Expr:
    """``x`` stretched to ``shape``, which its own shape can be broadcast to."""
    if x.shape == shape:
        return x
    if len(x.shape) == len(shape) and all(
        a == b or (a != 1 and b != 1) for a, b in zip(x.shape, shape, strict=True)
    ):
        return x  # only sizes that are equal when the function runs
    if x.op.name in ("literal", "extent"):
        return scalar(
            x.attrs[0].value if x.op.name == "literal" else x.attrs[0], x.type.with_shape(shape)
        )
    return make(OPS["broadcast_to"], (x,), (shape,))


def user_line() -> Line:
    """File and line of the innermost frame outside egtensor."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("egtensor.", "rules_catalog")) and name != "egtensor":
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def toposort(roots: Iterable[Expr]) -> list[Expr]:
    """All nodes that ``roots`` depend on, each once, operands first; of any depth."""
    order: list[Expr] = []
    done: set[Expr] = set()
    for root in roots:
        stack: list[tuple[Expr, int]] = [(root, 0)]
        while stack:
            node, next_operand = stack.pop()
            if node in done:
                continue
            pending = next_operand
            while pending < len(node.args) and node.args[pending] in done:
                pending += 1
            if pending < len(node.args):
                stack.append((node, pending + 1))
                stack.append((node.args[pending], 0))
            else:
                done.add(node)
                order.append(node)
    return order


def fold(roots: Iterable[Expr], node: Callable[[Expr, list[Any]], Any]) -> dict[Expr, Any]:
    """Evaluate bottom-up: ``node(expr, values of its operands)`` for every node, each once."""
    values: dict[Expr, Any] = {}
    for expr in toposort(roots):
        values[expr] = node(expr, [values[a] for a in expr.args])
    return values


def new_serial() -> int:
    """A number no other symbol has."""
    return next(_symbols)


def same(a: Expr, b: Expr) -> bool:
    """Whether two expressions are one and the same."""
    return a is b


def rebuild(roots: Iterable[Expr], replaced: dict[Expr, Expr]) -> list[Expr]:
    """The roots with some nodes replaced, all at once; types are computed anew above them."""
    roots = list(roots)

    def node(expr: Expr, args: list[Expr]) -> Expr:
        if expr in replaced:
            return replaced[expr]
        if all(a is b for a, b in zip(args, expr.args, strict=True)):
            return expr
        return remake(expr, tuple(args))

    values = fold(roots, node)
    return [values[r] for r in roots]


def remake(expr: Expr, args: tuple[Expr, ...], attrs: tuple[Any, ...] | None = None) -> Expr:
    """A node like ``expr`` with other operands or attributes, at the same user's line."""
    made = make(expr.op, args, expr.attrs if attrs is None else attrs)
    if made.line != expr.line and made.serial > expr.serial:
        made.line = expr.line
    return made


def resolve(roots: Iterable[Expr]) -> list[Expr]:
    """The roots with every node that stands for other operators replaced by what it stands for.

    Sub-programs in attributes are resolved too.
    """
    from egtensor.lang.subgraph import SubGraph

    roots = list(roots)

    def node(expr: Expr, args: list[Expr]) -> Expr:
        if isinstance(expr.op.body, Derived):
            return expr.op.body.expand(tuple(args), **expr.attributes)  # type: ignore[no-any-return]
        attrs = tuple(a.map_nodes(node) if isinstance(a, SubGraph) else a for a in expr.attrs)
        if attrs == expr.attrs and all(a is b for a, b in zip(args, expr.args, strict=True)):
            return expr
        return remake(expr, tuple(args), attrs)

    values = fold(roots, node)
    return [values[r] for r in roots]
