"""Ultralytics' JSON: what a result's summary() and to_json() give, for an image or for each frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows, corners_to_box
from .source import KeypointsSource, number_frames

NAME = "Ultralytics JSON"


def is_person(value: Any) -> bool:
    """Whether this is a detection with keypoints as lists of x and of y."""
    points = value.get("keypoints") if isinstance(value, Mapping) else None
    return isinstance(points, Mapping) and {"x", "y"} <= {*points}


def is_ultralytics_json(content: Any) -> bool:
    """Whether this is a list of detections, a list of such lists, or of the program's results."""
    if not isinstance(content, (list, tuple)) or not content:
        return False
    if all(hasattr(one, "summary") and hasattr(one, "orig_shape") for one in content):
        return True
    if all(map(is_person, content)):
        return True
    frames = [one for one in content if not isinstance(one, list) or one]
    return bool(frames) and all(isinstance(one, list) and all(map(is_person, one)) for one in frames)


def read_ultralytics_json(source: KeypointsSource) -> PeopleKeypoints:
    """Read frames; a point at (0, 0) is missing, whatever its score."""
    rows = Rows(source, NAME)
    if source.is_folder:
        pieces = list(source.pieces())
        numbers, note = number_frames([name for name, _ in pieces])
        if note:
            source.notes.append(note)
        frames = [(frame, content, name) for frame, (name, content) in zip(numbers, pieces, strict=True)]
    else:
        content = source.single(NAME)
        if all(map(is_person, content)):
            content = [content]
        elif hasattr(content[0], "summary"):
            height, width = content[0].orig_shape[:2]
            source.image_size = source.image_size or (float(width), float(height))
            content = [one.summary() for one in content]
        frames = [(frame, people, "") for frame, people in enumerate(content)]
    for frame, people, name in frames:
        for one in people or ():
            if not is_person(one):
                raise InputError(f"{source.name}: expected keypoints with x and y, got others.")
            points, box = one["keypoints"], one.get("box")
            corners = None
            if isinstance(box, Mapping):
                corners = corners_to_box([box.get(key) for key in ("x1", "y1", "x2", "y2")])
            try:
                pairs = list(zip(points["x"], points["y"], strict=True))
            except (TypeError, ValueError):
                raise InputError(f"{source.name}: expected as many y as x, got others.") from None
            rows.add(frame, pairs, points.get("visible"), person=one.get("track_id"), box=corners, name=name)
    return rows.people()


FORMATS = (KeypointFormat(NAME, ("box", "keypoints", "x", "y"), is_ultralytics_json, read_ultralytics_json),)
