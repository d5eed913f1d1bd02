"""How kernels are compiled: once for each dtype, with as little around them as possible."""

from __future__ import annotations

from typing import Any

from numba import njit

# These options are not in Numba's type stubs.
_compile: Any = njit

kernel = _compile(_nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""A function that other kernels call. Nothing here allocates, so reference counting is left out; it is
never called from Python, so no wrapper is made for that. Both together halve the time to compile."""

entry = _compile(_nrt=False, no_cfunc_wrapper=True, nogil=True, cache=True)
"""A kernel that Python calls: it lets go of the GIL, and its machine code is kept on disk."""
