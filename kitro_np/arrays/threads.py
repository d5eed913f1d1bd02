"""Threads around kernels: Python's own, since kernels let go of the GIL.

That makes a call safe from several threads and processes at once, which Numba's default threading layer
is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    work: Callable[[int], int],
    starts: Sequence[int],
    threads: int | None,
    report: Callable[[int], None] | None = None,
) -> None:
    """Do `work` for every start on up to `threads` threads (None: all cores); report results as they come.

    Where work or report raises, Ctrl-C included, what has not begun is dropped.
    """
    report = report or (lambda done: None)
    workers = min(threads or usable_cores(), len(starts))
    if workers <= 1:
        for start in starts:
            report(work(start))
        return
    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(work, start) for start in starts]):
            report(done.result())
    finally:
        pool.shutdown(cancel_futures=True)
