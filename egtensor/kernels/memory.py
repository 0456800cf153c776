"""Where temporaries live: bins of the arena, shared by buffers that are never alive together."""

from __future__ import annotations

from egtensor.kernels.plan import Buffer, Seq, reads, regions, writes
from egtensor.lang.dims import Extent


def bins(body: Seq, buffers: tuple[Buffer, ...]) -> tuple[tuple[Buffer, int], ...]:
    """Give each temporary a bin; a bin is free again after the last region that reads its tenant."""
    order = [
        (
            {b for r in regions(part) for b in reads(r)},
            {b for r in regions(part) for b in writes(r)},
        )
        for part in body.body
    ]
    last: dict[Buffer, int] = {}
    for time, (read, written) in enumerate(order):
        for buffer in read | written:
            last[buffer] = time
    temporary = {b for b in buffers if b.kind == "temporary"}
    rank = {b: k for k, b in enumerate(buffers)}
    free: dict[tuple[int, Extent], list[int]] = {}
    place: dict[Buffer, int] = {}
    count = 0
    for time, (read, written) in enumerate(order):
        for buffer in sorted(written & temporary, key=rank.__getitem__):
            if buffer in place:
                continue
            available = free.get((buffer.dtype.itemsize, buffer.size))
            if available:
                place[buffer] = available.pop()
            else:
                place[buffer] = count
                count += 1
        for buffer in sorted((read | written) & temporary, key=rank.__getitem__):
            if last[buffer] == time:
                free.setdefault((buffer.dtype.itemsize, buffer.size), []).append(place[buffer])
    return tuple(place.items())
