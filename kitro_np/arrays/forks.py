"""Forks: a process forks between the imports and compilations of its other threads, never amid them.

The child has the forking thread only. A lock that another thread held would be held there for ever, and what
that thread was compiling would stay half done.

BLAS is not waited for: OpenBLAS ends its threads when a process forks, which may wait for ever where another
thread is amid a large product. So loading a body and refining, by every method and engine, use BLAS for no
product that is large enough for it to use its threads. ``BodyModel.forward(engine="array")`` does, and so may
evaluation and other code in the process: fork while they do not, or set OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801 - the standard library's name
        """As of Python 3.12: before, it held a lock while it computed, which a child would inherit."""

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value


__all__ = ["being_imported", "cached_property", "compiler_locks", "wait_before_forks"]

IMPORTED_LATE = sys.stdlib_module_names | {
    "kitro_np",
    "numpy",
    "array_api_compat",
    "numba",
    "llvmlite",
    "scipy",
}
"""Packages of which a first call imports modules."""

ROUNDS = 500
"""How often imports are waited for: two threads that wait for each other's imports would go on for ever."""

_OWN = threading.local()

_IMPORTS: Any = sys.modules["_frozen_importlib"]
"""Python's import system: it has a lock for each module that is being imported."""


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
        time.sleep(0)  # other threads have their turns now, rather than between what follows and the fork
        begun = being_imported()
        if not begun or turn == ROUNDS - 1:
            return
        _give_back()  # the import may need them
        for name in begun:
            with suppress(Exception):
                _IMPORTS._lock_unlock_module(name)  # returns when the other thread is through


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


def being_imported() -> list[str]:
    """Names of the modules that another thread imports or looks for.

    A module that is looked for, and one in C that is being loaded, has a lock but is not in sys.modules yet.
    """
    own = threading.get_ident()
    begun = [(name, reference()) for name, reference in list(_IMPORTS._module_locks.items())]
    return [
        name
        for name, lock in begun
        if lock is not None and lock.owner != own and name.partition(".")[0] in IMPORTED_LATE
    ]
