"""How much memory a file's contents may take: a limit for each kind of file, which callers may change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import InputError
from .refused import RefusedError

__all__ = [
    "LIMITS",
    "RAISED_BY",
    "Budget",
    "budget_of_file",
    "limit_of",
    "memory_limit",
    "open_budget",
    "parse_size",
]

LIMITS = {"model": 10**9, "sequence": 10**9, "estimates": 4 * 10**9, "keypoints": 4 * 10**9}
"""Most bytes that the contents of a file take, by its kind, unless the caller says otherwise.

The largest model, SMPL-X, has 0.4 GB, an hour of one person in 3DPW's format 0.7 GB. Estimates of a million
people in float64 with rotation matrices have 2.4 GB, in float32 with rotation vectors 0.6.
"""

RAISED_BY = "--max-memory or max_memory raises it"
"""What a message says of a limit."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

_given: ContextVar[int | None] = ContextVar("memory_limit", default=None)


def parse_size(size: int | float | str) -> int:
    """Return a number of bytes from a number or a text such as "2GB", "500 MB" or "1e9".

    Raises
    ------
    InputError
        If it is neither, or less than one byte.
    """
    match = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,9})?(?:e\d{1,2})?)\s*([kmgt]?)i?b?\s*", str(size).lower())
    count = float(match[1]) * _UNITS[match[2]] if match and not isinstance(size, bool) else 0.0
    if not 1 <= count < 2**62:
        raise InputError(f"max_memory: expected a size such as 500MB or 2GB, got {str(size)[:40]!r}.")
    return int(count)


@contextmanager
def memory_limit(max_memory: int | float | str | None) -> Iterator[None]:
    """Bound the memory that the contents of each file may take which is opened inside this context.

    Without it a body model may take 1 GB and other files 4 GB, however small they are when compressed. What
    reads a file needs up to five times as much while it converts numbers.

    Parameters
    ----------
    max_memory : int, str or None
        Bytes, or a text such as ``"16GB"`` or ``"500MB"``; None changes nothing.

    Raises
    ------
    InputError
        If it is no size.

    Notes
    -----
    It holds in the thread or task that enters it, not in others.

    Examples
    --------
    >>> with kitro_np.memory_limit("500MB"):
    ...     data = kitro_np.example()
    """
    token = _given.set(_given.get() if max_memory is None else parse_size(max_memory))
    try:
        yield
    finally:
        _given.reset(token)


def limit_of(kind: str) -> int:
    """Return the most bytes that a file of a kind may take."""
    given = _given.get()
    return LIMITS[kind] if given is None else given


def shown_size(count: int) -> str:
    """Return a number of bytes for people to read."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count // unit:,} TB" if count >= 10**15 else f"{count / unit:.3g} {name}"
    return f"{count} bytes"


class Budget:
    """The memory that one file may still take.

    Parameters
    ----------
    kind : str
        A key of `LIMITS`.
    """

    def __init__(self, kind: str) -> None:
        self.most = self.left = limit_of(kind)

    def take(self, count: int, itemsize: int = 1) -> None:
        """Take the memory of `count` items, before it is allocated; RefusedError if it is too much."""
        size = count * itemsize
        if size > self.left:
            used = self.most - self.left
            raise RefusedError(
                f"contents of at most {shown_size(self.most)} ({RAISED_BY})",
                shown_size(size) + (f" after {shown_size(used)}" if used else ""),
            )
        self.left -= size


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def budget_of_file(kind: str) -> Iterator[Budget]:
    """Let all that is read inside share one budget, that of the file around it if there is one.

    Readers evaluate a file's records in many places, and a record may be referred to a million times: what
    counts is the sum.
    """
    outer = _current.get()
    budget = Budget(kind) if outer is None else outer
    token = _current.set(budget)
    try:
        yield budget
    finally:
        _current.reset(token)


def open_budget(kind: str) -> Budget:
    """Return the budget of the file that is being read, or a new one."""
    budget = _current.get()
    return Budget(kind) if budget is None else budget
