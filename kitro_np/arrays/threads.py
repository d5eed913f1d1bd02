"""Run kernels on Python threads: kernels release the GIL.

Calls are thus safe from several threads and processes at once; with Numba's default threading layer they
would not be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np


def usable_cores() -> int:
    """Return the number of cores available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    work: Callable[[int], int],
    starts: Sequence[int],
    threads: int | None,
    report: Callable[[int], None] | None = None,
) -> None:
    """Call `work` for every start on up to `threads` threads (None: all cores), and report each result.

    If work or report raises, Ctrl-C included, calls that have not begun are cancelled. Numbers that overflow
    raise nothing on any thread: NumPy's settings are each thread's own.
    """

    def quietly(start: int) -> int:
        with np.errstate(all="ignore"):
            return work(start)

    report = report or (lambda done: None)
    workers = min(threads or usable_cores(), len(starts))
    if workers <= 1:
        for start in starts:
            report(quietly(start))
        return
    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(quietly, start) for start in starts]):
            report(done.result())
    finally:
        pool.shutdown(cancel_futures=True)
