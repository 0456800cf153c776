"""Write calls of routines as C statements of egt_main."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from egtensor.kernels.plan import Call, Strided
from egtensor.kernels.text import SizeNames
from egtensor.lang.dims import Extent


@dataclass
class CallText:
    """The statements of one call; ``fail`` makes the statement that leaves with an error code."""

    call: Call
    sizes: SizeNames
    helpers: dict[str, None]

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


ROUTINES: dict[str, Callable[[CallText], list[str]]] = {"matmul": _matmul}
NEEDS_BLAS = frozenset({"matmul", "getrf"})
