"""Manifest: what a run made of each shard, so that another one can go on where it was killed.

It is a file of JSON lines in the folder of the results: settings and versions, then a line for each shard
that is done, in the order in which they were; at the end of a run sorted by name, with sums below. Nothing
in it depends on when, where or how fast a run went.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..refinement.validity import Status
from ..safe_io.atomic_write import PARTIAL, atomic_write, check_output

NAME = "manifest.jsonl"

STATUSES = {status.name.lower() for status in Status}

LIBRARIES = ("numpy", "numba", "pyarrow")
"""Whose versions the bytes of results depend on."""


@dataclass(frozen=True)
class ShardEntry:
    """What was made of a shard.

    Attributes
    ----------
    shard : str
        Its path below the folder of all.
    input_sha256 : str
    output_sha256 : str
        Empty if the shard was set aside.
    bodies : int
    counts : dict of str to int
        Bodies by the name of their status.
    reason : str
        Why the shard was set aside; empty if it was refined.
    hint : str
        What mistake the shard's first batch looks like, if any.
    video : bool
        Whether it was refined as videos.
    kept : bool
        Whether an earlier run did it; not in the manifest.
    """

    shard: str
    input_sha256: str = ""
    output_sha256: str = ""
    bodies: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    hint: str = ""
    video: bool = False
    kept: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        """ValueError if an entry of a file is none."""
        texts = (self.shard, self.input_sha256, self.output_sha256, self.reason, self.hint)
        counts = self.counts if isinstance(self.counts, dict) else {"": -1}
        numbers = (self.bodies, *counts.values())
        fine = all(isinstance(text, str) for text in texts) and "\0" not in self.shard
        fine = fine and isinstance(self.video, bool) and set(counts) <= STATUSES
        if not fine or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("no entry")

    def line(self) -> str:
        """Return the line of this entry: what is empty is left out."""
        known = {key: value for key, value in asdict(self).items() if key != "kept"}
        return json.dumps({key: value for key, value in known.items() if value not in ("", {}, False)})


class Manifest:
    """The manifest of a folder, to be read, begun and continued.

    Parameters
    ----------
    folder : Path
    settings : dict
        What results depend on.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.path = folder / NAME
        self._head = {"kitro_np": own_version(), "versions": _versions(), "settings": dict(settings)}
        self.entries: dict[str, ShardEntry] = {}

    def begin(self, *, resume: bool, force: bool) -> None:
        """Take up the manifest that is there, or begin one.

        Raises
        ------
        InputError
            If the folder is not empty without `resume` or `force`, or holds another run's results.
        """
        folder = self.path.parent
        content = [name for name in os.listdir(folder) if not name.startswith(PARTIAL)]
        if content and not (resume or force):
            raise InputError(
                f"{folder}: expected an empty folder, got one with {content[0]}; pass --resume "
                "(resume=True) to go on where a run ended, or --force (force=True) to begin anew."
            )
        if content and not self.path.exists() and resume:
            raise InputError(f"{folder}: expected {NAME} of a run to resume, got none.")
        if content and self.path.exists():
            head, entries = read_manifest(self.path)
            if resume:
                self._compare(head)
                self.entries = entries
            else:
                for entry in entries.values():
                    if entry.output_sha256 and _is_below(folder, entry.shard):
                        with suppress(IsADirectoryError, PermissionError):
                            (folder / entry.shard).unlink(missing_ok=True)
        self._write(())

    def add(self, entry: ShardEntry) -> None:
        """Add what was made of a shard; it is on the disk when this returns."""
        self.entries[entry.shard] = entry
        with self.path.open("a", encoding="utf-8") as file:
            file.write(entry.line() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self, names: Iterable[str]) -> None:
        """Write the manifest of a run that is complete, sorted, with sums; return entries of these names.

        Entries of shards that are no longer there stay as long as their results do.
        """
        own = set(names)
        there = (name for name, entry in self.entries.items() if entry.output_sha256)
        own |= {name for name in there if (self.path.parent / name).is_file()}
        self.entries = {name: self.entries[name] for name in sorted(own)}
        every = self.entries.values()
        counts: Counter[str] = Counter()
        for entry in every:
            counts.update(entry.counts)
        sums = {
            "complete": True,
            "shards": len(every),
            "set_aside": sum(bool(entry.reason) for entry in every),
            "bodies": sum(entry.bodies for entry in every),
            "counts": dict(sorted(counts.items())),
        }
        self._write([json.dumps(sums)])

    def _write(self, below: Iterable[str]) -> None:
        lines = [json.dumps(self._head), *(entry.line() for entry in self.entries.values()), *below]
        text = "".join(f"{line}\n" for line in lines)
        atomic_write(check_output(self.path, force=True), lambda file: file.write(text.encode()))

    def _compare(self, head: Mapping[str, Any]) -> None:
        """InputError names the first of a manifest's settings or versions that is another one now."""
        now = json.loads(json.dumps(self._head))  # as JSON gives it back
        for name, known, own in (
            ("kitro_np", {"kitro_np": head.get("kitro_np")}, {"kitro_np": now["kitro_np"]}),
            ("versions", head.get("versions"), now["versions"]),
            ("settings", head.get("settings"), now["settings"]),
        ):
            known = known if isinstance(known, dict) else {}
            for key in {**own, **known}:
                if known.get(key) != own.get(key):
                    what = key if name != "versions" else f"version of {key}"
                    raise InputError(
                        f"resume: expected {what} {json.dumps(known.get(key))[:200]}, as in {self.path}, "
                        f"got {json.dumps(own.get(key))[:200]}."
                    )


def read_manifest(path: Path) -> tuple[dict[str, Any], dict[str, ShardEntry]]:
    """Read a manifest: its head, and entries by name; a last line that was cut off is left out."""
    entries: dict[str, ShardEntry] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        head = json.loads(lines[0])
        known = ShardEntry.__dataclass_fields__.keys() - {"kept"}
        for line in lines[1:]:
            content = json.loads(line)
            if "shard" in content:
                entry = ShardEntry(**{key: value for key, value in content.items() if key in known})
                entries[entry.shard] = entry
        if not isinstance(head, dict):
            raise ValueError
    except (OSError, ValueError, TypeError, IndexError, AttributeError, RecursionError) as error:
        kind = type(error).__name__
        raise InputError(f"{path}: expected a manifest, got a damaged one ({kind}).") from None
    return head, entries


def _is_below(folder: Path, name: str) -> bool:
    return folder.resolve() in (folder / name).resolve().parents


def own_version() -> str:
    """Return the version of this package."""
    from .. import __version__  # which the package names after it has loaded this module

    return __version__


def _versions() -> dict[str, str | None]:
    known: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = None
    return known
