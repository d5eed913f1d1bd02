"""A shard's job: read it in batches, refine them, write the results under a name of no one's, then rename."""

from __future__ import annotations

import errno
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError, printable
from ..refinement.validity import Status
from ..result import RefineResult
from ..safe_io.atomic_write import atomic_file, check_output
from ..safe_io.memory import memory_limit
from .manifest import ShardEntry, own_version
from .refiner import Refiner
from .rows import rows_at_once, stops_of
from .shards import WRITERS, Shard, open_shard

MOST_OF_A_REASON = 1000
"""Letters of a reason, in which names of files and columns can be long."""


@dataclass(frozen=True)
class Job:
    """A shard to refine.

    Attributes
    ----------
    name : str
        Its path below the folder of all shards.
    source, target : Path
    rows : int
        Rows refined and written at once.
    limit : int
        Bytes that its rows may take which are read at once.
    known : ShardEntry or None
        What an earlier run made of it: kept, if source and target are still the same.
    """

    name: str
    source: Path
    target: Path
    rows: int
    limit: int
    known: ShardEntry | None = None


def refine_shard(job: Job, refiner: Refiner, tell: Callable[[int], object] = lambda rows: None) -> ShardEntry:
    """Refine a shard, and return what the manifest says of it.

    Parameters
    ----------
    job : Job
    refiner : Refiner
    tell : callable
        Called with the number of bodies finished since the last call, and before the result gets its name:
        what it raises ends the job.

    Raises
    ------
    OSError
        If the result cannot be written. All that is wrong with the shard is the entry's reason.
    """
    try:
        source = _digest_of(job.source)
    except OSError as error:
        return ShardEntry(job.name, reason=f"{job.name}: expected a file to read, got {error.strerror}.")
    if _is_done(job, source):
        assert job.known is not None
        tell(job.known.bodies)
        return replace(job.known, kept=True)
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        target = check_output(job.target, force=True)
    except InputError as error:  # of the folder of the results, not of the shard
        raise OSError(errno.EACCES, str(error).rstrip(".")) from None
    try:
        with memory_limit(job.limit):
            return _refine(job, refiner, source, target, tell)
    except InputError as error:
        reason = str(error).replace(str(job.source), job.name)
        return ShardEntry(job.name, source, reason=printable(reason, MOST_OF_A_REASON))
    except OSError:
        raise
    except MemoryError:
        return ShardEntry(
            job.name, source, reason=f"{job.name}: expected rows that fit into memory, got more."
        )
    except Exception as error:
        reason = f"{job.name}: unexpected {type(error).__name__}: {error}"
        return ShardEntry(job.name, source, reason=printable(reason, MOST_OF_A_REASON))


def _refine(
    job: Job, refiner: Refiner, source: str, output: Path, tell: Callable[[int], object]
) -> ShardEntry:
    shard = open_shard(job.source, refiner.reads)
    counts: Counter[int] = Counter()
    hint, bodies, constants = "", 0, dict[str, Any]()
    try:
        by = refiner.is_video([*shard.names, *shard.constants])
        if by not in shard.names:
            by = None
        if by is None and getattr(refiner.method, "video", False):
            raise InputError(
                f"{job.source}: expected the column track with video, got {', '.join(shard.names)}."
            )
        labels = None if by is None else shard.labels(by)
        video = by is not None
        size = rows_at_once(job.rows, shard.row_bytes)
        with atomic_file(output) as file:
            writer = WRITERS[job.target.suffix.lower()](file, job.target)
            try:
                for rows in shard.batches(stops_of(shard.rows, size, labels)):
                    refined, result = refiner.run({**rows.passed, **rows.arrays}, str(job.source))
                    constants = constants or _constants(refiner, result, shard, video=video)
                    hint = result.hint if not bodies else hint
                    bodies += result.status.size
                    for code, count in zip(*np.unique(result.status, return_counts=True), strict=True):
                        counts[int(code)] += int(count)
                    same = {name for name, value in shard.constants.items() if refined.get(name) is value}
                    columns = {name: part for name, part in refined.items() if name not in same}
                    writer.write(columns, constants, rows)
                    tell(result.status.size)
            finally:  # also of a file that will be removed: pyarrow's writes its end when it is collected
                writer.close()
            target = _digest(file)
            tell(0)
    finally:
        shard.close()
    named = {Status(code).name.lower(): count for code, count in sorted(counts.items())}
    return ShardEntry(job.name, source, target, bodies, named, hint=hint, video=video)


def _constants(refiner: Refiner, result: RefineResult[Any], shard: Shard, *, video: bool) -> dict[str, Any]:
    """Return what is the same for all rows of a result, but for what its columns say."""
    options = {**refiner.settings()["options"], **({"video": True} if video else {})}
    known: dict[str, Any] = {
        name: value for name, value in shard.constants.items() if name not in refiner.takes
    }
    known |= {"body": result.body_name} if result.body_name else {}
    known |= {"method": refiner.method.name, "options": json.dumps(options), "version": own_version()}
    return {name: value for name, value in known.items() if name not in shard.names}


def _is_done(job: Job, source: str) -> bool:
    known = job.known
    if known is None or not known.output_sha256 or known.input_sha256 != source:
        return False
    try:
        return _digest_of(job.target) == known.output_sha256
    except OSError:
        return False


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    file.flush()
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()
