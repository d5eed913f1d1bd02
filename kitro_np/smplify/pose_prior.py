"""Prior of human poses: a Gaussian fitted to recorded poses, and signs of hyperextended knees and elbows."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np

from ..body.families import SMPL
from ..body.skeleton import Skeleton

SPREAD = 0.2
"""Assumed standard deviation of an estimate's angles, in radians, where it replaces the prior mean."""

ANGLE_PRIOR = ((4, 0, -1), (5, 0, -1), (18, 1, 1), (19, 1, -1))
"""Joint, axis and sign of the angles by which SMPL's knees and elbows are hyperextended, as in SMPLify."""


def has_pose_prior(skeleton: Skeleton) -> bool:
    """Whether there is a pose prior for this kinematic tree; others stay near their estimate, see SPREAD."""
    return skeleton.parents == SMPL.parents


@lru_cache(maxsize=1)
def pose_prior() -> tuple[np.ndarray, np.ndarray]:
    """Mean (69,) and precision (69, 69) of axis-angle poses without the root.

    models/build_pose_prior.py fits them.
    """
    with as_file(files("kitro_np") / "data" / "pose_prior.npz") as path, np.load(path) as file:
        return file["mean"].astype(np.float64), file["precision"].astype(np.float64)


class PriorTerms(NamedTuple):
    """Gaussian prior of axis-angle vectors and angle penalty of a kinematic tree; zeros where there is none.

    Attributes
    ----------
    mean : (3 J,) array
    precision : (3 J, 3 J) array
    wrong_way : (J, 3) array
        Sign of the angles that are penalised, else 0.
    """

    mean: np.ndarray
    precision: np.ndarray
    angle_prior_sign: np.ndarray


def prior_terms(skeleton: Skeleton) -> PriorTerms:
    """Return the prior for a skeleton, in float64."""
    size = 3 * skeleton.num_joints
    terms = PriorTerms(np.zeros(size), np.zeros((size, size)), np.zeros((skeleton.num_joints, 3)))
    if has_pose_prior(skeleton):
        terms.mean[3:], terms.precision[3:, 3:] = pose_prior()
        for joint, axis, sign in ANGLE_PRIOR:
            terms.angle_prior_sign[joint, axis] = sign
    return terms
