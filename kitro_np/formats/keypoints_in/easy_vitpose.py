"""easy_ViTPose: JSON with a dict of people for each frame, whose points are (y, x, score)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows
from .source import KeypointsSource

NAME = "easy_ViTPose"

USUAL = {25: "vitpose25"}


def is_easy_vitpose(content: Any) -> bool:
    """Whether there is a dict of people by identity for each frame."""
    frames = content.get("keypoints") if isinstance(content, Mapping) else None
    return isinstance(frames, list) and bool(frames) and all(isinstance(one, Mapping) for one in frames)


def read_easy_vitpose(source: KeypointsSource) -> PeopleKeypoints:
    """Read the file, putting x before y."""
    rows = Rows(source, NAME)
    for frame, people in enumerate(source.single(NAME)["keypoints"]):
        for person, points in people.items():
            try:
                turned = [(x, y, score) for y, x, score in points]
            except (TypeError, ValueError):
                raise InputError(
                    f"{source.name}: expected (y, x, score) for each keypoint, got others in frame {frame}."
                ) from None
            rows.add(frame, turned, person=person)
    source.notes.append("Points are (y, x, score), as easy_ViTPose writes them.")
    return rows.people(usual=USUAL)


FORMATS = (KeypointFormat(NAME, ("keypoints", "skeleton"), is_easy_vitpose, read_easy_vitpose),)
