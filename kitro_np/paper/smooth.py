"""Smoothing of frames that were refined alone: what a video is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..body import BodyModel
from ..evaluation.runs import FrameRuns, find_runs
from ..formats.estimates import Tracks

WINDOW = 15
"""Frames of a window."""

DEGREE = 2
"""Of the polynomials."""


def smoothed(
    body: BodyModel, tracks: Tracks, pose: Any, betas: Any, transl: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each track the mean of its betas, and filter its rotations and the root's place.

    Parameters
    ----------
    body : BodyModel
    tracks : Tracks
    pose, betas, transl : (N, J, 3, 3), (N, S) and (N, 3) array
    """
    runs = find_runs(tracks.track, tracks.frame)
    mean = np.empty(betas.shape)
    for track in np.unique(tracks.track):
        mean[tracks.track == track] = betas[tracks.track == track].mean(axis=0)
    skeleton = body.skeleton.like(np.zeros(0)).with_betas(betas.shape[1])
    root = savitzky_golay(skeleton.rest_joints(betas.astype(np.float64))[:, 0] + transl, runs)
    return _nearest_rotation(savitzky_golay(pose, runs)), mean, root - skeleton.rest_joints(mean)[:, 0]


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Nearest rotation to any matrix (..., 3, 3): means of rotations may be far from orthogonal."""
    left, _, right = np.linalg.svd(matrix)
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    found: np.ndarray = left @ right
    return found


def savitzky_golay(values: Any, runs: FrameRuns, window: int = WINDOW, degree: int = DEGREE) -> np.ndarray:
    """Replace each row by the value of the polynomial that fits the window around it best: (N, ...).

    The first and last window of a run has one polynomial for its outer half. Of runs that are shorter than
    the window, the largest odd number of frames takes its place; runs of at most `degree` + 1 frames stay.
    """
    from scipy.signal import savgol_filter  # its import takes longer than the filter

    found = np.array(values, np.float64)
    for run in np.unique(runs.run):
        rows = runs.order[runs.run == run]
        size = min(window, len(rows) - (len(rows) + 1) % 2)
        if size > degree + 1:
            found[rows] = savgol_filter(found[rows], size, degree, axis=0)
    return found
