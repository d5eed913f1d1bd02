"""Hugging Face transformers: what post_process_pose_estimation returns, points, scores and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .returned import are_people, images_of, numpy_of
from .rows import Rows, num_points
from .source import KeypointsSource

NAME = "Hugging Face transformers"


def is_transformers(content: Any) -> bool:
    """Whether there is a list of people for each image, each with points, their scores and labels."""
    return are_people(content, {"keypoints", "scores", "labels"})


def read_transformers(source: KeypointsSource) -> PeopleKeypoints:
    """Read what post_process_pose_estimation returns: labels number the points."""
    rows = Rows(source, NAME)
    found = [(frame, one) for frame, _, people in images_of(source) for one in people]
    labels = [_labels(source, one["labels"]) for _, one in found]
    count = num_points(source.layout or "coco17")
    highest = max((int(label.max(initial=-1)) for label in labels), default=-1)
    if source.layout is None and highest >= count:
        raise InputError(
            f"layout: expected the layout of points with labels up to {highest}, "
            f"since {NAME} does not tell, got None."
        )
    for (frame, one), label in zip(found, labels, strict=True):
        points, scores = np.full((count, 2), np.nan), np.zeros(count)
        try:
            if label.size and label.min() < 0:
                raise IndexError
            points[label] = np.asarray(numpy_of(one["keypoints"]), np.float64)
            scores[label] = np.asarray(numpy_of(one["scores"]), np.float64).reshape(-1)
        except (IndexError, ValueError, TypeError):
            raise InputError(
                f"{source.name}: expected a point, a score and a label below {count} each, got others."
            ) from None
        rows.add(frame, points, scores)
    return rows.people()


def _labels(source: KeypointsSource, value: Any) -> np.ndarray:
    try:
        found = np.asarray(numpy_of(value)).reshape(-1)
    except (ValueError, TypeError):
        found = np.zeros(1)
    if found.size and found.dtype.kind not in "iu":
        raise InputError(f"{source.name}: labels: expected the number of each point, got others.")
    return found.astype(np.int64)


FORMATS = (KeypointFormat(NAME, ("keypoints", "scores", "labels"), is_transformers, read_transformers),)
