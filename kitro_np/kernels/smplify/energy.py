"""Gradient of SMPLify's energy for a tile."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..body.kinematics import forward_kinematics
from ..camera import gradient_by_point, in_camera, project
from ..jit import kernel
from ..lanes import full, load, store, where
from ..vector_math import add, cross, load2, load3, load9, scale, store_all, subtract, transform, transpose
from .rotation_vectors import exponentials


class FitSettings(NamedTuple):
    """Settings of a run; the weights are those of kitro_np.smplify.energy.Weights."""

    root_rates: Any  # (steps, 2) of the first stage, on root and translation only
    rates: Any  # (steps, 2)
    prior_mean: Any  # (3 J,), or empty where there is no prior
    prior_precision: Any  # (3 J, 3 J)
    angle_prior_sign: Any  # (3 J,)
    keypoints: float
    sigma_squared: float
    pose_prior: float
    angle_prior: float
    betas: float
    near_pose: float
    near_betas: float
    near_depth: float


@kernel
def gradient(tree, tile, fit, settings):
    """Fused twin of kitro_np.smplify.energy.gradient.

    Gradients are accumulated up the chain, as in kitro_np.kernels.kitro.shape; the stage multiplies with a
    matrix of descendants.
    """
    pose_tile(tree, tile, fit)
    _reprojection_gradient(tree, tile, fit, settings)
    _pose_gradient(tree, tile, fit, settings)
    if settings.prior_mean.size > 0:
        _pose_prior_gradient(tree, fit, settings)
    for s in range(tile.betas.shape[0]):
        beta = load(tile.betas, s)
        near = settings.near_betas * (beta - load(fit.start_betas, s))
        store(tile.gradient, s, load(tile.gradient, s) + 2.0 * (settings.betas * beta + near))
    depth = load(fit.start_transl, 2)
    near = 2.0 * settings.near_depth * (load(tile.transl, 2) / depth - 1.0) / depth
    store(fit.transl_gradient, 2, load(fit.transl_gradient, 2) + near)


@kernel
def pose_tile(tree, tile, fit):
    """Rotations and joints of the current axis-angle vectors."""
    exponentials(tree, fit.vectors, tile.pose, fit.jacobian)
    forward_kinematics(tree, tile)


@kernel
def _reprojection_gradient(tree, tile, fit, settings):
    """Gradient of the reprojection term by joints, rotations, betas and translation."""
    zero = full(tile.betas, 0.0)
    for s in range(tile.betas.shape[0]):
        store(tile.gradient, s, zero)
    for row in range(tile.joint_gradient.shape[0]):
        store(tile.joint_gradient, row, zero)
        store(fit.rotation_gradient, row, zero)
    inverse_size = 1.0 / load(fit.size, 0)
    for j in range(tree.parents.size - 1, -1, -1):
        place = in_camera(tile, j)
        u, v = project(place, tile)
        target_u, target_v = load2(tile.keypoints, j)
        u, v = (u - target_u) * inverse_size, (v - target_v) * inverse_size
        share = settings.sigma_squared / (u * u + v * v + settings.sigma_squared)
        factor = 2.0 * settings.keypoints * share * share * inverse_size
        by_joint = add(gradient_by_point(factor * u, factor * v, place, tile), load3(tile.joint_gradient, j))
        store_all(tile.joint_gradient, 3 * j, by_joint)
        local = by_joint
        if j > 0:
            p = tree.parents[j]
            arm = subtract(load3(tile.joints, j), load3(tile.joints, p))
            by_rotation = add(load3(fit.rotation_gradient, j), cross(arm, by_joint))
            store_all(fit.rotation_gradient, 3 * p, add(load3(fit.rotation_gradient, p), by_rotation))
            store_all(tile.joint_gradient, 3 * p, add(load3(tile.joint_gradient, p), by_joint))
            local = transform(transpose(load9(tile.rotations, p)), by_joint)
        for s in range(tree.shapedirs.shape[1]):
            own = (
                tree.shapedirs[j, s, 0] * local[0]
                + tree.shapedirs[j, s, 1] * local[1]
                + tree.shapedirs[j, s, 2] * local[2]
            )
            store(tile.gradient, s, load(tile.gradient, s) + own)
    store_all(fit.transl_gradient, 0, load3(tile.joint_gradient, 0))


@kernel
def _pose_gradient(tree, tile, fit, settings):
    """Gradient by the axis-angle vectors: reprojection, distance from the estimate, and hyperextension."""
    for j in range(tree.parents.size):
        by_rotation = load3(fit.rotation_gradient, j)
        if j > 0:
            by_rotation = transform(transpose(load9(tile.rotations, tree.parents[j])), by_rotation)
        v = load3(fit.vectors, j)
        across = cross(v, by_rotation)
        by_vector = subtract(by_rotation, scale(load(fit.jacobian, 2 * j), across))
        by_vector = add(by_vector, scale(load(fit.jacobian, 2 * j + 1), cross(v, across)))
        near = scale(full(tile.betas, 2.0 * settings.near_pose), subtract(v, load3(fit.start_vectors, j)))
        by_vector = add(by_vector, near)
        for k in range(3):
            sign = settings.angle_prior_sign[3 * j + k]
            hyperextension = sign * load(fit.vectors, 3 * j + k)
            hyperextension = where(hyperextension > 0.0, hyperextension, 0.0)
            store(
                fit.pose_gradient,
                3 * j + k,
                by_vector[k] + 2.0 * settings.angle_prior * sign * hyperextension,
            )


@kernel
def _pose_prior_gradient(tree, fit, settings):
    """Add the pose prior's gradient 2 w P (theta - mu)."""
    for row in range(3, fit.vectors.shape[0]):
        store(fit.deviation, row, load(fit.vectors, row) - settings.prior_mean[row])
    precision, weight = settings.prior_precision, 2.0 * settings.pose_prior
    for j in range(1, tree.parents.size):
        x = y = z = full(fit.deviation, 0.0)
        for row in range(3, fit.vectors.shape[0]):
            deviation = load(fit.deviation, row)
            x = x + precision[3 * j, row] * deviation
            y = y + precision[3 * j + 1, row] * deviation
            z = z + precision[3 * j + 2, row] * deviation
        by_vector = add(load3(fit.pose_gradient, j), scale(full(fit.deviation, weight), (x, y, z)))
        store_all(fit.pose_gradient, 3 * j, by_vector)
