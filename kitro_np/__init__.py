"""Refine SMPL bodies so that they agree with 2D keypoints, on a plain CPU."""

from . import api as _api
from .api import *  # noqa: F403 - what a method adds to the API is named in api.py alone
from .arrays.forks import wait_before_forks as _wait_before_forks
from .arrays.rotations import matrix_from_6d, matrix_from_quaternion
from .body import BodyModel, BodyOutput, Skeleton, load_body
from .body.padding import pad_pose
from .camera import CameraEstimate, crop_to_full_image, default_intrinsics, with_focal_length
from .errors import InputError
from .export.write import write
from .formats.estimates_in.read import read_estimates
from .formats.keypoints_in import read_keypoints
from .formats.markers import Markers, read_points
from .keypoints.detectors import LAYOUTS
from .keypoints.layouts import KeypointLayout, find_layout
from .matching import Match, RefinedPeople, check_projection, match_people, refine_people
from .online import Tracker
from .points.fit import PointsFit, fit_points
from .refinement.outcome import Hypotheses
from .refinement.validity import Status
from .result import RefineResult
from .safe_io.memory import memory_limit
from .streaming import RefinedShards, Refiner, read_shard, refine_shards, stream, write_shard

__version__ = "0.1.0"

__all__ = [
    "LAYOUTS",
    "BodyModel",
    "BodyOutput",
    "CameraEstimate",
    "Hypotheses",
    "InputError",
    "KeypointLayout",
    "Markers",
    "Match",
    "PointsFit",
    "RefineResult",
    "RefinedPeople",
    "RefinedShards",
    "Refiner",
    "Skeleton",
    "Status",
    "Tracker",
    "__version__",
    "check_projection",
    "crop_to_full_image",
    "default_intrinsics",
    "find_layout",
    "fit_points",
    "load_body",
    "match_people",
    "matrix_from_6d",
    "matrix_from_quaternion",
    "memory_limit",
    "pad_pose",
    "read_estimates",
    "read_keypoints",
    "read_points",
    "read_shard",
    "refine_people",
    "refine_shards",
    "stream",
    "with_focal_length",
    "write",
    "write_shard",
]

__all__ += _api.__all__

_wait_before_forks()
