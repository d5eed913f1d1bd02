"""The energy that SMPLify minimises, and its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.products import times_matrix
from ..arrays.rotations import axis_angle_from_matrix, cross, dot, matrix_from_axis_angle
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..camera import gradient_by_points, project
from .pose_prior import SPREAD, PriorTerms, has_pose_prior, prior_terms


class Weights(NamedTuple):
    """Weights of the terms of :func:`energy`; image distances are relative to the person's size in the image.

    Attributes
    ----------
    keypoints : float
        Of the joints' reprojection errors.
    sigma : float
        Error at which the robust penalty reaches half its bound.
    pose_prior, bend, betas : float
        Of the pose prior, of the penalty on hyperextended knees and elbows, and of the shape prior.
    near_pose, near_betas, near_depth : float
        Of the squared distance from the estimate, in radians, in betas, and relative to its depth.
    """

    keypoints: float
    sigma: float
    pose_prior: float
    angle_prior: float
    betas: float
    near_pose: float
    near_betas: float
    near_depth: float


WEIGHTS = Weights(
    keypoints=180.0**2,
    sigma=100 / 180,
    pose_prior=4.78**2 / 2,
    angle_prior=15.2**2,
    betas=5.0**2,
    near_pose=0.0,
    near_betas=0.0,
    near_depth=600.0,
)
"""SMPLify's usual weights, for a person 180 pixels high: sigma 100 pixels, prior weights 4.78, 15.2 and 5,
squared. Of the estimate only the depth has a prior; without a pose prior the pose has one too, see
:func:`weights_for`."""

TUNED = Weights(
    keypoints=6000.0,
    sigma=0.07,
    pose_prior=0.4,
    angle_prior=5.0,
    betas=0.5,
    near_pose=30.0,
    near_betas=0.1,
    near_depth=600.0,
)
"""Tuned on the simulated benchmark, where they give far lower errors than WEIGHTS, and than KITRO."""


def weights_for(skeleton: Skeleton, weights: Weights) -> Weights:
    """Return a kinematic tree's weights: a Gaussian around the estimate replaces a missing pose prior."""
    if has_pose_prior(skeleton):
        return weights
    return weights._replace(pose_prior=0.0, near_pose=weights.near_pose + weights.pose_prior / SPREAD**2)


class EnergyTerms(NamedTuple):
    """Weights and pose prior for a skeleton."""

    weights: Weights
    prior: PriorTerms


def energy_terms(skeleton: Skeleton, weights: Weights = WEIGHTS) -> EnergyTerms:
    """Return weights and pose prior for a skeleton."""
    return EnergyTerms(weights_for(skeleton, weights), prior_terms(skeleton))


class Parameters(NamedTuple):
    """Parameters of the fit, or a gradient with respect to them."""

    pose: Any  # (N, J, 3) axis-angle vectors
    betas: Any  # (N, S)
    transl: Any  # (N, 3)


class Problem(NamedTuple):
    """Constants of a fit."""

    skeleton: Skeleton
    start: Parameters
    keypoints_2d: Any  # (N, J, 2)
    intrinsics: Any  # (N, 3, 3)
    size: Any  # (N, 1, 1) larger side of the box around the estimate's projected joints, in pixels
    weights: Weights
    prior_mean: Any  # (3 J,)
    prior_precision: Any  # (3 J, 3 J)
    angle_prior_sign: Any  # (J, 3) sign of the angles that are penalised, else 0
    descendants: Any  # (J, J) 1 where the column's joint is the row's or a descendant of it
    bone_shapedirs: Any  # (3 J, S) of child minus parent; the root's own


def make_problem(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    weights: Weights = WEIGHTS,
) -> Problem:
    """Return the constants of a fit; arguments as in kitro_np.smplify.descent.smplify_arrays."""
    xp = array_namespace(pose)
    count, parents = skeleton.num_joints, skeleton.parents
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    projected = project(joints, intrinsics)
    size = xp.max(xp.max(projected, axis=1) - xp.min(projected, axis=1), axis=-1)[:, None, None]
    weights, prior = energy_terms(skeleton, weights)
    descendants = np.eye(count)
    for joint in range(count - 1, 0, -1):
        descendants[parents[joint], :] += descendants[joint, :]

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
        like(prior.angle_prior_sign),
        like(descendants),
        xp.reshape(xp.stack(bones), (3 * count, skeleton.num_betas)),
    )


def energy(problem: Problem, at: Parameters) -> Any:
    """Energy that the fit minimises, for each body: (N,).

    Notes
    -----
    With the robust penalty rho(e) = sigma^2 e^2 / (sigma^2 + e^2) of Geman and McClure, axis-angle vectors
    theta, and ^ for the estimate::

        E = keypoints sum_j rho(|u_j - j_j| / size) + pose_prior (theta - mu)^T P (theta - mu)
            + angle_prior sum max(0, sign theta)^2 + betas |betas|^2 + near_pose |theta - ^theta|^2
            + near_betas |betas - ^betas|^2 + near_depth (t_z / ^t_z - 1)^2

    SMPLify's pose prior is a mixture of eight Gaussians; here it is a single Gaussian.
    """
    xp = array_namespace(at.pose)
    w = problem.weights
    posed = forward_kinematics(problem.skeleton, matrix_from_axis_angle(at.pose), at.betas)
    squared = _squared(_scaled_residual(problem, posed.joints + at.transl[:, None, :]))
    deviation = _flat(at.pose) - problem.prior_mean
    hyperextension = _hyperextension(problem, at)
    depth = at.transl[:, 2] / problem.start.transl[:, 2] - 1
    return (
        w.keypoints * xp.sum(w.sigma**2 * squared / (w.sigma**2 + squared), axis=(1, 2))
        + w.pose_prior * xp.sum(deviation * times_matrix(deviation, problem.prior_precision), axis=1)
        + w.angle_prior * xp.sum(hyperextension * hyperextension, axis=(1, 2))
        + w.betas * _squared(at.betas)[:, 0]
        + w.near_pose * _squared(_flat(at.pose - problem.start.pose))[:, 0]
        + w.near_betas * _squared(at.betas - problem.start.betas)[:, 0]
        + w.near_depth * depth * depth
    )


