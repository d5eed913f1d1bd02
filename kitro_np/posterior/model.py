"""Model: a skeleton, the points of a layout on it, and their priors, shared by all bodies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from .acceptance import allowance_of, assignments
from .priors import MotionPrior, pose_spread, size_of
from .projection import moved_points


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
    allowance : float
        Added to the threshold of bodies that are not people, see :mod:`kitro_np.posterior.acceptance`.
    pose_spread : (J, 3) array
        Standard deviation of the estimate's rotations, in radians.
    """

    skeleton: Skeleton
    layout: KeypointLayout
    motion: MotionPrior
    moves: np.ndarray
    swaps: np.ndarray
    size: float
    allowance: float
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
        allowance_of(host),
        pose_spread(host),
    )
