"""Progress bar of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int, what: str, unit: str = "bodies") -> Iterator[Callable[[int], None] | None]:
    """Draw a bar on a terminal, where tqdm is installed; else give None.

    Parameters
    ----------
    total : int
    what : str
        What is done.
    unit : str
        What is counted.
    """
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=total, desc=what, unit=unit, leave=False, dynamic_ncols=True) as bar:
        yield lambda done: bar.update(done) and None
