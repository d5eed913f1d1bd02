"""Joints as CSV: spreadsheets, R, pandas."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..safe_io.atomic_write import atomic_write, check_output
from .bodies import Bodies
from .registry import Export

HEADER = "frame,person,joint,x,y,z\n"

ROWS = 1024
"""Bodies that are turned into text at a time."""


def write_csv(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write a line for each joint of each body, in metres; by default in the camera's axes."""
    target = check_output(path, force=force)
    rows = bodies.in_order().turned(bodies.options.get("up", "camera"))
    names = [name.replace("%", "%%").replace(",", ";") for name in rows.skeleton.joint_names]
    line = "".join(f"%d,%d,{name},%.6f,%.6f,%.6f\n" for name in names)
    order = np.lexsort((bodies.person, bodies.frame))

    def write(file: BinaryIO) -> None:
        file.write(HEADER.encode())
        for start in range(0, len(order), ROWS):
            some = order[start : start + ROWS]
            joints = rows.posed(some).joints + 0.0
            numbers = np.stack([bodies.frame[some], bodies.person[some]], axis=1)
            numbers = np.broadcast_to(numbers[:, None], (*joints.shape[:2], 2))
            values = np.concatenate([numbers, joints], axis=-1)
            file.write((line * len(some) % tuple(values.ravel().tolist())).encode())

    atomic_write(target, write)
    return [target]


EXPORT = Export("csv", ".csv", "joints, one a line", write_csv, ("up",), timed=False)
