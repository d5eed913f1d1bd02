"""Run the fused kernels over a batch on a GPU, one thread per body: CuPy arrays and torch CUDA tensors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_torch_array
from numba import cuda

from ...body.skeleton import Skeleton
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ..gpu import compile_for_gpu
from ..refinement.chunks import BodyRows
from ..refinement.run import allocate
from ..tile import Tile, Tree, make_tree, tile_rows
from .algorithm import refine_bodies
from .run import make_settings

if TYPE_CHECKING:
    from ...kitro.variants import Variant

CHUNK = 32_768
"""Bodies in a launch: about the number of threads resident on a large GPU."""

MEMORY = 2_000_000_000
"""Largest tile of a chunk in bytes; SMPL takes 40 kB per body in float32, 1.3 GB for CHUNK bodies."""

THREADS = 32
"""Threads in a block: one warp, so that small batches too use all multiprocessors. Registers, not blocks,
limit occupancy."""


def run_gpu(
    request: Request,
    variant: Variant,
    iterations: int,
    shape_steps: int,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    threads: int = THREADS,
) -> Refined:
    """Refine a request with the fused kernels on the GPU that holds it; nothing leaves that GPU.

    Kernels run in the array library's current stream, in order with what it does before and after.
    """
    xp = array_namespace(request.pose)
    on_device = device(request.pose)
    dtype = np.dtype("float32" if request.dtype == xp.float32 else "float64")
    with _gpu_of(on_device):
        tree, rows = _layout(request.skeleton, dtype, _ArraysOf(xp, on_device))
        settings = make_settings(request, variant, iterations, shape_steps, dtype)
        rates = xp.asarray(settings.adam_rates, device=on_device)
        settings = settings._replace(adam_rates=_gpu_array(rates, xp))
        empty = partial(xp.empty, device=on_device)
        refined = allocate(request, empty, request.dtype, xp.int8)
        chunk = _even_chunk(request.count, chunk_size or default_chunk(rows, dtype))
        blocks = math.ceil(chunk / threads)
        tile = {name: empty((count, blocks * threads), dtype=request.dtype) for name, count in rows.items()}
        gpu_tile = Tile(**{name: _gpu_array(part, xp) for name, part in tile.items()})
        stream = _stream_of(request.pose, xp)
        with warnings.catch_warnings():
            # Numba warns of low occupancy for small batches.
            warnings.simplefilter("ignore")
            launch = compile_for_gpu(refine_bodies, dtype)[blocks, threads, stream]
        for start in range(0, request.count, chunk):
            own = slice(start, min(start + chunk, request.count))
            bodies = BodyRows(*(_gpu_array(part, xp) for part in _bodies(request, own, xp)))
            own_rows = Refined(*(_gpu_array(part[own, ...], xp) for part in refined))
            launch(tree, gpu_tile, bodies, own_rows, settings, 0, own.stop - start)
            if progress is not None:
                cuda.synchronize()
                progress(own.stop - start)
    return refined._replace(pose=xp.reshape(refined.pose, request.pose.shape))


def default_chunk(rows: dict[str, int], dtype: np.dtype[Any]) -> int:
    """Return the chunk size: enough bodies to fill a GPU, if their tile fits in MEMORY."""
    return max(1, min(CHUNK, MEMORY // (dtype.itemsize * sum(rows.values()))))


def _even_chunk(count: int, most: int) -> int:
    """Return the chunk size of nearly equal chunks: a small last one would take as long as a full one."""
    return math.ceil(count / max(1, math.ceil(count / most))) or 1


class _ArraysOf:
    """Library and device of a layout, hashable as a cache key."""

    def __init__(self, xp: Any, on_device: Any) -> None:
        self.xp, self.on_device = xp, on_device
        self._key = (xp.__name__, str(on_device))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ArraysOf) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=8)
def _layout(skeleton: Skeleton, dtype: np.dtype[Any], where: _ArraysOf) -> tuple[Tree, dict[str, int]]:
    """Return a skeleton's arrays on a device, and the rows of its tile."""
    layout = make_tree(skeleton, dtype)
    there = (where.xp.asarray(part, device=where.on_device) for part in layout)
    return Tree(*(_gpu_array(part, where.xp) for part in there)), tile_rows(layout)


def _gpu_array(array: Any, xp: Any) -> Any:
    """Return an array as numba-cuda takes it, sharing memory; NumPy arrays, in its simulator, as they are."""
    if isinstance(array, np.ndarray):
        return array
    own_rows = cuda.as_cuda_array(array, sync=False)
    if own_rows.is_c_contiguous():
        return own_rows
    # Each memory layout would be compiled separately.
    array = array.contiguous() if is_torch_array(array) else xp.ascontiguousarray(array)
    return cuda.as_cuda_array(array, sync=False)


def _gpu_of(on_device: Any) -> AbstractContextManager[Any]:
    """Make a device current; CuPy calls its number id, torch index."""
    number = getattr(on_device, "id", getattr(on_device, "index", None))
    return cuda.gpus[number] if isinstance(number, int) else nullcontext()


def _stream_of(array: Any, xp: Any) -> Any:
    """Return the current stream of the array's library."""
    pointer = 0
    if is_torch_array(array):
        pointer = xp.cuda.current_stream(array.device).cuda_stream
    elif is_cupy_array(array):
        pointer = xp.cuda.get_current_stream().ptr
    return cuda.external_stream(pointer) if pointer else 0


def _bodies(request: Request, own: slice, xp: Any) -> list[Any]:
    def rows(array: Any) -> Any:
        part = array if array.shape[0] == 1 else array[own, ...]
        flat = xp.reshape(part, (part.shape[0], math.prod(part.shape[1:])))
        return xp.astype(flat, request.dtype, copy=False)

    parts = (request.pose, request.betas, request.transl, request.keypoints_2d, request.intrinsics)
    return [rows(part) for part in parts]
