"""WHAM's tracking_results.pth: the keypoints that its estimates are made from, a dict for each person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows
from .source import KeypointsSource

NAME = "WHAM's tracks"


def is_wham(content: Any) -> bool:
    """Whether there are keypoints and the numbers of their frames for each person."""
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(one, Mapping) and {"keypoints", "frame_id"} <= {*one} for one in content.values())
    )


def read_wham(source: KeypointsSource) -> PeopleKeypoints:
    """Read the tracks of all people."""
    rows = Rows(source, NAME)
    for person, track in source.single(NAME).items():
        try:
            points, frames = (np.asarray(track[key], np.float64) for key in ("keypoints", "frame_id"))
        except (ValueError, TypeError, OverflowError):
            raise InputError(
                f"{source.name}: expected as many numbers in each frame of a person, got others."
            ) from None
        if points.ndim != 3 or frames.shape != points.shape[:1]:
            raise InputError(
                f"{source.name}: expected points of shape (T, K, 3) and T frames for each person, "
                f"got {points.shape} and {frames.shape}."
            )
        for frame, one in zip(frames.tolist(), points, strict=True):
            rows.add(frame, one, person=person)
    return rows.people()


FORMATS = (KeypointFormat(NAME, ("keypoints", "frame_id"), is_wham, read_wham),)
