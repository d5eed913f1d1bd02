"""Runs: rows of a video in the order of tracks and frames, and steps between consecutive frames."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..typing import ArrayLike


class FrameRuns(NamedTuple):
    """Rows of one or more tracks in order, and which of them are consecutive frames.

    Attributes
    ----------
    order : (N,) array of int
        Rows sorted by track, then by frame.
    track : (N,) array of int
        Number of the track of each row in this order, from 0.
    run : (N,) array of int
        Number of the run of each row in this order, from 0: consecutive frames of one track.
    """

    order: np.ndarray
    track: np.ndarray
    run: np.ndarray


def find_runs(track: ArrayLike, frame: ArrayLike | None = None) -> FrameRuns:
    """Split rows into runs of consecutive frames of one track.

    Parameters
    ----------
    track : (N,) array_like of int
        Track of each row. Rows may come in any order, tracks interleaved.
    frame : (N,) array_like of int, optional
        Frame of each row; by default the rows of a track are consecutive, in their order.
    """
    tracks = np.asarray(track).ravel()
    if frame is None:
        order = np.argsort(tracks, kind="stable")
    else:
        frames = np.asarray(frame).ravel().astype(np.int64)
        order = np.lexsort((frames, tracks))
    tracks = tracks[order]
    other = tracks[1:] != tracks[:-1]
    gap = other if frame is None else other | (np.diff(frames[order]) != 1)
    return FrameRuns(order, _numbered(other, len(tracks)), _numbered(gap, len(tracks)))


def one_run(count: int) -> FrameRuns:
    """Return the runs of `count` rows that are consecutive frames of one track."""
    zeros = np.zeros(count, np.int64)
    return FrameRuns(np.arange(count), zeros, zeros)


def step_lengths(points: np.ndarray, runs: FrameRuns | None, times: int) -> np.ndarray:
    """Lengths of differences of consecutive frames: |D^n X_t| with D X_t = X_t - X_(t-1).

    Parameters
    ----------
    points : (N, K, 3) array
    runs : FrameRuns or None
        None: the rows are one run.
    times : int
        n: 1 for velocity, 2 for acceleration, 3 for jerk.

    Returns
    -------
    (N, K) array of float64
        In the rows' own order, in units of `points`. Each stands in the middle of its n + 1 frames, that of
        an even number in the later one of the two. NaN where a run lacks one of these frames.
    """
    runs = one_run(len(points)) if runs is None else runs
    lengths = np.full(points.shape[:2], math.nan)
    if len(points) <= times:
        return lengths
    steps = np.asarray(points, np.float64)[runs.order]
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(times):
            steps = steps[1:] - steps[:-1]
        found = lengths_of(steps)
    found[runs.run[times:] != runs.run[:-times]] = math.nan
    first = (times + 1) // 2
    lengths[runs.order[first : first + len(found)]] = found
    return lengths


def lengths_of(vectors: np.ndarray) -> np.ndarray:
    """Euclidean length over the last axis; twice as fast as np.linalg.norm."""
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))


def group_sums(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sum of the rows of each group: (G, ...) from (N, ...) and the rows' groups, ascending without gaps."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sums: np.ndarray = np.add.reduceat(values, starts, axis=0)
    return sums


def mean_of(values: Any) -> float:
    """Mean of the finite numbers of a measure; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def _numbered(begins: np.ndarray, count: int) -> np.ndarray:
    """Return the group of each of `count` rows, of which all but the first say whether they begin one."""
    return np.concatenate([np.zeros(min(count, 1), np.int64), np.cumsum(begins)])
