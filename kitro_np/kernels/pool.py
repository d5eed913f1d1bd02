"""Pool: working memory that calls and threads share, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Pool:
    """Pool of working memory for calls and threads.

    Parameters
    ----------
    make : callable
        Allocates one more when all are in use.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._idle: deque[Any] = deque()

    @contextmanager
    def lend(self) -> Iterator[Any]:
        """Lend memory for exclusive use."""
        memory = self.take()
        yield memory
        self.put(memory)

    def take(self) -> Any:
        """Return memory for exclusive use, until :meth:`put`: for calls that are faster than `with`."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def put(self, memory: Any) -> None:
        """Make memory available again."""
        self._idle.append(memory)
