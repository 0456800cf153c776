"""The operator record, the kinds of bodies it can have, and the registry that every pass reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from egtensor.lang.dims import Extent
from egtensor.lang.facts import Clause
from egtensor.lang.types import DType, Equalities, Promotion, TensorType

if TYPE_CHECKING:
    from egtensor.lang.scalar import Term

OPS: dict[str, Op] = {}

Types = TensorType | tuple[TensorType, ...]
Attrs = Mapping[str, Any]
TypeRule = Callable[["Op", tuple[TensorType, ...], Attrs, Equalities], Types]


@dataclass(frozen=True)
class Missing:
    """Stands for a facet an operator does not have, and says why."""

    why: str


@dataclass(frozen=True)
class Scalar:
    """Each element of the result depends on the same element of each operand.

    expand  terms of the operands -> the term of the result (or of each result)
    """

    expand: Callable[..., Term | tuple[Term, ...]]


@dataclass(frozen=True)
class Reduce:
    """Fold the axes named by attribute ``axes`` with an associative primitive.

    prim      the primitive
    identity  dtype -> the number that leaves the other operand unchanged; None: the axes must not be empty
    """

    prim: str
    identity: Callable[[DType], Any]


@dataclass(frozen=True)
class ArgReduce:
    """The index of the first extreme element along attribute ``axis``; NaN wins, as in NumPy.

    prim  ``gt`` for the largest, ``lt`` for the smallest
    """

    prim: str


@dataclass(frozen=True)
class Prefix:
    """Fold along attribute ``axis``, keeping every partial result."""

    prim: str


@dataclass(frozen=True)
class AxisIndex:
    """Where a view reads along one axis of its operand: ``offset + sum(coefficient * index[axis])``.

    terms  pairs (axis of the result, coefficient)
    """

    terms: tuple[tuple[int, Extent], ...] = ()
    offset: Extent = 0


@dataclass(frozen=True)
class View:
    """Each element of the result is one element of the operand, at an affine index.

    index  (operand type, result type, attributes) -> one AxisIndex per axis of the operand
    """

    index: Callable[[TensorType, TensorType, Attrs], tuple[AxisIndex, ...]]


@dataclass(frozen=True)
class Reshape:
    """The same elements in the same row-major order, in attribute ``shape``."""


@dataclass(frozen=True)
class Join:
    """The operands one after the other along attribute ``axis``."""


@dataclass(frozen=True)
class Gather:
    """Operand 0 read at the index arrays that follow, one for each axis in attribute ``axes``."""


@dataclass(frozen=True)
class Scatter:
    """Operand 0 with operand 1 combined into it at the index arrays that follow.

    prim  ``add`` accumulates, duplicates included; None overwrites, the last one winning
    """

    prim: str | None


@dataclass(frozen=True)
class Library:
    """A call of a routine of the runtime; what it needs to know is in the types and attributes."""

    routine: str


@dataclass(frozen=True)
class Region:
    """An operator whose attributes hold sub-programs: ``scan`` or ``cond``."""

    kind: str


@dataclass(frozen=True)
class Leaf:
    """An operator without operands: ``input``, ``constant``, ``literal``, ``extent`` or ``iota``."""

    kind: str


@dataclass(frozen=True)
class Item:
    """One of the results of an operator that has several, at attribute ``index``."""


@dataclass(frozen=True)
class Derived:
    """Exists only until it is resolved into other operators: the pullbacks of diff/.

    expand  (operands, attributes) -> the expression it stands for; ``expr.resolve`` applies it
    """

    expand: Callable[..., Any]


Body = (
    Scalar | Reduce | ArgReduce | Prefix | View | Reshape | Join | Gather | Scatter | Library
    | Region | Leaf | Item | Derived
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """All that any pass needs to know of one operator.

    numpy        the meaning: arrays and attributes -> array; the oracle of its tests
    body         what it computes, in the form that code is generated from
    arity        number of operands; None: any number
    promote      elementwise operators: the dtypes they compute with
    type_rule    operand types and attributes -> result type; elementwise operators need none
    attrs        names of the attributes, in the order nodes store them
    partials     elementwise: (operands..., result) -> the derivative by each operand, None where it is zero
    vjp          instead of partials: (cotangent, result, operands..., attributes) -> cotangents, None for zero;
                 for operators with several results, cotangent and result are tuples
    real         the same function over the reals, in SymPy's syntax, ``{0}`` the first operand
    defined      where ``real`` is extended-real-valued, in SymPy's syntax
    facts        what is known of the result, given facts of the operands
    commutative  operands may be exchanged, bit for bit
    associative  over the reals; groupings differ by rounding only
    cost         work per element of the result (of the operand, for reductions), in float32 additions;
                 library routines: (operand types, attributes) -> the whole work, as an extent
    fallible     can fail at run time: never moved out of a branch or a loop
    results      number of results; None: as many as the type rule gives
    """

    name: str
    numpy: Callable[..., Any]
    body: Body
    arity: int | None
    promote: Promotion | None = None
    type_rule: TypeRule | None = None
    attrs: tuple[str, ...] = ()
    partials: Callable[..., tuple[Any, ...]] | Missing | None = None
    vjp: Callable[..., tuple[Any, ...]] | Missing | None = None
    real: str | Missing = Missing("not a scalar function")
    defined: str = "True"
    facts: tuple[Clause, ...] = ()
    commutative: bool = False
    associative: bool = False
    cost: float | Callable[[tuple[TensorType, ...], Attrs], Extent]
    fallible: bool = False
    results: int | None = 1
    doc: str = field(default="")

    def __post_init__(self) -> None:
        if self.name in OPS:
            raise ValueError(f"operator {self.name!r} is defined twice; rename one of them")
        if (self.partials is None) == (self.vjp is None):
            raise ValueError(f"operator {self.name!r} needs exactly one of partials and vjp")
        if (self.promote is None) == (self.type_rule is None):
            raise ValueError(f"operator {self.name!r} needs exactly one of promote and type_rule")
        OPS[self.name] = self

    @property
    def is_elementwise(self) -> bool:
        """Whether the body is a scalar function of the operands."""
        return isinstance(self.body, Scalar)

    @property
    def derivative(self) -> Callable[..., tuple[Any, ...]] | Missing:
        """``vjp``, made from ``partials`` where those are given."""
        if self.vjp is not None:
            return self.vjp
        partials = self.partials
        if isinstance(partials, Missing):
            return partials
        assert partials is not None

        def vjp(g: Any, y: Any, *operands: Any, **attrs: Any) -> tuple[Any, ...]:
            given = partials(*operands, y, **attrs)
            return tuple(None if p is None else _scaled(g, p) for p in given)

        return vjp

    def __call__(self, *operands: Any, **attrs: Any) -> Any:
        from egtensor.lang import expr, pattern

        if any(isinstance(a, pattern.Pattern) for a in operands):
            return pattern.apply(self, operands, attrs)
        return expr.apply(self, operands, attrs)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    @property
    def __doc__(self) -> str:  # type: ignore[override]  # shown by help() as for a function
        return self.doc or f"``{self.name}`` of each element; see NumPy's function of this name."

    def __reduce__(self) -> tuple[Any, ...]:
        return (_op_named, (self.name,))


def _op_named(name: str) -> Op:
    return OPS[name]


def _scaled(g: Any, p: Any) -> Any:
    """``g * p``; None for zero."""
    match p:
        case int() | float():
            return None if p == 0 else g if p == 1 else -g if p == -1 else g * p
        case _:
            return g * p


FUNCTIONS: dict[str, Function] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Function:
    """A NumPy-like function composed of operators when it is called.

    build  expressions and Python values -> expression
    numpy  its meaning, the oracle of its tests; takes arrays where ``build`` takes expressions
    """

    name: str
    build: Callable[..., Any]
    numpy: Callable[..., Any]

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.build(*args, **options)

    def __str__(self) -> str:
        return self.name

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # shown by help() like the function's own
        return self.build.__doc__


def composed(numpy: Callable[..., Any], name: str | None = None) -> Callable[..., Function]:
    """Register the decorated function as the composition that computes ``numpy``."""

    def register(build: Callable[..., Any]) -> Function:
        key = name or build.__name__.rstrip("_")
        if key in FUNCTIONS:
            raise ValueError(f"function {key!r} is defined twice; rename one of them")
        FUNCTIONS[key] = Function(name=key, build=build, numpy=numpy)
        return FUNCTIONS[key]

    return register
