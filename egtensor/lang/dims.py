"""Symbolic sizes: polynomials with integer coefficients over named sizes, in canonical form.

Floor division, minimum and maximum enter as opaque atoms over canonical arguments, so that equal
sizes written differently are equal objects as often as a normal form can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from egtensor.errors import ShapeError

_serial = count()
DEFAULT_HINT = 1000


@dataclass(frozen=True, eq=False)
class Size:
    """A named size that becomes known when a function is called; two are equal only if identical.

    ``hint`` is the value that cost estimates use.
    """

    name: str
    hint: int = DEFAULT_HINT
    serial: int = field(default_factory=lambda: next(_serial))

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return Size, (self.name, self.hint)  # a new one where it is loaded, once per pickle

    def evaluate(self, env: Mapping[Size, int]) -> int:
        """The number that ``env`` gives this size."""
        return env[self]


@dataclass(frozen=True)
class SizeCall:
    """``floordiv``, ``min`` or ``max`` of two sizes, where the polynomial form has no room for it."""

    function: str
    args: tuple[Extent, Extent]
    serial: int = field(default_factory=lambda: next(_serial), compare=False)

    def __str__(self) -> str:
        a, b = map(str, self.args)
        return f"({a})//({b})" if self.function == "floordiv" else f"{self.function}({a},{b})"

    def evaluate(self, env: Mapping[Size, int]) -> int:
        """The number, once every named size is known."""
        a, b = (evaluate(x, env) for x in self.args)
        return SIZE_FUNCTIONS[self.function](a, b)


SIZE_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "min": min,
    "max": max,
}

Atom = Size | SizeCall
Monomial = tuple[tuple[Atom, int], ...]
_atoms: WeakValueDictionary[tuple[str, Extent, Extent], SizeCall] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Dim:
    """A polynomial over sizes that is not a plain integer; printed as ``n*m+1``.

    ``==`` is equality of canonical forms: two sizes that merely might be equal compare unequal.
    """

    terms: tuple[tuple[Monomial, int], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.terms))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined,no-any-return]  # set in __post_init__

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self.terms == other.terms)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, (int, Dim)):
            return _as_tensor("add", self, other)
        sums = dict(self.terms)
        for m, c in _terms(other):
            sums[m] = sums.get(m, 0) + c
        return _canonical(sums)

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, (int, Dim)):
            return _as_tensor("multiply", self, other)
        products: dict[Monomial, int] = {}
        for m, c in self.terms:
            for k, d in _terms(other):
                mk = _times(m, k)
                products[mk] = products.get(mk, 0) + c * d
        return _canonical(products)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Extent:
        return self * -1  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> Any:
        if not isinstance(other, (int, Dim)):
            return _as_tensor("subtract", self, other)
        return self + (-other)

    def __rsub__(self, other: Any) -> Any:
        if not isinstance(other, (int, Dim)):
            return _as_tensor("subtract", other, self)
        return -self + other

    def __truediv__(self, other: Any) -> Any:
        return _as_tensor("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _as_tensor("divide", other, self)

    def __floordiv__(self, other: Extent) -> Extent:
        return floordiv(self, other) if isinstance(other, (int, Dim)) else NotImplemented

    def __rfloordiv__(self, other: Extent) -> Extent:
        return floordiv(other, self) if isinstance(other, (int, Dim)) else NotImplemented

    def __mod__(self, other: Extent) -> Extent:
        return self - floordiv(self, other) * other  # type: ignore[no-any-return]

    def __int__(self) -> int:
        raise ShapeError(
            f"the size {self} is not known until the function is called\n"
            f"  only operators that take sizes can use it as it is\n"
            f"  fix: declare it, e.g. et.tensor('x', shape=(3, None)), or use et.arange, et.full with it"
        )

    __index__ = __int__

    def __reduce__(self) -> tuple[Any, ...]:
        from egtensor.lang.serialize import dump_extent, load_extent

        return load_extent, dump_extent(self)

    def __str__(self) -> str:
        return "+".join(_show_term(m, c) for m, c in self.terms).replace("+-", "-")

    __repr__ = __str__

    def atoms(self) -> Iterable[Atom]:
        """The sizes and size functions this polynomial is made of, outermost only."""
        return dict.fromkeys(a for m, _ in self.terms for a, _ in m)


Extent = int | Dim
Shape = tuple[Extent, ...]


def _as_tensor(op: str, a: Any, b: Any) -> Any:
    """Arithmetic of sizes that leaves the integers makes an expression."""
    from egtensor.lang.op import OPS

    other = b if isinstance(a, Dim) else a
    if not isinstance(other, (int, float, Dim)):
        return NotImplemented
    return OPS[op](a, b)


def size(name: str, hint: int = DEFAULT_HINT) -> Dim:
    """Make a new named size, unequal to every other."""
    return Dim(((((Size(name, hint), 1),), 1),))


def as_size(extent: Extent) -> Size | None:
    """The named size an extent consists of, or None where it is anything else."""
    if isinstance(extent, Dim) and len(extent.terms) == 1:
        monomial, coefficient = extent.terms[0]
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            atom = monomial[0][0]
            return atom if isinstance(atom, Size) else None
    return None


def estimate(extent: Extent) -> int:
    """The number that cost models use: every size at its hint, and at least 0."""
    if isinstance(extent, int):
        return extent
    return max(0, evaluate(extent, {s: s.hint for s in sizes_of(extent)}))


def floordiv(a: Extent, b: Extent) -> Extent:
    """``a // b``; exact polynomial quotients by one monomial are simplified."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1:
        return a
    if a == b:
        return 1
    quotient = _exact_quotient(a, b)
    return _call("floordiv", a, b) if quotient is None else quotient


