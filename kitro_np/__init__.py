"""Refine SMPL bodies so that they agree with 2D keypoints, on a plain CPU."""

from . import api as _api
from .api import *  # noqa: F403 - what a method adds to the API is named in api.py alone
from .arrays.rotations import matrix_from_6d, matrix_from_quaternion
from .body import BodyModel, BodyOutput, Skeleton, load_body
from .body.padding import pad_pose
from .camera import CameraEstimate, crop_to_full_image, default_intrinsics, with_focal_length
from .errors import InputError
from .formats.estimates_in.read import read_estimates
from .keypoints.detectors import LAYOUTS
from .keypoints.layouts import KeypointLayout, find_layout
from .refinement.outcome import Hypotheses
from .refinement.validity import Status
from .result import RefineResult

__version__ = "0.1.0"

__all__ = [
    "LAYOUTS",
    "BodyModel",
    "BodyOutput",
    "CameraEstimate",
    "Hypotheses",
    "InputError",
    "KeypointLayout",
    "RefineResult",
    "Skeleton",
    "Status",
    "__version__",
    "crop_to_full_image",
    "default_intrinsics",
    "find_layout",
    "load_body",
    "matrix_from_6d",
    "matrix_from_quaternion",
    "pad_pose",
    "read_estimates",
    "with_focal_length",
]

__all__ += _api.__all__
