"""Linear blend skinning: from a posed skeleton to vertices.

Coordinates of vertices are planes, (N, 3, V), until the end: all sums over shapes, poses and joints are then
two products of large matrices, and all else reads and writes memory in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..arrays.rotations import rotate
from .kinematics import PosedSkeleton, forward_kinematics
from .skeleton import Skeleton


class Surface(NamedTuple):
    """A body's vertices, laid out for skinning."""

    template: Any  # (3, V)
    directions: Any  # (S + 9 (J - 1), 3 V) blend shapes, those of the pose last; or (S, 3 V)
    weights: Any  # (J, V)


def lay_out_surface(v_template: Any, shapedirs: Any, posedirs: Any, weights: Any) -> Surface:
    """Lay out a body.

    Parameters
    ----------
    v_template : (V, 3) array
    shapedirs : (V, 3, S) array
    posedirs : (V, 3, 9 (J - 1)) array or None
    weights : (V, J) array
    """
    xp = array_namespace(v_template)
    both = shapedirs if posedirs is None else xp.concat([shapedirs, posedirs], axis=2)
    directions = xp.reshape(xp.permute_dims(both, (2, 1, 0)), (both.shape[2], 3 * both.shape[0]))
    return Surface(xp.matrix_transpose(v_template), directions, xp.matrix_transpose(weights))


def pose_feature(pose: Any) -> Any:
    """Entries of R_j - I of all joints but the root: (N, 9 (J - 1)) from (N, J, 3, 3)."""
    xp = array_namespace(pose)
    eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
    return xp.reshape(pose[:, 1:, :, :] - eye, (pose.shape[0], 9 * (pose.shape[1] - 1)))


def blend_vertices(surface: Surface, betas: Any, pose: Any) -> Any:
    """Shape and pose blend shapes in the rest pose: template + shapedirs betas + posedirs (R - I), (N, 3, V).

    Parameters
    ----------
    surface : Surface
    betas : (N, S) array
    pose : (N, J, 3, 3) array
    """
    xp = array_namespace(betas)
    has_pose = surface.directions.shape[0] > betas.shape[1]
    feature = xp.concat([betas, pose_feature(pose)], axis=1) if has_pose else betas
    offsets = xp.matmul(feature, surface.directions)
    return surface.template + xp.reshape(offsets, (betas.shape[0], *surface.template.shape))


def joint_transforms(posed: PosedSkeleton, rest_joints: Any) -> Any:
    """Transform of each joint from the rest pose to the pose, x -> G (x - J) + X: (N, J, 3, 4)."""
    xp = array_namespace(rest_joints)
    shift = posed.joints - rotate(posed.global_rotations, rest_joints)
    return xp.concat([posed.global_rotations, shift[..., None]], axis=-1)


def skin(surface: Surface, transforms: Any, vertices: Any, transl: Any) -> Any:
    """Transform each vertex by the weighted mean of its joints' transforms: sum_j w_j T_j v + t, (N, V, 3).

    Parameters
    ----------
    surface : Surface
    transforms : (N, J, 3, 4) array
    vertices : (N, 3, V) array
        In the rest pose.
    transl : (N, 3) array
    """
    xp = array_namespace(transforms)
    count, joints = transforms.shape[:2]
    rows = xp.matrix_transpose(xp.reshape(transforms, (count, joints, 12)))
    blended = xp.matmul(xp.reshape(rows, (12 * count, joints)), surface.weights)
    blended = xp.reshape(blended, (count, 3, 4, blended.shape[1]))
    x, y, z = (vertices[:, k : k + 1, :] for k in range(3))
    # By columns: products of millions of matrices with one vector each take CuPy a hundred times as long.
    moved = blended[:, :, 0, :] * x + blended[:, :, 1, :] * y + blended[:, :, 2, :] * z + blended[:, :, 3, :]
    moved = moved + transl[:, :, None]
    return xp.stack([moved[:, k, :] for k in range(3)], axis=-1)


def forward_body(
    skeleton: Skeleton, surface: Surface, pose: Any, betas: Any, transl: Any, block: int
) -> tuple[Any, Any]:
    """Joints (N, J, 3) and vertices (N, V, 3) of bodies.

    Parameters
    ----------
    skeleton : Skeleton
    surface : Surface
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    block : int
        Bodies that are skinned at a time; the joints of all, which take little memory, are posed at once.
    """
    xp = array_namespace(pose)
    posed = forward_kinematics(skeleton, pose, betas)
    transforms = joint_transforms(posed, skeleton.rest_joints(betas))
    blocks = []
    for start in range(0, max(pose.shape[0], 1), block):
        own = slice(start, min(start + block, pose.shape[0]))
        rest = blend_vertices(surface, betas[own, :], pose[own, ...])
        blocks.append(skin(surface, transforms[own, ...], rest, transl[own, :]))
    vertices = blocks[0] if len(blocks) == 1 else xp.concat(blocks, axis=0)
    return posed.joints + transl[:, None, :], vertices
