"""A simulated benchmark: true bodies, their keypoints, and estimates with a network's typical errors.

Poses are real motion (CMU mocap), or hands with fingers within their limits; :func:`simulate` places them in
front of a camera and simulates estimates with the errors of :class:`EstimateErrors`. ``errors.py`` describes
the calibration. :func:`simulate_video` does so for people who move; ``video.py`` describes how errors change
over time.
"""

from .detections import DetectionErrors
from .drift import OverTime
from .errors import HAND, LEVELS, EstimateErrors, network_errors
from .motion import Motion, read_motion
from .run import simulate, usual_errors
from .simulated import Simulated, SimulatedVideo
from .spells import Spells
from .sway import Sway
from .video import VideoErrors, simulate_video

__all__ = [
    "HAND",
    "LEVELS",
    "DetectionErrors",
    "EstimateErrors",
    "Motion",
    "OverTime",
    "Simulated",
    "SimulatedVideo",
    "Spells",
    "Sway",
    "VideoErrors",
    "network_errors",
    "read_motion",
    "simulate",
    "simulate_video",
    "usual_errors",
]
