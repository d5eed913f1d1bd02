"""Recordings: tracks of people, cut from recorded motion at any frame rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays.rotations import nearest_rotation
from ..body import Skeleton
from ..errors import InputError
from .draws import Draws
from .frames import Frames
from .motion import Motion
from .run import matrices_of

WHOLE = 1e-6
"""Deviation of a frame's time from a recorded one's, in recorded frames, below which that one is taken."""


class CutTracks(NamedTuple):
    """Tracks cut from recordings.

    Parameters
    ----------
    pose : (N, J, 3, 3) array
        In the world, y up.
    path : (N, 3) array
        The pelvis, in metres.
    frames : Frames
    clip, category : (N,) array of str
    """

    pose: np.ndarray
    path: np.ndarray
    frames: Frames
    clip: np.ndarray
    category: np.ndarray


def cut_tracks(motion: Motion, skeleton: Skeleton, draws: Draws, frames: int, fps: float) -> CutTracks:
    """Cut a track from a random recording for each draw, as long as it lasts, but at most `frames` long.

    Every recording is used once before any is repeated; where a track begins in a longer one is random.
    """
    if motion.fps is None:
        raise InputError("motion: expected consecutive frames with their rate, fps, got isolated poses.")
    poses = matrices_of(motion.poses, skeleton)
    path = np.zeros((len(poses), 3)) if motion.path is None else np.asarray(motion.path, dtype=np.float64)
    recordings = motion.recordings()
    step = motion.fps / fps
    starts = draws.uniform("start", 0, 1)
    pieces, places, rows = [], [], []
    for index, start in zip(draws.shuffled("recording", len(recordings)), starts.tolist(), strict=True):
        recording = recordings[index]
        last = recording.stop - recording.start - 1
        count = min(frames, int((last + WHOLE) / step) + 1)
        first = int(start * (last - step * (count - 1) + 1 - WHOLE))
        times = first + step * np.arange(count)
        pieces.append(nearest_rotation(_at(poses[recording], times)))
        places.append(_at(path[recording], times))
        rows.append(recording.start + np.rint(times).astype(int))
    labels = motion.labels(np.concatenate(rows))
    lengths = np.array([len(piece) for piece in pieces])
    return CutTracks(np.concatenate(pieces), np.concatenate(places), Frames(lengths, frames, fps), *labels)


def _at(series: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Values of a series (T, ...) at times in frames: recorded ones, or a cubic spline's between them."""
    whole = np.rint(times)
    if np.abs(times - whole).max() < WHOLE:
        return series[whole.astype(int)]
    from scipy.interpolate import CubicSpline  # its import takes as long as the simulation

    return CubicSpline(np.arange(len(series)), series)(times)
