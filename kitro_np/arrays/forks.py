"""Forks: a process forks between the imports and compilations of its other threads, never amid them.

The child has the forking thread only. A lock that another thread held would be held there for ever, and what
that thread was compiling would stay half done.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from contextlib import suppress
from typing import Any

IMPORTED_LATE = sys.stdlib_module_names | {
    "kitro_np",
    "numpy",
    "array_api_compat",
    "numba",
    "llvmlite",
    "scipy",
}
"""Packages of which a first call imports modules."""

ROUNDS = 20
"""How often imports are waited for: a thread that forks while it imports would wait for itself."""

_OWN = threading.local()


def wait_before_forks() -> None:
    """Let :func:`os.fork` wait until no other thread imports or compiles kernels: at most some seconds.

    ``subprocess``, and multiprocessing by ``spawn`` or ``forkserver``, do not wait: they need not.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_take_locks, after_in_parent=_give_back, after_in_child=_give_back)


def _take_locks() -> None:
    for turn in range(ROUNDS):
        _OWN.held = compiler_locks()
        for lock in _OWN.held:
            lock.acquire()
        begun = _being_imported()
        if not begun or turn == ROUNDS - 1:
            return
        _give_back()  # the import may need them
        for name in begun:
            with suppress(Exception):  # is the other thread's
                importlib.import_module(name)  # returns when the thread that has begun is through


def _give_back() -> None:
    for lock in reversed(_OWN.held):
        lock.release()
    _OWN.held = []


def compiler_locks() -> list[Any]:
    """Return the locks of Numba and LLVM, in the order in which a compilation takes them."""
    numba, llvm = (sys.modules.get(name) for name in ("numba.core.compiler_lock", "llvmlite.binding.ffi"))
    locks = (
        getattr(getattr(numba, "global_compiler_lock", None), "_lock", None),
        getattr(getattr(getattr(llvm, "lib", None), "_lock", None), "_lock", None),
    )
    return [lock for lock in locks if lock is not None]


def _being_imported() -> list[str]:
    """Names of the modules that another thread has begun to import."""
    late = [pair for pair in list(sys.modules.items()) if pair[0].partition(".")[0] in IMPORTED_LATE]
    return [
        name for name, module in late if getattr(getattr(module, "__spec__", None), "_initializing", False)
    ]
