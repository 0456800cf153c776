"""Compiled functions on disk: what is needed to run them elsewhere without optimising again.

A dumped function is a zip archive: ``function.json`` with the chosen program, the generated text and the
signature, and one ``.npy`` file per shared variable.  The text is compiled anew where it is loaded, so
that it may run on another processor.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from egtensor.cache import CachedHistory, program_text, write_atomically
from egtensor.compiled import Binding, CompiledFunction, InterpretedFunction
from egtensor.errors import CompileError, InputError
from egtensor.kernels.target import Source
from egtensor.lang.serialize import dump_numbered, load_numbered
from egtensor.report import FunctionReport
from egtensor.shared import restore
from egtensor.signature import Signature

FORMAT = 1


def document(fn: Any) -> dict[str, Any]:
    """Everything about a function but the values of its shared variables, as JSON."""
    history, binding = fn.history, fn.binding
    if not all(isinstance(k, (str, int)) for k in binding.keys):
        raise InputError(
            "dump: a result is named by a key that is neither a string nor an integer\n"
            "  names of results are written as JSON\n  fix: use strings as keys of the outputs"
        )
    return {
        "format": FORMAT,
        "names": binding.signature.names,
        "downcast": binding.signature.downcast,
        "packing": binding.packing,
        "keys": binding.keys,
        "updates": binding.updates,
        "exprs": dump_numbered([*history.exprs, *_inputs(fn)]),
        "program": program_text(history),
        "source": None if history.source is None else history.source.to_json(),
        "cost": [history.report.cost_written, history.report.cost],
        "nodes": history.report.nodes,
    }


def _inputs(fn: Any) -> list[Any]:
    from egtensor.lang.expr import make
    from egtensor.lang.facts import NOTHING
    from egtensor.lang.op import OPS

    binding = fn.binding
    types = (*binding.signature.types, *binding.shared_types)
    names = (*binding.signature.names, *(c.name for c in binding.shared))
    return [
        make(OPS["input"], (), (k, n, t, NOTHING))
        for k, (n, t) in enumerate(zip(names, types, strict=True))
    ]


def revive(written: dict[str, Any], containers: tuple[Any, ...]) -> Any:
    """The function a document describes, over shared variables with these containers."""
    if written.get("format") != FORMAT:
        raise InputError(
            f"load: the file has format {written.get('format')}, this version reads {FORMAT}\n"
            f"  dumped functions are read by the version that wrote them\n  fix: dump it again"
        )
    n = len(written["names"])
    loaded = load_numbered(written["exprs"])
    inputs = loaded[len(loaded) - n - len(containers) :]
    exprs = tuple(loaded[: len(loaded) - len(inputs)])
    binding = Binding(
        signature=Signature(
            tuple(written["names"]), tuple(i.type for i in inputs[:n]), written["downcast"]
        ),
        shared=containers,
        shared_types=tuple(i.type for i in inputs[n:]),
        outputs=tuple(e.type for e in exprs),
        updates=tuple(written["updates"]),
        packing=written["packing"],
        keys=tuple(written["keys"]),
    )
    before, after = written["cost"]
    report = FunctionReport(nodes=written["nodes"], cost_written=before, cost=after, cached=True)
    if written["source"] is None:
        history = CachedHistory(exprs, written["program"], None, report, None)
        return InterpretedFunction(history, binding)
    return _built(exprs, written, report, binding)


def _built(exprs: Any, written: dict[str, Any], report: FunctionReport, binding: Binding) -> Any:
    from egtensor.function import default_options, warn_once

    source = Source.from_json(written["source"])
    options = default_options()
    history = CachedHistory(exprs, written["program"], source, report, options)
    try:
        library = options.target.build(source)
    except CompileError as error:
        warn_once(error)
        return InterpretedFunction(history, binding)
    return CompiledFunction(history, binding, library)


def dump(fn: Any, path: Any) -> None:
    """Write ``fn`` to the file ``path``, whole or not at all."""
    buffer = io.BytesIO()
    shared = [
        {
            "name": c.name,
            "dtype": t.dtype.name,
            "shape": [e if isinstance(e, int) else None for e in t.shape],
        }
        for c, t in ((c, c.type) for c in fn.binding.shared)
    ]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("function.json", json.dumps({**document(fn), "shared": shared}))
        for k, container in enumerate(fn.binding.shared):
            value = io.BytesIO()
            np.save(value, container.storage.array, allow_pickle=False)
            archive.writestr(f"shared_{k}.npy", value.getvalue())
    write_atomically(Path(path), buffer.getvalue())


def load(path: Any) -> Any:
    """The function in the file ``path``, with shared variables of its own.

    raises  InputError where the file is not a dumped function
    """
    try:
        with zipfile.ZipFile(path) as archive:
            written = json.loads(archive.read("function.json"))
            values = [
                np.load(io.BytesIO(archive.read(f"shared_{k}.npy")), allow_pickle=False)
                for k in range(len(written["shared"]))
            ]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(
            f"load: {path} is not a dumped function: {error}\n"
            f"  dumped functions are written by fn.dump\n  fix: dump it again"
        ) from None
    containers = tuple(
        restore(value, w["name"], w["dtype"], tuple(w["shape"]))
        for value, w in zip(values, written["shared"], strict=True)
    )
    return revive(written, containers)
