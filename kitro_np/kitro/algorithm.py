"""KITRO's Algorithm 1 on a batch of valid bodies, by array stages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..camera import reprojection_error
from ..refinement.outcome import Refined
from ..refinement.validity import outcome_status
from .rotate import rotate_joints
from .shape import fit_shape
from .translation import solve_translation, update_translation
from .tree import Branches, select_branches
from .variants import Variant


class Loop(NamedTuple):
    """One loop of Algorithm 1: the body after it, and what its branches were selected from.

    Attributes
    ----------
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    joints : (N, J, 3) array
        Before the rotations, in camera space.
    branches : Branches
    """

    pose: Any
    betas: Any
    transl: Any
    joints: Any
    branches: Branches


def loops_of(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    variant: Variant,
    iterations: int,
    shape_steps: int,
) -> Iterator[Loop]:
    """Yield the loops of Algorithm 1; arguments of :func:`refine_arrays`."""
    initial_pose = pose
    loss_scale = 1 / (skeleton.num_joints - 1) if variant.mean_loss else 1.0
    for _ in range(iterations):
        posed = forward_kinematics(skeleton, pose, betas)
        if variant.camera_update != "fixed":
            best = solve_translation(posed.joints, keypoints_2d, intrinsics)
            transl = update_translation(transl, best, hard=variant.camera_update == "hard")
        if variant.shape_update != "fixed":
            betas = fit_shape(
                skeleton, posed.global_rotations, betas, transl, keypoints_2d, intrinsics,
                steps=shape_steps, loss_scale=loss_scale, from_joints=variant.shape_update == "joints_2d",
            )  # fmt: skip
        joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
        branches = select_branches(skeleton, initial_pose, betas, joints, keypoints_2d, intrinsics, variant)
        if variant.pose_update != "fixed":
            pose = rotate_joints(
                skeleton, pose, initial_pose, betas, transl, keypoints_2d, intrinsics, branches, variant
            )
        yield Loop(pose, betas, transl, joints, branches)


def refine_arrays(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    variant: Variant,
    iterations: int,
    shape_steps: int,
) -> Refined:
    """Refine a batch of valid bodies by Algorithm 1.

    Parameters
    ----------
    skeleton : Skeleton
        With arrays of the library, dtype and device of `pose`, see :meth:`Skeleton.like`.
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    variant : Variant
    iterations, shape_steps : int

    Returns
    -------
    Refined
    """
    xp = array_namespace(pose)
    selection = xp.full(pose.shape[:2], -1, dtype=xp.int64, device=device(pose))
    path_score = xp.ones_like(transl[:, 0])
    loops = loops_of(
        skeleton, pose, betas, transl, keypoints_2d, intrinsics, variant, iterations, shape_steps
    )
    for loop in loops:
        pose, betas, transl = loop.pose, loop.betas, loop.transl
        selection, path_score = loop.branches.selection, loop.branches.path_score
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    error = reprojection_error(joints, keypoints_2d, intrinsics)
    status = outcome_status(skeleton, pose, betas, transl, error)
    return Refined(pose, betas, transl, selection, path_score, error, status)
