"""Tracks of PHALP, which 4D-Humans and TokenHMR write: a dict of lists for each frame.

The camera belongs to the square that the image is padded to, at 256 pixels: in the image the focal length is
5000 max(W, H) / 256. People who are tracked but not seen (`tracked_time` above 0) keep a stale pose.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from .records import (
    Entry,
    EstimateReader,
    Options,
    base_names,
    centred,
    checked,
    make,
    one_size,
    stacked,
    values,
)
from .source import Source

_FOCAL, _CROP = 5000.0, 256.0

_SMPL_POINTS = {
    1: 12,
    2: 17,
    3: 19,
    4: 21,
    5: 16,
    6: 18,
    7: 20,
    8: 0,
    9: 2,
    10: 5,
    11: 8,
    12: 1,
    13: 4,
    14: 7,
}
"""Joints of SMPL among the first points of `2d_joints`."""


def _read(source: Source, options: Options) -> PeopleEstimates:
    frames = [(str(name), record) for name, record in source.tree.items() if isinstance(record, dict)]
    needed = ("smpl", "camera", "size")
    columns: dict[str, list[Any]] = {key: [] for key in needed}
    optional: dict[str, list[Any]] = {"2d_joints": []}
    person: list[Any] = []
    unseen: list[Any] = []
    counts, times, names = [], [], []
    for position, (name, frame) in enumerate(frames):
        ids = frame.get("tid", ())
        count = len(ids)
        for key in needed:
            if len(part := frame.get(key, ())) != count:
                raise InputError(
                    f"{source.name}: {name[:40]!a}: {key}: expected {count}, as of tid, got {len(part)}."
                )
            columns[key] += part
        for key, column in optional.items():
            part = frame.get(key, ())
            column += part if len(part) == count else [None] * count
        stale = frame.get("tracked_time", ())
        person += ids
        unseen += stale if len(stale) == count else [0] * count
        counts.append(count)
        time = frame.get("time")
        times.append(time if type(time) is int and time >= 0 else position)
        names.append(name)
    total = sum(counts)
    if not total:
        raise InputError(f"{source.name}: expected people in the frames of a PHALP track, got none.")
    where = source.name
    smpl = columns["smpl"]
    try:
        parts = {key: [body[key] for body in smpl] for key in ("global_orient", "body_pose", "betas")}
    except (KeyError, TypeError, IndexError):
        raise InputError(
            f"{where}: smpl: expected global_orient, body_pose and betas of each person, got others."
        ) from None
    arrays = {key: stacked(f"{where}: {key}", part) for key, part in parts.items()}
    root = checked(f"{where}: global_orient", arrays["global_orient"], [(None, 1, 3, 3), (None, 3, 3)])
    rest = checked(f"{where}: body_pose", arrays["body_pose"], [(None, 23, 3, 3)])
    betas = checked(f"{where}: betas", arrays["betas"], [(None, None), (None, 1, None)]).reshape(total, -1)
    camera = checked(
        f"{where}: camera", stacked(f"{where}: camera", columns["camera"]), [(None, 3), (None, 1, 3)]
    )
    size = _flat(f"{where}: size", columns["size"]).reshape(-1, 2)
    if len(size) != total:
        raise InputError(f"{where}: size: expected height and width of each person, got others.")
    size = size[:, ::-1]
    stale = _flat(f"{where}: tracked_time", unseen)
    rows = np.flatnonzero(stale <= 0)
    dropped = total - len(rows)
    notes = []
    if dropped:
        notes.append(
            f"{dropped} rows of people who are tracked but not seen (tracked_time > 0) are left out."
        )
    if np.any(stale < 0):
        notes.append(f"{int(np.sum(stale < 0))} rows were filled in by the program (tracked_time < 0).")
    image = np.repeat(base_names(names), counts)
    estimates = make(
        source,
        "PHALP",
        options,
        pose=np.concatenate([root.reshape(total, 1, 3, 3), rest], axis=1),
        betas=betas,
        transl=camera.reshape(total, 3),
        frame=np.repeat(np.array(times), counts),
        person=_flat(f"{where}: tid", person),
        intrinsics=centred(_FOCAL / _CROP * size.max(axis=1), size, total),
        camera="focal length 5000 max(W, H) / 256, centre of the image",
        image_size=one_size(size) or options.image_size,
        image_name=image,
        joints_2d=_joints(where, optional["2d_joints"], size, np.repeat(np.array(times), counts)),
        notes=tuple(notes),
        row=np.arange(total),
    )
    return estimates.take(rows) if dropped else estimates


def _flat(name: str, parts: list[Any]) -> np.ndarray:
    """Numbers of short lists or of arrays, flattened."""
    if parts and isinstance(parts[0], list):
        parts = list(chain.from_iterable(parts))
    try:
        return np.array(parts, dtype=np.float64).ravel()
    except (ValueError, TypeError):
        return checked(name, stacked(name, parts)).ravel()


def _joints(where: str, parts: list[Any], size: np.ndarray, frame: np.ndarray) -> PeopleKeypoints | None:
    """Return the program's own joints, which are in the padded square, from 0 to 1."""
    if not parts or any(part is None for part in parts):
        return None
    array = stacked(f"{where}: 2d_joints", parts)
    if array.dtype.kind not in "fiu" or array.size < 30 * len(size) or array.size % (2 * len(size)):
        return None
    square = size.max(axis=1)[:, None]
    points = array.reshape(len(size), -1, 2)[:, list(_SMPL_POINTS)] * square[..., None]
    placed = np.full((len(size), 24, 2), np.nan)
    placed[:, list(_SMPL_POINTS.values())] = points - (square - size)[:, None] / 2
    seen = np.isfinite(placed[..., 0]).astype(np.float64)
    return PeopleKeypoints(points=placed, confidence=seen, layout="smpl24", frame=frame, source="PHALP")


READER = EstimateReader("PHALP", ("tid", "smpl", "camera", "size"), values, _read)
__all__ = ["READER", "Entry"]
