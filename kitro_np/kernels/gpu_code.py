"""GPU code: entries compiled to a GPU's machine code, kept on disk, and launched."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cuda.core import Device, LaunchConfig, Linker, LinkerOptions, ObjectCode, launch
from numba import types
from numba.core.caching import FunctionCache

from ..safe_io.atomic_write import atomic_write
from .gpu import WARP, compile_for_gpu, cuda
from .jit import all_sources, announce_compilation

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

    def launch(self, stream: Any, warps: int, arguments: Sequence[Any]) -> None:
        """Put a launch into a stream; an argument is an address, a whole number or a truth value."""
        launch(stream, LaunchConfig(grid=warps, block=WARP), self.kernel, *arguments)


@cache
def load_entry(
    entry: Callable[..., Any],
    dtype: np.dtype[Any],
    signature: tuple[types.Type, ...],
    capability: tuple[int, int],
) -> GpuEntry:
    """Return an entry for a GPU of a compute capability, from the disk if it has been compiled before."""
    key = _key(entry, dtype, signature, capability)
    folder = _folder(entry)
    found = None if folder is None else read_code(folder / key)
    if found is None:
        announce_compilation()
        found = assemble(compile_ptx(entry, dtype, signature, capability), capability)
        if folder is not None:
            write_code(folder / key, *found)
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


def _key(
    entry: Callable[..., Any],
    dtype: np.dtype[Any],
    signature: tuple[types.Type, ...],
    capability: tuple[int, int],
) -> str:
    """File name: it tells all that the machine code depends on."""
    name = f"{entry.__module__}.{entry.__name__}"
    parts = (name, dtype.name, *map(str, signature), str(capability), all_sources())
    compilers = (f"{package} {version(package)}" for package in COMPILERS)
    digest = hashlib.sha256("\n".join((*parts, *compilers)).encode()).hexdigest()[:32]
    return f"{entry.__name__}-{dtype.name}-sm_{capability[0]}{capability[1]}-{digest}.cubin"


def _folder(entry: Any) -> Path | None:
    """Return the folder of the CPU's machine code too; None if there is none that can be written."""
    try:
        return Path(FunctionCache(getattr(entry, "py_func", entry)).cache_path)
    except RuntimeError:
        warnings.warn(
            "kitro_np compiles its kernels anew in every process: it found no folder to keep them in. "
            "Set NUMBA_CACHE_DIR to a folder that can be written.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def write_code(path: Path, cubin: bytes, name: str) -> None:
    """Write machine code, its name and a digest of both; a full or read-only disk is no error."""
    content = name.encode() + b"\n" + cubin
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda file: file.write(hashlib.sha256(content).digest() + content))


def read_code(path: Path) -> tuple[bytes, str] | None:
    """Read machine code; None if there is none, or the file is damaged: a GPU checks nothing."""
    try:
        file = BytesIO(path.read_bytes())
    except OSError:
        return None
    digest, content = file.read(32), file.read()
    if hashlib.sha256(content).digest() != digest:
        return None
    name, _, cubin = content.partition(b"\n")
    return cubin, name.decode()
