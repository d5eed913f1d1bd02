"""Tracked points of a .trc file: Pose2Sim's and OpenCap's triangulated keypoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..body import BodyModel
from ..body.load import default_body
from ..errors import InputError, listed
from ..keypoints.layouts import KeypointLayout, find_layout
from ..safe_io.json_data import split_lines
from ..safe_io.memory import RAISED_BY, Budget, budget_of_file, limit_of, shown_size
from ..safe_io.refused import RefusedError

NAMES = {
    "midhip": "hip", "chip": "hip", "hip": "hip", "neck": "neck", "head": "head", "nose": "nose",
    **{
        f"{side[0]}{part.replace('_', '')}": f"{side}_{part}"
        for side in ("left", "right")
        for part in (
            "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle",
            "heel", "big_toe", "small_toe",
        )
    },
}  # fmt: skip
"""Points of Halpe-26 by the names of markers, in lower case."""

UNITS = {"m": 1.0, "mm": 1e-3, "cm": 1e-2}


class Markers(NamedTuple):
    """Points that were tracked, as :func:`kitro_np.fit_points` takes them.

    Attributes
    ----------
    points : (T, K, 3) array of float64
        In metres; NaN where a point is missing.
    layout : KeypointLayout
        Of these points.
    frame : (T,) array of int64
        From 0.
    fps : float
    left_out : tuple of str
        Names of markers that are no points of a body here.
    """

    points: np.ndarray
    layout: KeypointLayout
    frame: np.ndarray
    fps: float
    left_out: tuple[str, ...]


def read_points(path: str | os.PathLike[str], body: BodyModel | None = None) -> Markers:
    """Read tracked 3D points from a .trc file, with their layout, which the markers' names tell.

    Parameters
    ----------
    path : path
    body : BodyModel, optional
        That will be fitted; by default the open body.

    Returns
    -------
    Markers

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no .trc file, is damaged, or has too few points of a body.
    """
    try:
        with budget_of_file("keypoints") as budget:
            return _read(Path(path), body, budget)
    except RefusedError as reason:
        raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None


def _read(path: Path, body: BodyModel | None, budget: Budget) -> Markers:
    lines = _lines(path)
    try:
        header = dict(zip(lines[1].split(), lines[2].split(), strict=False))
        names = [name.strip() for name in lines[3].split("\t")[2:]]
        scale, fps = UNITS[header["Units"].lower()], float(header["DataRate"])
    except (IndexError, KeyError, ValueError):
        raise InputError(f"{path}: expected a .trc file, got another or one that is damaged.") from None
    markers = {name: place for place, name in enumerate(names) if name}
    known = {NAMES[name.lower()]: place for name, place in markers.items() if name.lower() in NAMES}
    if len(known) < 4:
        raise InputError(
            f"{path}: expected at least 4 points of a body, such as RHip, got {listed(names[:10:3])}."
        )
    rows = [line for line in lines[4:] if line.strip() and not line.lstrip().startswith("X")]
    if not rows:
        raise InputError(f"{path}: expected rows of points, got none.")
    budget.take(len(rows) * (2 + len(names) + 3), 8)  # each row may end early
    table = np.full((len(rows), 2 + len(names) + 3), np.nan)
    try:
        for values, line in zip(table, rows, strict=True):
            cells = [float(cell) if cell.strip() else np.nan for cell in line.rstrip("\n").split("\t")]
            cells = cells[: table.shape[1]]
            values[: len(cells)] = cells
    except ValueError:
        raise InputError(f"{path}: expected numbers in its rows, got other text.") from None
    halpe = find_layout("halpe26", default_body() if body is None else body)
    picked = [halpe.names.index(name) for name in known]
    points = scale * np.stack([table[:, 2 + place : 5 + place] for place in known.values()], axis=1)
    frame = np.arange(len(rows)) if np.isnan(table[:, 0]).any() else table[:, 0].astype(np.int64)
    left_out = tuple(name for name in markers if name.lower() not in NAMES)
    return Markers(points, halpe.pick(picked, "halpe26"), frame - frame.min(), fps, left_out)


def _lines(path: Path) -> list[str]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a .trc file, got none.")
    if not path.is_file():
        raise InputError(f"{path}: expected a .trc file, got a folder, a device or a pipe.")
    size, most = path.stat().st_size, limit_of("keypoints")
    if size > most:
        raise RefusedError(f"at most {shown_size(most)} ({RAISED_BY})", shown_size(size))
    return split_lines(path.read_bytes(), "keypoints", errors="replace")
