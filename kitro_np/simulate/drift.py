"""Drift: errors of a video, which are constant over a track, drift, and jitter from frame to frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .draws import Draws
from .errors import check_sizes

REACH = 4
"""Standard deviations of a Gaussian window after which it is cut off."""


@dataclass(frozen=True)
class OverTime:
    """How an error changes over time: its parts, relative to the error's standard deviation.

    The squares of all parts should add up to about 1.

    Parameters
    ----------
    constant : float
        Part that is the same in all frames of a track.
    drifts : tuple of (part, seconds)
        Parts that drift: white noise in a Gaussian window with this standard deviation in seconds, so that
        their correlation over a time t is exp(-(t / 2 seconds)²).
    white : float
        Part that is independent from frame to frame.

    Raises
    ------
    InputError
        If a number is negative or not finite.
    """

    constant: float
    drifts: tuple[tuple[float, float], ...]
    white: float

    def __post_init__(self) -> None:
        for drift in self.drifts:
            if np.shape(drift) != (2,):
                raise InputError(f"drifts: expected pairs of a part and its seconds, got {drift}.")
        check_sizes(self)

    def draw(self, draws: Draws, name: str, frames: int, fps: float, *shape: int) -> np.ndarray:
        """Draw an error of standard deviation 1, (tracks, frames, *shape)."""
        constant = self.constant * draws.normal(f"{name} constant", *shape)
        error = np.repeat(constant[:, None], frames, axis=1)
        for index, (part, seconds) in enumerate(self.drifts):
            error += part * draw_drift(draws, f"{name} drift {index}", frames, seconds * fps, *shape)
        return error + self.white * draws.normal(f"{name} white", frames, *shape)


WHITE = OverTime(0, (), 1)
"""An error that is independent from frame to frame."""


def draw_drift(draws: Draws, name: str, frames: int, window: float, *shape: int) -> np.ndarray:
    """Draw noise of standard deviation 1 in a Gaussian window of some frames, (tracks, frames, *shape)."""
    reach = math.ceil(REACH * window)
    noise = draws.normal(name, frames + 2 * reach, *shape)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / window) ** 2) if reach else np.ones(1)
    weights /= np.sqrt(np.sum(weights**2))
    smooth = np.zeros((draws.count, frames, *shape))
    for start, weight in enumerate(weights.tolist()):
        smooth += weight * noise[:, start : start + frames]
    return smooth
