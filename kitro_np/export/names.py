"""Names of the files of several people or bodies, and their checks before any is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from ..safe_io.atomic_write import check_output
from .bodies import Bodies


def files_of_people(path: Path, people: Iterable[int], force: bool) -> dict[int, Path]:
    """Return a file for each person: `path` for one, else with the person's number before the suffix."""
    numbers = list(people)
    if len(numbers) == 1:
        return {numbers[0]: check_output(path, force=force)}
    return {
        number: check_output(path.with_name(f"{path.stem}_person_{number}{path.suffix}"), force=force)
        for number in numbers
    }


def files_of_bodies(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Return a file for each body: `path` for one, else with frame and person before the suffix."""
    if len(bodies) == 1:
        return [check_output(path, force=force)]
    several = len(set(bodies.person.tolist())) > 1
    names = []
    for frame, person in zip(bodies.frame.tolist(), bodies.person.tolist(), strict=True):
        who = f"_person_{person}" if several else ""
        names.append(path.with_name(f"{path.stem}_{frame:06d}{who}{path.suffix}"))
    if len(set(names)) < len(names):
        raise InputError("frame: expected each frame once for a person, got one twice.")
    return [check_output(name, force=force) for name in names]
