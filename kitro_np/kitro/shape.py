"""Shape: betas from the projected lengths of the bones (Eq. 7-10)."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from ..adam import Moments, adam_rates, adam_step
from ..arrays.rotations import norm, unit
from ..body.kinematics import affine_joints
from ..body.skeleton import Skeleton
from ..camera import gradient_by_points, project

LEARNING_RATE = 0.1
"""Learning rate of Adam on betas (Eq. 10)."""


def projected_bones(skeleton: Skeleton, points_2d: Any) -> Any:
    """Bones in the image, child minus parent: (N, J - 1, 2) of (N, J, 2)."""
    xp = array_namespace(points_2d)
    return xp.stack([points_2d[:, c, :] - points_2d[:, p, :] for c, p in _bones(skeleton)], axis=1)


def bone_length_loss(skeleton: Skeleton, joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Sum over bones of | |projected bone| - |2D bone| |, in pixels (Eq. 9): (N,).

    Parameters
    ----------
    skeleton : Skeleton
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    xp = array_namespace(joints, keypoints_2d)
    lengths = norm(projected_bones(skeleton, project(joints, intrinsics)))
    expected = norm(projected_bones(skeleton, keypoints_2d))
    return xp.sum(xp.abs(lengths - expected), axis=(1, 2))


def bone_length_gradient(
    skeleton: Skeleton, joints: Any, joints_by_beta: Any, keypoints_2d: Any, intrinsics: Any
) -> Any:
    """Gradient of :func:`bone_length_loss` with respect to betas, (N, S), without autodiff.

    Parameters
    ----------
    skeleton : Skeleton
    joints : (N, J, 3) array
        In camera space.
    joints_by_beta : (N, J, 3, S) array
        B of :func:`kitro_np.body.kinematics.affine_joints`.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    xp = array_namespace(joints, keypoints_2d)
    bones = projected_bones(skeleton, project(joints, intrinsics))
    lengths = norm(bones)
    sign = xp.sign(lengths - norm(projected_bones(skeleton, keypoints_2d)))
    visible = lengths > 0
    by_bone = xp.where(
        visible, sign * bones / xp.where(visible, lengths, xp.ones_like(lengths)), xp.zeros_like(bones)
    )
    by_pixel = [xp.zeros_like(by_bone[:, 0, :])] * skeleton.num_joints
    for child, parent in _bones(skeleton):
        by_pixel[child] = by_pixel[child] + by_bone[:, child - 1, :]
        by_pixel[parent] = by_pixel[parent] - by_bone[:, child - 1, :]
    return _by_betas(xp.stack(by_pixel, axis=1), joints, joints_by_beta, intrinsics)


def joint_loss(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Sum over joints of | projected joint - keypoint |, in pixels (Eq. 3): (N,).

    Parameters
    ----------
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    xp = array_namespace(joints, keypoints_2d)
    return xp.sum(norm(project(joints, intrinsics) - keypoints_2d), axis=(1, 2))


def joint_gradient(joints: Any, joints_by_beta: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Gradient of :func:`joint_loss` with respect to betas: (N, S); see :func:`bone_length_gradient`."""
    by_pixel = unit(project(joints, intrinsics) - keypoints_2d)
    return _by_betas(by_pixel, joints, joints_by_beta, intrinsics)


def _by_betas(by_pixel: Any, joints: Any, joints_by_beta: Any, intrinsics: Any) -> Any:
    """Chain rule from projected joints (N, J, 2) to betas (N, S)."""
    xp = array_namespace(by_pixel, joints)
    by_joint = gradient_by_points(by_pixel, joints, intrinsics)
    return xp.sum(by_joint[..., None] * joints_by_beta, axis=(1, 2))


def fit_shape(
    skeleton: Skeleton,
    global_rotations: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    *,
    steps: int = 10,
    loss_scale: float | None = None,
    from_joints: bool = False,
) -> Any:
    """Fit betas to the projected bone lengths by Adam, pose and translation fixed (Eq. 7-10).

    Parameters
    ----------
    skeleton : Skeleton
    global_rotations : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
        In metres.
    keypoints_2d : (N, J, 2) array
        In pixels.
    intrinsics : (N, 3, 3) array
    steps : int
        Adam steps; every call starts with zero moments.
    loss_scale : float, optional
        Factor on the loss of Eq. 9; 1 / number of bones by default. It matters only through Adam's epsilon.
    from_joints : bool
        Minimise the reprojection error (Eq. 3) instead.

    Returns
    -------
    (N, S) array

    Notes
    -----
    The paper sums over bones. The authors' code takes the mean over bones and over the batch,
    which couples the bodies of a batch; here every body is independent.
    """
    xp = array_namespace(betas)
    scale = 1 / (skeleton.num_joints - 1) if loss_scale is None else loss_scale
    constant, by_beta = affine_joints(skeleton, global_rotations)
    constant = constant + transl[:, None, :]
    moments = Moments(xp.zeros_like(betas), xp.zeros_like(betas))
    for rates in adam_rates(LEARNING_RATE, steps):
        joints = constant + xp.matmul(by_beta, betas[:, None, :, None])[..., 0]
        if from_joints:
            gradient = joint_gradient(joints, by_beta, keypoints_2d, intrinsics)
        else:
            gradient = bone_length_gradient(skeleton, joints, by_beta, keypoints_2d, intrinsics)
        step, moments = adam_step(moments, scale * gradient, rates)
        betas = betas - step
    return betas


def _bones(skeleton: Skeleton) -> list[tuple[int, int]]:
    return list(enumerate(skeleton.parents))[1:]
