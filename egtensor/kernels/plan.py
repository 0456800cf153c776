"""KernelPlan: what a compiled function does, loop by loop; shared by the C and the CUDA emitter.

A plan is a tree of regions over buffers.  A kernel visits the points of a collapsed iteration space:
its leading axes are *rows*, the others the *inner* space of a row.  Phases of one row run in sequence,
so that a row stays in cache; what a phase reduces is a number of the row, held in a *slot*.

All buffers but packed-on-demand inputs are C-contiguous; an access is an affine function of the
kernel's axes, in elements, plus computed (gathered) parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from egtensor.errors import VerifyError
from egtensor.kernels.target import Site
from egtensor.lang.dims import Extent, Shape, Size, product
from egtensor.lang.number import Number
from egtensor.lang.scalar import Term
from egtensor.lang.types import DType

BLOCK = (
    4096  # elements that a reduction folds before it merges the result with those of other blocks
)
BufferKind = Literal["input", "output", "temporary", "constant", "scratch", "dynamic"]


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """A C-contiguous array.

    kind      scratch: one row, private to a chunk of rows; dynamic: allocated while running
    position  place among the inputs, outputs or constants
    data      the array of a constant
    """

    name: str
    kind: BufferKind
    dtype: DType
    shape: Shape
    position: int = 0
    data: Any = None

    @property
    def size(self) -> Extent:
        """The number of elements."""
        return product(self.shape)

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{','.join(map(str, self.shape))}] {self.kind}"


@dataclass(frozen=True, slots=True)
class Access:
    """An element of a buffer: ``offset + sum(coefficients[k] * axis k) + sum(index * stride)``.

    indirect  pairs (integer term, stride)
    guard     read only where this boolean term holds; elsewhere the value is 0
    """

    buffer: Buffer
    coefficients: tuple[Extent, ...]
    offset: Extent = 0
    indirect: tuple[tuple[Term, Extent], ...] = ()
    guard: Term | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms that are evaluated to find the element."""
        below = tuple(t for t, _ in self.indirect)
        return below if self.guard is None else (*below, self.guard)


@dataclass(frozen=True, slots=True)
class Slot:
    """The number of the row that a reduction or a row term put there."""

    number: int


@dataclass(frozen=True, slots=True)
class Position:
    """``offset + sum(coefficients[k] * axis k)``, as a number."""

    coefficients: tuple[Extent, ...]
    offset: Extent = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a gathered index must satisfy: -extent <= index < extent; negative counts from the end."""

    extent: Extent
    site: int


@dataclass(frozen=True, slots=True)
class Store:
    """Write a term; ``combine`` names the primitive that merges it with what is there."""

    access: Access
    term: Term
    combine: str | None = None


@dataclass(frozen=True, slots=True)
class Reduction:
    """Fold a term over the inner space of a row into a slot.

    prim      the associative primitive; ``gt`` or ``lt``: the index of the first extreme element,
              NaN winning
    identity  None: the space must not be empty
    dtype     of the accumulator
    """

    slot: int
    prim: str
    identity: Number | None
    dtype: DType
    term: Term


@dataclass(frozen=True, slots=True)
class Phase:
    """One visit of the inner space of a row, or (``inner`` false) one evaluation per row.

    prefix  the reductions are running ones: stores see the value so far
    lets    pairs (slot, term) evaluated once per row
    """

    inner: bool
    reductions: tuple[Reduction, ...] = ()
    stores: tuple[Store, ...] = ()
    lets: tuple[tuple[int, Term], ...] = ()
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """Phases over a collapsed iteration space.

    axes    extents; the first ``rows`` are rows, the others the inner space
    lanes   the last row axis runs innermost, in blocks; numbers of the row are arrays over a block
    serial  points are visited in order, by one thread
    work    of one point, in float32 additions
    slots   dtypes of the slots
    note    what it computes, for a reader
    partials  for a reduction to one number: a buffer per reduction for the results of blocks, which
            are computed independently; the order in which they are merged is fixed
    """

    name: str
    axes: tuple[Extent, ...]
    rows: int
    phases: tuple[Phase, ...]
    slots: tuple[DType, ...] = ()
    lanes: bool = False
    serial: bool = False
    work: float = 1.0
    note: str = ""
    scratch: tuple[Buffer, ...] = ()
    partials: tuple[Buffer, ...] = ()

    @property
    def inner(self) -> tuple[Extent, ...]:
        """The inner space."""
        return self.axes[self.rows :]


@dataclass(frozen=True, slots=True)
class Strided:
    """A view of a buffer for a routine: strides and offset in elements."""

    buffer: Buffer
    shape: Shape
    strides: tuple[Extent, ...]
    offset: Extent = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A routine of the runtime, or of the emitter's library.

    attributes  sizes in them are canonical
    defines     sizes that are known once it has run; the buffers they describe are allocated then
    """

    routine: str
    operands: tuple[Strided, ...]
    results: tuple[Strided, ...]
    attributes: tuple[tuple[str, Any], ...] = ()
    site: int = 0
    note: str = ""
    work: float = 0.0
    defines: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class Seq:
    """Regions one after the other."""

    body: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """``body`` for ``counter`` = 0, 1, ... ``trip`` - 1.

    counter  a size, so that indices into sequences can mention it
    swaps    pairs of buffers of one shape that change roles after each turn
    """

    counter: Size
    trip: Extent
    body: Seq
    swaps: tuple[tuple[Buffer, Buffer], ...] = ()


