"""A bound on a process's memory, where what a file is decoded to is not known before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")


@contextmanager
def bounded_process(more: int) -> Iterator[None]:
    """Let this process take `more` bytes beside what it has: then MemoryError. On Linux, else nothing.

    It holds for all threads, so it is for processes that do one thing.
    """
    if resource is None or not _STATUS.exists():
        yield
        return
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    used = next(1024 * int(line[1]) for line in lines if line[0] == "VmData:")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = [used + more, *(one for one in (soft, hard) if one != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
