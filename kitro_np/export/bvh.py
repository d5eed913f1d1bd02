"""BVH, a skeleton and its motion as text: Blender, MotionBuilder, game engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import one_of
from ..safe_io.atomic_write import atomic_write
from .bodies import Bodies, Person
from .names import files_of_people
from .registry import Export

UNITS = {"cm": 100.0, "m": 1.0}
"""Units of length, and how many are in a metre."""

END = 0.5
"""Length of a last bone, which the body does not have, as a share of the bone before it."""

ORDER = "Zrotation Xrotation Yrotation"
"""Channels of a joint: its rotation is about z, then the turned x, then the turned y."""

LINES = 1024
"""Frames that are turned into text at a time."""


def write_bvh(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write a file for each person: y up, the mean shape, a line for every frame."""
    unit = UNITS[one_of("unit", bodies.options.get("unit", "cm"), UNITS)]
    people = list(bodies.tracks())
    targets = files_of_people(path, [person.number for person in people], force)
    for person in people:
        _write_person(targets[person.number], person.turned("y"), bodies.fps, unit)
    return list(targets.values())


EXPORT = Export("bvh", ".bvh", "a skeleton and its motion", write_bvh, ("unit",))


def _write_person(target: Path, person: Person, fps: float, unit: float) -> None:
    def write(file: BinaryIO) -> None:
        lines = ["HIERARCHY", *_hierarchy(person, unit), "MOTION", f"Frames: {len(person.frame)}"]
        file.write("\n".join([*lines, f"Frame Time: {1 / fps:.9g}", ""]).encode())
        # The hierarchy names joints depth first, and so must the columns.
        angles = np.degrees(euler_zxy(person.pose[:, _depth_first(person)]))
        values = np.concatenate([person.root * unit, angles.reshape(len(angles), -1)], axis=1)
        row = "%.6f " * (values.shape[1] - 1) + "%.6f\n"
        for start in range(0, len(values), LINES):
            block = values[start : start + LINES] + 0.0  # not -0
            file.write((row * len(block) % tuple(block.ravel())).encode())

    atomic_write(target, write)


def _depth_first(person: Person, joint: int = 0) -> list[int]:
    order = [joint]
    for child in person.skeleton.children[joint]:
        order += _depth_first(person, child)
    return order


def _hierarchy(person: Person, unit: float, joint: int = 0, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a joint and of those below it."""
    skeleton, rest = person.skeleton, person.rest_joints
    tab, parent = "\t" * depth, skeleton.parents[joint]
    # The root's channels say where it is: readers differ in whether they add its offset.
    offset = rest[joint] - rest[parent] if parent >= 0 else np.zeros(3)
    yield f"{tab}{'ROOT' if parent < 0 else 'JOINT'} {skeleton.joint_names[joint]}"
    yield f"{tab}{{"
    yield f"{tab}\tOFFSET {_numbers(offset * unit)}"
    place = "6 Xposition Yposition Zposition" if parent < 0 else "3"
    yield f"{tab}\tCHANNELS {place} {ORDER}"
    for child in skeleton.children[joint]:
        yield from _hierarchy(person, unit, child, depth + 1)
    if not skeleton.children[joint]:
        yield f"{tab}\tEnd Site"
        yield f"{tab}\t{{"
        yield f"{tab}\t\tOFFSET {_numbers(END * offset * unit)}"
        yield f"{tab}\t}}"
    yield f"{tab}}}"


def _numbers(vector: np.ndarray) -> str:
    return " ".join(f"{number:.6f}" for number in vector + 0.0)


def euler_zxy(rotation: np.ndarray) -> np.ndarray:
    """Angles (T, ..., 3) in radians about z, x and y of R = R_z R_x R_y, each near that of the frame before.

    Two triples give every rotation; the first frame has the one with x within a quarter turn.
    """
    x = np.arcsin(np.clip(rotation[..., 2, 1], -1, 1))
    # Where x is a quarter turn, only the sum of the other angles counts: y is 0.
    locked = np.abs(rotation[..., 2, 1]) > 1 - 1e-12
    z = np.where(
        locked,
        np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0]),
        np.arctan2(-rotation[..., 0, 1], rotation[..., 1, 1]),
    )
    y = np.where(locked, 0.0, np.arctan2(-rotation[..., 2, 0], rotation[..., 2, 2]))
    angles = np.stack([z, x, y], axis=-1)
    other = np.stack([z + np.pi, np.pi - x, y + np.pi], axis=-1)
    for frame in range(1, len(angles)):
        choices = np.stack([angles[frame], other[frame]])
        near = choices - 2 * np.pi * np.round((choices - angles[frame - 1]) / (2 * np.pi))
        far = np.abs(near - angles[frame - 1]).sum(axis=-1)
        angles[frame] = np.where((far[0] <= far[1])[..., None], near[0], near[1])
    return angles
