"""What the compiled module holds once ``egtensor.emit_c.runtime`` has installed it."""

import os
from collections.abc import Callable, Hashable, Mapping
from typing import Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

class _Lib:
    def egt_install(self, namespace: int, /) -> int: ...

lib: _Lib

_Array: TypeAlias = npt.NDArray[np.generic]
_InSpec: TypeAlias = tuple[int, int, tuple[int, ...]]
_OutSpec: TypeAlias = tuple[int, int]
_Results: TypeAlias = _Array | list[_Array] | dict[Hashable, _Array] | None
_Convert: TypeAlias = Callable[
    [tuple[object, ...], Mapping[str, object] | None], tuple[_Array, ...]
]
_Error: TypeAlias = Callable[[int, tuple[int, int, int, int]], BaseException]

class Shared:
    """The storage of one shared variable.

    Its array is replaced, never written to: whoever holds a reference holds a snapshot.
    """

    def __init__(self, array: _Array) -> None: ...
    @property
    def array(self) -> _Array: ...
    @array.setter
    def array(self, value: _Array) -> None: ...
    @property
    def id(self) -> int: ...
    @property
    def spare_bytes(self) -> int: ...

class Function:
    """A compiled function, called with arrays.

    prepare, main   addresses of egt_prepare and egt_main (runtime.h)
    in_specs        (type number, rank, shape with -1 for any) of each input
    out_specs       (type number, rank) of each output: first the results, then the update values
    shared          variables the code reads, after the inputs
    shared_specs    as in_specs; default: dtype and rank of the present arrays
    nresults        how many outputs are results; default: all but the update values
    updates         for each update value, the index of its variable in ``shared``
    packing         0: the one result, or None; 1: a list; 2: a dict by ``keys``
    keepalive       kept as long as the function, usually the Library
    convert         called with unexpected arguments: (args, kwargs) -> conforming arrays
    error           (site, info) -> the exception to raise when the code returns a site
    gil_threshold   the GIL is released when egt_prepare estimates at least that many operations
    needs_blas      load BLAS first
    """

    def __init__(
        self,
        *,
        prepare: int,
        main: int,
        in_specs: tuple[_InSpec, ...],
        out_specs: tuple[_OutSpec, ...],
        shared: tuple[Shared, ...] = (),
        shared_specs: tuple[_InSpec, ...] = ...,
        nresults: int = ...,
        updates: tuple[int, ...] = (),
        packing: Literal[0, 1, 2] = 0,
        keys: tuple[Hashable, ...] = ...,
        keepalive: object = None,
        convert: _Convert | None = None,
        error: _Error | None = None,
        gil_threshold: int = 20000,
        needs_blas: bool = False,
    ) -> None: ...
    def __call__(self, *args: object, **kwargs: object) -> _Results: ...
    @property
    def address(self) -> int: ...
    @property
    def prepare_address(self) -> int: ...

@final
class Library:
    """An open shared object, closed with the last reference to it."""

    def __init__(self, path: str | os.PathLike[str]) -> None: ...
    def symbol(self, name: str, /) -> int: ...

def set_threads(n: int, /) -> None: ...
def get_threads() -> int: ...
def load_blas(path: str | os.PathLike[str], /) -> None: ...
def set_blas_loader(loader: Callable[[], None], /) -> None: ...
def fail_alloc_after(n: int, /) -> None: ...
