"""A simulated benchmark: known bodies, their keypoints, and estimates that err like a network's.

Poses are real motion (CMU mocap), or a hand's fingers within their limits; :func:`simulate` puts them before
a camera and lets an estimate err as :class:`EstimateErrors` says. ``errors.py`` says what was fitted to what.
"""

from .errors import HAND, LEVELS, EstimateErrors
from .motion import Motion, read_motion
from .run import simulate, usual_errors
from .simulated import Simulated

__all__ = [
    "HAND",
    "LEVELS",
    "EstimateErrors",
    "Motion",
    "Simulated",
    "read_motion",
    "simulate",
    "usual_errors",
]
