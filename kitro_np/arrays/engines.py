"""Choice of the engine: fused kernels or array stages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

from array_api_compat import array_namespace, device, is_cupy_array, is_numpy_array, is_torch_array

from ..errors import InputError, one_of
from .arguments import library_name

ENGINES = ("numba", "array", "cuda")
"""``numba``: fused kernels, for arrays in the CPU's memory. ``array``: the stages in array operations, for
any array. ``cuda``: the kernels on a GPU, for arrays in its memory."""

CPU_ENGINES = ("numba", "array")
"""Engines that run without a GPU."""


def choose_engine(engine: str | None, array: Any, engines: Sequence[str] = ENGINES) -> str:
    """Return the engine to run: the requested one, or by default kernels if available, else the stages.

    Parameters
    ----------
    engine : str or None
    array : array
        One of the arrays to compute on.
    engines : sequence of str
        Engines to choose from.

    Raises
    ------
    InputError
        If the name is unknown, or the engine does not support such arrays; there is no silent fallback.
    """
    on_cpu = is_numpy_array(array)
    on_gpu = not on_cpu and on_cuda(array)
    compiler = on_gpu and find_spec("numba_cuda") is not None
    if engine is None:
        return "numba" if on_cpu else "cuda" if "cuda" in engines and compiler else "array"
    engine = one_of("engine", engine, engines)
    if (engine == "numba" and not on_cpu) or (engine == "cuda" and not on_gpu):
        place = "in the CPU's memory" if engine == "numba" else "on a GPU"
        library = library_name(array_namespace(array))
        raise InputError(
            f"engine: expected arrays {place} for {engine!r}, got {library} arrays on {device(array)}."
        )
    if engine == "cuda" and not compiler:
        raise InputError(
            "engine: expected numba-cuda to be installed for 'cuda', got an environment without it; "
            "pip install 'kitro-np[cupy]'."
        )
    return engine


def on_device_of(array: Any) -> AbstractContextManager[Any]:
    """Make the GPU of a CuPy array the current device: CuPy computes there, wherever its arrays are."""
    return array.device if is_cupy_array(array) else nullcontext()


def on_cuda(array: Any) -> bool:
    """Whether CUDA kernels can access an array: CuPy's, or torch's on CUDA (not on ROCm)."""
    if is_torch_array(array):
        return array.device.type == "cuda" and array_namespace(array).version.cuda is not None
    return bool(is_cupy_array(array))
