"""Images of two programs: which frames of one are which of the other."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from ..formats.people import PeopleEstimates, PeopleKeypoints

SHARED = 0.5
"""Share of the fewer images' names that the others must have, so that names tell the frames."""


def shared_frames(
    estimates: PeopleEstimates, keypoints: PeopleKeypoints
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return frames of both, equal where the image is the same, and a sentence if the names tell them."""
    if estimates.image_name is None or keypoints.image_name is None:
        return estimates.frame, keypoints.frame, ""
    first, second = _stems(estimates.image_name), _stems(keypoints.image_name)
    names_1, names_2 = np.unique(first), np.unique(second)
    both = np.intersect1d(names_1, names_2)
    fewer = min(len(names_1), len(names_2))
    if len(both) < SHARED * fewer or len(both) < min(2, fewer):
        return estimates.frame, keypoints.frame, ""
    # Frames of the estimates stay; images that only the keypoints have get numbers that no estimate has.
    frame_of = dict(zip(first.tolist(), estimates.frame.tolist(), strict=True))
    images = set(zip(first.tolist(), estimates.frame.tolist(), strict=True))
    if not len(images) == len(frame_of) == len(set(frame_of.values())):  # names of several folders
        return estimates.frame, keypoints.frame, ""
    spare = {name: -1 - index for index, name in enumerate(names_2.tolist())}
    mapped = np.array([frame_of.get(name, spare[name]) for name in second.tolist()], np.int64)
    same = bool(np.array_equal(mapped[mapped >= 0], keypoints.frame[mapped >= 0]))
    return estimates.frame, mapped, "" if same else "Frames are matched by the names of the images."


def frames_apart(first: np.ndarray, second: np.ndarray, note: str) -> tuple[str, ...]:
    """Return a sentence if the frames of estimates and keypoints look as if they were counted apart."""
    if note or not len(first) or not len(second):
        return ()
    (start, end), (start_2, end_2) = (first.min(), first.max()), (second.min(), second.max())
    ranges = f"estimates are of frames {start} to {end}, keypoints of {start_2} to {end_2}"
    if not np.isin(first, second).any():
        return (f"No frame is the same: {ranges}.",)
    if {start, start_2} == {0, 1} and end - start == end_2 - start_2:
        return (f"Frames may be counted from 0 and from 1: {ranges}.",)
    return ()


def _stems(names: np.ndarray) -> np.ndarray:
    distinct = {name: PurePosixPath(name.replace("\\", "/")).stem for name in set(names.tolist())}
    return np.array([distinct[name] for name in names.tolist()])
