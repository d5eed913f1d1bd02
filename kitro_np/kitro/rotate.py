"""Rotate: rotate each joint towards the chosen branches of its bones (Eq. 17-19)."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from ..arrays.rotations import align, dot, norm, orthonormalise, rotate, swing, unit
from ..body.skeleton import Skeleton
from ..camera import project
from .rays import bone_rays, intersect, signed_distance
from .tree import Branches, bones, edge_weights
from .variants import Variant


def solve_again(
    parent_joint: Any,
    offset_lengths: Any,
    reference: Any,
    parent_keypoint: Any,
    child_keypoints: Any,
    intrinsics: Any,
    selection: Any,
) -> tuple[Any, Any]:
    """Solve the bones of one joint from its current position, and weigh them by the estimate's directions.

    Parameters
    ----------
    parent_joint : (N, 1, 3) array
        In camera space.
    offset_lengths : (N, K, 1) array
        Lengths of the bones to its K children.
    reference : (N, K, 3) array
        Directions that the estimate's local rotation gives these bones.
    parent_keypoint : (N, 1, 2) array
    child_keypoints : (N, K, 2) array
    intrinsics : (N, 3, 3) array
    selection : (N, K) array of int

    Returns
    -------
    solutions : (N, K, 3) array
        Bone vectors of the chosen branches.
    weights : (N, K) array
        Softmax over the cosines between both solutions and the reference.
    """
    xp = array_namespace(parent_joint, reference)
    rays = bone_rays(parent_joint, offset_lengths, parent_keypoint, child_keypoints, intrinsics)
    solutions, _ = intersect(rays, signed_distance(parent_joint))
    weights = edge_weights(dot(unit(solutions), unit(reference)[:, :, None, :])[..., 0])
    second = selection == 1
    return (
        xp.where(second[..., None], solutions[:, :, 1, :], solutions[:, :, 0, :]),
        xp.where(second, weights[..., 1], weights[..., 0]),
    )


def aligned_error(
    parent_joint: Any, vectors: Any, parent_keypoint: Any, child_keypoints: Any, intrinsics: Any
) -> Any:
    """Sum of squared 2D errors of a joint's children relative to the joint, in px^2: (N,).

    Parameters
    ----------
    parent_joint : (N, 1, 3) array
        In camera space.
    vectors : (N, K, 3) array
        From the joint to its children.
    parent_keypoint : (N, 1, 2) array
    child_keypoints : (N, K, 2) array
    intrinsics : (N, 3, 3) array
    """
    xp = array_namespace(parent_joint, vectors)
    projected = project(parent_joint + vectors, intrinsics) - project(parent_joint, intrinsics)
    residual = projected - (child_keypoints - parent_keypoint)
    return xp.sum(residual * residual, axis=(1, 2))


def update_rotation(parent_rotation: Any, rotation_update: Any, local_rotation: Any) -> Any:
    """Apply a rotation in camera space to a local one, orthonormalised R_p^T R_swing R_p R_i (Eq. 19)."""
    xp = array_namespace(parent_rotation, rotation_update)
    inverse = xp.matrix_transpose(parent_rotation)
    return orthonormalise(
        xp.matmul(xp.matmul(xp.matmul(inverse, rotation_update), parent_rotation), local_rotation)
    )


def rotate_joints(
    skeleton: Skeleton,
    pose: Any,
    initial_pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    branches: Branches,
    variant: Variant,
) -> Any:
    """Rotate every joint towards the chosen branches of its bones, from the root outwards (Eq. 17-19).

    Parameters
    ----------
    skeleton : Skeleton
    pose, initial_pose : (N, J, 3, 3) array
        Current local rotations, and those of the estimate that the refinement started from.
    betas : (N, S) array
    transl : (N, 3) array
        In metres.
    keypoints_2d : (N, J, 2) array
        In pixels.
    intrinsics : (N, 3, 3) array
    branches : Branches
        From :func:`kitro_np.kitro.tree.select_branches`.
    variant : Variant

    Returns
    -------
    (N, J, 3, 3) array

    Notes
    -----
    The target of a bone is lambda solution + (1 - lambda) current (Eq. 17); for a hard update, the solution.
    A joint with one child is rotated by a swing (Eq. 18), one with several by a Kabsch alignment; leaves keep
    their rotation. The authors' code rejects an update that does not decrease the 2D error of the joint's
    children. A joint's position depends on its ancestors only, so one pass from the root outwards uses all
    updates.
    """
    xp = array_namespace(pose, betas)
    rest = skeleton.rest_joints(betas)
    offsets = bones(skeleton, rest)
    joints = [rest[:, 0, :] + transl] + [None] * (skeleton.num_joints - 1)
    identity = xp.eye(3, dtype=pose.dtype, device=device(pose))[None, :, :]
    rotations: list[Any] = []
    local: list[Any] = []
    for joint, parent in enumerate(skeleton.parents):
        above = identity if parent < 0 else rotations[parent]
        rotation = pose[:, joint, :, :]
        children = skeleton.children[joint]
        if children:

            def of_children(values: Any, own: tuple[int, ...] = children) -> Any:
                return xp.stack([values[:, c, ...] for c in own], axis=1)

            offset = of_children(offsets)
            place = joints[joint][:, None, :]
            keypoint = keypoints_2d[:, joint : joint + 1, :]
            child_keypoints = of_children(keypoints_2d)
            current = rotate(xp.matmul(above, rotation)[:, None, :, :], offset)
            if variant.tree_targets:
                solutions, weights = of_children(branches.solutions), of_children(branches.edge_weight)
            else:
                reference = rotate(xp.matmul(above, initial_pose[:, joint, :, :])[:, None, :, :], offset)
                solutions, weights = solve_again(
                    place, norm(offset), reference, keypoint, child_keypoints, intrinsics,
                    of_children(branches.selection),
                )  # fmt: skip
            if variant.pose_update == "hard":
                weights = xp.ones_like(weights)
            target = weights[..., None] * solutions + (1 - weights[..., None]) * current
            rotation_update = (
                align(current, target) if len(children) > 1 else swing(current, target)[:, 0, :, :]
            )
            updated = update_rotation(above, rotation_update, rotation)
            moved = rotate(xp.matmul(above, updated)[:, None, :, :], offset)
            if variant.rewind:
                old_error = aligned_error(place, current, keypoint, child_keypoints, intrinsics)
                new_error = aligned_error(place, moved, keypoint, child_keypoints, intrinsics)
                better = (new_error < old_error)[:, None, None]
                updated = xp.where(better, updated, rotation)
                moved = xp.where(better, moved, current)
            rotation = updated
            for k, child in enumerate(children):
                joints[child] = joints[joint] + moved[:, k, :]
        local.append(rotation)
        rotations.append(xp.matmul(above, rotation))
    return xp.stack(local, axis=1)
