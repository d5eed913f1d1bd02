"""Spreads of a video: of accelerations, and of what errs alike in all frames.

Measured on recorded motion and on real and simulated detections (docs/video.md). Lengths are for a person.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Round(NamedTuple):
    """What follows a step of all frames: betas are found, or constant errors; motion is smoothed.

    Feet that rest are held in a step with contacts.
    """

    shape: bool = False
    errors: bool = False
    motion: bool = False
    robust: bool = False
    contacts: bool = False


ROUNDS = (
    Round(shape=True), Round(errors=True), Round(shape=True),
    Round(motion=True), Round(motion=True, errors=True),
    Round(motion=True, robust=True), Round(motion=True, robust=True),
    Round(),
)  # fmt: skip
"""Steps of all frames. Betas and constant errors explain the same residuals, and are found in turn, before
frames know of their neighbours, which would hold them back. Estimates may tremble so much that every
acceleration looks like a rare one: only the last paths are smoothed robustly."""

CONTACT_ROUNDS = (*[Round(motion=True, robust=True, contacts=True)] * 3, Round(contacts=True))
"""Steps that follow all but the last of these where feet that rest stay put."""

USUAL_FPS = 30.0
"""Frames per second that the spreads of accelerations are given for; they are constant per second squared."""

TURN_SPREAD, MOVE_SPREAD = math.radians(2.0), 0.003
"""Spread of accelerations: of the joints' global rotations, in radians, and of the translation, in metres,
both per frame squared."""

ACCELERATION_DOF = 5.0
"""Degrees of freedom of Student's t of accelerations: steps and jerks of the camera are rare and large."""

USUAL_FRAMES = 30.0
"""Weight of these spreads, in frames, where a track's own are found."""

LONGEST_GAP = 0.5
"""Seconds without a frame over which a motion is no longer followed."""

SHAPE_CORRELATION = 0.15
"""Correlation of what any two frames tell of the shape: n frames count as n / (1 + (n - 1) rho)."""

DEPTH_CORRELATION = 0.3
"""Correlation of the errors of an estimate's depth, for most of which the focal length is to blame: a frame's
precision is divided by the effective number of frames."""

TURN_BIAS, TURN_CORRELATION = 0.1, 0.1
"""Variance of the constant error of an estimate's rotations over that of a frame, and the correlation of the
rest."""

SHIFT_BIAS, SHIFT_CORRELATION = 0.1, 0.07
"""The same of keypoints."""

SCALE_SECONDS = 1 / 6
"""Seconds before and after a frame whose scale of the estimate's error counts alike."""

SIDE_CAP, SIDE_COST = 40.0, 6.0
"""Most that a frame tells for exchanged sides, as a decrease of squared distance; and the logarithm of the
odds against a change from one frame to the next."""

FLIP_SPREAD, FLIP_CAP = math.radians(20), 15.0
"""Spread of an estimate's turn from a frame to the next, and the most that a larger one tells against it."""

TURNED_COST, FACE_GAIN = 1.0, 5.0
"""Logarithm of the odds against an estimate that faces the wrong way, and what a frame's face tells of it."""

QUALITY_CAP, QUALITY_COST = 4.0, 5.0
"""The same for the quality of a frame, and for the change from own keypoints to another's."""

FILL_SECONDS = 1.0
"""Longest that frames without usable keypoints are filled from their neighbours, and the longest that
keypoints are refused without refusing the frames as a stretch."""

SPREAD_FRAMES, SPREAD_FACTOR = 60.0, 1.3
"""Frames around one that tell as much of the joints' spread as one, since they err alike; and a factor on
it, for what errs alike in all frames: fitted to simulated detections."""


def effective_frames(count: Any, correlation: float) -> Any:
    """Effective number of n frames whose errors are correlated, n / (1 + (n - 1) rho)."""
    return count / (1 + (count - 1) * correlation)


def rounds_of(*, contacts: bool) -> tuple[Round, ...]:
    """Return all steps, with or without contacts."""
    return (*ROUNDS[:-1], *CONTACT_ROUNDS) if contacts else ROUNDS
