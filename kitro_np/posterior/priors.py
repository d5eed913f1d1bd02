"""Priors: standard deviations of the estimate's errors and of the keypoints, and the motion prior.

A spread is a standard deviation. Those of the estimate's pose hold at scale 1; its scale and the keypoints'
noise are estimated for each body (:mod:`kitro_np.posterior.scales`). Lengths are for a person, and in
proportion to its size for a hand. Values are measured, or tuned, on the simulated development set
and on real detections (docs/accuracy.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from ..body.families import BODY_JOINTS, has_body_joints
from ..body.skeleton import Skeleton

ROTATION_DEGREES = {
    "pelvis": 2.8, "hip": 6.3, "spine": 3.1, "knee": 6.8, "ankle": 7.6, "foot": 5.0, "neck": 6.5,
    "collar": 3.2, "head": 6.1, "shoulder": 6.4, "elbow": 9.9, "wrist": 8.1, "hand": 4.9,
}  # fmt: skip
"""Spread of an estimate's rotations about an axis parallel to the image plane, by joint: measured."""

OTHER_DEGREES, FINGER_DEGREES = 6.5, 14.0
"""The same, for joints with other names, and for bodies that are not people (usually hands)."""

VIEW_SHARE = 0.3
"""Spread about the viewing axis over that about the others: rotation in the image plane is well observed."""

BETAS_SHARE, BETAS_PRECISION = 0.35, 1.0
"""Prior of the true betas given the estimate's: mean BETAS_SHARE times these, and precision. Measured: 0.24,
and a spread of 0.97; networks estimate shape poorly."""

TRANSL_SPREAD, DEPTH_SPREAD = 0.1, 0.08
"""Spread of the translation: in metres parallel to the image plane, and as a share of the depth along the
viewing ray, since the focal length is a guess."""

INITIAL_NOISE, TYPICAL_NOISE, SMALLEST_NOISE = 0.014, 0.015, 0.001
"""Spread of keypoints, in metres at the body: initial value, prior value, and lower bound."""

NOISE_DOF = 0.3
"""Weight of the prior on the noise, in degrees of freedom (coordinates of keypoints)."""

SMALLEST_SCALE, LARGEST_SCALE = 0.05, 10.0
"""Bounds of the scale of the estimate's pose error."""

KEYPOINT_DOF = 5.0
"""Degrees of freedom of the Student's t distribution of keypoint errors."""

OUTLIER_SHARE, OUTLIER_DOUBT, OUTLIER_SPREAD = 0.02, 0.7, 0.28
"""Share of keypoints that are elsewhere, for a confidence of 1; how much it grows as the confidence falls to
0; and the standard deviation of those, in metres at the body."""

MANY_KEYPOINTS = 24.0
"""Number of keypoints from which on more do not tell more: detectors err alike at neighbouring points."""

LANDMARKS_NOISE = 1.4
"""Factor on the noise for estimates fitted to a network's 3D landmarks, which agree with the image already:
what is left to the keypoints is mostly where each is defined."""

TURN_DOF = 3.0
"""Degrees of freedom of the Student's t distribution of the estimate's turn, its root's rotation: some
estimates are right but for a turn of the whole body."""

LARGEST_ROTATION = 1.0
"""Largest rotation of a joint in a step, in radians; a step with a larger one is scaled down to it."""

MOTION_SCALE, MOTION_FLOOR = 0.9, np.deg2rad(6.5)
"""Factor on the covariance of recorded motion, and a spread added: few recordings do not cover all motion.
With 3 degrees real people in other poses than the recorded ones became worse."""

PERSON = 1.55
"""Largest extent of a person's rest joints along an axis, in metres: defines size 1."""


@dataclass(frozen=True, eq=False)
class MotionPrior:
    """Gaussian prior of each joint's local rotation as a chord, see :func:`kitro_np.arrays.rotations.chord`.

    Parameters
    ----------
    mean : (J, 3) array
    precision : (J, 3, 3) array
        0 for a flat prior, such as the root's.
    """

    mean: Any
    precision: Any


@lru_cache(maxsize=8)
def pose_spread(skeleton: Skeleton) -> np.ndarray:
    """Spread of the estimate's rotations about the camera's axes: (J, 3), in radians."""
    names = list(skeleton.joint_names)
    if has_body_joints(skeleton.parents):  # files of SMPL-H and SMPL-X name no joints
        names[: len(BODY_JOINTS)] = BODY_JOINTS
    kinds = [name.removeprefix("left_").removeprefix("right_").rstrip("123") for name in names]
    other = OTHER_DEGREES if has_body_joints(skeleton.parents) else FINGER_DEGREES
    degrees = np.array([ROTATION_DEGREES.get(kind, other) for kind in kinds])
    return np.deg2rad(degrees)[:, None] * np.array([1, 1, VIEW_SHARE])


@lru_cache(maxsize=8)
def size_of(skeleton: Skeleton) -> float:
    """Size of a body's skeleton relative to a person's: its largest extent along an axis over PERSON."""
    template = np.asarray(skeleton.host.joint_template)
    return float(np.ptp(template, axis=0).max() / PERSON)


@lru_cache(maxsize=8)
def cmu_motion_prior(skeleton: Skeleton) -> MotionPrior:
    """Motion prior of SMPL's body joints from CMU mocap; flat for fingers, jaw, and other kinematic trees."""
    mean, precision = np.zeros((skeleton.num_joints, 3)), np.zeros((skeleton.num_joints, 3, 3))
    if not has_body_joints(skeleton.parents):
        return MotionPrior(mean, precision)
    with as_file(files("kitro_np") / "data" / "pose_prior.npz") as path, np.load(path) as prior:
        chord_mean, covariance = prior["chord_mean"], prior["chord_covariance"]
    widened = MOTION_SCALE * covariance + MOTION_FLOOR**2 * np.eye(3)
    own = slice(1, len(BODY_JOINTS))
    mean[own], precision[own] = chord_mean[own], np.linalg.inv(widened[own])
    return MotionPrior(mean, precision)


@lru_cache(maxsize=8)
def flat_motion_prior(skeleton: Skeleton) -> MotionPrior:
    """Flat motion prior of all joints."""
    return MotionPrior(np.zeros((skeleton.num_joints, 3)), np.zeros((skeleton.num_joints, 3, 3)))
