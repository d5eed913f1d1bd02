"""Engine: where the choice between kernels and array stages is made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

from array_api_compat import array_namespace, device, is_cupy_array, is_numpy_array, is_torch_array

from ..errors import InputError, one_of

ENGINES = ("numba", "array", "cuda")
"""``numba``: fused kernels, for arrays in the CPU's memory. ``array``: the stages as they stand, for any
array. ``cuda``: the kernels on a GPU, for arrays that are there."""

CPU_ENGINES = ("numba", "array")
"""What runs without a GPU."""


def choose_engine(engine: str | None, array: Any, engines: Sequence[str] = ENGINES) -> str:
    """Return the engine to run: the one asked for, else kernels where there are some and stages for the rest.

    Parameters
    ----------
    engine : str or None
    array : array
        One of the arrays that the engine will be given.
    engines : sequence of str
        Those on offer.

    Raises
    ------
    InputError
        If the name is unknown, or the engine cannot take such arrays; there is no silent fallback.
    """
    on_cpu = is_numpy_array(array)
    on_gpu = not on_cpu and on_cuda(array)
    compiler = on_gpu and find_spec("numba_cuda") is not None
    if engine is None:
        return "numba" if on_cpu else "cuda" if "cuda" in engines and compiler else "array"
    engine = one_of("engine", engine, engines)
    if (engine == "numba" and not on_cpu) or (engine == "cuda" and not on_gpu):
        place = "in the CPU's memory" if engine == "numba" else "on a GPU"
        kind = array_namespace(array).__name__.removeprefix("array_api_compat.")
        raise InputError(
            f"engine: expected arrays {place} for {engine!r}, got {kind} arrays on {device(array)}."
        )
    if engine == "cuda" and not compiler:
        raise InputError(
            "engine: expected numba-cuda for 'cuda', it is not installed; pip install 'kitro-np[cupy]'."
        )
    return engine


def on_device_of(array: Any) -> AbstractContextManager[Any]:
    """Make the GPU of a CuPy array the current one: CuPy works there, wherever its arrays are."""
    return array.device if is_cupy_array(array) else nullcontext()


def on_cuda(array: Any) -> bool:
    """Whether the kernels can work in an array's own memory: CuPy's, or torch's on CUDA (not on ROCm)."""
    if is_torch_array(array):
        return array.device.type == "cuda" and array_namespace(array).version.cuda is not None
    return bool(is_cupy_array(array))
