"""Errors of an estimate: how a network's pose, shape and camera differ from the ground truth.

The form of the errors was measured on 512 bodies of a development set with a real network's errors (the
excerpt in ``tests/data/sim3dpw_excerpt.npz`` has 64 of them):

- The error of a joint is a Gaussian rotation vector in the camera's frame, whose standard deviation about the
  viewing axis is 0.2 of that about the other axes: a network sees the motion of a bone in the image plane,
  but not in depth. Joints and axes are uncorrelated (all below 0.09).
- Bodies differ: a factor common to a body's joints is log-normal with sigma 0.67. Errors have an excess
  kurtosis of 7; divided by that factor, of -0.1.
- Estimated betas are 0.2 of the true ones plus noise: with standard deviation 0.9 there, on version 1 of the
  open body, and 0.6 here, because betas of version 2 change proportions twice as much.
- The true focal length is uniform in 0.8 to 1.05 of the image's diagonal; the estimate assumes the diagonal.
  Its depth is the true one times assumed over true focal length, with an error of 6.2%; across the viewing
  direction it is at the mean of the keypoints, with an error of 13 mm.
- Noisy keypoints have an error of 1.2% of the person's height in the image.

Calibration. With the measured standard deviations the errors of the estimates on version 1 are 77.3 / 46.3 /
88.1 mm (MPJPE, PA-MPJPE, PVE; in the development set 79.3 / 47.3 / 90.6). Those of the paper's CLIFF on 3DPW
are 73.67 / 43.76 / 91.58: larger in what affects only vertices. So the joints' standard deviations were
fitted to these three errors, starting with head, neck, hands and feet at 2.5 times their measured values; on
version 2 the noise of the betas, a factor on all joints and the root's once more, over eight seeds. Of noises
that fit alike, the one was chosen with which KITRO's errors after refinement are as published. ``kitro-np
simulate -o x.npz [--level ...]`` and ``kitro-np eval x.npz`` measure:

======  =======================  =======================  =================
level   before (seed 0)          after, method kitro      MPJPE on 3DPW
======  =======================  =======================  =================
cliff    73.62 / 44.27 /  92.34  44.04 / 26.68 / 55.54     73.67 (43.53 after)
spin    102.04 / 63.48 / 126.37  55.73 / 35.93 / 71.93    102.12
eft      93.89 / 58.06 / 116.74  52.73 / 33.12 / 67.83     94.02
prom     67.36 / 39.91 /  84.62  41.37 / 24.37 / 51.80     67.6
======  =======================  =======================  =================

Over 40 seeds cliff's means are 74.40 / 44.02 / 93.16, with standard deviations of 1.2 / 0.6 / 1.4 between
sets of 512. Of cliff's bodies 87.3% improve (88% in the paper); with noisy keypoints they become worse,
109.91 mm.

Level mediapipe errs like a real network whose estimates agree with the image. It was calibrated to the open
body fitted to MediaPipe's 3D landmarks, 200 views of one person (`kitro-np eval --example real`). In 20 of
them the network takes a front for a back: joints are seen where their left or right twins are, to 3% of the
person's height, and the body is turned by some 170 degrees. Here depth is then mirrored, as it is in a pose
that a person can have; the network's depth is between that and the true one of the twins. With these bodies
the root's turn about x and y is 33 degrees (rms), without them 8. The other errors are 2.8 times as large
along the view as across. `whole_body.py` makes such errors, in this order: sides are swapped, joints err as
above, the body turns and is flattened, and joints are moved back towards the rays of the true ones, which
bones of fixed length allow in part. Measured over 14 LSP-like joints, in mm unless stated otherwise (MPJPE /
PA-MPJPE), of the network, of five simulations of its 200 bodies, and of seed 0:

==============================  =============  =============  =============  =============
                                network        same bodies    mediapipe      halfway
==============================  =============  =============  =============  =============
mean of all bodies              146.9 / 87.8   139.9 / 81.3   123.7 / 80.1   107.1 / 66.4
median                           98.2 / 69.7    98.2 / 69.9    98.5 / 72.6    86.2 / 59.3
bodies over 200 mm                     11.5%          10.0%           9.2%           7.4%
mean of the others               98.8 / 70.0    97.6 / 69.2    98.4 / 72.7    89.6 / 61.5
their rms across, along view       39 / 109       40 / 120       42 / 116        50 / 95
their depth, estimated on true          0.82           0.82           0.81           0.89
their turn about x, y, degrees    5.9 / 11.8     8.5 / 11.8     6.9 / 11.2     6.7 / 10.1
their error in the image, of
the person's height                     3.1%           2.9%           3.2%           4.1%
==============================  =============  =============  =============  =============

Swapped bodies are off by 370 mm in seed 0, and by 520 in the network's views, in which the person spreads
arms and legs. Over ten seeds the means are 123.8 / 80.7 for mediapipe, 106.9 / 67.0 for halfway.
:func:`network_errors` gives any strength in between.

The errors of a hand have the same form as CLIFF's; their size was fitted to the PA-MPJPE of 7.82 mm before
refinement in the paper's Table 5, over MANO's 16 joints of the open hand: 7.83 mm for seed 0 (3.89 refined),
7.54 to 7.95 for 20 seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ..arrays.rotations import matrix_from_axis_angle
from ..body import Skeleton
from ..body.kinematics import global_rotations
from ..camera import backproject
from ..errors import InputError
from .draws import Draws


def check_sizes(errors: Any) -> None:
    """Check that the numbers in a dataclass are finite and at least 0; records in it check themselves."""
    for field in fields(errors):
        if is_dataclass(getattr(errors, field.name)):
            continue
        for number in np.ravel(getattr(errors, field.name)).astype(float).tolist():
            if not (math.isfinite(number) and number >= 0):
                raise InputError(f"{field.name}: expected a number of at least 0, got {number:g}.")


@dataclass(frozen=True)
class EstimateErrors:
    """Errors of an estimate, as standard deviations unless stated otherwise.

    Parameters
    ----------
    degrees : tuple of float
        Rotation error of each joint about each axis perpendicular to the viewing axis, in degrees, for the
        median body.
    rotation : float
        Factor on all of `degrees`.
    in_plane : float
        Rotation error about the viewing axis, relative to that about the other axes.
    spread : float
        Of the logarithm of a factor common to a body's joints: the variation between bodies.
    shape_slope, shape_noise : float
        Estimated betas are slope * true betas + noise.
    depth : float
        Relative error of the depth, in addition to that caused by the assumed focal length.
    shift : float
        Error of the translation across the viewing direction, in metres.
    focal_ratio : (low, high)
        Range of the true focal length, relative to the image's diagonal.
    camera_known : bool
        Whether the estimate has the true focal length and translation; `depth` and `shift` are then unused.
    keypoint_noise : float
        Error of noisy keypoints, relative to the person's height in the image, or the longer side of a hand.
    turn : float
        Rotation of the whole body about each axis perpendicular to the viewing axis, in degrees, for the
        median body.
    flatten : float
        Factor on the depth of the joints relative to the root.
    agreement : float
        How far joints are moved back onto the rays of the true ones, and the translation to where it projects
        best: 0 for not at all, 1 for as far as the lengths of the bones allow.
    swapped : float
        Fraction of bodies whose left and right are exchanged: a front is taken for a back, so that depth is
        mirrored.

    Raises
    ------
    InputError
        If a number is negative or not finite, `agreement` or `swapped` exceeds 1, or `focal_ratio` is no
        range of positive numbers.
    """

    degrees: tuple[float, ...]
    rotation: float = 1.0
    in_plane: float = 0.2
    spread: float = 0.67
    shape_slope: float = 0.2
    shape_noise: float = 0.9
    depth: float = 0.062
    shift: float = 0.013
    focal_ratio: tuple[float, float] = (0.8, 1.05)
    camera_known: bool = False
    keypoint_noise: float = 0.012
    turn: float = 0.0
    flatten: float = 1.0
    agreement: float = 0.0
    swapped: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        for name in ("agreement", "swapped"):
            if getattr(self, name) > 1:
                raise InputError(f"{name}: expected a number from 0 to 1, got {getattr(self, name):g}.")
        low, high = self.focal_ratio
        if not 0 < low <= high:
            raise InputError(f"focal_ratio: expected 0 < low <= high, got {low:g} and {high:g}.")

    @property
    def of_whole_body(self) -> bool:
        """Whether there are errors of the whole body: `turn`, `flatten` or `agreement`."""
        return (self.turn, self.flatten, self.agreement) != (0, 1, 0)


SMPL_DEGREES = (
    3.9, 4.4, 4.4, 2.7, 4.8, 4.8, 2.7, 20.3, 20.3, 2.7, 13.5, 13.5,
    16.4, 2.5, 2.5, 16.5, 5.2, 5.2, 14.7, 14.7, 22.1, 22.1, 13.2, 13.2,
)  # fmt: skip
"""Rotation errors of the median body, in SMPL's order of joints."""

