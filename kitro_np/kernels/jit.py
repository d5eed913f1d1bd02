"""How kernels are compiled: once for each dtype, with as little around them as possible."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import FunctionCache
from numba.core.typing.templates import AttributeTemplate as AttributeTyping  # noqa: F401 for records.py

# The options below are not in Numba's type stubs. Plain numbers may fuse a multiply and an add, as lanes do.
_compile: Any = partial(njit, _nrt=False, no_cfunc_wrapper=True, fastmath={"contract"})

kernel = _compile(no_cpython_wrapper=True)
"""A function that other kernels call. Nothing here allocates, so reference counting is left out; it is
never called from Python, so no wrapper is made for that. Both together halve the time to compile."""

passage = _compile(no_cpython_wrapper=True, inline="always")
"""A kernel that does little more than call others. It becomes part of whoever calls it: compiled on its own,
all that it calls would be optimised once more."""


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls: it lets go of the GIL, and its machine code is kept on disk.

    The code is kept beside this file or, where that cannot be written, in the user's cache folder;
    ``NUMBA_CACHE_DIR`` overrides both. Where no folder can be written at all, every process compiles anew.
    """
    dispatcher = _compile(nogil=True)(function)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        try:
            dispatcher._cache = _KernelCache(function)
        except RuntimeError:
            warnings.warn(
                "kitro_np compiles its kernels anew in every process: it found no folder to keep them in. "
                "Set NUMBA_CACHE_DIR to a folder that can be written.",
                RuntimeWarning,
                stacklevel=2,
            )
    return dispatcher


class _KernelCache(FunctionCache):
    """Numba's cache on disk, valid for the sources of all kernels.

    Numba itself looks at the file of the entry alone, and would go on using machine code whose helpers
    have changed in other files.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = _all_sources()


CONSTANTS_FROM = (
    "checks.py",
    "shape.py",
    "posterior/evidence.py",
    "posterior/fit.py",
    "posterior/verdict.py",
)
"""Modules of the package whose constants are compiled into kernels."""


@cache
def _all_sources() -> str:
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in (*sorted(folder.rglob("*.py")), *(folder.parent / name for name in CONSTANTS_FROM)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
