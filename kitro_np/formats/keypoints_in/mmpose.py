"""MMPose: JSON of its inferencer, of its top-down demo, and Sapiens', which has the demo's form.

The demo's file names its points, under `meta_info`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError, printable
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows, corners_to_box
from .source import KeypointsSource, number_frames

USUAL = {21: "hand21"}

NAMED = {
    (17, "nose", "left_eye"): "coco17",
    (17, "root", "right_hip"): "h36m17",
    (16, "right_ankle", "right_knee"): "mpii16",
    (26, "nose", "left_eye"): "halpe26",
    (133, "nose", "left_eye"): "wholebody133",
    (136, "nose", "left_eye"): "halpe136",
    (21, "wrist", "thumb1"): "hand21",
    (21, "thumb4", "thumb3"): "hand21_interhand",
}
"""Layouts by the number of the points, and the names of the first two."""

INFERENCER, DEMO = "MMPose's inferencer", "MMPose's demo or Sapiens"


def is_instance(value: Any) -> bool:
    """Whether this is a person of MMPose: points, and their scores apart."""
    return isinstance(value, Mapping) and {"keypoints", "keypoint_scores"} <= {*value}


def is_frame(value: Any) -> bool:
    """Whether this is a frame of MMPose: a number and people."""
    return isinstance(value, Mapping) and "instances" in value and isinstance(value["instances"], list)


def is_inferencer(content: Any) -> bool:
    """Whether this is a list of people of one image, or of a video's frames."""
    if not isinstance(content, list) or not content:
        return False
    return all(map(is_instance, content)) or all(map(is_frame, content))


def is_demo(content: Any) -> bool:
    """Whether people or frames are under the key instance_info."""
    found = content.get("instance_info") if isinstance(content, Mapping) else None
    return isinstance(found, list) and (
        not found or all(map(is_instance, found)) or all(map(is_frame, found))
    )


def read_inferencer(source: KeypointsSource) -> PeopleKeypoints:
    """Read the inferencer's JSON, whose frames are numbered from 0."""
    return _read(source, INFERENCER, first=0)


def read_demo(source: KeypointsSource) -> PeopleKeypoints:
    """Read the demo's JSON, whose frames are numbered from 1."""
    return _read(source, DEMO, first=1)


def _read(source: KeypointsSource, form: str, first: int) -> PeopleKeypoints:
    rows = Rows(source, form)
    if source.is_folder:
        pieces = dict(source.pieces())
        names = list(pieces)
        numbers, note = number_frames(names)
        if note:
            source.notes.append(note)
        for name, frame in zip(names, numbers, strict=True):
            people = _people(source, pieces.pop(name), name)
            for one in people:
                _add(rows, frame, one, name)
        return rows.people(usual=USUAL)
    content = source.single(form)
    if isinstance(content, Mapping):
        _tell_layout(source, content)
        content = content["instance_info"]
    for part in content:
        if is_frame(part):
            frame = part.get("frame_id")
            if not isinstance(frame, int) or frame < first:
                raise InputError(
                    f"{source.name}: frame_id: expected a number of at least {first}, as {form} writes, "
                    f"got {printable(frame, 40)}."
                )
            for one in part["instances"]:
                _add(rows, frame - first, one, source=source)
        else:
            _add(rows, 0, part)
    if first and any(map(is_frame, content)):
        source.notes.append("frame_id counts frames from 1, here they are counted from 0.")
    return rows.people(usual=USUAL)


def _tell_layout(source: KeypointsSource, content: Mapping[str, Any]) -> None:
    """Take the layout from the names of the points, unless the caller names it."""
    meta = content.get("meta_info")
    names = meta.get("keypoint_id2name") if isinstance(meta, Mapping) else None
    if source.layout is not None or not isinstance(names, Mapping) or len(names) < 2:
        return
    count, told = len(names), [printable(name, 40) for name in list(names.values())[:2]]
    source.layout = NAMED.get((count, told[0], told[1]))
    if source.layout is None and any(count == known for known, *_ in NAMED):
        known = ", ".join(repr(name) for key, name in NAMED.items() if key[0] == count)
        raise InputError(
            f"layout: expected {known} for {count} points, which {source.name} does not have, "
            f"got {', '.join(told)} and others."
        )


def _people(source: KeypointsSource, content: Any, name: str) -> list[Any]:
    """Return the people of one of many files, each of an image."""
    if isinstance(content, Mapping):
        _tell_layout(source, content)
    found = content.get("instance_info") if isinstance(content, Mapping) else content
    if not isinstance(found, list) or not all(map(is_instance, found)):
        raise InputError(
            f"{source.name}: expected files of one image each, got {printable(name)!r}, which is another."
        )
    return found


def _add(rows: Rows, frame: int, one: Any, name: str = "", source: KeypointsSource | None = None) -> None:
    if source is not None and not is_instance(one):
        raise InputError(f"{source.name}: instances: expected keypoints and keypoint_scores, got others.")
    points = one["keypoints"]
    if isinstance(points, list) and points and isinstance(points[0], list) and len(points[0]) == 3:
        raise InputError(
            f"{rows.source.name}: expected points (x, y) in the image and their scores, got (x, y, z), "
            "as the program's 3D demo writes: fit_points takes these."
        )
    # The inferencer's box is nested: [[x1, y1, x2, y2]].
    box = corners_to_box(one["bbox"]) if "bbox" in one else None
    person = one.get("track_id", one.get("instance_id"))
    rows.add(frame, points, one["keypoint_scores"], person=person, box=box, name=name)


FORMATS = (
    KeypointFormat(INFERENCER, ("instances", "keypoints", "keypoint_scores"), is_inferencer, read_inferencer),
    KeypointFormat(DEMO, ("instance_info", "keypoints", "keypoint_scores"), is_demo, read_demo),
)