CLIFF = EstimateErrors(SMPL_DEGREES, shape_noise=0.6)
"""Errors like CLIFF's; the other levels scale its rotation errors to the networks' MPJPE."""

MEDIAPIPE = replace(
    CLIFF,
    degrees=(1.6, *SMPL_DEGREES[1:]),
    rotation=2.9,
    in_plane=0.5,
    spread=0.15,
    depth=0.02,
    turn=2.0,
    flatten=0.91,
    agreement=0.7,
    swapped=0.1,
)
"""Errors like those of MediaPipe's 3D landmarks."""


def network_errors(strength: float) -> EstimateErrors:
    """Return errors between CLIFF's, for a strength of 0, and MediaPipe's, for 1: a mean of their numbers.

    Raises
    ------
    InputError
        If the strength is not from 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"strength: expected a number from 0 to 1, got {strength:g}.")
    changed = {name: value for name, value in vars(MEDIAPIPE).items() if value != getattr(CLIFF, name)}
    return replace(
        CLIFF, **{name: _between(getattr(CLIFF, name), value, strength) for name, value in changed.items()}
    )


def _between(first: Any, second: Any, share: float) -> Any:
    """Return a number, or the numbers of a tuple, at a share of the way from the first to the second."""
    if isinstance(first, tuple):
        return tuple(_between(*pair, share) for pair in zip(first, second, strict=True))
    return (1 - share) * first + share * second


LEVELS = {
    "cliff": CLIFF,
    "spin": replace(CLIFF, rotation=1.52),
    "eft": replace(CLIFF, rotation=1.37),
    "prom": replace(CLIFF, rotation=0.885),
    "halfway": network_errors(0.5),
    "mediapipe": MEDIAPIPE,
}
"""Errors like those of four networks on 3DPW, of MediaPipe, and halfway from CLIFF's to MediaPipe's."""

HAND_DEGREES = (6.0, *(13.0, 13.0, 10.3) * 5)
"""Rotation errors of the median hand, in MANO's order: the wrist, then each finger from its knuckle."""