def minimum(a: Extent, b: Extent) -> Extent:
    """The smaller of two sizes, decided now where their difference is a known number."""
    d = a - b
    if isinstance(d, int):
        return a if d <= 0 else b
    return b if _nonnegative(d) else a if _nonnegative(-d) else _call("min", a, b)


def maximum(a: Extent, b: Extent) -> Extent:
    """The larger of two sizes, decided now where their difference is a known number."""
    d = a - b
    if isinstance(d, int):
        return a if d >= 0 else b
    return a if _nonnegative(d) else b if _nonnegative(-d) else _call("max", a, b)


def lower_bound(a: Extent, b: Extent) -> Extent | None:
    """The least value of ``b`` that the equality ``a == b`` demands, where it reads ``max(b, bound) == b``."""
    for one, other in ((a, b), (b, a)):
        atom = _single_call(one)
        if atom is not None and atom.function == "max" and other in atom.args:
            return atom.args[1] if atom.args[0] == other else atom.args[0]
    return None


def _single_call(extent: Extent) -> SizeCall | None:
    if isinstance(extent, Dim) and len(extent.terms) == 1:
        monomial, coefficient = extent.terms[0]
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            atom = monomial[0][0]
            return atom if isinstance(atom, SizeCall) else None
    return None


def product(extents: Iterable[Extent]) -> Extent:
    """The number of elements of a shape."""
    total: Extent = 1
    for e in extents:
        total = total * e
    return total


def evaluate(extent: Extent, env: Mapping[Size, int]) -> int:
    """The number, once every named size is known; KeyError names a size that is not."""
    if isinstance(extent, int):
        return extent
    total = 0
    for monomial, coefficient in extent.terms:
        value = coefficient
        for atom, power in monomial:
            value *= atom.evaluate(env) ** power
        total += value
    return total


def substitute(extent: Extent, env: Mapping[Size, Extent]) -> Extent:
    """The extent with some named sizes replaced."""
    if isinstance(extent, int):
        return extent
    total: Extent = 0
    for monomial, coefficient in extent.terms:
        value: Extent = coefficient
        for atom, power in monomial:
            for _ in range(power):
                value = value * _substitute_atom(atom, env)
        total = total + value
    return total


def sizes_of(extent: Extent) -> list[Size]:
    """All named sizes in an extent, each once, in canonical order."""
    found: dict[Size, None] = {}
    if isinstance(extent, Dim):
        for atom in extent.atoms():
            if isinstance(atom, Size):
                found[atom] = None
            else:
                for argument in atom.args:
                    found.update(dict.fromkeys(sizes_of(argument)))
    return list(found)


def _substitute_atom(atom: Atom, env: Mapping[Size, Extent]) -> Extent:
    if isinstance(atom, Size):
        return env.get(atom, Dim((((((atom, 1),)), 1),)))
    a, b = (substitute(x, env) for x in atom.args)
    return {"floordiv": floordiv, "min": minimum, "max": maximum}[atom.function](a, b)


def _call(function: str, a: Extent, b: Extent) -> Dim:
    key = (function, a, b)
    atom = _atoms.get(key)
    if atom is None:
        atom = _atoms[key] = SizeCall(function, (a, b))
    return Dim(((((atom, 1),), 1),))


def _nonnegative(d: Extent) -> bool:
    """Whether ``d >= 0`` follows from every size being >= 0."""
    if isinstance(d, int):
        return d >= 0
    return all(c >= 0 and all(_atom_nonnegative(a) for a, _ in m) for m, c in d.terms)


def _atom_nonnegative(atom: Atom) -> bool:
    if isinstance(atom, Size):
        return True
    known = [_nonnegative(a) for a in atom.args]
    return any(known) if atom.function == "max" else all(known)


def _exact_quotient(a: Extent, b: Extent) -> Extent | None:
    divisor = _terms(b)
    if len(divisor) != 1:
        return None
    (_monomial, coefficient), powers = divisor[0], dict(divisor[0][0])
    quotient: dict[Monomial, int] = {}
    for m, c in _terms(a):
        left = dict(m)
        for atom, power in powers.items():
            left[atom] = left.get(atom, 0) - power
        if c % coefficient or min(left.values(), default=0) < 0:
            return None
        quotient[tuple((x, left[x]) for x, _ in m if left[x])] = c // coefficient
    return _canonical(quotient)


def _terms(extent: Extent) -> tuple[tuple[Monomial, int], ...]:
    return extent.terms if isinstance(extent, Dim) else (((), extent),) if extent else ()


def _times(m: Monomial, k: Monomial) -> Monomial:
    powers = dict(m)
    for atom, power in k:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda ap: ap[0].serial))


def _canonical(sums: dict[Monomial, int]) -> Extent:
    terms = [(m, c) for m, c in sums.items() if c]
    if not terms:
        return 0
    if len(terms) == 1 and not terms[0][0]:
        return terms[0][1]
    terms.sort(key=lambda mc: (-len(mc[0]), [(a.serial, -p) for a, p in mc[0]]))
    return Dim(tuple(terms))


def _show_term(monomial: Monomial, coefficient: int) -> str:
    factors = [str(a) if p == 1 else f"{a}^{p}" for a, p in monomial]
    if coefficient != 1 or not factors:
        factors.insert(0, str(coefficient))
    return "*".join(factors).replace("-1*", "-")
