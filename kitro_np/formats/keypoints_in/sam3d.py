"""SAM 3D Body: its 70 keypoints in the image, of dicts or .npz files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .returned import are_people, images_of, numpy_of
from .rows import Rows, corners_to_box
from .source import KeypointsSource

NAME = "SAM 3D Body"


def is_sam(content: Any) -> bool:
    """Whether people have SAM 3D Body's 2D keypoints; of one image, or of several."""
    return are_people(content, {"pred_keypoints_2d"}) or (
        isinstance(content, Mapping) and "pred_keypoints_2d" in content
    )


def read_sam(source: KeypointsSource) -> PeopleKeypoints:
    """Read the 70 keypoints, which have no scores."""
    rows = Rows(source, NAME)
    for frame, name, people in images_of(source):
        for one in people:
            try:
                points = np.asarray(numpy_of(one["pred_keypoints_2d"]), np.float64)
            except (ValueError, TypeError):
                raise InputError(f"{source.name}: pred_keypoints_2d: expected numbers, got others.") from None
            each = points if points.ndim == 3 else points[None]
            for person in each:
                box = corners_to_box(one["bbox"]) if "bbox" in one and len(each) == 1 else None
                rows.add(frame, person, box=box, name=name)
    return rows.people()


FORMATS = (KeypointFormat(NAME, ("pred_keypoints_2d",), is_sam, read_sam),)