@dataclass(frozen=True, slots=True)
class Cond:
    """One of two regions, by a boolean of one element."""

    condition: Strided
    then: Seq
    otherwise: Seq


Region = Kernel | Call | Seq | Loop | Cond


@dataclass(frozen=True, slots=True)
class Check:
    """Two sizes that must be equal when the function is called.

    argument  position and axis of the argument whose size stands in place of ``left``
    """

    left: Extent
    right: Extent
    site: int
    argument: tuple[int, int] | None = None


@dataclass(frozen=True)
class KernelPlan:
    """Regions over buffers, and what must hold before they run.

    checks  sizes that must agree
    sites   ``sites[k - 1]`` describes error k; 0 is success
    place   temporaries -> bin of the arena; a bin is as large as its largest tenant
    """

    body: Seq
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    buffers: tuple[Buffer, ...]
    checks: tuple[Check, ...] = ()
    sites: tuple[Site, ...] = ()
    place: tuple[tuple[Buffer, int], ...] = ()

    def __str__(self) -> str:
        return show(self)


def regions(region: Region) -> Iterator[Region]:
    """All regions inside, and the region itself first."""
    yield region
    match region:
        case Seq(body):
            for part in body:
                yield from regions(part)
        case Loop():
            yield from regions(region.body)
        case Cond():
            yield from regions(region.then)
            yield from regions(region.otherwise)
        case _:
            pass


def loads(terms: Iterator[Term]) -> Iterator[Access]:
    """The accesses read by terms, each once, in order of first use."""
    seen: set[Term] = set()
    stack = list(terms)[::-1]
    while stack:
        t = stack.pop()
        if t in seen:
            continue
        seen.add(t)
        if isinstance(t.value, Access):
            yield t.value
            stack.extend(reversed(t.value.terms))
        stack.extend(reversed(t.args))


def terms_of(kernel: Kernel) -> Iterator[Term]:
    """The roots of all that a kernel computes."""
    for phase in kernel.phases:
        for reduction in phase.reductions:
            yield reduction.term
        for _, term in phase.lets:
            yield term
        for store in phase.stores:
            yield store.term
            yield from (index for index, _ in store.access.indirect)


