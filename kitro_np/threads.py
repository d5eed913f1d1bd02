"""Threads around kernels: Python's own, since kernels let go of the GIL.

That makes a call safe from several threads and processes at once, which Numba's default threading layer
is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(work: Callable[[int], int], starts: Sequence[int], threads: int | None) -> Iterator[int]:
    """Do `work` for every start on up to `threads` threads (None: all cores); yield results as they come."""
    workers = min(threads or usable_cores(), len(starts))
    if workers <= 1:
        yield from map(work, starts)
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(work, start) for start in starts]):
            yield done.result()
