"""OpenPose: a JSON file for each image, people[].pose_keypoints_2d of x, y and score in turn.

Pose2Sim writes it, too, and a person of NaN where it sees nobody. AlphaPose's `--format open` and `cmu` write
all images in one file by their names, and each in one of its own; `cmu` has bodies[].joints. OpenCap pickles
the lists of people of all frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import InputError, printable
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import NORMALISED, Rows, in_pixels
from .source import KeypointsSource, number_frames

ALPHAPOSE, OPENCAP = "AlphaPose's open format", "OpenCap"

USUAL = {25: "body25", 18: "coco18"}

KEYS = {"people": "pose_keypoints_2d", "bodies": "joints"}
"""List of people, and the key of each one's points: OpenPose's, and of AlphaPose's format cmu."""

EYES_AND_EARS, ENDS = slice(1, 5), slice(15, 19)
"""Points of BODY_25B that are near the nose, the first, and those of BODY_25 that are."""

CLEARLY = 1.5
"""How many times farther the others are at least."""


def is_openpose(content: Any) -> bool:
    """Whether a file has OpenPose's list of people."""
    return _people(content) is not None


def is_openpose_frames(content: Any) -> bool:
    """Whether there is such a file's content for each frame."""
    return isinstance(content, list) and bool(content) and all(map(is_openpose, content))


def is_alphapose_images(content: Any) -> bool:
    """Whether there is such a list of people under the name of each image."""
    return isinstance(content, Mapping) and bool(content) and all(map(is_openpose, content.values()))


def is_opencap(content: Any) -> bool:
    """Whether there is such a list of people for each frame."""
    return isinstance(content, list) and all(map(_is_list, content)) and any(content)


def _is_list(people: Any) -> bool:
    return isinstance(people, list) and all(
        isinstance(one, Mapping) and KEYS["people"] in one for one in people
    )


def _people(content: Any) -> list[Any] | None:
    """Return the points of each person, and what else the file says of them; None if it is another file."""
    if not isinstance(content, Mapping):
        return None
    for key, points in KEYS.items():
        people = content.get(key)
        if isinstance(people, list) and all(isinstance(one, Mapping) and points in one for one in people):
            return [(one[points], one) for one in people]
    return None


def read_openpose(source: KeypointsSource) -> PeopleKeypoints:
    """Read a file or a folder: images are numbered by their names."""
    pieces = ((stem.removesuffix("_keypoints"), content) for stem, content in source.pieces())
    return _read(source, "OpenPose", pieces, many=source.is_folder)


def read_openpose_frames(source: KeypointsSource) -> PeopleKeypoints:
    """Read a list of what the files of a folder hold."""
    frames = ((str(number), content) for number, content in enumerate(source.single("OpenPose")))
    return replace(_read(source, "OpenPose", frames, many=True), image_name=None)


def read_alphapose_images(source: KeypointsSource) -> PeopleKeypoints:
    """Read AlphaPose's file of all images."""
    return _read(source, ALPHAPOSE, iter(source.single(ALPHAPOSE).items()), many=True)


def read_opencap(source: KeypointsSource) -> PeopleKeypoints:
    """Read OpenCap's list of frames."""
    frames = ((str(number), {"people": people}) for number, people in enumerate(source.single(OPENCAP)))
    return replace(_read(source, OPENCAP, frames, many=True), image_name=None)


def _read(
    source: KeypointsSource, form: str, pieces: Iterator[tuple[str, Any]], *, many: bool
) -> PeopleKeypoints:
    rows = Rows(source, form)
    stems, tracked, more = [], True, False
    for name, content in pieces:
        people = _people(content)
        if people is None:
            raise InputError(
                f"{source.name}: expected files of OpenPose, got {printable(name)!r}, which is another."
            )
        for points, one in people:
            if not points or _unseen(points):  # hands or a face without a body, or nobody
                continue
            person = one.get("person_id", -1)
            person = person[0] if isinstance(person, list) and person else person
            tracked &= isinstance(person, (int, float)) and person >= 0
            more |= bool(one.get("hand_left_keypoints_2d") or one.get("face_keypoints_2d"))
            rows.add(0, points, person=person, name=name)
        stems.append(name)
    numbers, note = number_frames(stems) if many else ([0], "")
    frames = dict(zip(stems, numbers, strict=True))
    rows.frames = [frames[name] for name in rows.names]
    if note:
        source.notes.append(note)
    if not tracked:
        rows.persons = [None] * len(rows.persons)
    if more:
        source.notes.append("Points of hands and face are left out.")
    if source.layout is None and any(
        isinstance(points, list) and len(points) == 75 for points in rows.points
    ):
        _tell_25(rows)
    _to_pixels(rows)
    return rows.people(columns=3, usual=USUAL)


def _unseen(points: Any) -> bool:
    """Whether all numbers are NaN."""
    return isinstance(points, list) and all(isinstance(x, float) and math.isnan(x) for x in points)


def _tell_25(rows: Rows) -> None:
    """Tell OpenPose's two models of 25 points by which of them are near the nose."""
    values = _values(rows)
    distance = np.zeros((0, 25))
    if values is not None and values.shape[1] == 25:
        seen = np.where(values[..., 2:] > 0, values[..., :2], np.nan)
        with np.errstate(all="ignore"):
            distance = np.linalg.norm(seen - seen[:, :1], axis=2)
    found = [part[np.isfinite(part)] for part in (distance[:, EYES_AND_EARS], distance[:, ENDS])]
    early, late = (float(np.median(part)) if part.size else np.nan for part in found)
    if CLEARLY * early < late:
        rows.source.layout = "body25b"
        rows.source.notes.append(
            "25 points are BODY_25B's: those after the nose are near it; layout='body25' reads BODY_25's."
        )
    elif not CLEARLY * late < early:
        rows.source.notes.append("25 points are read as BODY_25's; layout='body25b' reads BODY_25B's.")


def _values(rows: Rows) -> np.ndarray | None:
    """Return the points of all people; None where numbers are wrong, which is told later."""
    try:
        return np.array(rows.points, np.float64).reshape(len(rows.points), -1, 3)
    except (OverflowError, ValueError, TypeError):
        return None


def _to_pixels(rows: Rows) -> None:
    """Undo --keypoint_scale 3 and 4, which map the centres of the first and last pixel to 0 or -1 and 1."""
    values = _values(rows)
    if values is None:
        return
    seen = values[values[..., 2] > 0][:, :2]
    if not seen.size or np.abs(seen).max() > NORMALISED:
        return
    if rows.source.image_size is not None:
        width, height = rows.source.image_size
        last = np.array([width - 1, height - 1])
        signed = seen.min() < 0
        values[..., :2] = (values[..., :2] + 1) / 2 * last if signed else values[..., :2] * last
        scale = "4, from -1 to 1" if signed else "3, from 0 to 1"
        rows.source.notes.append(f"Points are those of --keypoint_scale {scale}.")
        values[values[..., 2] <= 0] = 0
        rows.points = list(values.reshape(len(values), -1))
    else:
        in_pixels(rows.source, seen, normalised=True)  # says what is missing


FORMATS = (
    KeypointFormat("OpenPose", ("people", "pose_keypoints_2d"), is_openpose, read_openpose),
    KeypointFormat("OpenPose", (), is_openpose_frames, read_openpose_frames),
    KeypointFormat(ALPHAPOSE, ("people", "bodies"), is_alphapose_images, read_alphapose_images),
    KeypointFormat(OPENCAP, ("person_id", "pose_keypoints_2d"), is_opencap, read_opencap),
)
