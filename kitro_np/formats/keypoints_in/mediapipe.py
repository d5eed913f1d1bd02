"""MediaPipe: landmarks of a pose with x, y and visibility, as its objects or as JSON of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows, in_pixels
from .source import KeypointsSource, number_frames

NAME = "MediaPipe"

POSE = 33
"""Landmarks of a pose."""

KEYS = ("pose_landmarks", "landmarks", "keypoints")
"""Keys of an image's landmarks: the program's, and as people save them."""

FAR_OUTSIDE = 4.0
"""Median of coordinates in units of the image that landmarks never have: they are in pixels already."""


def is_mediapipe(content: Any) -> bool:
    """Whether there are landmarks: objects or dicts with x and y, alone, for each person or each frame."""
    return _landmarks(content) is not None


def read_mediapipe(source: KeypointsSource) -> PeopleKeypoints:
    """Read landmarks, x in units of the image's width and y of its height."""
    pieces = [(name, _landmarks(content) or []) for name, content in source.pieces()]
    frames = [(frame, "", people) for frame, people in enumerate(pieces[0][1])]
    if source.is_folder:
        numbers, note = number_frames([name for name, _ in pieces])
        if note:
            source.notes.append(note)
        frames = [
            (number, name, people)
            for number, (name, images) in zip(numbers, pieces, strict=True)
            for people in images
        ]
    rows = Rows(source, NAME)
    for frame, name, people in frames:
        for one in people:
            rows.add(frame, [_point(source, landmark) for landmark in one], name=name)
    scores = [point[2] for person in rows.points for point in person]
    if scores and (min(scores) < 0 or max(scores) > 1):  # graphs before the sigmoid was in them
        source.notes.append("Visibility is in logits, here it is between 0 and 1.")
        rows.points = [[(x, y, _logistic(score)) for x, y, score in person] for person in rows.points]
    coordinates = np.array([point[:2] for person in rows.points for point in person])
    if coordinates.size:
        normalised = float(np.median(np.abs(coordinates))) < FAR_OUTSIDE
        coordinates = in_pixels(source, coordinates, normalised)
        if not normalised:
            source.notes.append("Landmarks are in pixels already.")
        each = iter(coordinates.tolist())
        rows.points = [[(*next(each), score) for *_, score in person] for person in rows.points]
    return rows.people(missing_at_zero=False)


def _landmarks(content: Any) -> list[list[Any]] | None:
    """Return the people of each frame, each a list of landmarks; None if there are no landmarks."""
    person = _person(content)
    if person is not None:
        return [[person]]
    people = _people_of(content)
    if people and isinstance(content, list) and all(_is_plain(one) for one in people):
        # Nothing tells people from frames: programs that save lists of plain landmarks see one person.
        return [[one] for one in people]
    if people is not None and (people or not isinstance(content, list)):
        return [people]
    if not isinstance(content, (list, tuple)):
        return None
    frames = [_people_of(one) if one is not None else [] for one in content]
    known = [one for one in frames if one is not None]
    return known if any(known) and len(known) == len(frames) else None


def _people_of(content: Any) -> list[Any] | None:
    """Return the people of a frame: of a result, or a list of them."""
    if isinstance(content, Mapping):
        key = next((key for key in KEYS if key in content), None)
        found = None if key is None else content[key]
        if found is None:
            return None if key is None else []
    elif hasattr(content, "pose_landmarks"):
        found = content.pose_landmarks
        if found is None:
            return []
    else:
        found = content
    person = _person(found)
    if person is not None:
        return [person]
    if not isinstance(found, (list, tuple)):
        return None
    people = [_person(one) for one in found]
    return people if all(one is not None for one in people) else None


def _is_plain(person: Sequence[Any]) -> bool:
    """Whether landmarks are dicts, of a file, not the program's objects."""
    return isinstance(person[0], Mapping)


def _person(value: Any) -> Sequence[Any] | None:
    """Return a person's landmarks, if these are that."""
    value = getattr(value, "landmark", value)
    if isinstance(value, Mapping):
        value = value["landmark"] if isinstance(value.get("landmark"), list) else _numbered(value)
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__") or len(value) != POSE:
        return None
    first = value[0]
    named = isinstance(first, Mapping) and {"x", "y"} <= {*first}
    return value if named or (hasattr(first, "x") and hasattr(first, "y")) else None


def _numbered(value: Mapping[Any, Any]) -> Any:
    """Return landmarks under their numbers or names, as people save them, in order; others as they are."""
    keys = [re.sub(r"[ -]", "_", str(key).lower()) for key in value] if len(value) == POSE else []
    if {*keys} == {str(number) for number in range(POSE)}:
        return [
            one
            for _, one in sorted(zip(map(int, keys), value.values(), strict=True), key=lambda pair: pair[0])
        ]
    named = bool(keys) and keys[0].endswith("nose") and keys[-1].endswith("right_foot_index")
    return list(value.values()) if named else value


def _point(source: KeypointsSource, landmark: Any) -> tuple[float, float, float]:
    try:
        if isinstance(landmark, Mapping):
            x, y, score = landmark["x"], landmark["y"], landmark.get("visibility")
        else:
            x, y, score = landmark.x, landmark.y, getattr(landmark, "visibility", None)
        return float(x), float(y), 1.0 if score is None else float(score)
    except (KeyError, AttributeError, TypeError, ValueError):
        raise InputError(f"{source.name}: expected x and y of each landmark, got others.") from None


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-max(min(score, 500.0), -500.0)))


FORMATS = (KeypointFormat(NAME, ("pose_landmarks", "x", "y", "visibility"), is_mediapipe, read_mediapipe, 1),)
