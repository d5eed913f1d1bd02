"""Evidence: how far off each thing that is known may be, before the keypoints are looked at.

Spreads are standard deviations. Those of the estimate are of one of usual quality; how good it is, and how
exact the keypoints are, is found for each body (:mod:`kitro_np.posterior.scales`). Lengths are for a person,
and in proportion for a hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from ..body.families import BODY_JOINTS, has_body_joints
from ..body.skeleton import Skeleton

DEGREES = {
    "pelvis": 3.3, "hip": 6.3, "spine": 3.1, "knee": 6.8, "ankle": 7.6, "foot": 5.0, "neck": 6.5,
    "collar": 3.2, "head": 6.1, "shoulder": 6.4, "elbow": 9.9, "wrist": 8.1, "hand": 4.9,
}  # fmt: skip
"""Spread of an estimate's rotations about an axis across the view, by joint."""

OTHER_DEGREES, FINGER_DEGREES = 6.5, 14.0
"""The same, of joints with other names, and of bodies that are not people: hands, as a rule."""

VIEW_SHARE = 0.3
"""Spread about the viewing axis, over that about the others: an image shows it well."""

BETAS_SHARE, BETAS_PRECISION = 0.25, 1.0
"""Of true betas given the estimate's: the share of those to expect, and the precision. Networks say little of
shape."""

PLACE_SPREAD, DEPTH_SPREAD = 0.1, 0.08
"""Of the translation: metres across the view, and a share of the distance along it, since the focal length
is a guess."""

NOISE, USUAL_NOISE, LEAST_NOISE = 0.01, 0.015, 0.001
"""Spread of keypoints, in metres at the body: to begin with, what a body's is drawn to, and the least."""

NOISE_FREEDOM = 0.3
"""Weight of the usual noise, in numbers."""

LEAST_SCALE, LARGEST_SCALE = 0.05, 10.0
"""Bounds of how far an estimate is off, over what is usual."""

KEYPOINT_FREEDOM = 5.0
"""Degrees of freedom of keypoints' errors, which are Student's t: some are far off, and count for little."""

LARGEST_TURN = 1.0
"""Radians that a joint turns in a step at most; if it would turn more, the whole step is shortened."""

MOTION_WIDTH, MOTION_FLOOR = 1.2, np.deg2rad(3)
"""Few recordings do not show all motion: their covariance counts as wider by this factor and angle."""

PERSON = 1.55
"""Largest extent of a person's rest joints, in metres."""


@dataclass(frozen=True, eq=False)
class MotionPrior:
    """Mean and precision of how people hold their joints, as chords: :func:`kitro_np.arrays.rotations.chord`.

    Parameters
    ----------
    mean : (J, 3) array
    precision : (J, 3, 3) array
        0 says nothing, as of the root.
    """

    mean: Any
    precision: Any


@lru_cache(maxsize=8)
def pose_spread(skeleton: Skeleton) -> np.ndarray:
    """Spread of each joint's rotation in the estimate about the camera's axes: (J, 3), in radians."""
    names = list(skeleton.joint_names)
    if has_body_joints(skeleton.parents):  # files of SMPL-H and SMPL-X name no joints
        names[: len(BODY_JOINTS)] = BODY_JOINTS
    kinds = [name.removeprefix("left_").removeprefix("right_").rstrip("123") for name in names]
    other = OTHER_DEGREES if has_body_joints(skeleton.parents) else FINGER_DEGREES
    degrees = np.array([DEGREES.get(kind, other) for kind in kinds])
    return np.deg2rad(degrees)[:, None] * np.array([1, 1, VIEW_SHARE])


@lru_cache(maxsize=8)
def size_of(skeleton: Skeleton) -> float:
    """Size of a body's skeleton, 1 for a person."""
    template = np.asarray(skeleton.host.joint_template)
    return float(np.ptp(template, axis=0).max() / PERSON)


@lru_cache(maxsize=8)
def usual_motion(skeleton: Skeleton) -> MotionPrior:
    """How people move (CMU mocap): the joints of SMPL's body; nothing of fingers, jaw, and other trees."""
    mean, precision = np.zeros((skeleton.num_joints, 3)), np.zeros((skeleton.num_joints, 3, 3))
    if not has_body_joints(skeleton.parents):
        return MotionPrior(mean, precision)
    with as_file(files("kitro_np") / "data" / "pose_prior.npz") as path, np.load(path) as prior:
        known_mean, covariance = prior["chord_mean"], prior["chord_covariance"]
    wide = MOTION_WIDTH * covariance + MOTION_FLOOR**2 * np.eye(3)
    own = slice(1, len(BODY_JOINTS))
    mean[own], precision[own] = known_mean[own], np.linalg.inv(wide[own])
    return MotionPrior(mean, precision)


@lru_cache(maxsize=8)
def no_motion(skeleton: Skeleton) -> MotionPrior:
    """Say nothing of how people move."""
    return MotionPrior(np.zeros((skeleton.num_joints, 3)), np.zeros((skeleton.num_joints, 3, 3)))
