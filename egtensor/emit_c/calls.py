"""Write calls of routines as C statements of egt_main."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from egtensor.emit_c.factor import SLOGDET, SOLVE, instance
from egtensor.emit_c.primitives import suffix
from egtensor.kernels.plan import Call, Strided
from egtensor.kernels.text import SizeNames
from egtensor.lang.dims import Extent, Size


@dataclass
class CallText:
    """The statements of one call.

    allocate  sizes -> the statements that allocate what they describe
    """

    call: Call
    sizes: SizeNames
    helpers: dict[str, None]
    allocate: Callable[[tuple[Size, ...]], list[str]]

    def lines(self) -> list[str]:
        """The statements."""
        return ROUTINES[self.call.routine](self)

    def extent(self, extent: Extent) -> str:
        """An extent as an expression."""
        return self.sizes.text(extent)

    def pointer(self, s: Strided) -> str:
        """The address of the first element."""
        offset = "" if s.offset == 0 else f" + {self.extent(s.offset)}"
        return f"(char *)(e->{s.buffer.name}{offset})"

    def stride(self, s: Strided, axis: int) -> str:
        """A stride in bytes."""
        return self.extent(s.strides[axis] * s.buffer.dtype.itemsize)


def _matmul(text: CallText) -> list[str]:
    a, b = text.call.operands
    (c,) = text.call.results
    m, k, n = c.shape[-2], a.shape[-1], c.shape[-1]
    outer = c.shape[:-3]
    lines = []
    for axis, extent in enumerate(outer):
        lines.append(f"for (int64_t o{axis} = 0; o{axis} < {text.extent(extent)}; ++o{axis})")
    matrices = []
    for s in (a, b, c):
        walked = "".join(f" + o{axis} * {text.stride(s, axis)}" for axis in range(len(outer)))
        matrices.append(f"{text.pointer(s)}{walked}, {text.stride(s, -2)}, {text.stride(s, -1)}")
    batched = len(c.shape) > 2
    batch = text.extent(c.shape[-3]) if batched else "1"
    steps = ", ".join(text.stride(s, -3) if batched else "0" for s in (a, b, c))
    sizes = ", ".join(map(text.extent, (m, n, k)))
    body = (
        f"rt->matmul(rt, {c.buffer.dtype.num}, {sizes},\n        "
        + ",\n        ".join(matrices)
        + f",\n        {batch}, {steps})"
    )
    return ["{", "int status = 0;", *lines, f"    status |= {body};",
            "if (status) return EGT_OUT_OF_MEMORY;", "}"]  # fmt: skip


def _over_batch(text: CallText, rank: int, body: list[str]) -> list[str]:
    """``body`` once for each matrix of a stack with ``rank`` leading axes."""
    shape = text.call.operands[0].shape
    loops = [f"for (int64_t o{k} = 0; o{k} < {text.extent(shape[k])}; ++o{k})" for k in range(rank)]
    return [*loops, "{", *("    " + line for line in body), "}"]


def _matrix(text: CallText, s: Strided, rank: int) -> tuple[str, list[str]]:
    """The address of one matrix of a stack, and its other strides; in elements."""
    walked = "".join(f" + o{k} * {text.extent(s.strides[k])}" for k in range(rank))
    offset = "" if s.offset == 0 else f" + {text.extent(s.offset)}"
    return f"e->{s.buffer.name}{offset}{walked}", [text.extent(c) for c in s.strides[rank:]]


def _failure(text: CallText) -> list[str]:
    return [
        "if (status < 0) return status;",
        f"if (status > 0) return {text.call.site};",
    ]


def _solve(text: CallText) -> list[str]:
    call = text.call
    a, x = call.operands[0], call.results[0]
    rank = len(a.shape) - 2
    text.helpers[instance(SOLVE, a.buffer.dtype)] = None
    start, strides = _matrix(text, a, rank)
    to, to_strides = _matrix(text, x, rank)
    given, given_strides = "0", ["0", "0"]
    if len(call.operands) > 1:
        given, given_strides = _matrix(text, call.operands[1], rank)
    sizes = f"{text.extent(a.shape[-1])}, {text.extent(x.shape[-1])}"
    arguments = ", ".join(["rt", sizes, start, *strides, given, *given_strides, to, *to_strides])
    name = f"egt_solve_{suffix(a.buffer.dtype)}"
    return _over_batch(text, rank, [f"const int status = {name}({arguments});", *_failure(text)])


def _slogdet(text: CallText) -> list[str]:
    a, sign, magnitude = text.call.operands[0], *text.call.results
    rank = len(a.shape) - 2
    text.helpers[instance(SLOGDET, a.buffer.dtype)] = None
    start, strides = _matrix(text, a, rank)
    results = [_matrix(text, s, rank)[0] for s in (sign, magnitude)]
    arguments = ", ".join(["rt", text.extent(a.shape[-1]), start, *strides, *results])
    name = f"egt_slogdet_{suffix(a.buffer.dtype)}"
    return _over_batch(
        text, rank, [f"const int status = {name}({arguments});", *_failure(text)[:1]]
    )


def _nonzero(text: CallText) -> list[str]:
    """Count, then write the places; the sizes that the count defines are allocated between."""
    call = text.call
    (x,) = call.operands
    (size,) = (v for _, v in call.attributes)
    axes = range(len(x.shape))
    loops = [f"for (int64_t o{k} = 0; o{k} < {text.extent(x.shape[k])}; ++o{k})" for k in axes]
    place = " + ".join(
        [text.extent(x.offset), *(f"o{k} * {text.extent(x.strides[k])}" for k in axes)]
    )
    holds = f"e->{x.buffer.name}[{place}]"
    lines = ["int64_t count = 0;", *loops, f"    count += {holds};"]
    if call.defines:
        name = text.sizes.name(call.defines[0])
        lines += [f"e->{name} = count;"]
        # what follows the call sees the size as a local variable
        lines = ["{", *("    " + line for line in lines), "}", f"const int64_t {name} = e->{name};"]
        lines += text.allocate(call.defines)
        lines += ["{", "    int64_t count = 0;"]
    else:
        detail = f"rt->info[0] = count; rt->info[1] = {text.extent(size)};"
        lines = ["{", *("    " + line for line in lines)]
        lines += [
            f"    if (count != {text.extent(size)}) {{ {detail} return {call.site}; }}",
            "    count = 0;",
        ]
    writes = [f"e->{r.buffer.name}[count] = o{k};" for k, r in zip(axes, call.results, strict=True)]
    inside = [f"if ({holds}) {{", *("    " + w for w in writes), "    ++count;", "}"]
    return [*lines, *("    " + line for line in (*loops, *inside)), "}"]


ROUTINES: dict[str, Callable[[CallText], list[str]]] = {
    "matmul": _matmul,
    "solve": _solve,
    "inv": _solve,
    "slogdet": _slogdet,
    "nonzero": _nonzero,
}
NEEDS_BLAS = frozenset(ROUTINES) - {"nonzero"}
