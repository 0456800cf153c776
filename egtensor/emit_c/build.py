"""Build C sources into shared objects: gcc run directly, results cached by content.

A file of the cache appears under its final name only when it is complete, so that crashed and
concurrent builds leave nothing half-written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from egtensor.config import config
from egtensor.emit_c.runtime import Library
from egtensor.errors import CompileError
from egtensor.kernels.target import Source

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g1")
ABANDONED = 3600.0  # s after which no compiler works in its folder any more
_private: list[Any] = []


def build(
    source: Source, directory: Path | str | None = None, *, sanitize: bool = False
) -> Library:
    """Compile a source, or take it from the cache, and open it.

    directory  where compiled functions are kept; default: config.cache_dir
    sanitize   check addresses and undefined behaviour while running, for tests
    raises     CompileError when there is no compiler or it fails
    """
    compiler = find_compiler()
    flags = (*source.flags, *(SANITIZE if sanitize else ()))
    name = _digest(source.text, flags, compiler)
    folder = _folder(directory or config.cache_dir)
    found = folder / f"{name}.so"
    if found.exists():
        try:
            return Library(found)
        except OSError:
            found.unlink(missing_ok=True)  # damaged from outside: build it again
    try:
        return Library(_compile(source.text, flags, compiler, folder, name))
    except OSError as error:  # e.g. a full disk
        warn_not_kept(Path(directory or config.cache_dir), error)
        return Library(_compile(source.text, flags, compiler, _private_folder(), name))


def find_compiler() -> tuple[str, ...]:
    """The command of the C compiler, and what tells one version of it from another.

    raises  CompileError when there is none
    """
    for command in (config.cc, "gcc", "cc", "clang"):
        path = shutil.which(command.split()[0]) if command else None
        if path is not None:
            # asking for the version would start a process; another version is another file
            status = os.stat(os.path.realpath(path))
            return path, f"{os.path.realpath(path)} {status.st_size} {status.st_mtime_ns}"
    raise CompileError(
        "no C compiler was found\n"
        "  functions are compiled by gcc, cc or clang, or what config.cc names\n"
        "  fix: install gcc (Debian: apt install gcc; conda: conda install gcc_linux-64),"
        ' or set config.target to "interpret"'
    )


@cache
def cpu_flags() -> str:
    """What the processor can do, as far as code for it depends on it."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            lines = [line for line in file if line.startswith(("flags", "Features", "model name"))]
        return "".join(sorted(set(lines)))
    except OSError:
        return " ".join(os.uname())


def _digest(text: str, flags: tuple[str, ...], compiler: tuple[str, ...]) -> str:
    parts = "\0".join((text, *flags, *compiler, cpu_flags()))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _folder(directory: Path | str) -> Path:
    """The directory for shared objects, made if need be; a private one where that is impossible."""
    folder = Path(directory) / "native"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
        raise PermissionError(f"{folder} is not writable")
    except OSError as error:
        warn_not_kept(Path(directory), error)
        return _private_folder()


def _private_folder() -> Path:
    """A directory of this process, removed when it ends."""
    if not _private:
        import tempfile

        _private.append(tempfile.TemporaryDirectory(prefix="egtensor-"))
    return Path(_private[0].name)


_warned: set[str] = set()


def warn_not_kept(folder: Path, error: OSError) -> None:
    """Say once per directory that nothing can be kept there."""
    if str(folder) not in _warned:
        _warned.add(str(folder))
        warnings.warn(
            f"compiled functions are not kept: {error}\n"
            f"  {folder} must be writable\n"
            f"  fix: set config.cache_dir to another directory, or free some space",
            stacklevel=4,
        )


def _compile(
    text: str, flags: tuple[str, ...], compiler: tuple[str, ...], folder: Path, name: str
) -> Path:
    """Run the compiler; the shared object appears under its final name at once."""
    final = folder / f"{name}.so"
    import subprocess  # 2 ms, and most builds are found in the cache
    import tempfile

    _sweep(folder)
    # the compiler's own temporary files go there too, so that all that is left of a killed one is swept
    with tempfile.TemporaryDirectory(prefix=f"{name}.", suffix=".part", dir=folder) as scratch:
        made = os.path.join(scratch, final.name)
        command = [compiler[0], *flags, "-x", "c", "-", "-o", made, "-lm"]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": scratch},
            start_new_session=True,
        ) as process:
            try:
                _, errors = process.communicate(text.encode())
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode != 0:
            message = errors.decode(errors="replace")
            if "No space left" in message:
                raise OSError(28, "No space left on device", str(folder))
            raise _failed(message, text)
        os.replace(made, final)
    return final


def _sweep(folder: Path) -> None:
    """Remove what killed compilers left behind."""
    with contextlib.suppress(OSError):
        for part in folder.glob("*.part"):
            if time.time() - part.stat().st_mtime > ABANDONED:
                shutil.rmtree(part, ignore_errors=True)


def _failed(message: str, text: str) -> CompileError:
    shown = "\n    ".join(message.strip().splitlines()[:8])
    return CompileError(
        f"the C compiler failed:\n    {shown}\n"
        f"  generated code of {len(text)} characters must compile\n"
        f"  fix: report this as a defect of egtensor, with function.source"
    )
