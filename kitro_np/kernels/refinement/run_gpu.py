"""Run kernels over a batch on the GPU that holds it: CuPy arrays and torch CUDA tensors, one thread a body.

A warp has a tile of its own, of as many lanes as it has threads; there are as many tiles as warps that the
GPU holds at once, and a launch is of as many bodies. Nothing is copied to the CPU, or waits for the GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_numpy_array, is_torch_array

from ...refinement.request import Request
from ..gpu import WARP, compile_for_gpu
from .chunks import BodyRows

MEMORY = 2_000_000_000
"""Largest working memory of a launch, in bytes: all tiles together."""

TOGETHER = 1
"""Bodies that each thread takes in a launch: warps that go on by themselves end up in different parts of the
code, of which a multiprocessor holds little at once."""

BETWEEN_PROGRESS = 8
"""Launches between two calls of `progress`."""


class TileRows(NamedTuple):
    """A tile that is to be made: its named tuple, and the rows of each member."""

    kind: Any
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """Rows of all members."""
        return sum(self.rows[name] for name in self.kind._fields)


class Place:
    """The library and device of arrays; hashable, as a cache's key.

    Parameters
    ----------
    array : array
        One of them.
    """

    def __init__(self, array: Any) -> None:
        self.xp = array_namespace(array)
        self.device = device(array)
        self.on_torch, self.on_cupy = is_torch_array(array), is_cupy_array(array)
        self.simulated = is_numpy_array(array)
        self._key = (self.xp.__name__, str(self.device))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def stream(self) -> int:
        """Address of the library's current stream."""
        if self.on_torch:
            return int(self.xp.cuda.current_stream(self.device).cuda_stream)
        return int(self.xp.cuda.get_current_stream().ptr)

    @property
    def number(self) -> int:
        """Number of the GPU; CuPy calls it id, torch index."""
        return int(self.device.index if self.on_torch else self.device.id)

    def current(self) -> AbstractContextManager[Any]:
        """Make the device current."""
        if self.on_torch:
            switch: AbstractContextManager[Any] = self.xp.cuda.device(self.device)
            return switch
        return self.device if self.on_cupy else nullcontext()

    def empty(self, shape: Any, dtype: Any) -> Any:
        """Return memory on the device."""
        return self.xp.empty(shape, dtype=dtype, device=self.device)

    def ones(self, shape: Any, dtype: Any) -> Any:
        """Return ones on the device."""
        return self.xp.ones(shape, dtype=dtype, device=self.device)

    def put(self, array: np.ndarray) -> Any:
        """Copy an array of the CPU's to the device, without waiting for it."""
        if self.on_torch:
            # From pinned memory: from other memory torch waits for all that the stream holds.
            return self.xp.from_numpy(array).pin_memory().to(self.device, non_blocking=True)
        return self.xp.asarray(array, device=self.device)

    def wait(self) -> None:
        """Wait for the current stream."""
        if self.on_torch:
            self.xp.cuda.current_stream(self.device).synchronize()
        elif self.on_cupy:
            self.xp.cuda.get_current_stream().synchronize()

    def in_order(self, array: Any) -> Any:
        """Return an array as kernels read it, C-ordered; itself if it is."""
        if self.on_torch:
            return array.detach().contiguous()
        return self.xp.ascontiguousarray(array) if self.on_cupy else np.ascontiguousarray(array)

    def address(self, array: Any) -> int:
        """Return where an array is."""
        return int(array.data_ptr() if self.on_torch else array.data.ptr)


def dtype_of(request: Request) -> np.dtype[Any]:
    """Return NumPy's dtype of a request's."""
    xp = array_namespace(request.pose)
    return np.dtype("float32" if request.dtype == xp.float32 else "float64")


def lay_out(place: Place, record: Any) -> Any:
    """Copy a named tuple of the CPU's arrays to the device; numbers stay."""
    return type(record)(*(place.put(part) if isinstance(part, np.ndarray) else part for part in record))


def run_entry(
    entry: Any,
    place: Place,
    dtype: np.dtype[Any],
    arguments: Sequence[Any],
    count: int,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    simulated_threads: int = 1,
) -> None:
    """Run an entry over `count` bodies, in the array library's current stream.

    Parameters
    ----------
    entry : kernel
        Its last two arguments are the first body and the one after the last.
    place : Place
        Its device is current.
    dtype : dtype
    arguments : sequence
        All others: named tuples of arrays on the device, tiles as :class:`TileRows`, whole numbers and truth
        values.
    count, chunk_size, progress
        As :func:`kitro_np.refine` has them; a chunk is as many bodies as have a lane of a tile at once.
    simulated_threads : int
        Threads of a warp in numba's simulator, which takes NumPy's arrays.
    """
    lanes = simulated_threads if place.simulated else WARP
    rows = sum(part.total for part in arguments if isinstance(part, TileRows))
    tile_bytes = lanes * dtype.itemsize * rows
    warps = max(1, min(math.ceil(min(count, chunk_size or count) / lanes), MEMORY // tile_bytes))
    if place.simulated:
        call = _simulated_call(entry, dtype, arguments, warps, lanes)
    else:
        call, warps = _call_of(entry, place, dtype, arguments, warps)
    together = warps * lanes * (1 if chunk_size else TOGETHER)
    rounds = 1 if chunk_size else BETWEEN_PROGRESS
    for first in range(0, count, together * rounds):
        last = min(first + together * rounds, count)
        for start in range(first, last, together):
            call(start, min(start + together, last))
        if progress is not None:
            place.wait()
            progress(last - first)


def _call_of(
    entry: Any, place: Place, dtype: np.dtype[Any], arguments: Sequence[Any], warps: int
) -> tuple[Callable[[int, int], None], int]:
    """Return a call of an entry on a GPU, and how many warps take part in it."""
    from ..gpu_code import load_entry, machine
    from ..gpu_records import Tables

    gpu = machine(place.number)
    tables = Tables()
    for part in arguments:
        if isinstance(part, TileRows):
            tables.add_tile(part.kind, part.rows, dtype)
        elif isinstance(part, tuple):
            tables.add_record(part, place.address)
    code = load_entry(entry, dtype, tables.signature(arguments), gpu.capability)
    warps = min(warps, gpu.multiprocessors * code.warps)
    pool = place.empty((warps * tables.tile_bytes,), place.xp.uint8)
    words = place.put(tables.words(place.address(pool)))
    values = tables.values(arguments, place.address(words))

    def call(first: int, last: int) -> None:
        code.launch(place.stream, warps, (*values, first, last))

    call.memory = pool, words  # type: ignore[attr-defined] # it lives as long as the call
    return call, warps


def _simulated_call(
    entry: Any, dtype: np.dtype[Any], arguments: Sequence[Any], warps: int, threads: int
) -> Callable[[int, int], None]:
    """Return a call of an entry in numba's simulator: warps come one after the other, and share a tile."""

    def own(part: Any) -> Any:
        if not isinstance(part, TileRows):
            return part
        return part.kind(*(np.zeros((part.rows[name], threads), dtype) for name in part.kind._fields))

    return partial(compile_for_gpu(entry, dtype)[warps, threads], *map(own, arguments))


def rows_on_gpu(request: Request, place: Place) -> BodyRows:
    """Return all bodies as kernels read them, without a copy where possible."""

    def rows(array: Any) -> Any:
        flat = place.xp.reshape(array, (array.shape[0], math.prod(array.shape[1:])))
        return place.in_order(place.xp.astype(flat, request.dtype, copy=False))

    parts = (request.pose, request.betas, request.transl, request.keypoints_2d, request.intrinsics)
    return BodyRows(*map(rows, parts))
