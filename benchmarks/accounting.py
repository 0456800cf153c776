"""What Linux tells a process about its own time and memory (proc(5))."""

import contextlib
import ctypes
import os
import resource
import time
from pathlib import Path


def waiting_seconds() -> float:
    """Return how long the threads of this process have waited for a core, in all."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread may have ended meanwhile
            total += int((task / "schedstat").read_text().split()[1])
    return total * 1e-9


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its ended children, such as a C compiler."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def resident_bytes() -> int:
    """Return the memory resident now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """Return the most memory that was resident since `reset_peak`."""
    return _status("VmHWM")


def reset_peak() -> None:
    """Start a new peak, with freed memory given back to the system first."""
    with contextlib.suppress(AttributeError):  # only glibc has malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def machine() -> dict[str, object]:
    """Describe this machine without naming it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    widest = next((isa for isa in ("avx512f", "avx2", "sse2") if isa in flags), "unknown")
    return {"processor": model, "cores": os.cpu_count(), "vectors": widest}


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")
