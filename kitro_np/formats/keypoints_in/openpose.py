"""OpenPose: a JSON file for each image, people[].pose_keypoints_2d of x, y and score in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import NORMALISED, Rows, in_pixels
from .source import KeypointsSource, number_frames

USUAL = {25: "body25", 18: "coco18"}


def is_openpose(content: Any) -> bool:
    """Whether a file has OpenPose's list of people."""
    if not isinstance(content, Mapping) or not isinstance(content.get("people"), list):
        return False
    return all(isinstance(one, Mapping) and "pose_keypoints_2d" in one for one in content["people"])


def read_openpose(source: KeypointsSource) -> PeopleKeypoints:
    """Read a file or a folder: images are numbered by their names."""
    rows = Rows(source, "OpenPose")
    stems, tracked, more = [], True, False
    for stem, content in source.pieces():
        if not is_openpose(content):
            raise InputError(f"{source.name}: expected files of OpenPose, got {stem!r}, which is another.")
        name = stem.removesuffix("_keypoints")
        for one in content["people"]:
            points = one["pose_keypoints_2d"]
            if not points:  # hands or a face without a body
                continue
            person = one.get("person_id", -1)
            person = person[0] if isinstance(person, list) and person else person
            tracked &= isinstance(person, (int, float)) and person >= 0
            more |= bool(one.get("hand_left_keypoints_2d") or one.get("face_keypoints_2d"))
            rows.add(0, points, person=person, name=name)
        stems.append(name)
    numbers, note = number_frames(stems) if source.is_folder else ([0], "")
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
        source.notes.append("25 points are read as BODY_25's; layout='body25b' reads BODY_25B's.")
    _to_pixels(rows)
    return rows.people(columns=3, usual=USUAL)


def _to_pixels(rows: Rows) -> None:
    """Undo --keypoint_scale 3 and 4, which map the centres of the first and last pixel to 0 or -1 and 1."""
    try:
        values = np.array(rows.points, np.float64).reshape(len(rows.points), -1, 3)
    except (ValueError, TypeError):  # told with the other wrong numbers
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


FORMATS = (KeypointFormat("OpenPose", ("people", "pose_keypoints_2d"), is_openpose, read_openpose),)
