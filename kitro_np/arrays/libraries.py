"""Backends: which array libraries are usable on this machine, and why others are not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

CUPY = "pip install 'kitro-np[cupy]' for CUDA 12, 'kitro-np[cupy13]' for CUDA 13"
TORCH = "pip install 'kitro-np[torch]'"
"""How to install the optional libraries."""


def describe_backends() -> dict[str, str]:
    """Describe for each library whether it is usable, and if not, why; imports the installed ones."""
    return {
        "numpy": _describe("numpy", "", lambda numpy: "usable"),
        "torch": _describe("torch", TORCH, _torch),
        "cupy": _describe("cupy", CUPY, _cupy),
        "numba-cuda": _describe("numba_cuda", CUPY, _numba_cuda),
    }


def _describe(module: str, install: str, state_of: Callable[[Any], str]) -> str:
    try:
        library = import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module
        return f"not installed; {install}" if missing else f"not usable: {_first_line(error)}"
    try:
        return f"{library.__version__}, {state_of(library)}"
    except Exception as error:  # each library raises another type of error
        return f"{library.__version__}, not usable: {_first_line(error)}"


def _torch(torch: Any) -> str:
    return "usable, on a GPU too" if torch.cuda.is_available() else "usable; on the CPU, as it finds no GPU"


def _cupy(cupy: Any) -> str:
    return f"usable, {cupy.cuda.runtime.getDeviceCount()} GPU"


def _numba_cuda(_: Any) -> str:
    cuda = import_module("numba.cuda")
    if not cuda.is_available():
        return "not usable: it finds no GPU or no driver for one"
    import_module("numba.cuda.cudadrv.nvvm").NVVM()  # fails where the compiler is missing
    return "usable"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
