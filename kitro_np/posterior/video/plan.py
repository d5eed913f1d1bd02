"""Plan: which frames of which tracks are fitted together, with which sides, noise and scale."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...refinement.tracks import VideoTracks
from ...refinement.validity import Status
from .facing import sides_and_facing
from .sequence import NOT_USED, USED, follower, quality_scores, roles
from .spreads import QUALITY_COST, SCALE_SECONDS

FITTED = (Status.REFINED, Status.UNLIKELY, Status.SWAPPED)
"""Statuses of frames that were fitted on their own."""

PLACED = (*FITTED, Status.TOO_FEW_KEYPOINTS, Status.DIVERGED)
"""Statuses of frames whose estimates are valid."""


@dataclass(frozen=True, eq=False)
class FrameFits:
    """What the fits of single frames found, in NumPy arrays, N rows.

    Attributes
    ----------
    status, quality, swapped, turned : (N,) array
        As of the result.
    noise : (N,) array
        Standard deviation of the keypoints, in metres at the body.
    scale : (N,) array
        Of the estimate's error.
    gains : (N, A) array
        Decrease of the squared distance by each exchange of sides.
    roots : (N, 2, 3, 3) array
        Rotation of the estimate's root, and that of its reflection in depth.
    """

    status: np.ndarray
    quality: np.ndarray
    swapped: np.ndarray
    turned: np.ndarray
    noise: np.ndarray
    scale: np.ndarray
    gains: np.ndarray
    roots: np.ndarray


@dataclass(frozen=True, eq=False)
class VideoPlan:
    """Frames that are fitted together, M of N, in the order of tracks.

    Attributes
    ----------
    rows : (M,) array of int64
        Bodies of the request.
    starts : (T + 1,) array of int64
        Where each track begins.
    frame : (M,) array of int64
    used : (M,) array of bool
        Whether keypoints are used; the others are filled.
    side : (M,) array of int64
        Exchange of left and right that puts keypoints right; -1 for none.
    turned : (M,) array of bool
        Whether the estimate faces the wrong way, and is reflected in depth.
    anew : (M,) array of bool
        Whether sides differ from those of the frame on its own, whose body is then no start.
    noise : (M,) array
        Standard deviation of the keypoints, in metres at the body; one of a track.
    scale : (M,) array
        Of the estimate's error.
    role : (N,) array
        What becomes of each body of the request: NOT_USED, FILLED or USED; -1 for one that stays as it is.
    """

    rows: np.ndarray
    starts: np.ndarray
    frame: np.ndarray
    used: np.ndarray
    side: np.ndarray
    turned: np.ndarray
    anew: np.ndarray
    noise: np.ndarray
    scale: np.ndarray
    role: np.ndarray


def make_plan(
    fits: FrameFits, tracks: VideoTracks, *, safe: bool, faces: bool = True, engine: str = "array"
) -> VideoPlan:
    """Decide sides, whose keypoints are used, and what is filled, over each track.

    `faces` is as of :func:`~kitro_np.posterior.video.facing.sides_and_facing`.
    """
    order, starts = tracks.order, tracks.starts
    status = fits.status[order]
    usable, chained = np.isin(status, FITTED), np.isin(status, PLACED)
    follow = follower(engine)
    quality = np.where(usable, fits.quality[order], 0.0)
    own = follow(quality_scores(quality), starts, QUALITY_COST) == 0 if safe else np.ones(len(order), bool)
    gains = np.where(usable[:, None], fits.gains[order], 0.0)
    alone = np.where(fits.swapped[order] > 0, np.argmax(gains, axis=1) if gains.shape[1] else -1, -1)
    turned_alone = fits.turned[order] > 0
    side, turned = sides_and_facing(
        gains, alone == 0, turned_alone, fits.roots[order], starts, follow, faces=faces
    )
    role = roles(usable, own, tracks, chained)
    track = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    members = np.bincount(track, role != NOT_USED, len(starts) - 1)
    joined = (members > 1)[track] if len(track) else np.zeros(0, bool)
    kept = joined & (role != NOT_USED)
    used = role[kept] == USED
    track = track[kept]
    starts_kept = (
        np.flatnonzero(np.diff(track, prepend=-1, append=-1)) if len(track) else np.zeros(1, np.int64)
    )
    decided = np.full(len(order), -1)
    decided[order] = np.where(joined, role, -1)
    frame = tracks.frame[kept]
    return VideoPlan(
        order[kept],
        starts_kept.astype(np.int64),
        frame,
        used,
        np.where(used, side[kept], -1),
        turned[kept],
        ((alone != side) | (turned_alone != turned))[kept],
        _of_track(np.log(fits.noise[order][kept], where=used, out=np.zeros(len(used))), used, starts_kept),
        _around(
            np.log(fits.scale[order][kept], where=used, out=np.zeros(len(used))),
            used,
            frame,
            starts_kept,
            tracks.fps,
        ),
        decided,
    )


def _of_track(logarithm: np.ndarray, used: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Geometric mean over the used frames of each track, for all of its frames."""
    if not len(used):
        return logarithm
    lengths = np.diff(starts)
    total = np.add.reduceat(np.where(used, logarithm, 0.0), starts[:-1])
    number = np.add.reduceat(used.astype(float), starts[:-1])
    return np.repeat(np.exp(total / np.maximum(number, 1)), lengths)


def _around(
    logarithm: np.ndarray, used: np.ndarray, frame: np.ndarray, starts: np.ndarray, fps: float
) -> np.ndarray:
    """Geometric mean over a track's used frames at most SCALE_SECONDS away, or over all if there are none."""
    usual = _of_track(logarithm, used, starts)
    if not len(used):
        return usual
    reach = int(SCALE_SECONDS * fps)
    mean = usual.copy()
    for first, last in pairwise(starts.tolist()):  # each sum of one track alone, in the same order
        own, here, line = slice(first, last), used[first:last], frame[first:last]
        begin, end = np.searchsorted(line, line - reach), np.searchsorted(line, line + reach, "right")
        total = np.concatenate([[0.0], np.cumsum(np.where(here, logarithm[own], 0.0))])
        number = np.concatenate([[0], np.cumsum(here)])
        near = number[end] - number[begin]
        around = np.exp((total[end] - total[begin]) / np.maximum(near, 1))
        mean[own] = np.where(near > 0, around, usual[own])
    # A single estimate that is far off must not be trusted for its neighbours' sake.
    return np.maximum(mean, np.where(used, np.exp(logarithm), 0.0))
