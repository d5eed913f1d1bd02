"""What is known of human poses: a Gaussian fitted to real ones, and which way knees and elbows bend."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np

from ..body.families import SMPL
from ..body.skeleton import Skeleton

SPREAD = 0.2
"""Radians that a pose is off by, roughly, where the estimate's pose takes the place of the prior's mean."""

WRONG_WAY = ((4, 0, -1), (5, 0, -1), (18, 1, 1), (19, 1, -1))
"""Joint, axis and sign of an angle that SMPL's knees and elbows do not have."""


def knows_poses(skeleton: Skeleton) -> bool:
    """Whether the pose prior is one for this tree; others are held by their estimate, see SPREAD."""
    return skeleton.parents == SMPL.parents


@lru_cache(maxsize=1)
def pose_prior() -> tuple[np.ndarray, np.ndarray]:
    """Mean (69,) and precision (69, 69) of axis-angle poses without the root.

    models/build_pose_prior.py fits them.
    """
    with as_file(files("kitro_np") / "data" / "pose_prior.npz") as path, np.load(path) as file:
        return file["mean"].astype(np.float64), file["precision"].astype(np.float64)


class PriorTerms(NamedTuple):
    """What the energy knows of a tree's poses, as axis-angle vectors; zeros where it knows nothing.

    Attributes
    ----------
    mean : (3 J,) array
    precision : (3 J, 3 J) array
    wrong_way : (J, 3) array
        Sign of the angles that are punished, else 0.
    """

    mean: np.ndarray
    precision: np.ndarray
    wrong_way: np.ndarray


def prior_terms(skeleton: Skeleton) -> PriorTerms:
    """Return the terms of a skeleton, in float64."""
    size = 3 * skeleton.num_joints
    terms = PriorTerms(np.zeros(size), np.zeros((size, size)), np.zeros((skeleton.num_joints, 3)))
    if knows_poses(skeleton):
        terms.mean[3:], terms.precision[3:, 3:] = pose_prior()
        for joint, axis, sign in WRONG_WAY:
            terms.wrong_way[joint, axis] = sign
    return terms
