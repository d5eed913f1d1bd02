"""SMPLify: the baseline that descends on the reprojection error, with priors on pose and shape."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from ..adam import Moments, adam_rates, adam_step
from ..arrays.rotations import matrix_from_axis_angle
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..camera import reprojection_error
from ..refinement.outcome import Refined
from ..refinement.validity import outcome_status
from .energy import WEIGHTS, Parameters, Problem, Weights, gradient, make_problem

STEPS = (100, 100)
"""Adam steps of the two stages: root and translation first, then everything."""

RATE = 0.05
"""Adam's learning rate, in radians, betas and metres."""


def fit(problem: Problem, steps: tuple[int, int] = STEPS) -> Parameters:
    """Descend with Adam: on the root's rotation and the translation first, then on everything."""
    xp = array_namespace(problem.start.pose)
    at = problem.start
    root = xp.zeros_like(at.pose[:1, :, :1])
    root = xp.concat([xp.ones_like(root[:, :1, :]), root[:, 1:, :]], axis=1)
    for free, count in zip(((root, 0.0, 1.0), (1.0, 1.0, 1.0)), steps, strict=True):
        moments = [Moments(xp.zeros_like(part), xp.zeros_like(part)) for part in at]
        for rates in adam_rates(RATE, count):
            moved = []
            for k, (part, slope) in enumerate(zip(at, gradient(problem, at), strict=True)):
                step, moments[k] = adam_step(moments[k], slope, rates)
                moved.append(part - free[k] * step)
            at = Parameters(*moved)
    return at


def smplify_arrays(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    weights: Weights = WEIGHTS,
    steps: tuple[int, int] = STEPS,
) -> Refined:
    """SMPLify on a batch of valid bodies; each body stands alone.

    Parameters
    ----------
    skeleton : Skeleton
        With arrays of the kind of `pose`, see :meth:`Skeleton.like`.
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    weights : Weights
    steps : (int, int)
        Adam steps of either stage.

    Returns
    -------
    Refined
        With no branches: the selection is -1, the path score NaN.

    Notes
    -----
    Adam in two stages, as reimplementations do it in batches; the original has Powell's dogleg. Other than in
    the original, all joints count in both stages, the translation moves in the second one too, and the depth
    is held near the estimate's; so is the pose of a tree that the pose prior does not know.

    References
    ----------
    Bogo, Kanazawa, Lassner, Gehler, Romero, Black. Keep it SMPL: Automatic Estimation of 3D Human Pose and
    Shape from a Single Image. ECCV 2016.
    """
    xp = array_namespace(pose)
    problem = make_problem(skeleton, pose, betas, transl, keypoints_2d, intrinsics, weights)
    vectors, betas, transl = fit(problem, steps)
    pose = matrix_from_axis_angle(vectors)
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    return Refined(
        pose,
        betas,
        transl,
        xp.full(pose.shape[:2], -1, dtype=xp.int64, device=device(pose)),
        xp.full_like(transl[:, 0], xp.nan),
        reprojection_error(joints, keypoints_2d, intrinsics),
        outcome_status(skeleton, pose, betas, transl),
    )
