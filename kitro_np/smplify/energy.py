"""The energy that SMPLify makes small, and its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import axis_angle_from_matrix, cross, dot, matrix_from_axis_angle
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..camera import gradient_by_points, project
from .pose_prior import SPREAD, PriorTerms, knows_poses, prior_terms


class Weights(NamedTuple):
    """Weights of the terms of :func:`energy`; distances in the image are in sizes of the person there.

    Attributes
    ----------
    keypoints : float
        Of a joint's reprojection error.
    sigma : float
        Error at which the robustifier has reached half its bound.
    pose_prior, bend, betas : float
        Of unusual poses, of knees and elbows bent the wrong way, and of unusual shapes.
    near_pose, near_betas, near_depth : float
        Of going away from the estimate, in radians, in betas, and in parts of its depth.
    """

    keypoints: float
    sigma: float
    pose_prior: float
    bend: float
    betas: float
    near_pose: float
    near_betas: float
    near_depth: float


WEIGHTS = Weights(
    keypoints=180.0**2,
    sigma=100 / 180,
    pose_prior=4.78**2 / 2,
    bend=15.2**2,
    betas=5.0**2,
    near_pose=0.0,
    near_betas=0.0,
    near_depth=600.0,
)
"""What SMPLify is usually run with, for a person 180 pixels high: sigma 100 pixels, prior weights 4.78, 15.2
and 5, squared. Only a body's depth is held near the estimate; where :func:`weights_for` knows no prior of
poses, the pose is, too."""

TUNED = Weights(
    keypoints=6000.0,
    sigma=0.07,
    pose_prior=0.4,
    bend=5.0,
    betas=0.5,
    near_pose=30.0,
    near_betas=0.1,
    near_depth=600.0,
)
"""Fitted to the simulated benchmark, where they come out far better than the usual ones, and than KITRO."""


def weights_for(skeleton: Skeleton, weights: Weights) -> Weights:
    """Where there is no prior of a tree's poses, its weight goes to a Gaussian around the estimate's."""
    if knows_poses(skeleton):
        return weights
    return weights._replace(pose_prior=0.0, near_pose=weights.near_pose + weights.pose_prior / SPREAD**2)


class EnergyTerms(NamedTuple):
    """Weights and the prior of poses, as they are for a skeleton."""

    weights: Weights
    prior: PriorTerms


def energy_terms(skeleton: Skeleton, weights: Weights = WEIGHTS) -> EnergyTerms:
    """Return the terms that the energy has for a skeleton."""
    return EnergyTerms(weights_for(skeleton, weights), prior_terms(skeleton))


class Parameters(NamedTuple):
    """What is fitted, or a gradient with respect to it."""

    pose: Any  # (N, J, 3) axis-angle vectors
    betas: Any  # (N, S)
    transl: Any  # (N, 3)


class Problem(NamedTuple):
    """What does not change during a fit."""

    skeleton: Skeleton
    start: Parameters
    keypoints_2d: Any  # (N, J, 2)
    intrinsics: Any  # (N, 3, 3)
    size: Any  # (N, 1, 1) larger side of the box around the estimate's projected joints, in pixels
    weights: Weights
    prior_mean: Any  # (3 J,)
    prior_precision: Any  # (3 J, 3 J)
    wrong_way: Any  # (J, 3) sign of the angles that are punished, else 0
    below: Any  # (J, J) 1 where the column's joint hangs below the row's, or is it
    bone_shapedirs: Any  # (3 J, S) child minus parent; the root's own


def make_problem(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    weights: Weights = WEIGHTS,
) -> Problem:
    """Gather what a fit needs; arguments as in kitro_np.smplify.descent.smplify_arrays."""
    xp = array_namespace(pose)
    count, parents = skeleton.num_joints, skeleton.parents
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    projected = project(joints, intrinsics)
    size = xp.max(xp.max(projected, axis=1) - xp.min(projected, axis=1), axis=-1)[:, None, None]
    weights, prior = energy_terms(skeleton, weights)
    below = np.eye(count)
    for joint in range(count - 1, 0, -1):
        below[parents[joint], :] += below[joint, :]

    def like(array: Any) -> Any:
        return xp.asarray(array, dtype=pose.dtype, device=device(pose))

    shapedirs = skeleton.joint_shapedirs
    bones = [shapedirs[0, :, :]]
    bones += [shapedirs[c, :, :] - shapedirs[p, :, :] for c, p in enumerate(parents) if c > 0]
    return Problem(
        skeleton,
        Parameters(axis_angle_from_matrix(pose), betas, transl),
        keypoints_2d,
        intrinsics,
        size,
        weights,
        like(prior.mean),
        like(prior.precision),
        like(prior.wrong_way),
        like(below),
        xp.reshape(xp.stack(bones), (3 * count, skeleton.num_betas)),
    )


def energy(problem: Problem, at: Parameters) -> Any:
    """Return what the fit makes small, for each body: (N,).

    Notes
    -----
    With the robustifier rho(e) = sigma^2 e^2 / (sigma^2 + e^2) of Geman and McClure, poses theta as
    axis-angle vectors, and ^ for the estimate::

        E = keypoints sum_j rho(|u_j - j_j| / size) + pose_prior (theta - mu)^T P (theta - mu)
            + bend sum max(0, wrong angle)^2 + betas |betas|^2 + near_pose |theta - ^theta|^2
            + near_betas |betas - ^betas|^2 + near_depth (t_z / ^t_z - 1)^2

    SMPLify's prior is a mixture of eight Gaussians; here it is one.
    """
    xp = array_namespace(at.pose)
    w = problem.weights
    posed = forward_kinematics(problem.skeleton, matrix_from_axis_angle(at.pose), at.betas)
    squared = _squared(_misses(problem, posed.joints + at.transl[:, None, :]))
    unusual = _flat(at.pose) - problem.prior_mean
    wrong = _wrong_angles(problem, at)
    depth = at.transl[:, 2] / problem.start.transl[:, 2] - 1
    return (
        w.keypoints * xp.sum(w.sigma**2 * squared / (w.sigma**2 + squared), axis=(1, 2))
        + w.pose_prior * xp.sum(unusual * xp.matmul(unusual, problem.prior_precision), axis=1)
        + w.bend * xp.sum(wrong * wrong, axis=(1, 2))
        + w.betas * _squared(at.betas)[:, 0]
        + w.near_pose * _squared(_flat(at.pose - problem.start.pose))[:, 0]
        + w.near_betas * _squared(at.betas - problem.start.betas)[:, 0]
        + w.near_depth * depth * depth
    )


def gradient(problem: Problem, at: Parameters) -> Parameters:
    """Gradient of :func:`energy`, without autodiff.

    Notes
    -----
    The gradient by a joint's place is a force on it. All forces below a bone pull on its betas; their
    moment about its joint pulls on that joint's rotation, and the left Jacobian of the exponential map
    takes it to the axis-angle vector.
    """
    xp = array_namespace(at.pose)
    w, skeleton = problem.weights, problem.skeleton
    posed = forward_kinematics(skeleton, matrix_from_axis_angle(at.pose), at.betas)
    own = _forces(problem, posed.joints + at.transl[:, None, :])
    force = xp.matmul(problem.below, own)
    moment = xp.matmul(problem.below, cross(posed.joints, own)) - cross(posed.joints, force)
    force_in_parent = _in_parent(skeleton, posed.global_rotations, force)
    moment_in_parent = _in_parent(skeleton, posed.global_rotations, moment)
    unusual = xp.matmul(_flat(at.pose) - problem.prior_mean, problem.prior_precision)
    depth = problem.start.transl[:, 2:]
    return Parameters(
        _by_axis_angle(at.pose, moment_in_parent)
        + 2 * w.pose_prior * xp.reshape(unusual, at.pose.shape)
        + 2 * w.bend * problem.wrong_way * _wrong_angles(problem, at)
        + 2 * w.near_pose * (at.pose - problem.start.pose),
        xp.matmul(_flat(force_in_parent), problem.bone_shapedirs)
        + 2 * w.betas * at.betas
        + 2 * w.near_betas * (at.betas - problem.start.betas),
        xp.concat(
            [force[:, 0, :2], force[:, 0, 2:] + 2 * w.near_depth * (at.transl[:, 2:] / depth - 1) / depth],
            axis=1,
        ),
    )


def _misses(problem: Problem, joints: Any) -> Any:
    return (project(joints, problem.intrinsics) - problem.keypoints_2d) / problem.size


def _forces(problem: Problem, joints: Any) -> Any:
    """Gradient of the reprojection term by the joints (N, J, 3) in camera space."""
    misses = _misses(problem, joints)
    share = problem.weights.sigma**2 / (problem.weights.sigma**2 + _squared(misses))
    by_pixel = 2 * problem.weights.keypoints * share * share * misses / problem.size
    return gradient_by_points(by_pixel, joints, problem.intrinsics)


def _in_parent(skeleton: Skeleton, rotations: Any, vectors: Any) -> Any:
    """Vectors (N, J, 3) at joints as their parents see them; the root's as they are."""
    xp = array_namespace(rotations)
    above = xp.stack([rotations[:, parent, :, :] for parent in skeleton.parents[1:]], axis=1)
    local = xp.matmul(vectors[:, 1:, None, :], above)[..., 0, :]
    return xp.concat([vectors[:, :1, :], local], axis=1)


