"""Shards: files of rows, by suffix; which files an argument means; one written from arrays."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import InputError
from ..safe_io.atomic_write import atomic_file, check_output
from . import npz, parquet
from .npz import NpzShard, NpzWriter
from .parquet import ParquetShard, ParquetWriter
from .rows import stops_of

Shard: TypeAlias = "ParquetShard | NpzShard"
ShardWriter: TypeAlias = "ParquetWriter | NpzWriter"

READERS: dict[str, type[Shard]] = {parquet.SUFFIX: ParquetShard, npz.SUFFIX: NpzShard}
WRITERS: dict[str, type[ShardWriter]] = {parquet.SUFFIX: ParquetWriter, npz.SUFFIX: NpzWriter}

ROWS = 4096
"""Rows of a batch, and of a row group: some MB."""


class ShardPath(NamedTuple):
    """A shard, and its name: the path below the folder of all."""

    name: str
    path: Path


def open_shard(path: Path, columns: Collection[str]) -> Shard:
    """Open a shard to read `columns` of it; InputError if it is damaged."""
    return READERS[path.suffix.lower()](path, columns)


def count_rows(paths: Iterable[Path]) -> int:
    """Return the number of rows of all shards, as far as their headers say."""
    total = 0
    for path in paths:
        with suppress(Exception):  # whoever reads it says what is wrong
            shard = open_shard(path, ())
            total += shard.rows
            shard.close()
    return total


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern of names, and no file."""
    return glob.has_magic(text) and not os.path.exists(text)


def find_shards(given: str | os.PathLike[str], output: Path | None = None) -> list[ShardPath]:
    """Return the shards that a folder, a pattern or a file means, sorted by name.

    Hidden files, and those that begin with "_", are none; nor is what lies in `output`. Links to folders are
    not followed, and a shard with several names is one.

    Raises
    ------
    InputError
        If there are none.
    """
    text = os.fspath(given)
    if is_pattern(text):
        start = os.path.dirname(text[: min(text.index(one) for one in "*?[" if one in text)])
        base = Path(start or ".")
        if "**" in text:  # of pathlib, which does not walk round in links
            paths = [*base.glob(text[len(start) :].lstrip("/"))]
        else:
            paths = [Path(found) for found in glob.glob(text)]
    elif os.path.isdir(text):
        base = Path(text)
        paths = [Path(folder, name) for folder, _, names in os.walk(text) for name in names]
    else:
        base, paths = Path(text).parent, [Path(text)]
    inside = None if output is None else Path(os.path.realpath(output))
    found = {
        os.path.realpath(path): ShardPath(path.relative_to(base).as_posix(), path)
        for path in sorted(paths, reverse=True)
        if path.suffix.lower() in READERS
        and path.is_file()
        and not path.name.startswith(("_", "."))
        and (inside is None or inside not in Path(os.path.realpath(path)).parents)
    }
    if not found:
        raise InputError(f"{text}: expected shards ({', '.join(READERS)}), got none.")
    return sorted(found.values())


def write_shard(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], *, rows: int = ROWS, force: bool = False
) -> Path:
    """Write arrays as a shard, .parquet or .npz by the path's suffix, atomically.

    Parameters
    ----------
    path : path
    arrays : mapping of str to array
        The first axis are the rows. body, layout and fps, and what has no axis, are the same for all rows.
    rows : int
        Rows of a row group.
    force : bool
        Overwrite an existing file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the lengths of the arrays differ, the suffix is another, or the file cannot be written.
    """
    target = check_output(path, force=force, suffixes=tuple(WRITERS))
    given = {name: value if hasattr(value, "dtype") else np.asarray(value) for name, value in arrays.items()}
    constants = {name: value for name, value in given.items() if not value.ndim}
    columns = {name: np.asarray(value) for name, value in given.items() if value.ndim}
    for name, value in columns.items():
        if value.dtype.kind == "O" and not all(isinstance(one, str) for one in value.flat):
            raise InputError(f"{name}: expected numbers or texts, got objects.")
        columns[name] = value.astype(str) if value.dtype.kind == "O" else value
    lengths = {len(value) for value in columns.values()}
    if len(lengths) != 1:
        raise InputError(f"arrays: expected one number of rows, got {sorted(lengths)}.")
    plain = {name: value.item() for name, value in constants.items()}
    with atomic_file(target) as file:
        writer = WRITERS[target.suffix.lower()](file, target)
        count, start = lengths.pop(), 0
        for stop in [*stops_of(count, rows)] or [0]:
            writer.write({name: value[start:stop] for name, value in columns.items()}, plain, None)
            start = stop
        writer.close()
    return target


def read_shard(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all columns of a shard that are numbers or texts, and what is the same for all rows.

    Columns of other types, such as times and structs, which are passed on from shard to shard, are left out.

    Raises
    ------
    InputError
        If it is damaged, or no shard.
    """
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise InputError(f"{path}: expected a shard ({', '.join(READERS)}), got {path.suffix!r}.")
    shard = open_shard(path, ())
    try:
        return {**shard.constants, **{name: shard.column(name) for name in shard.arrays}}
    finally:
        shard.close()
