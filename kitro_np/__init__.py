"""KITRO on a plain CPU: refine SMPL bodies so that they agree with 2D keypoints."""

from .api import refine
from .body import BodyModel, BodyOutput, Skeleton, load_body
from .camera import default_intrinsics
from .errors import InputError
from .keypoints.layouts import LAYOUTS, KeypointLayout, find_layout
from .refinement.validity import Status
from .result import RefineResult

__version__ = "0.1.0"

__all__ = [
    "LAYOUTS",
    "BodyModel",
    "BodyOutput",
    "InputError",
    "KeypointLayout",
    "RefineResult",
    "Skeleton",
    "Status",
    "__version__",
    "default_intrinsics",
    "find_layout",
    "load_body",
    "refine",
]
