"""Frames: which tracks a video has, and how many frames each of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .draws import Draws
from .drift import OverTime
from .spells import Spells


class Frames(NamedTuple):
    """The frames of all tracks, one below the other: N in all.

    Parameters
    ----------
    lengths : (tracks,) array of int
    most : int
        Frames that random numbers are drawn for, the most of any track.
    fps : float
    """

    lengths: np.ndarray
    most: int
    fps: float

    @property
    def track(self) -> np.ndarray:
        """Track of each frame, (N,)."""
        return np.repeat(np.arange(len(self.lengths), dtype=np.int32), self.lengths)

    @property
    def number(self) -> np.ndarray:
        """Number of each frame in its track, from 0, (N,)."""
        return np.concatenate([np.arange(length, dtype=np.int32) for length in self.lengths.tolist()])

    def draw(self, what: OverTime | Spells, draws: Draws, name: str, *shape: int) -> np.ndarray:
        """Draw an error, or whether there is a spell of each kind, for all frames: (N, *shape)."""
        every = what.draw(draws, name, self.most, self.fps, *shape)
        return every[np.arange(self.most) < self.lengths[:, None]]
