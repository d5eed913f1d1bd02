"""Model: a skeleton, the points of a layout on it, and their priors, shared by all bodies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from .facing import FacePoints, face_points, mirror_joints
from .priors import MotionPrior, pose_spread, size_of
from .projection import moved_points
from .swaps import assignments
from .verdict import coefficients_of


@dataclass(frozen=True, eq=False)
class PosteriorModel:
    """A skeleton, the points of a layout on it, and priors, from which the kernels' arrays are made.

    Parameters
    ----------
    skeleton : Skeleton
    layout : KeypointLayout
    motion : MotionPrior
    moves : (K, J) array of bool
        Whether a joint's rotation moves a point.
    swaps : (A, K) array of int
        Orders of the points with left and right swapped.
    size : float
        Of the body, 1 for a person.
    verdict : (F + 1,) array
        Coefficients and constant, see :mod:`kitro_np.posterior.verdict`.
    face : FacePoints
        Points that tell which way a person faces.
    mirror : tuple of int
        Left-right counterpart of each joint.
    pose_spread : (J, 3) array
        Standard deviation of the estimate's rotations, in radians.
    """

    skeleton: Skeleton
    layout: KeypointLayout
    motion: MotionPrior
    moves: np.ndarray
    swaps: np.ndarray
    size: float
    verdict: np.ndarray
    face: FacePoints
    mirror: tuple[int, ...]
    pose_spread: np.ndarray


@lru_cache(maxsize=16)
def model_of(skeleton: Skeleton, layout: KeypointLayout, motion: MotionPrior) -> PosteriorModel:
    """Return the model that all calls with the same skeleton, layout and motion share."""
    host = skeleton.host
    return PosteriorModel(
        host,
        layout,
        motion,
        moved_points(host, layout),
        np.array(assignments(layout), np.int64).reshape(-1, layout.num_points),
        size_of(host),
        np.append(*coefficients_of(host)),
        face_points(host, layout),
        mirror_joints(host),
        pose_spread(host),
    )
