"""Run the fused kernels over a batch on a GPU, a thread a body: for CuPy arrays and torch's on CUDA."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numba import cuda

from ..door import Request
from ..result import Refined
from ..variants import Variant
from .gpu import compile_for_gpu
from .refine import Bodies, refine_bodies
from .run import make_settings
from .tile import Tile, Tree, make_tree, tile_rows

CHUNK = 32_768
"""Bodies at once: the threads that a large GPU runs at the same time. In float32 their tile takes 1.3 GB."""

THREADS = 32
"""Threads of a block: one warp, so that few bodies too spread over all of a GPU's processors. Registers, not
blocks, limit how many run at once."""


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
    """Refine a request with the fused kernels on the GPU that holds it; nothing leaves that GPU."""
    xp = array_namespace(request.pose)
    on_device = device(request.pose)
    dtype = np.dtype(_name(xp, request.dtype))
    kernel = compile_for_gpu(refine_bodies, dtype)

    def there(array: Any) -> Any:
        return _gpu_array(xp.asarray(array, device=on_device) if isinstance(array, np.ndarray) else array)

    layout = make_tree(request.skeleton, dtype)
    settings = make_settings(request, variant, iterations, shape_steps, dtype)
    settings = settings._replace(adam_rates=there(settings.adam_rates))
    tree = Tree(*map(there, layout))
    refined = _allocate(request, xp)
    chunk = min(chunk_size or CHUNK, max(request.count, 1))
    blocks = math.ceil(chunk / threads)
    with _gpu_of(on_device):
        tile = Tile(
            **{
                name: _gpu_array(xp.empty((rows, blocks * threads), dtype=request.dtype, device=on_device))
                for name, rows in tile_rows(layout).items()
            }
        )
        with warnings.catch_warnings():
            # That so few blocks leave a GPU idle is no news to whoever has few bodies.
            warnings.simplefilter("ignore")
            launch = kernel[blocks, threads]
        for start in range(0, request.count, chunk):
            stop = min(start + chunk, request.count)
            bodies = _bodies(request, slice(start, stop), xp)
            own = Refined(*(_gpu_array(part[start:stop, ...]) for part in refined))
            launch(tree, tile, bodies, own, settings, 0, stop - start)
            if progress is not None:
                cuda.synchronize()
                progress(stop - start)
        cuda.synchronize()
    return refined._replace(pose=xp.reshape(refined.pose, request.pose.shape))


def _gpu_array(array: Any) -> Any:
    """Return an array as numba-cuda takes it, in the same memory; in its simulator those are NumPy's."""
    return cuda.as_cuda_array(array) if hasattr(array, "__cuda_array_interface__") else array


def _gpu_of(on_device: Any) -> AbstractContextManager[Any]:
    """Make a device the current one: CuPy calls its number id, torch index."""
    number = getattr(on_device, "id", getattr(on_device, "index", None))
    return cuda.gpus[number] if isinstance(number, int) else nullcontext()


def _bodies(request: Request, own: slice, xp: Any) -> Bodies:
    def rows(array: Any) -> Any:
        part = array if array.shape[0] == 1 else array[own, ...]
        flat = xp.reshape(part, (part.shape[0], math.prod(part.shape[1:])))
        return _gpu_array(xp.astype(flat, request.dtype, copy=False))

    return Bodies(
        *map(rows, (request.pose, request.betas, request.transl, request.keypoints_2d, request.intrinsics))
    )


def _allocate(request: Request, xp: Any) -> Refined:
    count, joints = request.count, request.skeleton.num_joints

    def empty(*shape: int, dtype: Any = request.dtype) -> Any:
        return xp.empty(shape, dtype=dtype, device=device(request.pose))

    return Refined(
        empty(count, 9 * joints),
        empty(count, request.skeleton.num_betas),
        empty(count, 3),
        empty(count, joints, dtype=xp.int8),
        empty(count),
        empty(count),
        empty(count, dtype=xp.int8),
    )


def _name(xp: Any, dtype: Any) -> str:
    return "float32" if dtype == xp.float32 else "float64"
