"""GPU code: entries compiled to a GPU's machine code, kept on disk, and launched."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cuda.core import Device, LaunchConfig, Linker, LinkerOptions, ObjectCode, Stream, launch
from numba import types
from numba.core.caching import FunctionCache

from .cache import CodeFiles, announce_compilation, warn_of_compiling_anew
from .gpu import WARP, compile_for_gpu, cuda

COMPILERS = ("numba-cuda", "numba", "llvmlite", "cuda-bindings", "cuda-core")
"""Packages whose versions machine code depends on."""


class Machine(NamedTuple):
    """A GPU, as far as code and launches depend on it."""

    capability: tuple[int, int]
    multiprocessors: int


@cache
def machine(number: int) -> Machine:
    """Return what the GPU of a number is."""
    device = Device(number)
    capability = device.compute_capability
    return Machine((capability.major, capability.minor), device.properties.multiprocessor_count)


class GpuEntry:
    """An entry in a GPU's machine code.

    Parameters
    ----------
    cubin : bytes
    name : str
        Of its symbol.
    """

    def __init__(self, cubin: bytes, name: str) -> None:
        self._code = ObjectCode.from_cubin(cubin)
        self.kernel = self._code.get_kernel(name)

    @property
    def warps(self) -> int:
        """Number of warps that a multiprocessor of the current GPU holds."""
        return int(self.kernel.occupancy.max_active_blocks_per_multiprocessor(WARP, 0))

    def launch(self, stream: int, warps: int, arguments: Sequence[Any]) -> None:
        """Put a launch into the stream at an address; an argument is an address, a whole number or a bool."""
        launch(Stream.from_handle(stream), LaunchConfig(grid=warps, block=WARP), self.kernel, *arguments)


@cache
def load_entry(
    entry: Callable[..., Any],
    dtype: np.dtype[Any],
    signature: tuple[types.Type, ...],
    capability: tuple[int, int],
) -> GpuEntry:
    """Return an entry for a GPU of a compute capability, from the disk if it has been compiled before."""
    files = _files(entry)
    versions = tuple(f"{package} {version(package)}" for package in COMPILERS)
    key = dtype.name, tuple(map(str, signature)), capability, versions
    found = None if files is None else files.load(key)
    if found is None:
        announce_compilation()
        found = assemble(compile_ptx(entry, dtype, signature, capability), capability)
        if files is not None:
            try:
                files.save(key, found)
            except OSError as error:
                warn_of_compiling_anew(f"they could not be written to {files.folder} ({error.strerror})")
    return GpuEntry(*found)


def compile_ptx(
    entry: Callable[..., Any],
    dtype: np.dtype[Any],
    signature: tuple[types.Type, ...],
    capability: tuple[int, int],
) -> str:
    """Compile an entry to PTX, the assembly of GPUs; this takes no GPU."""
    source = compile_for_gpu(entry, dtype).py_func
    ptx: str = cuda.compile_ptx(source, signature, cc=capability)[0]
    return ptx


def assemble(ptx: str, capability: tuple[int, int]) -> tuple[bytes, str]:
    """Assemble PTX to machine code; this takes no GPU. Return it and the name of its entry."""
    name = entry_name(ptx)
    options = LinkerOptions(arch="sm_{}{}".format(*capability))
    cubin: bytes = Linker(ObjectCode.from_ptx(ptx.encode()), options=options).link("cubin").code
    return cubin, name


def entry_name(ptx: str) -> str:
    """Return the symbol of the only entry."""
    (name,) = re.findall(r"\.entry\s+([\w$.]+)", ptx)
    return str(name)


def _files(entry: Any) -> CodeFiles | None:
    """Return the files of an entry beside those of the CPU's code; None if there is no folder for them."""
    try:
        cache = FunctionCache(getattr(entry, "py_func", entry))
    except RuntimeError:
        warn_of_compiling_anew("it found no folder to keep them in")
        return None
    return CodeFiles(Path(cache.cache_path), f"{entry.__module__}.{entry.__name__}-gpu")
