"""Errors of the whole body that its image hardly shows: turned, flattened, its left and right exchanged.

A network's estimate agrees with the image, since that is what it was trained on; what it sees badly is depth.
Its joints lie about on the rays of the true ones, at depths that err together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays.rotations import align, matrix_from_axis_angle, rotate, swing
from ..body import Skeleton
from ..body.kinematics import forward_kinematics
from ..keypoints.layouts import find_layout
from .draws import SILVER, Draws

if TYPE_CHECKING:
    from .errors import EstimateErrors

IN_DEPTH = np.diag([1.0, 1.0, -1.0])
"""Reflection in the image plane."""

IN_SAGITTAL_PLANE = np.diag([-1.0, 1.0, 1.0])
"""Reflection of the rest pose that exchanges left and right."""


def draw_sides(skeleton: Skeleton, errors: EstimateErrors, draws: Draws) -> np.ndarray:
    """Draw the joint that each joint is taken for, (N, J): itself, or its twin if the sides are swapped."""
    twins = np.array(find_layout("smpl24", skeleton).mirror)
    swapped = draws.even_uniform("swapped", SILVER) < errors.swapped
    return np.where(swapped[:, None], twins, np.arange(skeleton.num_joints))


def swap_sides(pose: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Mirror in depth the bodies whose sides are swapped: a person seen from the front as one from behind.

    Every joint comes to lie where its twin is, but for the depth, which changes its sign: R'_j = M R_t(j) M
    for the twin t(j), and S R_0 M at the root, with the reflections M and S.
    """
    mirrored = (
        IN_SAGITTAL_PLANE @ np.take_along_axis(pose, sides[:, :, None, None], axis=1) @ IN_SAGITTAL_PLANE
    )
    mirrored[:, 0] = IN_DEPTH @ pose[:, 0] @ IN_SAGITTAL_PLANE
    swapped = np.any(sides != np.arange(sides.shape[1]), axis=1)
    return np.where(swapped[:, None, None, None], mirrored, pose)


def misplace(
    skeleton: Skeleton,
    pose: np.ndarray,
    betas: np.ndarray,
    places: np.ndarray,
    errors: EstimateErrors,
    draws: Draws,
    num_placed: int,
) -> np.ndarray:
    """Turn and flatten bodies about the root, and move their joints towards the rays of their true places.

    Parameters
    ----------
    skeleton : Skeleton
    pose : (N, J, 3, 3) array
        Estimated so far.
    betas : (N, S) array
        True ones, so that the bones are as long as in the image.
    places : (N, J, 3) array
        Where the joints are seen, in camera space.
    errors : EstimateErrors
    draws : Draws
    num_placed : int
        Joints from the first that are placed; the others keep their local rotation.

    Returns
    -------
    (N, J, 3, 3) array
    """
    factor = np.exp(errors.spread * draws.even_normal("body"))[:, None]
    about_xy = np.radians(errors.turn) * factor * draws.normal("turn", 2)
    turn = matrix_from_axis_angle(np.pad(about_xy, ((0, 0), (0, 1))))
    joints = forward_kinematics(skeleton, pose, betas).joints
    targets = rotate(turn[:, None], joints - joints[:, :1])
    targets[..., 2] *= errors.flatten
    root = places[:, :1]
    on_rays = places * ((root[..., 2:] + targets[..., 2:]) / places[..., 2:]) - root
    targets += errors.agreement * (on_rays - targets)
    turned = pose.copy()
    turned[:, 0] = turn @ pose[:, 0]
    return reach(skeleton, turned, betas, targets, num_placed)


def reach(
    skeleton: Skeleton, pose: np.ndarray, betas: np.ndarray, targets: np.ndarray, num_placed: int
) -> np.ndarray:
    """Rotate each joint, from the root on, so that its children come nearest to their targets.

    A joint with one child swings its bone, one with several is aligned to all of them (Kabsch); joints
    without children turn with their parents.

    Parameters
    ----------
    skeleton : Skeleton
    pose : (N, J, 3, 3) array
        Local rotations to start from.
    betas : (N, S) array
    targets : (N, J, 3) array
        Relative to the root.
    num_placed : int
        Joints from the first that have targets.

    Returns
    -------
    (N, J, 3, 3) array
        Local rotations.
    """
    rest = skeleton.rest_joints(betas)
    joints = np.zeros_like(targets)
    above = np.broadcast_to(np.eye(3), pose.shape).copy()
    reached = pose.copy()
    for joint in range(skeleton.num_joints):
        rotation = above[:, joint] @ pose[:, joint]
        children = [child for child in skeleton.children[joint] if child < num_placed]
        if children:
            bones = rest[:, children] - rest[:, joint, None]
            current = rotate(rotation[:, None], bones)
            wanted = targets[:, children] - joints[:, joint, None]
            update = align(current, wanted) if len(children) > 1 else swing(current[:, 0], wanted[:, 0])
            rotation = update @ rotation
            joints[:, children] = joints[:, joint, None] + rotate(rotation[:, None], bones)
            reached[:, joint] = np.swapaxes(above[:, joint], -1, -2) @ rotation
        above[:, list(skeleton.children[joint])] = rotation[:, None]
    return reached
