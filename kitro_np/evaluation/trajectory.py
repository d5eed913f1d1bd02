"""Trajectory: errors of the way of a person through the scene, after one alignment of many frames."""

from __future__ import annotations

import math

import numpy as np

from .evaluate import MILLIMETRES
from .metrics import similarity_of_moments
from .runs import FrameRuns, group_sums, lengths_of, one_run

PERCENT = 100
"""Per cents of the whole."""

PIECE = 100
"""Frames of a piece that is aligned as one."""

FIRST = 2
"""Frames at the beginning of a piece that :func:`w_mpjpe` aligns."""


def wa_mpjpe(
    joints: np.ndarray, truth: np.ndarray, runs: FrameRuns | None = None, frames: int = PIECE
) -> np.ndarray:
    """WA-MPJPE100 in mm: mean distance of joints after one similarity alignment of every 100 frames.

    For each piece, s, R and t minimise the sum over its frames and joints of |s R X + t - X'|^2.

    Parameters
    ----------
    joints, truth : (N, K, 3) array
        With the root's translation, in metres; in world space, or of a camera that stands still.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track. A piece has frames of one track, and goes on
        after a gap.
    frames : int
        Length of a piece. The last one of a track is shorter.

    Returns
    -------
    (N,) array
        NaN for rows with joints or truth that are not finite, which are left out before.

    References
    ----------
    Ye et al. Decoupling Human and Camera Motion from Videos in the Wild (SLAHMR). CVPR 2023; pieces as in
    Shin et al. WHAM. CVPR 2024, lib/eval/evaluate_emdb.py.
    """
    return MILLIMETRES * _aligned_distances(joints, truth, runs, frames, frames, scale=True)


def w_mpjpe(
    joints: np.ndarray,
    truth: np.ndarray,
    runs: FrameRuns | None = None,
    frames: int = PIECE,
    *,
    scale: bool = True,
) -> np.ndarray:
    """W-MPJPE100 in mm: as :func:`wa_mpjpe`, but aligned by the first two frames of each piece only.

    Parameters
    ----------
    joints, truth, runs, frames
        As of :func:`wa_mpjpe`.
    scale : bool
        Whether the alignment has a scale. In the code of WHAM, TRAM and GVHMR it has, though papers call it
        rigid.
    """
    return MILLIMETRES * _aligned_distances(joints, truth, runs, frames, FIRST, scale=scale)


def root_trajectory_error(roots: np.ndarray, truth: np.ndarray, runs: FrameRuns | None = None) -> np.ndarray:
    """RTE in %: distance of the root after rigid alignment of its track, over the length of the true path.

    100 |R x_t + t - x'_t| / sum over t of |x'_t - x'_(t-1)|, without a scale.

    Parameters
    ----------
    roots, truth : (N, 3) array
        In metres; in world space, or of a camera that stands still.
    runs : FrameRuns, optional
        By default the rows are of one track. The path goes straight over a gap.

    Returns
    -------
    (N,) array
        NaN for rows that are not finite, and of a track whose true root does not move.

    References
    ----------
    Shin et al. WHAM. CVPR 2024, lib/eval/eval_utils.py.
    """
    runs = one_run(len(roots)) if runs is None else runs
    length = len(roots)
    distances = _aligned_distances(roots[:, None], truth[:, None], runs, length, length, scale=False)
    kept = np.isfinite(distances[runs.order])
    rows, track = runs.order[kept], runs.track[kept]
    steps = lengths_of(np.diff(np.asarray(truth, np.float64)[rows], axis=0))
    steps[track[1:] != track[:-1]] = 0
    path = np.bincount(track[1:], steps, minlength=length)[track]
    found = np.full(length, math.nan)
    found[rows] = PERCENT * distances[rows] / np.where(path > 0, path, math.nan)
    return found


def _aligned_distances(
    joints: np.ndarray, truth: np.ndarray, runs: FrameRuns | None, frames: int, first: int, *, scale: bool
) -> np.ndarray:
    """Mean distance of each row's joints (N,) after alignment of each piece by its `first` frames."""
    runs = one_run(len(joints)) if runs is None else runs
    points, true = (np.asarray(part, np.float64)[runs.order] for part in (joints, truth))
    found = np.full(len(points), math.nan)
    kept = (np.isfinite(points) & np.isfinite(true)).all(axis=(1, 2))
    if not kept.any():
        return found
    track = runs.track[kept]
    if not kept.all():
        points, true = points[kept], true[kept]
    place = (np.arange(len(track)) - np.searchsorted(track, track)) % frames
    piece = np.cumsum(place == 0) - 1
    fitted = place < first if first < frames else slice(None)
    of_fitted = piece[fitted]
    counts = np.bincount(of_fitted)[:, None]
    centres = []
    for array in (points, true):
        centre = group_sums(array[fitted].mean(axis=1), of_fitted) / counts
        array -= centre[piece][:, None]
        centres.append(centre)
    source, target = points[fitted], true[fitted]
    covariance = group_sums(np.matmul(target.transpose(0, 2, 1), source), of_fitted)
    variance = group_sums(np.einsum("nkd,nkd->n", source, source), of_fitted)
    rotation, factor = similarity_of_moments(covariance, variance)
    if scale:
        rotation = factor[:, None, None] * rotation
    errors = np.matmul(points, rotation.transpose(0, 2, 1)[piece]) - true
    found[runs.order[kept]] = lengths_of(errors).mean(axis=1)
    return found
