"""SMPLify by gradient descent with Adam on the energy of kitro_np.smplify.energy."""

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
    """Minimise the energy by Adam: first over the root's rotation and the translation, then over all."""
    xp = array_namespace(problem.start.pose)
    at = problem.start
    root = xp.zeros_like(at.pose[:1, :, :1])
    root = xp.concat([xp.ones_like(root[:, :1, :]), root[:, 1:, :]], axis=1)
    for free, count in zip(((root, 0.0, 1.0), (1.0, 1.0, 1.0)), steps, strict=True):
        moments = [Moments(xp.zeros_like(part), xp.zeros_like(part)) for part in at]
        for rates in adam_rates(RATE, count):
            moved = []
            for k, (part, part_gradient) in enumerate(zip(at, gradient(problem, at), strict=True)):
                step, moments[k] = adam_step(moments[k], part_gradient, rates)
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
    """Refine a batch of valid bodies by SMPLify; bodies are independent.

    Parameters
    ----------
    skeleton : Skeleton
        With arrays of the library, dtype and device of `pose`, see :meth:`Skeleton.like`.
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
        Without branches: the selection is -1, the path score NaN.

    Notes
    -----
    Adam in two stages, as in batched reimplementations; the original uses Powell's dogleg. Unlike the
    original, both stages use all joints and fit the translation, and a prior holds the depth near the
    estimate's; likewise the pose of a kinematic tree without a pose prior.

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
    error = reprojection_error(joints, keypoints_2d, intrinsics)
    return Refined(
        pose,
        betas,
        transl,
        xp.full(pose.shape[:2], -1, dtype=xp.int64, device=device(pose)),
        xp.full_like(transl[:, 0], xp.nan),
        error,
        outcome_status(skeleton, pose, betas, transl, error),
    )
