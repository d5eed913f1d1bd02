"""Measures of motion that need no truth: how much it jitters, how bones change, how far keypoints are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..camera import project
from .evaluate import MILLIMETRES
from .runs import FrameRuns, group_sums, lengths_of, one_run, step_lengths

JITTER_UNIT = 10
"""Unit of jitter, in m/s^3."""


def jitter(joints: np.ndarray, fps: float, runs: FrameRuns | None = None) -> np.ndarray:
    """Jitter in 10 m/s^3: mean over joints of fps^3 |D^3 X| / 10.

    D^3 X_t = X_(t+1) - 3 X_t + 3 X_(t-1) - X_(t-2). People have some, too: compare with the truth's.

    Parameters
    ----------
    joints : (N, K, 3) array
        In metres, in world space, or of a camera that stands still.
    fps : float
        Frames per second.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track.

    Returns
    -------
    (N,) array
        NaN for the first two frames and the last of each run.

    References
    ----------
    Shin et al. WHAM. CVPR 2024, lib/eval/eval_utils.py. EMDB's own script has another scale.
    """
    return fps**3 / JITTER_UNIT * step_lengths(joints, runs, 3).mean(axis=1)


def bone_length_change(
    joints: np.ndarray, parents: Sequence[int], runs: FrameRuns | None = None
) -> np.ndarray:
    """Change of bone lengths within a track, in mm: standard deviation over its frames, mean over bones.

    With l_tb = |X_tb - X_tp(b)|, mean over b of sqrt(mean over t of (l_tb - mean over t of l_tb)^2). Frames
    with joints that are not finite do not count.

    Parameters
    ----------
    joints : (N, K, 3) array
        In metres.
    parents : sequence of K int
        Parent of each joint, -1 for the root.
    runs : FrameRuns, optional
        By default the rows are of one track.

    Returns
    -------
    (N,) array
        Of each row's track, so that a mean over rows weighs tracks by their frames. NaN for rows that do not
        count.
    """
    runs = one_run(len(joints)) if runs is None else runs
    bones = [joint for joint, parent in enumerate(parents) if parent >= 0]
    points = np.asarray(joints, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        offsets = points[:, bones] - points[:, [parents[bone] for bone in bones]]
        lengths = lengths_of(offsets)[runs.order]
    kept = np.isfinite(lengths).all(axis=1)
    lengths, (_, track) = lengths[kept], np.unique(runs.track[kept], return_inverse=True)
    found = np.full(len(joints), math.nan)
    if len(lengths):
        counts = np.bincount(track)[:, None]
        deviations = lengths - (group_sums(lengths, track) / counts)[track]
        change = np.sqrt(group_sums(deviations**2, track) / counts).mean(axis=1)
        found[runs.order[kept]] = MILLIMETRES * change[track]
    return found


def keypoint_residual(
    points: np.ndarray, keypoints_2d: np.ndarray, intrinsics: np.ndarray, confidence: np.ndarray | None = None
) -> np.ndarray:
    """Mean distance of projected points from the visible keypoints, in pixels: mean over k of |u_k - u'_k|.

    Parameters
    ----------
    points : (N, K, 3) array
        What the keypoints are of, in camera space.
    keypoints_2d : (N, K, 2) array
        Not visible where not finite.
    intrinsics : (3, 3) or (N, 3, 3) array
        Camera matrices in pixels.
    confidence : (N, K) array, optional
        Not visible where it is not above 0.

    Returns
    -------
    (N,) array
        NaN for a row without visible keypoints.
    """
    cameras = np.broadcast_to(intrinsics, (len(points), 3, 3))
    seen = np.isfinite(keypoints_2d).all(axis=-1)
    if confidence is not None:
        seen &= confidence > 0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distances = lengths_of(project(np.asarray(points, np.float64), cameras) - keypoints_2d)
        means: np.ndarray = np.where(seen, distances, 0).sum(axis=1) / seen.sum(axis=1)
    return means
