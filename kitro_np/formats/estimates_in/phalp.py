"""Tracks of PHALP, which 4D-Humans and TokenHMR write: a dict of lists for each frame.

The camera belongs to the square that the image is padded to, at 256 pixels: in the image the focal length is
5000 max(W, H) / 256. People who are tracked but not seen (`tracked_time` above 0) keep a stale pose.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, printable
from ...safe_io.skimmed import Column, IrregularError, Skimmed
from ..people import PeopleEstimates, PeopleKeypoints
from .records import (
    EstimateReader,
    Options,
    base_names,
    centred,
    checked,
    make,
    one_size,
    shaped,
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


_FLAT, _BODY = ("tid", "tracked_time", "size"), ("global_orient", "body_pose", "betas")

_BLOCK = 1000
"""Frames of a large file that are read at once: what is irregular in some does not slow the others down."""


class _Block(NamedTuple):
    """Some frames: how many people each has, its time, and under each key an array with a row a person."""

    counts: np.ndarray
    times: np.ndarray
    columns: dict[str, np.ndarray]


def _read(source: Source, options: Options) -> PeopleEstimates:
    where = source.name
    tree = source.tree.items()
    frames = [(str(name), record) for name, record in tree if isinstance(record, (dict, Skimmed))]
    blocks = list(_blocks(where, frames))
    total = sum(int(block.counts.sum()) for block in blocks)
    if not total:
        raise InputError(f"{where}: expected people in the frames of a PHALP track, got none.")

    def parts(key: str, *shapes: tuple[int | None, ...]) -> list[np.ndarray]:
        found = [block.columns[key] for block in blocks if block.counts.any()]
        if len({part.shape[1:] for part in found}) > 1:
            raise InputError(f"{where}: {key}: expected arrays of one shape, got several.")
        return [shaped(f"{where}: {key}", part, shapes) for part in found]

    pose = np.empty((total, 24, 3, 3))
    root = parts("global_orient", (None, 1, 3, 3), (None, 3, 3))
    np.concatenate([part.reshape(-1, 1, 3, 3) for part in root], out=pose[:, :1])
    np.concatenate(parts("body_pose", (None, 23, 3, 3)), out=pose[:, 1:])
    betas = np.concatenate(parts("betas", (None, None), (None, 1, None))).reshape(total, -1)
    camera = np.concatenate(parts("camera", (None, 3), (None, 1, 3))).reshape(total, 3)
    size = np.concatenate(parts("size")).reshape(-1, 2).astype(np.float64)
    if len(size) != total:
        raise InputError(f"{where}: size: expected height and width of each person, got others.")
    size = size[:, ::-1]
    stale = np.concatenate(parts("tracked_time"))
    rows = np.flatnonzero(stale <= 0)
    dropped = total - len(rows)
    notes = []
    if dropped:
        notes.append(
            f"{dropped} rows of people who are tracked but not seen (tracked_time > 0) are left out."
        )
    if np.any(stale < 0):
        notes.append(f"{int(np.sum(stale < 0))} rows were filled in by the program (tracked_time < 0).")
    counts = np.concatenate([block.counts for block in blocks])
    frame = np.repeat(np.concatenate([block.times for block in blocks]), counts)
    image = np.repeat(base_names([name for name, _ in frames]), counts)
    has_joints = all("2d_joints" in block.columns for block in blocks if block.counts.any())
    estimates = make(
        source,
        "PHALP",
        options,
        pose=pose,
        betas=betas,
        transl=camera,
        frame=frame,
        person=np.concatenate(parts("tid")),
        intrinsics=centred(_FOCAL / _CROP * size.max(axis=1), size, total),
        camera="focal length 5000 max(W, H) / 256, centre of the image",
        image_size=one_size(size) or options.image_size,
        image_name=image,
        joints_2d=_joints(np.concatenate(parts("2d_joints")), size, frame) if has_joints else None,
        notes=tuple(notes),
        row=np.arange(total),
    )
    return estimates.take(rows) if dropped else estimates


def _blocks(where: str, frames: list[tuple[str, Any]]) -> Iterator[_Block]:
    """Read frames: of a large file, which was skimmed, many at once."""
    position = 0
    for skimmed, run in groupby(frames, lambda item: type(item[1]) is Skimmed):
        left = list(run)
        while left:
            block = left[:_BLOCK] if skimmed else left
            left = left[len(block) :]
            try:
                yield _table([frame for _, frame in block]) if skimmed else _listed(where, block, position)
            except IrregularError:
                yield _listed(where, block, position)
            position += len(block)


def _table(frames: list[Skimmed]) -> _Block:
    """Read a column at a time; IrregularError if the frames are not alike."""
    rows = Column.of(frames)
    ids, counts = rows.under("tid").items()
    columns = {"tid": ids}
    for key in ("tracked_time", "size", "camera", "smpl", "2d_joints"):
        if key in rows:
            columns[key], lengths = rows.under(key).items()
            if not np.array_equal(lengths, counts):
                raise IrregularError
    smpl = columns.pop("smpl")
    columns |= {key: smpl.under(key) for key in _BODY}
    times = rows.under("time").numbers()
    if np.any(times < 0):
        raise IrregularError
    arrays = {key: column.numbers() for key, column in columns.items()}
    flat = {key: arrays[key].ravel() for key in _FLAT if key in arrays}
    return _Block(counts, times, {"tracked_time": np.zeros(len(ids)), **arrays, **flat})


def _listed(where: str, frames: list[tuple[str, Any]], position: int) -> _Block:
    """Read one person after the other."""
    needed = ("smpl", "camera", "size")
    columns: dict[str, list[Any]] = {key: [] for key in ("tid", "tracked_time", "2d_joints", *needed)}
    counts, times = [], []
    for place, (name, frame) in enumerate(frames, position):
        ids = frame.get("tid", ())
        count = len(ids)
        for key in needed:
            if len(part := frame.get(key, ())) != count:
                raise InputError(
                    f"{where}: {printable(name, 40)!r}: {key}: expected {count}, as of tid, got {len(part)}."
                )
            columns[key] += part
        for key, missing in (("tracked_time", 0), ("2d_joints", None)):
            part = frame.get(key, ())
            columns[key] += part if len(part) == count else [missing] * count
        columns["tid"] += ids
        counts.append(count)
        time = frame.get("time")
        times.append(time if type(time) is int and time >= 0 else place)
    smpl = columns.pop("smpl")
    try:
        columns |= {key: [body[key] for body in smpl] for key in _BODY}
    except (KeyError, TypeError, IndexError):
        raise InputError(
            f"{where}: smpl: expected global_orient, body_pose and betas of each person, got others."
        ) from None
    if any(part is None for part in columns["2d_joints"]):
        del columns["2d_joints"]
    arrays = {
        key: (_flat if key in _FLAT else stacked)(f"{where}: {key}", column)
        for key, column in columns.items()
    }
    return _Block(np.array(counts, np.int64), np.array(times), arrays)


def _flat(name: str, parts: list[Any]) -> np.ndarray:
    """Numbers of short lists or of arrays, flattened."""
    if all(type(part) is list for part in parts):
        parts = list(chain.from_iterable(parts))
    try:
        return np.array(parts, dtype=np.float64).ravel()
    except (ValueError, TypeError):
        return checked(name, stacked(name, parts)).ravel()


def _joints(array: np.ndarray, size: np.ndarray, frame: np.ndarray) -> PeopleKeypoints | None:
    """Return the program's own joints, which are in the padded square, from 0 to 1."""
    if array.dtype.kind not in "fiu" or array.size < 30 * len(size) or array.size % (2 * len(size)):
        return None
    square = size.max(axis=1)[:, None]
    points = array.reshape(len(size), -1, 2)[:, list(_SMPL_POINTS)] * square[..., None]
    placed = np.full((len(size), 24, 2), np.nan)
    placed[:, list(_SMPL_POINTS.values())] = points - (square - size)[:, None] / 2
    seen = np.isfinite(placed[..., 0]).astype(np.float64)
    return PeopleKeypoints(points=placed, confidence=seen, layout="smpl24", frame=frame, source="PHALP")


READER = EstimateReader("PHALP", ("tid", "smpl", "camera", "size"), values, _read)
