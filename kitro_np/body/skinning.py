"""Linear blend skinning: from a posed skeleton to vertices."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from ..arrays.rotations import rotate
from .kinematics import PosedSkeleton, forward_kinematics
from .skeleton import Skeleton


def pose_feature(pose: Any) -> Any:
    """Entries of R_j - I of all joints but the root: (N, 9 (J - 1)) from (N, J, 3, 3)."""
    xp = array_namespace(pose)
    eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
    return xp.reshape(pose[:, 1:, :, :] - eye, (pose.shape[0], 9 * (pose.shape[1] - 1)))


def blend_vertices(v_template: Any, shapedirs: Any, posedirs: Any, betas: Any, pose: Any) -> Any:
    """Shape and pose blend shapes in the rest pose: template + shapedirs betas + posedirs (R - I), (N, V, 3).

    Parameters
    ----------
    v_template : (V, 3) array
    shapedirs : (V, 3, S) array
    posedirs : (V, 3, 9 (J - 1)) array or None
    betas : (N, S) array
    pose : (N, J, 3, 3) array
    """
    xp = array_namespace(v_template, betas)
    flat = 3 * v_template.shape[0]
    directions = xp.reshape(shapedirs, (flat, shapedirs.shape[2]))
    blended = xp.reshape(v_template, (1, flat)) + xp.matmul(betas, xp.matrix_transpose(directions))
    if posedirs is not None:
        directions = xp.reshape(posedirs, (flat, posedirs.shape[2]))
        blended = blended + xp.matmul(pose_feature(pose), xp.matrix_transpose(directions))
    return xp.reshape(blended, (betas.shape[0], v_template.shape[0], 3))


def joint_transforms(posed: PosedSkeleton, rest_joints: Any) -> Any:
    """Transform of each joint from the rest pose to the pose, x -> G (x - J) + X: (N, J, 3, 4)."""
    xp = array_namespace(rest_joints)
    shift = posed.joints - rotate(posed.global_rotations, rest_joints)
    return xp.concat([posed.global_rotations, shift[..., None]], axis=-1)


def skin(weights: Any, transforms: Any, vertices: Any) -> Any:
    """Transform each vertex by the weighted mean of its joints' transforms, v = sum_j w_j T_j v: (N, V, 3).

    Parameters
    ----------
    weights : (V, J) array
    transforms : (N, J, 3, 4) array
    vertices : (N, V, 3) array
        In the rest pose.
    """
    xp = array_namespace(weights, transforms)
    count, joints = transforms.shape[:2]
    blended = xp.matmul(weights, xp.reshape(transforms, (count, joints, 12)))
    blended = xp.reshape(blended, (count, weights.shape[0], 3, 4))
    # By columns: products of millions of matrices with one vector each take CuPy a hundred times as long.
    x, y, z = (vertices[..., k : k + 1] for k in range(3))
    return blended[..., 0] * x + blended[..., 1] * y + blended[..., 2] * z + blended[..., 3]


def forward_body(
    skeleton: Skeleton,
    v_template: Any,
    shapedirs: Any,
    posedirs: Any,
    weights: Any,
    pose: Any,
    betas: Any,
) -> tuple[Any, Any]:
    """Joints (N, J, 3) and vertices (N, V, 3) of a body; parameters as in :func:`blend_vertices`."""
    posed = forward_kinematics(skeleton, pose, betas)
    blended = blend_vertices(v_template, shapedirs, posedirs, betas, pose)
    transforms = joint_transforms(posed, skeleton.rest_joints(betas))
    return posed.joints, skin(weights, transforms, blended)
