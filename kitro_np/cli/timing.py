"""How long a refinement takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Watch:
    """A stopwatch.

    Attributes
    ----------
    seconds : float
        What was measured; NaN before.
    """

    def __init__(self) -> None:
        self.seconds = float("nan")


@contextmanager
def stopwatch() -> Iterator[Watch]:
    """Measure how long the body of a with statement takes."""
    watch, began = Watch(), perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = perf_counter() - began
