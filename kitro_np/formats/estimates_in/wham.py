"""WHAM's wham_output.pkl: a dict for each track, in the camera's frame.

WHAM assumes the image's diagonal as the focal length, and does not save it. The keypoints that its estimates
were made from lie beside it, in tracking_results.pth.
"""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from .records import (
    Entry,
    EstimateReader,
    Options,
    centred,
    focal_of_diagonal,
    make,
    rotations,
    values,
)
from .source import Source

_TRACKING = "tracking_results.pth"


def _read(source: Source, options: Options) -> PeopleEstimates:
    parts: list[dict[str, np.ndarray]] = []
    for track, content in source.tree.items():
        record = Entry(f"{source.name}: {track}", content)
        pose = rotations(f"{record.name}: pose", record.array("pose"), 24)
        count = len(pose)
        betas = record.numbers("betas", (None, None))
        parts.append(
            {
                "pose": pose,
                "betas": betas,
                "transl": record.numbers("trans", (count, 3), (count, 1, 3)).reshape(count, 3),
                "frame": record.integers("frame_ids", count),
                "person": np.full(count, _number(track, len(parts))),
            }
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    size = options.image_size
    count = len(joined["pose"])
    known = size is not None
    keypoints = _keypoints(source)
    return make(
        source,
        "WHAM",
        options,
        **joined,
        intrinsics=centred(focal_of_diagonal(size), size, count) if known else None,
        camera="focal length sqrt(W^2 + H^2), centre of the image"
        + ("" if known else "; the file does not hold the image's size: give image_size"),
        keypoints=keypoints,
    )


def _number(track: object, position: int) -> int:
    return (
        int(track) if isinstance(track, int) or (isinstance(track, str) and track.isdecimal()) else position
    )


def _keypoints(source: Source) -> PeopleKeypoints | None:
    """Return the detections in tracking_results.pth, if it lies beside the estimates."""
    tracking = source.beside(_TRACKING)
    if tracking is None:
        return None
    if not isinstance(tracking.tree, dict) or not values(tracking.tree):
        raise InputError(f"{tracking.name}: expected a dict for each track, got another.")
    points: list[np.ndarray] = []
    frames: list[np.ndarray] = []
    people: list[np.ndarray] = []
    for track, content in tracking.tree.items():
        record = Entry(f"{tracking.name}: {track}", content)
        array = record.numbers("keypoints", (None, 17, 3))
        points.append(array)
        frames.append(record.integers("frame_id", len(array)))
        people.append(np.full(len(array), _number(track, len(people))))
    all_points = np.concatenate(points)
    missing = all_points[..., 2] <= 0
    return PeopleKeypoints(
        points=np.where(missing[..., None], np.nan, all_points[..., :2]),
        confidence=np.where(missing, 0, all_points[..., 2]),
        layout="coco17",
        frame=np.concatenate(frames),
        person=np.concatenate(people),
        source="WHAM",
    )


READER = EstimateReader("WHAM", ("pose", "trans", "betas", "frame_ids"), values, _read)