def gradient(problem: Problem, at: Parameters) -> Parameters:
    """Gradient of :func:`energy`, without autodiff.

    Notes
    -----
    With the gradient g_k by joint k's position, the gradient by the bone that ends at joint j is the sum of
    g_k over j and its descendants, and that by a rotation about X_j is the sum of (X_k - X_j) x g_k. The left
    Jacobian of the exponential map transforms the latter to the axis-angle vector.
    """
    xp = array_namespace(at.pose)
    w, skeleton = problem.weights, problem.skeleton
    posed = forward_kinematics(skeleton, matrix_from_axis_angle(at.pose), at.betas)
    own = _joint_gradient(problem, posed.joints + at.transl[:, None, :])
    by_joint = xp.matmul(problem.descendants, own)
    by_rotation = xp.matmul(problem.descendants, cross(posed.joints, own)) - cross(posed.joints, by_joint)
    by_bone = _in_parent(skeleton, posed.global_rotations, by_joint)
    by_local_rotation = _in_parent(skeleton, posed.global_rotations, by_rotation)
    by_prior = times_matrix(_flat(at.pose) - problem.prior_mean, problem.prior_precision)
    depth = problem.start.transl[:, 2:]
    return Parameters(
        _by_axis_angle(at.pose, by_local_rotation)
        + 2 * w.pose_prior * xp.reshape(by_prior, at.pose.shape)
        + 2 * w.angle_prior * problem.angle_prior_sign * _hyperextension(problem, at)
        + 2 * w.near_pose * (at.pose - problem.start.pose),
        times_matrix(_flat(by_bone), problem.bone_shapedirs)
        + 2 * w.betas * at.betas
        + 2 * w.near_betas * (at.betas - problem.start.betas),
        xp.concat(
            [
                by_joint[:, 0, :2],
                by_joint[:, 0, 2:] + 2 * w.near_depth * (at.transl[:, 2:] / depth - 1) / depth,
            ],
            axis=1,
        ),
    )


def _scaled_residual(problem: Problem, joints: Any) -> Any:
    """Projected joints minus keypoints, relative to the person's size: (N, J, 2)."""
    return (project(joints, problem.intrinsics) - problem.keypoints_2d) / problem.size


def _joint_gradient(problem: Problem, joints: Any) -> Any:
    """Gradient of the reprojection term by the joints in camera space: (N, J, 3)."""
    residual = _scaled_residual(problem, joints)
    share = problem.weights.sigma**2 / (problem.weights.sigma**2 + _squared(residual))
    by_pixel = 2 * problem.weights.keypoints * share * share * residual / problem.size
    return gradient_by_points(by_pixel, joints, problem.intrinsics)


def _in_parent(skeleton: Skeleton, rotations: Any, vectors: Any) -> Any:
    """Vectors (N, J, 3) of the joints in their parents' frames; the root's unchanged."""
    xp = array_namespace(rotations)
    above = xp.stack([rotations[:, parent, :, :] for parent in skeleton.parents[1:]], axis=1)
    local = xp.matmul(vectors[:, 1:, None, :], above)[..., 0, :]
    return xp.concat([vectors[:, :1, :], local], axis=1)


def _by_axis_angle(vector: Any, by_rotation: Any) -> Any:
    """Gradient J^T g by v, with the gradient g by rotation and exp(v + dv) = exp(J dv) exp(v)."""
    xp = array_namespace(vector)
    squared = _squared(vector)
    small = squared < LEFT_JACOBIAN_SERIES
    safe = xp.where(small, xp.ones_like(squared), squared)
    angle = xp.sqrt(safe)
    first = xp.where(small, 0.5 - squared / 24 + squared * squared / 720, (1 - xp.cos(angle)) / safe)
    second = xp.where(
        small, 1 / 6 - squared / 120 + squared * squared / 5040, (1 - xp.sin(angle) / angle) / safe
    )
    across = cross(vector, by_rotation)
    return by_rotation - first * across + second * cross(vector, across)


LEFT_JACOBIAN_SERIES = 1e-3
"""Squared angle t^2 below which the left Jacobian takes three terms of its series: their error, up to
t^6 / 40320 or 2.5e-14, is below that of the cancellation in 1 - cos t."""


def _hyperextension(problem: Problem, at: Parameters) -> Any:
    """Angles of knees and elbows beyond straight, max(0, sign theta): (N, J, 3), in radians."""
    xp = array_namespace(at.pose)
    angles = problem.angle_prior_sign * at.pose
    return xp.where(angles > 0, angles, xp.zeros_like(angles))


def _squared(array: Any) -> Any:
    return dot(array, array)


def _flat(array: Any) -> Any:
    xp = array_namespace(array)
    return xp.reshape(array, (array.shape[0], 3 * array.shape[1]))
