"""Rows of a shard: from where to where they are read at once, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..safe_io.memory import RAISED_BY, limit_of, shown_size

BATCH_BYTES = 2**26
"""Bytes of rows that are read at once, of a shard whose rows are long."""


@dataclass(eq=False)
class ShardRows:
    """Successive rows of a shard.

    Attributes
    ----------
    arrays : dict of str to array
        Columns that a refinement reads, and what is the same for all rows.
    table : pyarrow.Table or None
        All columns, of a Parquet file.
    """

    arrays: dict[str, np.ndarray]
    table: Any = None

    def __post_init__(self) -> None:
        columns = () if self.table is None else self.table.column_names
        self.passed: dict[str, object] = {name: self.arrays.get(name, object()) for name in columns}
        """What stands for each column of the table in a dict of arrays."""


def rows_at_once(most: int, row_bytes: float) -> int:
    """Return how many rows to read at once: `most`, or fewer if they are long."""
    return max(1, min(most, int(BATCH_BYTES // max(row_bytes, 1))))


def codes_of(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return a whole number for each label of the parts, the same for equal labels: texts may be long."""
    known: dict[Any, int] = {}
    codes = [np.zeros(0, np.int64)]
    for part in parts:
        labels, inverse = np.unique(part, return_inverse=True)
        own = [known.setdefault(label, len(known)) for label in labels.tolist()]
        codes.append(np.array(own, np.int64)[inverse.reshape(-1)])
    return np.concatenate(codes)


def stops_of(rows: int, size: int, labels: np.ndarray | None = None) -> Iterator[int]:
    """Yield where batches end: after `size` rows, or with labels of tracks where no track goes on."""
    if labels is None:
        yield from range(size, rows, size)
        if rows:
            yield rows
        return
    codes = np.unique(labels, return_inverse=True)[1].reshape(-1)
    last = np.zeros(codes.max(initial=-1) + 1, np.int64)
    last[codes] = np.arange(rows)  # of equal indices the last one is kept
    ends = np.flatnonzero(np.maximum.accumulate(last[codes]) == np.arange(rows)) + 1
    start = 0
    while start < rows:
        start = int(ends[min(int(np.searchsorted(ends, start + size)), len(ends) - 1)])
        yield start


def parts_of(
    parts: Iterator[Any],
    stops: Iterator[int],
    length: Callable[[Any], int],
    cut: Callable[[Any, int, int], Any],
) -> Iterator[list[Any]]:
    """Divide successive parts anew: yield the parts between each stop and the next."""
    held: list[Any] = []
    done, count = 0, 0  # rows yielded, and held
    for stop in stops:
        while done + count < stop:
            part = next(parts, None)
            if part is None:
                raise InputError(f"rows: expected {stop}, got {done + count}.")
            held.append(part)
            count += length(part)
        over = done + count - stop
        last = held[-1]
        split = length(last) - over
        yield [*held[:-1], cut(last, 0, split)]
        held = [cut(last, split, length(last))] if over else []
        done, count = stop, over


def check_size(path: Path, what: str, size: int) -> None:
    """InputError if what is read at once takes more bytes than the contents of a file may."""
    if size > (most := limit_of("estimates")):
        raise InputError(
            f"{path}: {what}: expected at most {shown_size(most)} at once ({RAISED_BY}), "
            f"got {shown_size(size)}."
        )


def bounded(stops: Iterator[int], path: Path, row_bytes: float) -> Iterator[int]:
    """Yield stops; InputError where too many rows come at once, such as those of a track."""
    start = 0
    for stop in stops:
        check_size(path, f"rows {start} to {stop}", int((stop - start) * row_bytes))
        yield stop
        start = stop


@contextmanager
def damaged(path: Path, what: str) -> Iterator[None]:
    """Turn errors of a reader into an InputError that names the file."""
    try:
        yield
    except (InputError, MemoryError, StopIteration):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: expected {what}, got none.") from None
    except Exception as error:  # readers raise many types of errors for forged files
        kind = type(error).__name__
        raise InputError(
            f"{path}: expected {what}, got another file or one that is damaged ({kind})."
        ) from error
