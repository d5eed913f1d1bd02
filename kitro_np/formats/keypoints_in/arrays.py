"""Arrays: rtmlib's points and scores, those of any program, and .npz files with named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .returned import numpy_of
from .rows import Rows
from .source import KeypointsSource

ARRAYS, NPZ = "arrays as rtmlib's", "NumPy .npz"

POINTS = ("keypoints_2d", "keypoints", "points", "gt_keypoints", "pred_keypoints_2d")
"""Keys of an .npz file's points."""

SCORES = ("confidence", "scores", "keypoint_scores")
"""Keys of an .npz file's scores."""

LANDMARKS = 33
"""Points of MediaPipe, which people save as x, y, z, visibility and perhaps presence."""


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_frame(value: Any) -> bool:
    """Whether these are the points and scores of a frame's people."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_array, value))


def _is_nested(content: Any) -> bool:
    """Whether these are nested lists of numbers, as in JSON, three or four deep."""
    for _ in range(3):
        if not isinstance(content, list) or not content:
            return False
        content = content[0]
    content = content[0] if isinstance(content, list) and content else content
    return isinstance(content, (int, float)) and not isinstance(content, bool)


def is_arrays(content: Any) -> bool:
    """Whether these are an array, nested lists, a pair of points and scores, or a list of pairs."""
    if _is_array(content) or _is_nested(content):
        return True
    if not isinstance(content, (tuple, list)) or not content:
        return False
    return _is_frame(content) or all(map(_is_frame, content))


def is_npz(content: Any) -> bool:
    """Whether these are named arrays with points."""
    return isinstance(content, Mapping) and any(
        _is_array(content.get(key)) for key in POINTS if key in content
    )


def read_arrays(source: KeypointsSource) -> PeopleKeypoints:
    """Read arrays.

    A pair is of a frame's people, (N, K, 2) and (N, K), a list of pairs of frames; an array (T, K, 2 or 3) of
    one person in T frames, and (T, N, K, 2 or 3) of N people in each.
    """
    rows = Rows(source, ARRAYS)
    content = source.single(ARRAYS)
    if _is_nested(content):
        try:
            content = np.array(content, np.float64)
        except (ValueError, TypeError):
            raise InputError(
                f"{source.name}: expected lists of as many numbers for each person, got others."
            ) from None
    if _is_array(content) or (_is_frame(content) and np.ndim(numpy_of(content[0])) == 4):
        points, scores = (content, None) if _is_array(content) else content
        points = np.asarray(numpy_of(points))
        if points.ndim > 2 and points.shape[-2] == LANDMARKS and points.shape[-1] in (4, 5):
            points = points[..., [0, 1, 3]]
        if points.ndim == 3:
            source.notes.append("Rows of the array are frames of one person.")
        _add_all(rows, points, scores)
        return rows.people()
    for frame, pair in enumerate([content] if _is_frame(content) else content):
        points, scores = (np.asarray(numpy_of(part)) for part in pair)
        if points.ndim != 3 or scores.shape[:2] != points.shape[:2]:
            raise InputError(
                f"{source.name}: expected points of shape (N, K, 2) and scores (N, K) for each frame, "
                f"got {points.shape} and {scores.shape}."
            )
        for one, score in zip(points, scores, strict=True):
            rows.add(frame, one, score)
    return rows.people()


def read_npz(source: KeypointsSource) -> PeopleKeypoints:
    """Read an .npz file: points, and optionally scores, layout, frame, person, image_name and image_size."""
    content = source.single(NPZ)
    rows = Rows(source, NPZ)
    points = np.asarray(content[next(key for key in POINTS if key in content)])
    scores = next((np.asarray(content[key]) for key in SCORES if key in content), None)
    for key in ("layout", "keypoint_layout"):
        if source.layout is None and key in content and np.ndim(content[key]) == 0:
            source.layout = str(content[key])
    if source.image_size is None and np.shape(content.get("image_size", 0)) == (2,):
        width, height = (float(side) for side in content["image_size"])
        source.image_size = (width, height)
    parts: dict[str, Any] = {"frame": None, "person": None, "image_name": None}
    for key in parts:
        if key in content:
            parts[key] = np.asarray(content[key])
            if points.ndim != 3 or parts[key].shape != points.shape[:1]:
                raise InputError(
                    f"{source.name}: {key}: expected one for each row of points, "
                    f"got shape {parts[key].shape}."
                )
    if parts["frame"] is None:
        source.notes.append("Rows of the file are frames of one person.")
    _add_all(rows, points, scores)
    if parts["frame"] is not None:
        rows.frames = parts["frame"].tolist()
        rows.persons = [None] * len(points)
    if parts["person"] is not None:
        rows.persons = parts["person"].tolist()
    if parts["image_name"] is not None:
        rows.names = [str(name) for name in parts["image_name"].tolist()]
    return rows.people()


def _add_all(rows: Rows, points: np.ndarray, scores: Any) -> None:
    """Add the points (T, K, 2 or 3) of one person, or (T, N, K, 2 or 3) of N, by frame."""
    if points.ndim not in (3, 4):
        raise InputError(
            f"{rows.source.name}: expected points of shape (T, K, 2) or (T, N, K, 2), got {points.shape}."
        )
    scores = None if scores is None else np.asarray(numpy_of(scores))
    if scores is not None and scores.shape != points.shape[:-1]:
        raise InputError(
            f"{rows.source.name}: expected scores of shape {points.shape[:-1]}, got {scores.shape}."
        )
    for frame, people in enumerate(points):
        if points.ndim == 3:
            rows.add(frame, people, None if scores is None else scores[frame], person=0)
            continue
        for index, one in enumerate(people):
            if np.isfinite(one[..., :2]).any():
                rows.add(frame, one, None if scores is None else scores[frame, index])


FORMATS = (
    KeypointFormat(NPZ, ("keypoints_2d", "confidence"), is_npz, read_npz, 2),
    KeypointFormat(ARRAYS, (), is_arrays, read_arrays, 2),
)
