"""Lock: one run at a time writes to a folder; its workers hold on to it until they have ended, too."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 10.0
"""Seconds that workers of a run that was killed have for their batch."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold a folder for this run and its workers.

    Raises
    ------
    InputError
        If another run holds it.
    """
    handle = _open(folder)
    try:
        end = time.monotonic() + PATIENCE
        while handle is not None and not _lock(handle, exclusive=True):
            if time.monotonic() > end:
                raise InputError(f"{folder}: expected a folder that no other run writes to, got one in use.")
            time.sleep(0.05)
        if handle is not None:
            _lock(handle, exclusive=False)  # workers share it
        yield
    finally:
        if handle is not None:
            os.close(handle)


def share(folder: Path) -> int | None:
    """Hold a folder together with the run that holds it, until the handle is closed."""
    handle = _open(folder)
    if handle is not None:
        _lock(handle, exclusive=False)
    return handle


def _open(folder: Path) -> int | None:
    return None if fcntl is None else os.open(folder, os.O_RDONLY)


def _lock(handle: int, *, exclusive: bool) -> bool:
    assert fcntl is not None
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # file systems without locks
        return True
    return True
