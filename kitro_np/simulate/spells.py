"""Spells: stretches of frames in which something is wrong, such as an occluded limb."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .draws import Draws
from .errors import check_sizes


@dataclass(frozen=True)
class Spells:
    """How often something goes wrong in a track, and for how long.

    Parameters
    ----------
    rate : float
        Spells that begin in a second.
    shortest, longest : float
        Range of their duration in seconds; at least one frame.

    Raises
    ------
    InputError
        If a number is negative or not finite, or `longest` is shorter than `shortest`.
    """

    rate: float
    shortest: float
    longest: float

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.longest < self.shortest:
            raise InputError(f"longest: expected at least shortest, {self.shortest:g}, got {self.longest:g}.")

    def draw(self, draws: Draws, name: str, frames: int, fps: float, kinds: int = 1) -> np.ndarray:
        """Draw which frames are within a spell of each kind, (tracks, frames, kinds), kinds alike often.

        A spell may have begun before the first frame.
        """
        low, high = (max(1, round(seconds * fps)) for seconds in (self.shortest, self.longest))
        begins = draws.uniform(f"{name} begins", 0, 1, high + frames) < self.rate / fps
        lengths = low + np.floor(draws.uniform(f"{name} lasts", 0, high - low + 1, high + frames)).astype(int)
        kind = np.floor(draws.uniform(f"{name} kind", 0, kinds, high + frames)).astype(int)
        within = np.zeros((draws.count, frames, kinds), dtype=bool)
        for track, begin in np.argwhere(begins).tolist():
            start = begin - high
            end = start + int(lengths[track, begin])
            within[track, max(start, 0) : max(end, 0), kind[track, begin]] = True
        return within
