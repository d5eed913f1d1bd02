"""Progress bar of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .voice import is_quiet


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
    if is_quiet() or not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=total, desc=what, unit=unit, leave=False, dynamic_ncols=True) as bar:
        yield lambda done: bar.update(done) and None