HAND = EstimateErrors(HAND_DEGREES, camera_known=True, focal_ratio=(1.25, 1.6))
"""Errors of a hand before refinement, with known camera and translation."""


def wrong_pose(skeleton: Skeleton, pose: np.ndarray, errors: EstimateErrors, draws: Draws) -> np.ndarray:
    """Rotate each joint in the camera's frame, its parents unchanged, R' = G_p^T E G_p R: (N, J, 3, 3)."""
    factor = np.exp(errors.spread * draws.even_normal("body"))
    noise = draws.normal("rotation", skeleton.num_joints, 3)
    return turn_joints(skeleton, pose, factor[:, None, None] * deviations_of(errors) * noise)


def deviations_of(errors: EstimateErrors) -> np.ndarray:
    """Return the standard deviations (J, 3) of the median body's rotation vectors, in radians."""
    across = errors.rotation * np.radians(errors.degrees)
    return across[:, None] * np.array([1, 1, errors.in_plane])


def turn_joints(skeleton: Skeleton, pose: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Rotate each joint of `pose` by a vector (N, J, 3) in the camera's frame, its parents unchanged."""
    parents = global_rotations(skeleton, pose)[:, np.maximum(skeleton.parents, 0)]
    parents[:, 0] = np.eye(3)
    return np.swapaxes(parents, -1, -2) @ matrix_from_axis_angle(vectors) @ parents @ pose


def wrong_betas(betas: np.ndarray, errors: EstimateErrors, draws: Draws) -> np.ndarray:
    """Estimated betas (N, S): slope * betas + noise."""
    return errors.shape_slope * betas + errors.shape_noise * draws.normal("shape", betas.shape[1])


def wrong_transl(
    joints: np.ndarray,
    true_depth: np.ndarray,
    keypoints_2d: np.ndarray,
    true_focal: np.ndarray,
    intrinsics: np.ndarray,
    errors: EstimateErrors,
    draws: Draws,
) -> np.ndarray:
    """Estimated translation (N, 3): at the mean of the keypoints, and at about their size.

    Parameters
    ----------
    joints : (N, J, 3) array
        Joints of the estimate without translation, in metres.
    true_depth, true_focal : (N,) array
        In metres and in pixels.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
        Camera that the estimate assumes.
    """
    depth = true_depth * intrinsics[:, 0, 0] / true_focal * np.exp(errors.depth * draws.normal("depth"))
    if errors.agreement:
        best = best_depth(joints, keypoints_2d, intrinsics) * np.exp(errors.depth * draws.normal("depth"))
        depth = depth ** (1 - errors.agreement) * best**errors.agreement
    return at_mean(joints, depth, keypoints_2d, intrinsics, errors.shift * draws.normal("shift", 2))


def at_mean(
    joints: np.ndarray, depth: np.ndarray, keypoints_2d: np.ndarray, intrinsics: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """Place joints at a depth (N,) and at the mean of the keypoints, but for a shift: translation (N, 3)."""
    rays = backproject(keypoints_2d, intrinsics)[..., :2]
    middle = (rays * (joints[..., 2:] + depth[:, None, None]) - joints[..., :2]).mean(axis=1)
    return np.concatenate([middle + shift, depth[:, None]], axis=1)


def best_depth(joints: np.ndarray, keypoints_2d: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Depth (N,) of the translation with which joints project best onto keypoints (linear least squares).

    Of x t_z - t_xy = X - x Z over all joints (X, Z) on rays x at depth 1, relative to their means.
    """
    rays = backproject(keypoints_2d, intrinsics)[..., :2]
    centred = rays - rays.mean(axis=1, keepdims=True)
    right = joints[..., :2] - rays * joints[..., 2:]
    return (centred * right).sum(axis=(1, 2)) / (centred**2).sum(axis=(1, 2))
