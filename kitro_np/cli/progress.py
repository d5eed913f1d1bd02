"""Progress of a command on a terminal: a bar, or the time where there is nothing to count."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from .voice import is_quiet

PATIENCE = 1.0
"""Seconds after which a task shows its time."""

TICK = 0.5
"""Seconds between two times."""


@contextmanager
def progress_bar(total: int, what: str, unit: str = "bodies") -> Iterator[Callable[[int], None] | None]:
    """Show a progress bar on a terminal if tqdm is installed and --quiet is not given; otherwise yield None.

    Parameters
    ----------
    total : int
    what : str
        Name of the task.
    unit : str
        Name of the units counted.

    Yields
    ------
    callable or None
        Called with the number of units finished since the last call.
    """
    tqdm = _tqdm()
    if tqdm is None:
        yield None
        return
    with tqdm(total=total, desc=what, unit=unit, leave=False, dynamic_ncols=True) as bar:
        yield lambda done: bar.update(done) and None


@contextmanager
def elapsed_time(what: str) -> Iterator[None]:
    """Show how long a task has taken, from PATIENCE on, where :func:`progress_bar` shows a bar."""
    tqdm = _tqdm()
    if tqdm is None:
        yield
        return
    done = Event()

    def show() -> None:
        if done.wait(PATIENCE):
            return
        with tqdm(desc=what, bar_format="{desc}: {elapsed}", leave=False, dynamic_ncols=True) as bar:
            bar.start_t -= PATIENCE
            while not done.wait(TICK):
                bar.refresh()

    thread = Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _tqdm() -> Any:
    """Return tqdm's class; None without it, without a terminal, or if quiet."""
    if is_quiet() or not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm
