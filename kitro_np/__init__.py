"""Refine SMPL bodies so that they agree with 2D keypoints, on a plain CPU."""

from .api import example, refine, warmup
from .body import BodyModel, BodyOutput, Skeleton, load_body
from .camera import default_intrinsics
from .errors import InputError
from .keypoints.layouts import LAYOUTS, KeypointLayout, find_layout
from .kitro.method import Kitro
from .posterior.method import Map
from .refinement.outcome import Hypotheses
from .refinement.validity import Status
from .result import RefineResult
from .smplify.method import SMPLify

__version__ = "0.1.0"

__all__ = [
    "LAYOUTS",
    "BodyModel",
    "BodyOutput",
    "Hypotheses",
    "InputError",
    "KeypointLayout",
    "Kitro",
    "Map",
    "RefineResult",
    "SMPLify",
    "Skeleton",
    "Status",
    "__version__",
    "default_intrinsics",
    "example",
    "find_layout",
    "load_body",
    "refine",
    "warmup",
]
