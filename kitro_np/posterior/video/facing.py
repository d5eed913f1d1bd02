"""Facing: which sides are exchanged, and which estimates face the wrong way, over the frames of each track.

Seen from afar, a body and its reflection in depth look alike but for left and right. A detector and a network
may both take a back for a front for some frames, and agree. But people do not turn about within a frame.
"""

from __future__ import annotations

import numpy as np

from .sequence import Follower, likeliest_states, side_scores
from .spreads import FACE_GAIN, FLIP_CAP, FLIP_SPREAD, SIDE_COST, TURNED_COST

SUDDEN = np.pi / 2
"""Turn from one frame to the next from which on an estimate may have changed its facing."""


def sides_and_facing(
    gains: np.ndarray,
    swapped: np.ndarray,
    turned: np.ndarray,
    roots: np.ndarray,
    starts: np.ndarray,
    follow: Follower = likeliest_states,
    *,
    faces: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exchange of sides of each frame, -1 for none, and whether its estimate faces the wrong way.

    Parameters
    ----------
    gains : (N, A) array
        Decrease of the squared distance by each exchange; the first one is of all sides.
    swapped, turned : (N,) array of bool
        Whether a frame on its own was found to have all sides exchanged, or an estimate that faces the wrong
        way.
    roots : (N, 2, 3, 3) array
        Rotation of the estimate's root, and that of its reflection in depth.
    starts : (T + 1,) array of int
        Where tracks begin.
    follow : callable
        As :func:`kitro_np.posterior.video.sequence.follower` returns it.
    faces : bool
        Whether keypoints have a face: else a frame on its own exchanges sides though its estimate is turned.
    """
    scores = side_scores(gains)
    side = follow(scores, starts, SIDE_COST) - 1
    told = swapped & faces
    facing = np.zeros(len(side), bool)
    if not gains.shape[1]:
        return side, facing
    sudden = np.zeros(len(side), bool)
    sudden[1:] = _angles(roots[1:, 0], roots[:-1, 0]) > SUDDEN
    sudden[starts[:-1][starts[:-1] < len(side)]] = False
    suspect = np.add.reduceat((sudden | turned).astype(np.int64), starts[:-1]) if len(side) else np.zeros(0)
    for track in np.flatnonzero(suspect):
        own = slice(starts[track], starts[track + 1])
        side[own], facing[own] = _follow(scores[own], told[own], turned[own], roots[own])
    return side, facing


def _follow(
    scores: np.ndarray, swapped: np.ndarray, turned: np.ndarray, roots: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow one track by Viterbi's algorithm: states are all sides, then none and all of a turned estimate.

    A turned estimate fits keypoints as they are just as well as the given one fits them with all exchanged.
    """
    known = np.where(turned, FACE_GAIN, np.where(swapped, -FACE_GAIN, 0.0)) - TURNED_COST
    states = np.concatenate(
        [scores, (scores[:, 1] + known)[:, None], (scores[:, 0] + known)[:, None]], axis=1
    )
    number = states.shape[1]
    sides = np.append(np.arange(number - 2), [0, 1])
    facing = np.append(np.zeros(number - 2, np.int64), [1, 1])
    changes = SIDE_COST * (sides[:, None] != sides)
    total, came = states[0].copy(), np.zeros(states.shape, np.int64)
    for t in range(1, len(states)):
        angles = _angles(roots[t - 1][:, None], roots[t][None])
        turns = np.minimum(angles**2 / (2 * FLIP_SPREAD**2), FLIP_CAP)
        reached = total[:, None] - changes - turns[facing[:, None], facing]
        came[t] = np.argmax(reached, axis=0)
        total = reached[came[t], np.arange(number)] + states[t]
    state, found = int(np.argmax(total)), np.zeros(len(states), np.int64)
    for t in range(len(states) - 1, -1, -1):
        found[t] = state
        state = int(came[t, state])
    return sides[found] - 1, facing[found] > 0


def _angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle of the rotation between matrices (..., 3, 3), in radians."""
    trace = np.einsum("...ij,...ij->...", a, b)
    return np.arccos(np.clip((np.nan_to_num(trace, nan=3.0) - 1) / 2, -1.0, 1.0))