def reads(region: Region) -> Iterator[Buffer]:
    """Buffers a kernel or call reads."""
    match region:
        case Kernel():
            yield from (access.buffer for access in loads(terms_of(region)))
            for phase in region.phases:
                yield from (s.access.buffer for s in phase.stores if s.combine)
        case Call():
            yield from (operand.buffer for operand in region.operands)
        case Cond():
            yield region.condition.buffer
        case Loop() | Seq():
            pass


def writes(region: Region) -> Iterator[Buffer]:
    """Buffers a kernel or call writes."""
    match region:
        case Kernel():
            for phase in region.phases:
                yield from (store.access.buffer for store in phase.stores)
            yield from region.partials
        case Call():
            yield from (result.buffer for result in region.results)
        case Loop() | Seq() | Cond():
            pass


def verify(plan: KernelPlan) -> KernelPlan:
    """The plan itself, after checking that each buffer is written before it is read."""
    written = {b for b in plan.buffers if b.kind in ("input", "constant")}
    for region in regions(plan.body):
        if isinstance(region, Kernel):
            _verify_kernel(region)
        fresh = set(writes(region))
        for buffer in reads(region):
            if buffer not in written and buffer not in fresh:
                raise _broken(f"{buffer} is read before it is written")
        written |= fresh
        if isinstance(region, Loop):
            written |= {b for pair in region.swaps for b in pair if pair[0] in written}
    for output in plan.outputs:
        if output not in written:
            raise _broken(f"{output} is never written")
    return plan


def _verify_kernel(kernel: Kernel) -> None:
    known: set[int] = set()
    for phase in kernel.phases:
        known.update(reduction.slot for reduction in phase.reductions)
        known.update(slot for slot, _ in phase.lets)
    for access in loads(terms_of(kernel)):
        if len(access.coefficients) != len(kernel.axes):
            raise _broken(f"{kernel.name} reads {access.buffer} with an index of another rank")
    if known - set(range(len(kernel.slots))):
        raise _broken(f"{kernel.name} fills a slot that it does not declare")


def _broken(fact: str) -> VerifyError:
    return VerifyError(
        f"kernel plan: {fact}\n  each buffer is written before it is read\n"
        f"  fix: report this as a defect of egtensor"
    )


def show(plan: KernelPlan) -> str:
    """One line per buffer, then one per region, indented."""
    lines = [str(b) for b in plan.buffers]
    lines += _show(plan.body, "")
    return "\n".join(lines)


def _show(region: Region, indent: str) -> list[str]:
    match region:
        case Kernel():
            space = " x ".join(map(str, region.axes)) or "1"
            how = f"{region.rows} rows" + (", lanes" if region.lanes else "")
            lines = [f"{indent}{region.name}: {space} ({how})  {region.note}".rstrip()]
            for phase in region.phases:
                lines += [f"{indent}  {line}" for line in _show_phase(phase)]
            return lines
        case Call():
            operands = ", ".join(o.buffer.name for o in region.operands)
            results = ", ".join(r.buffer.name for r in region.results)
            return [f"{indent}{results} = call {region.routine}({operands})"]
        case Seq():
            return [line for part in region.body for line in _show(part, indent)]
        case Loop():
            return [f"{indent}loop {region.trip}:", *_show(region.body, indent + "  ")]
        case Cond():
            return [
                f"{indent}if {region.condition.buffer.name}:",
                *_show(region.then, indent + "  "),
                f"{indent}else:",
                *_show(region.otherwise, indent + "  "),
            ]


def _show_phase(phase: Phase) -> list[str]:
    lines = ["inner:" if phase.inner else "row:"]
    lines += [f"  s{r.slot} = reduce {r.prim} {r.dtype}" for r in phase.reductions]
    lines += [f"  s{slot} = let" for slot, _ in phase.lets]
    lines += [
        f"  {s.access.buffer.name} {'=' if s.combine is None else s.combine + '='} ..."
        for s in phase.stores
    ]
    return lines
