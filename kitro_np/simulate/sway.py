"""Sway: how a camera turns that somebody holds in the hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays.rotations import matrix_from_axis_angle
from ..errors import InputError
from .draws import SILVER, Draws
from .drift import OverTime
from .errors import check_sizes
from .frames import Frames


@dataclass(frozen=True)
class Sway:
    """Cameras that sway.

    Parameters
    ----------
    share : float
        Fraction of the cameras that sway; the others stand.
    degrees : (float, float, float)
        Standard deviations of the rotation about x, y and the viewing axis.
    seconds : float
        Standard deviation of the Gaussian window that smooths the rotation in time.

    Raises
    ------
    InputError
        If a number is negative or not finite, or `share` exceeds 1.
    """

    share: float = 1 / 3
    degrees: tuple[float, float, float] = (2.8, 2.8, 0.7)
    seconds: float = 0.5

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.share > 1:
            raise InputError(f"share: expected a number from 0 to 1, got {self.share:g}.")

    def draw(self, draws: Draws, frames: Frames) -> np.ndarray:
        """Draw how the camera of each frame is turned, (N, 3, 3): rotations of camera space."""
        sways = draws.even_uniform("sways", SILVER) < self.share
        turns = frames.draw(OverTime(0, ((1, self.seconds),), 0), draws, "sway", 3)
        return matrix_from_axis_angle(np.radians(self.degrees) * turns * sways[frames.track, None])
