"""Forward kinematics: joint positions and global rotations of a posed skeleton."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from ..arrays.rotations import rotate
from .skeleton import Skeleton


class PosedSkeleton(NamedTuple):
    """Joints and global rotations of a batch of bodies.

    Attributes
    ----------
    joints : (N, J, 3) array
        In metres, before the camera translation is added.
    global_rotations : (N, J, 3, 3) array
        Product of the local rotations from the root to each joint.
    """

    joints: Any
    global_rotations: Any


def global_rotations(skeleton: Skeleton, pose: Any) -> Any:
    """Product of local rotations along every chain, G_j = G_parent(j) pose_j: (N, J, 3, 3)."""
    xp = array_namespace(pose)
    rotations = [pose[:, 0, :, :]]
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        rotations.append(xp.matmul(rotations[parent], pose[:, joint, :, :]))
    return xp.stack(rotations, axis=1)


def parent_rotations(skeleton: Skeleton, rotations: Any) -> Any:
    """Global rotation of the parent of each joint, for the root that of the root itself: (N, J, 3, 3)."""
    xp = array_namespace(rotations)
    return xp.stack([rotations[:, max(p, 0), :, :] for p in skeleton.parents], axis=1)


def forward_kinematics(skeleton: Skeleton, pose: Any, betas: Any) -> PosedSkeleton:
    """Pose a skeleton: X_c = X_p + G_p (J_c - J_p), with rest joints J linear in betas.

    Parameters
    ----------
    skeleton : Skeleton
    pose : (N, J, 3, 3) array
        Local rotation matrices.
    betas : (N, S) array

    Returns
    -------
    PosedSkeleton
    """
    xp = array_namespace(pose, betas)
    rest = skeleton.rest_joints(betas)
    rotations = global_rotations(skeleton, pose)
    joints = [rest[:, 0, :]]
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        offset = rest[:, joint, :] - rest[:, parent, :]
        joints.append(joints[parent] + rotate(rotations[:, parent, :, :], offset))
    return PosedSkeleton(xp.stack(joints, axis=1), rotations)


def posed_joints(skeleton: Skeleton, pose: Any, betas: Any, transl: Any, lead: tuple[int, ...]) -> Any:
    """Joints in camera space, (*lead, J, 3), of pose (N, J, 3, 3), betas (*lead, S) and transl (*lead, 3)."""
    xp = array_namespace(pose)
    count = pose.shape[0]
    skeleton = skeleton.with_betas(int(betas.shape[-1])).like(pose)
    flat_betas = xp.astype(xp.reshape(betas, (count, betas.shape[-1])), pose.dtype)
    joints = forward_kinematics(skeleton, pose, flat_betas).joints
    joints = joints + xp.astype(xp.reshape(transl, (count, 1, 3)), pose.dtype)
    return xp.reshape(joints, (*lead, skeleton.num_joints, 3))


def affine_joints(skeleton: Skeleton, rotations: Any) -> tuple[Any, Any]:
    """Joints as an affine function of betas at a fixed pose: X = A + B betas.

    Parameters
    ----------
    skeleton : Skeleton
    rotations : (N, J, 3, 3) array
        Global rotations of the pose.

    Returns
    -------
    A : (N, J, 3) array
    B : (N, J, 3, S) array
    """
    xp = array_namespace(rotations)
    template, shapedirs = skeleton.joint_template, skeleton.joint_shapedirs
    # No rotation moves the root: its position is its rest joint.
    ones = xp.ones_like(rotations[:, 0, :1, :1])
    a = [template[0, :, None] * ones]
    b = [shapedirs[0, :, :] * ones]
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        rotation = rotations[:, parent, :, :]
        a.append(a[parent] + xp.matmul(rotation, (template[joint, :] - template[parent, :])[:, None]))
        b.append(b[parent] + xp.matmul(rotation, shapedirs[joint, :, :] - shapedirs[parent, :, :]))
    return xp.stack(a, axis=1)[..., 0], xp.stack(b, axis=1)
