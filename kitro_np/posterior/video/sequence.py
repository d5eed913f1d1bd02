"""Sequence: the likeliest course of something that seldom changes, such as which sides are exchanged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...refinement.tracks import VideoTracks
from .spreads import (
    FILL_SECONDS,
    QUALITY_CAP,
    SIDE_CAP,
)

NOT_USED, FILLED, USED = 0, 1, 2
"""What becomes of a frame: it is left out, filled from its neighbours, or its keypoints are used."""


Follower = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def follower(engine: str) -> Follower:
    """Return :func:`likeliest_states`, or its fused twin for the kernels' engine."""
    if engine != "numba":
        return likeliest_states
    from ...kernels.posterior.video.run import states_of

    return states_of


def likeliest_states(scores: np.ndarray, starts: np.ndarray, cost: float) -> np.ndarray:
    """Return the states (N,) with the largest sum of scores less `cost` for every change within a track.

    Viterbi's algorithm; of states that are equal, the first.

    Parameters
    ----------
    scores : (N, A) array
        Logarithm of the likelihood of each state in each frame, in the order of tracks.
    starts : (T + 1,) array of int
        Where tracks begin.
    cost : float
    """
    states = np.zeros(len(scores), np.int64)
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        total = scores[first].astype(np.float64)
        came = np.zeros((last - first, scores.shape[1]), np.int64)
        for t in range(first + 1, last):
            best = int(np.argmax(total))
            stays = total >= total[best] - cost
            came[t - first] = np.where(stays, np.arange(scores.shape[1]), best)
            total = np.where(stays, total, total[best] - cost) + scores[t]
        state = int(np.argmax(total))
        for t in range(last - 1, first - 1, -1):
            states[t] = state
            state = int(came[t - first, state])
    return states


def side_scores(gains: np.ndarray) -> np.ndarray:
    """Scores (N, A + 1) of sides as they are and of each exchange, from gains (N, A) in squared distance."""
    known = np.nan_to_num(gains, nan=0.0, posinf=SIDE_CAP, neginf=-SIDE_CAP)
    capped = np.clip(known, -SIDE_CAP, SIDE_CAP) / 2
    return np.concatenate([np.zeros((len(capped), 1)), capped], axis=1)


def quality_scores(quality: np.ndarray) -> np.ndarray:
    """Scores (N, 2) of keypoints that are the person's own, and that are not, from the log odds (N,)."""
    known = np.clip(np.nan_to_num(quality, nan=0.0), -QUALITY_CAP, QUALITY_CAP) / 2
    return np.stack([known, -known], axis=1)


def roles(usable: np.ndarray, own: np.ndarray, tracks: VideoTracks, chained: np.ndarray) -> np.ndarray:
    """Return what becomes of each frame, NOT_USED, FILLED or USED: (N,), in the order of tracks.

    Parameters
    ----------
    usable : (N,) array of bool
        Whether enough keypoints are visible.
    own : (N,) array of bool
        Whether the keypoints are taken for the person's own.
    tracks : VideoTracks
    chained : (N,) array of bool
        Whether the frame has a valid estimate.

    Notes
    -----
    A frame is filled if one whose keypoints are used is at most FILL_SECONDS away. Of keypoints that are not
    own for longer, and of all between them, none are filled.
    """
    count = len(usable)
    used = usable & own & chained
    longest = FILL_SECONDS * tracks.fps
    track = np.repeat(np.arange(len(tracks.starts) - 1), np.diff(tracks.starts))
    place = np.arange(count)
    before = np.maximum.accumulate(np.where(used, place, -1))
    after = np.minimum.accumulate(np.where(used, place, count)[::-1])[::-1]
    distance = np.full(count, np.inf)
    for near, known in ((before, before >= 0), (after, after < count)):
        near = np.clip(near, 0, max(count - 1, 0))
        known = known & (track[near] == track) if count else known
        apart = np.abs(tracks.frame[near] - tracks.frame).astype(np.float64)
        distance = np.where(known, np.minimum(distance, apart), distance)
    # A stretch of others' keypoints lasts from the first to the last refused frame between two used ones.
    refused = usable & ~own
    group = np.cumsum(used) + (np.cumsum(np.diff(track, prepend=0) != 0) * (count + 1) if count else 0)
    _, group = np.unique(group, return_inverse=True)
    low = np.full(group.max(initial=-1) + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), np.iinfo(np.int64).min)
    rows = refused & ~used
    np.minimum.at(low, group[rows], tracks.frame[rows])
    np.maximum.at(high, group[rows], tracks.frame[rows])
    with np.errstate(over="ignore"):
        lasts = np.where(high >= low, high.astype(np.float64) - low.astype(np.float64) + 1, 0.0)
    inside = (tracks.frame >= low[group]) & (tracks.frame <= high[group])
    stretch = inside & (lasts[group] > longest)
    filled = chained & ~used & ~stretch & (distance <= longest)
    return np.where(used, USED, np.where(filled, FILLED, NOT_USED))
