"""A simulated benchmark: true bodies, their keypoints, and estimates with a network's typical errors.

Poses are real motion (CMU mocap), or hands with fingers within their limits; :func:`simulate` places them in
front of a camera and simulates estimates with the errors of :class:`EstimateErrors`. ``errors.py`` describes
the calibration.
"""

from .errors import HAND, LEVELS, EstimateErrors, network_errors
from .motion import Motion, read_motion
from .run import simulate, usual_errors
from .simulated import Simulated

__all__ = [
    "HAND",
    "LEVELS",
    "EstimateErrors",
    "Motion",
    "Simulated",
    "network_errors",
    "read_motion",
    "simulate",
    "usual_errors",
]
