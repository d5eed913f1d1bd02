"""Run: refine a folder of shards, each into one of the same name, so that it can be killed and resumed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arrays.arguments import check_integer
from ..arrays.threads import usable_cores
from ..errors import InputError
from ..refinement.validity import Status
from ..safe_io.atomic_write import clear_leftovers
from ..safe_io.memory import limit_of
from .job import Job
from .lock import only_run
from .manifest import Manifest, ShardEntry
from .parquet import SUFFIX, import_pyarrow
from .pool import check_workers, run_on_cores
from .refiner import Refiner
from .shards import ROWS, ShardPath, count_rows, find_shards


@dataclass(frozen=True)
class RefinedShards:
    """What a run over shards did.

    Attributes
    ----------
    folder : Path
        Where the results and the manifest are.
    bodies : int
    counts : dict of Status to int
        Bodies by status.
    set_aside : dict of str to str
        Why shards were not refined, by their name.
    shards : int
    hints : dict of str to str
        What mistake a shard looks like, by its name.
    kept, kept_bodies : int
        Shards that an earlier run had refined, and their bodies.
    videos : int
        Shards that were refined as videos.
    """

    folder: Path
    shards: int
    bodies: int
    counts: dict[Status, int]
    set_aside: dict[str, str]
    hints: dict[str, str]
    kept: int = 0
    kept_bodies: int = 0
    videos: int = 0

    def summary(self) -> str:
        """Return one line: how many bodies of how many shards were refined, and what was not."""
        refined = self.counts.get(Status.REFINED, 0)
        good = self.shards - len(self.set_aside)
        line = f"{refined} of {self.bodies} bodies refined, in {good} of {self.shards} shards"
        line += f", {self.videos} as videos" if self.videos else ""
        others = [
            f"{count}: {status.reason}" for status, count in self.counts.items() if status != Status.REFINED
        ]
        line += f" ({'; '.join(others)})" if others else ""
        line += f"; {len(self.set_aside)} set aside" if self.set_aside else ""
        line += f"; {self.kept} had been done before" if self.kept else ""
        return f"{line}."


def refine_shards(
    shards: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    refiner: Refiner | None = None,
    workers: int | None = None,
    ray: str | None = None,
    resume: bool = False,
    force: bool = False,
    rows: int = ROWS,
    progress: Callable[[int, int], object] | None = None,
    **settings: Any,
) -> RefinedShards:
    """Refine shards of a data set, .parquet or .npz, each into a file of the same name.

    Memory depends on `workers` and `rows` alone, not on the shards; rows that are read at once may take 4 GB,
    or what :func:`kitro_np.memory_limit` says. A result appears under its name when it
    is whole; the folder's manifest.jsonl says what was made of each shard, with checksums, settings and
    versions. A run that was killed can be resumed, and then leaves the same bytes as one that was not. A
    damaged shard is set aside, with its reason in the manifest, and the others are refined.

    Shards with tracks are refined as videos: all frames of a track must be in one shard, and are in memory
    together with the tracks that they overlap with in the order of the rows.

    Parameters
    ----------
    shards : path
        A folder, searched with its subfolders, a pattern such as ``data/part-*.parquet``, or a file.
    output : path
        Folder to write to; it is made if there is none.
    refiner : Refiner, optional
        Instead of `settings`.
    workers : int, optional
        Processes, by default one for each core.
    ray : str, optional
        Address of a Ray cluster, or "local", instead of own processes. Its machines must see both folders.
    resume : bool
        Go on where a run with the same settings and versions ended.
    force : bool
        Begin anew in a folder that is not empty; results of the run before are removed.
    rows : int
        Rows refined and written at once.
    progress : callable, optional
        Called with the number of bodies finished since the last call, and of all bodies. The first number is
        negative where a worker died and its shard begins again.
    **settings
        Those of :class:`Refiner`.

    Returns
    -------
    RefinedShards

    Raises
    ------
    InputError
        If there are no shards, an argument is invalid, `output` is not empty, or is of a run with other
        settings.
    OSError
        If a result cannot be written, such as on a full disk: mend that, and resume.
    """
    if refiner is not None and settings:
        raise InputError(f"refiner: expected no settings beside it, got {', '.join(settings)}.")
    if resume and force:
        raise InputError("resume: expected none with force, got both.")
    chosen = Refiner(**settings) if refiner is None else refiner
    count = check_workers(usable_cores() if workers is None else check_integer("workers", workers, least=1))
    rows = check_integer("rows", rows, least=1)
    folder = _folder(output)
    if os.path.realpath(folder) == os.path.realpath(shards):
        raise InputError(f"{folder}: expected another folder than the shards', got the same.")
    found = find_shards(shards, folder)
    if parquet := [one.path for one in found if one.path.suffix.lower() == SUFFIX]:
        import_pyarrow(parquet[0])
    limit = limit_of("estimates")
    with ExitStack() as stack:
        if ray is not None:
            from .on_ray import connected, run_on_ray

            cluster = stack.enter_context(connected(ray, workers))
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(only_run(folder))
        manifest = Manifest(folder, {**chosen.settings(), "rows": rows})
        targets = [folder / one.name for one in found]
        _refuse_links(found, targets)
        manifest.begin(resume=resume, force=force)
        jobs = [
            Job(one.name, one.path, target, rows, limit, manifest.entries.get(one.name))
            for one, target in zip(found, targets, strict=True)
        ]
        total = count_rows(one.path for one in found) if progress is not None else 0
        if ray is None:
            events = run_on_cores(jobs, chosen, count, folder)
        else:
            events = run_on_ray(jobs, chosen, cluster)
        done: dict[str, ShardEntry] = {}
        stack.callback(_clear, targets)  # of what a run that is stopped leaves
        stack.enter_context(closing(events))
        for event in events:
            if event.entry is not None:
                done[event.entry.shard] = event.entry
                if event.entry != manifest.entries.get(event.entry.shard):
                    manifest.add(event.entry)
                if event.entry.reason:
                    with suppress(OSError):  # of an earlier run, of a shard that was whole then
                        (folder / event.entry.shard).unlink(missing_ok=True)
            if progress is not None and event.rows:
                progress(event.rows, total)
        manifest.finish(done)
    return _summary(folder, {name: done[name] for name in sorted(done)})


def _folder(output: str | os.PathLike[str]) -> Path:
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder to write shards to, got a file.")
    return folder


def _refuse_links(found: list[ShardPath], targets: list[Path]) -> None:
    """InputError if a result would replace a shard, or be written through a link."""
    sources = {os.path.realpath(one.path) for one in found}
    for target in targets:
        if target.is_symlink():
            raise InputError(f"{target}: expected a result or nothing, got a link.")
        if os.path.realpath(target) in sources:
            raise InputError(f"{target.parent}: expected another folder than the shards', got the same.")


def _clear(targets: list[Path]) -> None:
    for folder in {target.parent for target in targets}:
        clear_leftovers.__wrapped__(folder)


def _summary(folder: Path, entries: dict[str, ShardEntry]) -> RefinedShards:
    counts: Counter[Status] = Counter()
    for entry in entries.values():
        counts.update({Status[name.upper()]: count for name, count in entry.counts.items()})
    return RefinedShards(
        folder,
        len(entries),
        sum(entry.bodies for entry in entries.values()),
        dict(sorted(counts.items())),
        {name: entry.reason for name, entry in entries.items() if entry.reason},
        {name: entry.hint for name, entry in entries.items() if entry.hint},
        sum(entry.kept for entry in entries.values()),
        sum(entry.bodies for entry in entries.values() if entry.kept),
        sum(entry.video for entry in entries.values()),
    )