def _by_axis_angle(vector: Any, moment: Any) -> Any:
    """J^T m with the left Jacobian J of the exponential map: exp(v + dv) = exp(J dv) exp(v)."""
    xp = array_namespace(vector)
    squared = _squared(vector)
    small = squared < SMALL_ANGLE
    safe = xp.where(small, xp.ones_like(squared), squared)
    angle = xp.sqrt(safe)
    first = xp.where(small, 0.5 - squared / 24 + squared * squared / 720, (1 - xp.cos(angle)) / safe)
    second = xp.where(
        small, 1 / 6 - squared / 120 + squared * squared / 5040, (1 - xp.sin(angle) / angle) / safe
    )
    across = cross(vector, moment)
    return moment - first * across + second * cross(vector, across)


SMALL_ANGLE = 1e-3
"""Squared angle under which three terms of the series are exact to rounding."""


def _wrong_angles(problem: Problem, at: Parameters) -> Any:
    xp = array_namespace(at.pose)
    angles = problem.wrong_way * at.pose
    return xp.where(angles > 0, angles, xp.zeros_like(angles))


def _squared(array: Any) -> Any:
    return dot(array, array)


def _flat(array: Any) -> Any:
    xp = array_namespace(array)
    return xp.reshape(array, (array.shape[0], 3 * array.shape[1]))
