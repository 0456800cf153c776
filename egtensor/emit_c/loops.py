"""Write one kernel as a C function: loops, accumulators, stores.

The order of every sum is fixed by dtype and extents: within blocks of BLOCK elements, LANES running
sums are folded in halves; blocks are added in order (Higham 2002, section 4.2).  Neither the vector
width of the processor nor the number of threads enters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from egtensor.emit_c.folds import (
    VECTORS,
    fold_helper,
    is_position,
    is_sum,
    lanes_of,
    place_helper,
    place_type,
)
from egtensor.emit_c.primitives import c_type, expression, guard, literal, suffix
from egtensor.kernels.lower import rows_of_block
from egtensor.kernels.plan import (
    BLOCK,
    Access,
    Bounds,
    Buffer,
    Kernel,
    Phase,
    Reduction,
    Store,
    loads,
    terms_of,
)
from egtensor.kernels.text import SizeNames, TermText, comment
from egtensor.lang.dims import Extent, product
from egtensor.lang.number import Number
from egtensor.lang.types import DType

WIDTH = 512  # most columns of a block
CACHED = 1 << 19  # numbers of a block that is visited more than once
TILE = 32  # rows and columns of a tile where operands are contiguous along different axes
TURNS = 256  # rows that a column sum adds up before it adds to the total
COLUMNS = f"""\
/* Columns of a block: so few that it stays in cache if it has ``rows`` rows to be visited again. */
EGT_INLINE int64_t egt_columns(int64_t columns, int64_t rows)
{{
    const int64_t fit = {CACHED} / (rows > 0 ? rows : 1) / 16 * 16;
    const int64_t w = fit < 64 ? 64 : fit > {WIDTH} ? {WIDTH} : fit;
    return columns < 1 ? 1 : columns < w ? columns : w;
}}"""
BUFFER_NAME = re.compile(r"(?<![\w>.])(?:x|y|c|k|tmp)\w*\d\w*")
Use = tuple[str, DType, DType | None]


def number_text(value: object, dtype: DType) -> str:
    """A constant of ``dtype``."""
    return literal(value.array(dtype) if isinstance(value, Number) else value, dtype)


@dataclass
class KernelText:
    """The C text of one kernel.

    careful  use the forms of primitives that are right for every argument, which do not vectorise;
             the others leave word in ``e->far`` when they met an argument they are wrong for
    """

    kernel: Kernel
    sizes: SizeNames
    uses: dict[Use, None]
    helpers: dict[str, None]
    careful: bool = False
    guarded: bool = False
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    loop: tuple[int, int] | None = None  # where the innermost loop begins, and its depth

    def __post_init__(self) -> None:
        self.axes = tuple(f"i{k}" for k in range(len(self.kernel.axes)))
        self.across = crossing_axis(self.kernel)
        self.staged: dict[Access, str] = {}
        self.terms = self._term_text()

    # plain text

    def put(self, line: str) -> None:
        """Append a line at the current depth."""
        self.lines.append("    " * self.depth + line)

    def open(self, line: str) -> None:
        """Append a line that opens a block."""
        if line.startswith("for"):
            pragma = bool(self.lines) and self.lines[-1].lstrip().startswith("#pragma")
            self.loop = len(self.lines) - pragma, self.depth
        self.put(line + " {")
        self.depth += 1

    def close(self, count: int = 1) -> None:
        """Close blocks."""
        for _ in range(count):
            self.depth -= 1
            self.put("}")

    def extent(self, axis: int) -> str:
        """The extent of an axis."""
        return self.terms.extent(self.kernel.axes[axis])

    def _term_text(self, slot_suffix: str = "") -> TermText:
        previous = getattr(self, "terms", None)
        made = TermText(
            self.sizes,
            self.axes,
            self._expression,
            number_text,
            c_type,
            lambda number: f"s{number}{slot_suffix}",
            "width" if self.kernel.lanes else 0,
            self.kernel.rows - 1 if self.kernel.lanes else -1,
        )
        made.staged = self.staged
        if previous is not None:
            made.used_sizes, made.count = previous.used_sizes, previous.count
            made.bounds = previous.bounds
        return made

    def _expression(self, prim: str, dtype: DType, operands: tuple[str, ...], result: DType) -> str:
        to = result if prim == "cast" else None
        self.uses[prim, dtype, to] = None
        text = expression(prim, dtype, *operands, to=to, careful=self.careful)
        far = None if self.careful else guard(prim, dtype, *operands)
        if far is None:
            return text
        self.guarded = True
        self.helpers["#define EGT_GUARDED(far, beyond, value) (far |= (beyond) ? 1 : 0, value)"] = (
            None
        )
        return f"EGT_GUARDED(far, {far}, {text})"

    def combine(self, prim: str, dtype: DType, a: str, b: str) -> str:
        """``a`` and ``b`` merged by an associative primitive."""
        text = self._expression(prim, dtype, (a, b), dtype)
        return text[1:-1] if text.startswith("(") and prim in ("add", "mul") else text

    # the function

    def functions(self) -> list[str]:
        """The function that does the work, over units [lo, hi), and what follows all units if need be.

        Their name is NAME, and buffers are called by their place among the arguments, so that kernels
        that differ in nothing else are one function.
        """
        if not self.kernel.partials:
            return [self._function(self._units)]
        part = self._function(self._partial)
        self.lines, self.depth = [], 1
        self.terms = self._term_text()
        self.terms.bounds = {}
        return [part, self._function(self._finish)]

    def arguments(self) -> list[Buffer]:
        """The buffers that the functions are given."""
        read = [a.buffer for a in loads(terms_of(self.kernel))]
        return [*dict.fromkeys((*self.kernel.partials, *read, *written_in_order(self.kernel)))]

    def _function(self, write: Callable[[], None]) -> str:
        self.guarded = False
        write()
        self._report()
        body = self.lines
        if self.guarded:
            body = [line.replace("omp simd", "omp simd reduction(|:far)") for line in body]
            body.append("    if (far) e->far = 1;")
        self.lines, self.depth = [], 1
        described = self._prologue("\n".join(body))
        head = [
            *comment([self.kernel.note or "copy", *described]),
            "static void NAME(void *ctx, int64_t lo, int64_t hi)",
            "{",
        ]
        names = {b.name: f"a{k}" for k, b in enumerate(self.arguments())}
        text = "\n".join([*head, *self.lines, *body, "}"])
        return BUFFER_NAME.sub(lambda m: names.get(m[0], m[0]), text)

    def _prologue(self, body: str) -> list[str]:
        """Declare sizes and buffers; a description of each buffer."""
        self.put("struct egt_env *const e = ctx;")
        self.put("(void)lo, (void)hi;")
        words = set(re.findall(r"\w+", body))
        for size in self.terms.used_sizes:
            name = self.sizes.name(size)
            if name in words:
                self.put(f"const int64_t {name} = e->{name};")
        if self.guarded:
            self.put("int32_t far = 0;")
        written = set(written_in_order(self.kernel)) | set(self.kernel.partials)
        described = []
        for k, buffer in enumerate(self.arguments()):
            if buffer.name not in words:
                continue
            const = "" if buffer in written else "const "
            row = ""
            if buffer.kind == "scratch":
                row = f" + lo / e->chunk * ({self.row_text(buffer)})"
            t = f"{const}{c_type(buffer.dtype)} *const restrict"
            cast = f"({const}{c_type(buffer.dtype)} *)" if row else ""
            self.put(f"{t} {buffer.name} = {cast}e->arg[{k}]{row};")
            shape = ",".join(map(str, buffer.shape))
            role = "row" if row else "written" if buffer in written else "read"
            described.append(f"{buffer.name}: {buffer.dtype}[{shape}] {role}")
        for k in self.terms.bounds.values():
            self.put(f"int64_t low{k} = 0, high{k} = -1;")
        return described

    @property
    def bounds(self) -> list[Bounds]:
        """The index bounds that the function checks."""
        return list(self.terms.bounds)

    def _report(self) -> None:
        """Leave word of indices that were out of bounds."""
        for b, k in self.terms.bounds.items():
            n = self.terms.extent(b.extent)
            self.open(f"if (low{k} < 0 || high{k} >= {n})")
            self.put(f"e->error = {b.site};")
            self.put(f"e->rt->info[0] = low{k} < 0 ? low{k} - {n} : high{k};")
            self.put(f"e->rt->info[1] = {n};")
            self.close()

    def units(self) -> str:
        """How many units the function can be split into."""
        kernel = self.kernel
        text = [self.sizes.text(e) for e in kernel.axes]
        if kernel.lanes:
            columns = text[kernel.rows - 1]
            blocks = f"(({columns} + {self.width()} - 1) / {self.width()})"
            return " * ".join([*text[: kernel.rows - 1], blocks])
        if kernel.partials:
            return self.sizes.text(kernel.partials[0].size)
        if self.across is not None:
            text[self.across] = f"(({text[self.across]} + {TILE - 1}) / {TILE})"
            return " * ".join(text[:-1])
        if kernel.rows:
            return " * ".join(text[: kernel.rows])
        if self.is_flat():
            return text[0]
        return "1"

    def _partial(self) -> None:
        """The results of blocks [lo, hi), to be merged by ``_finish``."""
        kernel = self.kernel
        phase = kernel.phases[0]
        last = len(kernel.axes) - 1
        self.open("for (int64_t u = lo; u < hi; ++u)")
        extent = self.extent(last)
        blocks = f"(({extent} + {BLOCK - 1}) / {BLOCK})"
        rows: tuple[int, str, str] | None = None
        if last:
            across = self.extent(last - 1)
            self.put(f"const int64_t group = {self.terms.extent(rows_of_block(kernel))};")
            self.put(f"const int64_t groups = ({across} + group - 1) / group;")
            self.put(f"const int64_t first = u / {blocks} % groups * group;")
            self.put(f"const int64_t top = {across} - first < group ? {across} : first + group;")
            rows = last - 1, "first", "top"
        if last > 1:
            self.put(f"const int64_t r = u / {blocks} / groups;")
            self._decode("r", last - 1)
        self.put(f"const int64_t b = {f'u % {blocks}' if last else 'u'} * {BLOCK};")
        for r in phase.reductions:
            self._declare_total(r)
        self._block(phase, rows)
        for r, buffer in zip(phase.reductions, kernel.partials, strict=True):
            self.put(f"{buffer.name}[u] = s{r.slot};")
        self.close()

    def _finish(self) -> None:
        """Merge the results of all blocks in pairs (Higham 2002, section 4.2); then what is left to do."""
        kernel = self.kernel
        for r, buffer in zip(kernel.phases[0].reductions, kernel.partials, strict=True):
            assert r.identity is not None
            t, p = c_type(r.dtype), buffer.name
            merged = self.combine(r.prim, r.dtype, f"{p}[2 * k]", f"{p}[2 * k + 1]")
            self.open(f"for (int64_t n = {self.sizes_text(buffer.size)}; n > 1; n = (n + 1) / 2)")
            self.put(f"for (int64_t k = 0; k < n / 2; ++k) {p}[k] = {merged};")
            self.put(f"if (n % 2) {p}[n / 2] = {p}[n - 1];")
            self.close()
            start = number_text(r.identity, r.dtype)
            total = self.combine(r.prim, r.dtype, start, f"{p}[0]")
            count = self.sizes_text(buffer.size)
            self.put(f"const {t} s{r.slot} = {count} > 0 ? {total} : {start};")
        for phase in kernel.phases[1:]:
            self.terms = self._term_text()
            self._row_code(phase)

    def sizes_text(self, extent: Extent) -> str:
        """An extent whose sizes become locals of the function."""
        return self.terms.extent(extent)

    def is_flat(self) -> bool:
        """Whether the units are the points of one axis."""
        kernel = self.kernel
        return (
            len(kernel.axes) == 1
            and not kernel.rows
            and not kernel.serial
            and not any(p.reductions for p in kernel.phases)
        )

    def width(self) -> str:
        """How many columns a block of lanes has: fewer where their rows are visited more than once."""
        kernel = self.kernel
        visits = sum(p.inner for p in kernel.phases)
        columns, rows = (
            self.sizes.text(kernel.axes[kernel.rows - 1]),
            self.sizes.text(product(kernel.inner)),
        )
        self.helpers[COLUMNS] = None
        return f"egt_columns({columns}, {rows if visits > 1 else 1})"

    def row_text(self, buffer: Buffer) -> str:
        """How many numbers a chunk of units keeps in a scratch buffer."""
        text = self.sizes.text(buffer.size)
        return f"{text} * {self.width()}" if self.kernel.lanes else text

    def _units(self) -> None:
        kernel = self.kernel
        if self.is_flat():
            self._flat()
        elif kernel.lanes:
            self._columns()
        elif self.across is not None:
            self._tiles(self.across)
        else:
            self._rows()

    def _flat(self) -> None:
        for phase in self.kernel.phases:
            self._loop(0, "lo", "hi", vector=True)
            self._body(phase)
            self.close()

    def _tiles(self, across: int) -> None:
        """Square tiles over the last axis and the one along which some operand is contiguous."""
        last = len(self.kernel.axes) - 1
        i, j = self.axes[across], self.axes[last]
        self.open("for (int64_t u = lo; u < hi; ++u)")
        inner = ""
        for axis in reversed(range(last)):
            extent = self.extent(axis)
            count = f"(({extent} + {TILE - 1}) / {TILE})" if axis == across else extent
            value = f"u{inner} % {count}" if axis else f"u{inner}"
            if axis == across:
                self.put(f"const int64_t b = {value} * {TILE};")
                self.put(f"const int64_t top = {extent} - b < {TILE} ? {extent} : b + {TILE};")
            else:
                self.put(f"const int64_t {self.axes[axis]} = {value};")
            inner += f" / {count}"
        extent = self.extent(last)
        self.open(f"for (int64_t c = 0; c < {extent}; c += {TILE})")
        self.put(f"const int64_t end = {extent} - c < {TILE} ? {extent} : c + {TILE};")
        self._stage(across)
        self.open(f"for (int64_t {i} = b; {i} < top; ++{i})")
        self.put("#pragma omp simd")
        self.open(f"for (int64_t {j} = c; {j} < end; ++{j})")
        for phase in self.kernel.phases:
            self._body(phase)
        self.staged = {}
        self.close(4)

    def _stage(self, across: int) -> None:
        """Copy tiles of operands that cross the last axis, so that the loops below read them along it."""
        last = len(self.kernel.axes) - 1
        i, j = self.axes[across], self.axes[last]
        for k, access in enumerate(loads(terms_of(self.kernel))):
            if (
                access.terms
                or access.coefficients[across] != 1
                or access.coefficients[last] in (0, 1)
            ):
                continue
            pitch = TILE + 1  # rows of a tile begin in different cache lines
            self.put(f"{c_type(access.buffer.dtype)} w{k}[{TILE * pitch}];")
            self.put(f"for (int64_t {j} = c; {j} < end; ++{j})")
            place = f"({i} - b) * {pitch} + {j} - c"
            value = f"{access.buffer.name}[{self.terms.place(access)}]"
            self.put(f"    for (int64_t {i} = b; {i} < top; ++{i}) w{k}[{place}] = {value};")
            self.staged[access] = f"w{k}[{place}]"

    def _loop(self, axis: int, start: str, end: str, *, vector: bool = False) -> None:
        if vector:
            self.put("#pragma omp simd")
        i = self.axes[axis]
        self.open(f"for (int64_t {i} = {start}; {i} < {end}; ++{i})")

    def _row_loop(self, rows: int, start: str, end: str) -> None:
        """One loop over all row axes, or none."""
        if rows == 1:
            self._loop(0, start, end)
        elif rows > 1:
            self.open(f"for (int64_t r = {start}; r < {end}; ++r)")
            self._decode("r", rows)
        else:
            self.open("")

    def _decode(self, flat: str, rows: int) -> None:
        inner = ""
        for axis in reversed(range(rows)):
            extent = self.extent(axis)
            value = f"{flat}{inner}" if axis == 0 else f"{flat}{inner} % {extent}"
            self.put(f"const int64_t {self.axes[axis]} = {value};")
            inner = f" / {extent}{inner}" if not inner else f"{inner} / {extent}"

    def _rows(self) -> None:
        kernel = self.kernel
        self._row_loop(kernel.rows, "lo", "hi")
        for phase in kernel.phases:
            if not phase.inner:
                self.terms = self._term_text()
                self._row_code(phase)
            elif phase.prefix:
                self._prefix(phase)
            elif phase.reductions:
                self._reduce(phase)
            else:
                self._map(phase)
        self.close()

    def _row_code(self, phase: Phase) -> None:
        self.loop = None
        for slot, term in phase.lets:
            (name,) = self._emit([term])
            self.put(f"const {c_type(self.kernel.slots[slot])} s{slot} = {name};")
        self._stores(phase.stores)

    def _emit(self, roots: Iterable[object]) -> list[str]:
        start = len(self.terms.lines)
        names = self.terms.write(roots)  # type: ignore[arg-type]
        if self.terms.hoisted:
            indent = "    " * (self.depth if self.loop is None else self.loop[1])
            lines = [indent + line for line in self.terms.hoisted]
            at = len(self.lines) if self.loop is None else self.loop[0]
            self.lines[at:at] = lines
            self.terms.hoisted.clear()
            self.loop = None if self.loop is None else (at + len(lines), self.loop[1])
        for line in self.terms.lines[start:]:
            self.put(line)
        return names

    def _stores(self, stores: tuple[Store, ...]) -> None:
        for store in stores:
            indirect = [t for t, _ in store.access.indirect]
            value, *_ = self._emit([store.term, *indirect])
            self._store(store.access, value, store.combine)

    def _store(self, access: Access, value: str, combine: str | None) -> None:
        target = f"{access.buffer.name}[{self.terms.place(access)}]"
        if combine is not None:
            value = self.combine(combine, access.buffer.dtype, target, value)
        self.put(f"{target} = {value};")

    def _map(self, phase: Phase) -> None:
        kernel = self.kernel
        opened = len(kernel.axes) - kernel.rows
        for axis in range(kernel.rows, len(kernel.axes)):
            last = axis == len(kernel.axes) - 1
            self._loop(axis, "0", self.extent(axis), vector=last and self._independent(phase))
        self._body(phase)
        self.close(opened)

    def _independent(self, phase: Phase) -> bool:
        """Whether the points of the innermost axis write different elements."""
        if not self.kernel.serial:
            return True
        last = len(self.kernel.axes) - 1
        for store in phase.stores:
            below = loads(iter([t for t, _ in store.access.indirect]))
            if store.access.coefficients[last] == 0 or any(
                a.coefficients[last] != 0 for a in below
            ):
                return False
        return True

    def _body(self, phase: Phase) -> None:
        self.terms = self._term_text()
        self._stores(phase.stores)

    # reductions along rows

    def _reduce(self, phase: Phase) -> None:
        kernel = self.kernel
        for r in phase.reductions:
            self._declare_total(r)
        last = len(kernel.axes) - 1
        if last < kernel.rows:
            self._single(phase)
            return
        grouped = last > kernel.rows and not any(map(is_position, phase.reductions))
        outer = range(kernel.rows, last - grouped)
        for axis in outer:
            self._loop(axis, "0", self.extent(axis))
        rows: tuple[int, str, str] | None = None
        if grouped:
            across = self.extent(last - 1)
            group = self.terms.extent(rows_of_block(kernel))
            self.open(f"for (int64_t g = 0, group = {group}; g < {across}; g += group)")
            self.put(f"const int64_t top = {across} - g < group ? {across} : g + group;")
            rows = last - 1, "g", "top"
        self._blocks(phase, rows)
        self.close(len(outer) + grouped)

    def _declare_total(self, r: Reduction) -> None:
        t = c_type(r.dtype)
        if is_position(r):
            self.put(f"{t} v{r.slot} = 0;")
            self.put(f"int64_t s{r.slot} = -1;")
        else:
            assert r.identity is not None
            self.put(f"{t} s{r.slot} = {number_text(r.identity, r.dtype)};")

    def _single(self, phase: Phase) -> None:
        self.loop = None
        self.terms = self._term_text()
        names = self._emit([r.term for r in phase.reductions])
        for r, name in zip(phase.reductions, names, strict=True):
            if is_position(r):
                self.put(f"s{r.slot} = 0;")
            else:
                self.put(f"s{r.slot} = {name};")
        self._stores(phase.stores)

    def _blocks(self, phase: Phase, rows: tuple[int, str, str] | None) -> None:
        axis = len(self.kernel.axes) - 1
        extent = self.extent(axis)
        self.open(f"for (int64_t b = 0; b < {extent}; b += {BLOCK})")
        self._block(phase, rows)
        self.close()

    def _block(self, phase: Phase, rows: tuple[int, str, str] | None = None) -> None:
        """Fold elements from ``b`` on, BLOCK of them or to the end of the axis, into the totals.

        rows  another axis, and the part of it whose elements are folded too
        """
        axis = len(self.kernel.axes) - 1
        extent = self.extent(axis)
        lanes = min(lanes_of(r.dtype) for r in phase.reductions)
        self.put(f"const int64_t end = {extent} - b < {BLOCK} ? {extent} : b + {BLOCK};")
        self.put(f"const int64_t step = end - b < {lanes} ? {lanes // VECTORS} : {lanes};")
        for r in phase.reductions:
            self._declare_lanes(r, lanes)
        if rows is not None:
            self._loop(*rows)
        self.open("for (int64_t j = b; j < end; j += step)")
        self.put("const int64_t w = end - j < step ? end - j : step;")
        self.put("#pragma omp simd")
        self.open("for (int64_t k = 0; k < w; ++k)")
        self.put(f"const int64_t {self.axes[axis]} = j + k;")
        self.terms = self._term_text()
        names = self._emit([r.term for r in phase.reductions])
        for r, name in zip(phase.reductions, names, strict=True):
            self._accumulate(r, name)
        self._stores(phase.stores)
        self.close(2 if rows is None else 3)
        for r in phase.reductions:
            self._fold_lanes(r, lanes)

    def _declare_lanes(self, r: Reduction, lanes: int) -> None:
        t = c_type(r.dtype)
        if is_position(r):
            self.put(f"{t} w{r.slot}[{lanes}];")
            self.put(f"{place_type(r.dtype)} acc{r.slot}[{lanes}];")
            self.put(f"for (int64_t k = 0; k < step; ++k) w{r.slot}[k] = 0, acc{r.slot}[k] = -1;")
            return
        assert r.identity is not None
        start = number_text(r.identity, r.dtype)
        self.put(f"{t} acc{r.slot}[{lanes}];")
        self.put(f"for (int64_t k = 0; k < step; ++k) acc{r.slot}[k] = {start};")

    def _accumulate(self, r: Reduction, value: str) -> None:
        if not is_position(r):
            a = f"acc{r.slot}[k]"
            self.put(f"{a} = {self.combine(r.prim, r.dtype, a, value)};")
            return
        w, a = f"w{r.slot}[k]", f"acc{r.slot}[k]"
        self.put(f"const egt_bool n{r.slot} = {self._wins(r, value, w)} | ({a} < 0);")
        self.put(f"{w} = n{r.slot} ? {value} : {w};")
        here = f"({place_type(r.dtype)})({self.axes[-1]} - b)"
        self.put(f"{a} = n{r.slot} ? {here} : {a};")

    def _flat_position(self) -> str:
        text = ""
        for axis in range(self.kernel.rows, len(self.kernel.axes)):
            i = self.axes[axis]
            text = i if not text else f"({text}) * {self.extent(axis)} + {i}"
        return text

    def _wins(self, r: Reduction, new: str, old: str) -> str:
        """Whether a new value replaces the old one; NaN beats numbers."""
        sign = ">" if r.prim == "gt" else "<"
        beats = f"({new} {sign} {old})"
        return (
            f"({beats} | (({new} != {new}) & ({old} == {old})))" if r.dtype.kind == "f" else beats
        )

    def _fold_lanes(self, r: Reduction, lanes: int) -> None:
        s, a = f"s{r.slot}", f"acc{r.slot}"
        if is_position(r):
            w, v = f"w{r.slot}", f"v{r.slot}"
            name = f"egt_first_{r.prim}_{suffix(r.dtype)}_{lanes}"
            self.helpers[place_helper(name, r, lanes, self._wins(r, "x", "y"))] = None
            self.open(f"if ({name}({w}, {a}, step) >= 0)")
            self.put(f"const int64_t {self.axes[-1]} = b + {a}[0];")
            wins = self._wins(r, f"{w}[0]", v)  # blocks come in order: the first of equals stays
            place = self._flat_position()
            self.put(f"if ({s} < 0 || {wins}) {v} = {w}[0], {s} = {place};")
            self.close()
            return
        fold = f"egt_fold_{r.prim}_{suffix(r.dtype)}_{lanes}"
        self.helpers[
            fold_helper(fold, r, lanes, self.combine(r.prim, r.dtype, "a[k]", "a[k + h]"))
        ] = None
        self.put(f"{s} = {self.combine(r.prim, r.dtype, s, f'{fold}({a}, step)')};")

    # running reductions

    def _prefix(self, phase: Phase) -> None:
        kernel = self.kernel
        for r in phase.reductions:
            assert r.identity is not None
            self.put(f"{c_type(r.dtype)} s{r.slot} = {number_text(r.identity, r.dtype)};")
        opened = len(kernel.axes) - kernel.rows
        for axis in range(kernel.rows, len(kernel.axes)):
            self._loop(axis, "0", self.extent(axis))
        self.terms = self._term_text()
        names = self._emit([r.term for r in phase.reductions])
        for r, name in zip(phase.reductions, names, strict=True):
            self.put(f"s{r.slot} = {self.combine(r.prim, r.dtype, f's{r.slot}', name)};")
        self._stores(phase.stores)
        self.close(opened)

    # reductions along columns

    def _columns(self) -> None:
        kernel = self.kernel
        lane = kernel.rows - 1
        for axis in range(len(kernel.axes)):
            self.extent(axis)  # sizes that the width depends on become locals
        self.put(f"const int64_t width = {self.width()};")
        blocks = f"(({self.extent(lane)} + width - 1) / width)"
        self.open("for (int64_t u = lo; u < hi; ++u)")
        if lane:
            self.put(f"const int64_t r = u / {blocks};")
            self._decode("r", lane)
            self.put(f"const int64_t b = u % {blocks} * width;")
        else:
            self.put("const int64_t b = u * width;")
        rest = f"{self.extent(lane)} - b"
        self.put(f"const int64_t w = {rest} < width ? {rest} : width;")
        for slot, dtype in enumerate(kernel.slots):
            self.put(f"{c_type(dtype)} s{slot}[{WIDTH}];")
        for phase in kernel.phases:
            if phase.inner:
                self._column_phase(phase, lane)
            else:
                self._over_lanes(lane)
                self.terms = self._term_text("[k]")
                for slot, term in phase.lets:
                    (name,) = self._emit([term])
                    self.put(f"s{slot}[k] = {name};")
                self._stores(phase.stores)
                self.close()
        self.close()

    def _over_lanes(self, lane: int) -> None:
        self.put("#pragma omp simd")
        self.open("for (int64_t k = 0; k < w; ++k)")
        self.put(f"const int64_t {self.axes[lane]} = b + k;")

    def _column_phase(self, phase: Phase, lane: int) -> None:
        kernel = self.kernel
        for r in phase.reductions:
            self._fill_lanes(f"s{r.slot}", r, position=True)
        first = kernel.rows
        summed = [r for r in phase.reductions if is_sum(r)] if not phase.prefix else []
        axes = range(first, len(kernel.axes))
        if summed:
            i, extent = self.axes[first], self.extent(first)
            self.open(f"for (int64_t c = 0; c < {extent}; c += {TURNS})")
            for r in summed:
                self.put(f"{c_type(r.dtype)} acc{r.slot}[{WIDTH}];")
                self._fill_lanes(f"acc{r.slot}", r)
            self.put(f"const int64_t end = {extent} - c < {TURNS} ? {extent} : c + {TURNS};")
            self.open(f"for (int64_t {i} = c; {i} < end; ++{i})")
            axes = range(first + 1, len(kernel.axes))
        for axis in axes:
            self._loop(axis, "0", self.extent(axis))
        self._over_lanes(lane)
        self.terms = self._term_text("[k]")
        names = self._emit([r.term for r in phase.reductions])
        for r, name in zip(phase.reductions, names, strict=True):
            self._accumulate_column(r, name, r in summed)
        self._stores(phase.stores)
        self.close(1 + len(axes))
        if summed:
            self.close()
            for r in summed:
                s = f"s{r.slot}[k]"
                total = self.combine(r.prim, r.dtype, s, f"acc{r.slot}[k]")
                self.put(f"for (int64_t k = 0; k < w; ++k) {s} = {total};")
            self.close()

    def _fill_lanes(self, name: str, r: Reduction, *, position: bool = False) -> None:
        if is_position(r):
            self.put(f"{c_type(r.dtype)} v{r.slot}[{WIDTH}];")
            self.put(f"for (int64_t k = 0; k < w; ++k) v{r.slot}[k] = 0, {name}[k] = -1;")
            return
        assert r.identity is not None
        start = number_text(r.identity, r.dtype)
        self.put(f"for (int64_t k = 0; k < w; ++k) {name}[k] = {start};")

    def _accumulate_column(self, r: Reduction, value: str, summed: bool) -> None:
        if not is_position(r):
            a = f"acc{r.slot}[k]" if summed else f"s{r.slot}[k]"
            self.put(f"{a} = {self.combine(r.prim, r.dtype, a, value)};")
            return
        v, s = f"v{r.slot}[k]", f"s{r.slot}[k]"
        self.put(f"const egt_bool n{r.slot} = {self._wins(r, value, v)} | ({s} < 0);")
        self.put(f"{v} = n{r.slot} ? {value} : {v};")
        self.put(f"{s} = n{r.slot} ? {self._flat_position()} : {s};")


def crossing_axis(kernel: Kernel) -> int | None:
    """The axis along which an operand is contiguous that is not along the last one."""
    last = len(kernel.axes) - 1
    if last < 1 or kernel.serial or any(p.reductions or not p.inner for p in kernel.phases):
        return None
    accesses = [*loads(terms_of(kernel)), *(s.access for p in kernel.phases for s in p.stores)]
    for access in accesses:
        if access.coefficients[last] in (0, 1) or access.terms:
            continue
        for axis in reversed(range(last)):
            if access.coefficients[axis] == 1:
                return axis
    return None


def written_in_order(kernel: Kernel) -> list[Buffer]:
    """The buffers a kernel writes."""
    return [s.access.buffer for p in kernel.phases for s in p.stores]
