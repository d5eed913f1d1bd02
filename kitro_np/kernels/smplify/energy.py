"""Gradient of SMPLify's energy for a tile."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..body.kinematics import forward_kinematics
from ..camera import gradient_by_point, in_camera, project
from ..jit import kernel
from ..lanes import full, load, store, where
from ..rotation_vectors import exponentials
from ..vector_math import add, cross, load2, load3, load9, scale, store_all, subtract, transform, transpose


class FitSettings(NamedTuple):
    """What to do; the weights are those of kitro_np.smplify.descent.Weights."""

    root_rates: Any  # (steps, 2) of the stage that moves root and translation only
    rates: Any  # (steps, 2)
    prior_mean: Any  # (3 J,), or empty where there is no prior
    prior_precision: Any  # (3 J, 3 J)
    wrong_way: Any  # (3 J,)
    keypoints: float
    sigma_squared: float
    pose_prior: float
    bend: float
    betas: float
    near_pose: float
    near_betas: float
    near_depth: float


@kernel
def gradient(tree, tile, fit, settings):
    """Fused twin of kitro_np.smplify.energy.gradient.

    Forces and moments are handed down the chain, as in kitro_np.kernels.kitro.shape, where the stage
    multiplies with a matrix of who hangs below whom.
    """
    pose_tile(tree, tile, fit)
    _pull_of_keypoints(tree, tile, fit, settings)
    _pull_of_pose(tree, tile, fit, settings)
    if settings.prior_mean.size > 0:
        _pull_of_prior(tree, fit, settings)
    for s in range(tile.betas.shape[0]):
        beta = load(tile.betas, s)
        near = settings.near_betas * (beta - load(fit.start_betas, s))
        store(tile.gradient, s, load(tile.gradient, s) + 2.0 * (settings.betas * beta + near))
    depth = load(fit.start_transl, 2)
    near = 2.0 * settings.near_depth * (load(tile.transl, 2) / depth - 1.0) / depth
    store(fit.transl_gradient, 2, load(fit.transl_gradient, 2) + near)


@kernel
def pose_tile(tree, tile, fit):
    """Rotations and joints as the axis-angle vectors have them."""
    exponentials(tree, fit.vectors, tile.pose, fit.jacobian)
    forward_kinematics(tree, tile)


@kernel
def _pull_of_keypoints(tree, tile, fit, settings):
    """Gradient of the reprojection term: to tile.force, fit.moment, and those of betas and translation."""
    zero = full(tile.betas, 0.0)
    for s in range(tile.betas.shape[0]):
        store(tile.gradient, s, zero)
    for row in range(tile.force.shape[0]):
        store(tile.force, row, zero)
        store(fit.moment, row, zero)
    inverse_size = 1.0 / load(fit.size, 0)
    for j in range(tree.parents.size - 1, -1, -1):
        place = in_camera(tile, j)
        u, v = project(place, tile)
        target_u, target_v = load2(tile.keypoints, j)
        u, v = (u - target_u) * inverse_size, (v - target_v) * inverse_size
        share = settings.sigma_squared / (u * u + v * v + settings.sigma_squared)
        pull = 2.0 * settings.keypoints * share * share * inverse_size
        force = add(gradient_by_point(pull * u, pull * v, place, tile), load3(tile.force, j))
        store_all(tile.force, 3 * j, force)
        local = force
        if j > 0:
            p = tree.parents[j]
            arm = subtract(load3(tile.joints, j), load3(tile.joints, p))
            moment = add(load3(fit.moment, j), cross(arm, force))
            store_all(fit.moment, 3 * p, add(load3(fit.moment, p), moment))
            store_all(tile.force, 3 * p, add(load3(tile.force, p), force))
            local = transform(transpose(load9(tile.rotations, p)), force)
        for s in range(tree.shapedirs.shape[1]):
            own = (
                tree.shapedirs[j, s, 0] * local[0]
                + tree.shapedirs[j, s, 1] * local[1]
                + tree.shapedirs[j, s, 2] * local[2]
            )
            store(tile.gradient, s, load(tile.gradient, s) + own)
    store_all(fit.transl_gradient, 0, load3(tile.force, 0))


@kernel
def _pull_of_pose(tree, tile, fit, settings):
    """Gradient by the axis-angle vectors: moments, staying near the estimate, and wrong bends."""
    for j in range(tree.parents.size):
        moment = load3(fit.moment, j)
        if j > 0:
            moment = transform(transpose(load9(tile.rotations, tree.parents[j])), moment)
        v = load3(fit.vectors, j)
        across = cross(v, moment)
        slope = subtract(moment, scale(load(fit.jacobian, 2 * j), across))
        slope = add(slope, scale(load(fit.jacobian, 2 * j + 1), cross(v, across)))
        near = scale(full(tile.betas, 2.0 * settings.near_pose), subtract(v, load3(fit.start_vectors, j)))
        slope = add(slope, near)
        for k in range(3):
            sign = settings.wrong_way[3 * j + k]
            wrong = sign * load(fit.vectors, 3 * j + k)
            wrong = where(wrong > 0.0, wrong, 0.0)
            store(fit.pose_gradient, 3 * j + k, slope[k] + 2.0 * settings.bend * sign * wrong)


@kernel
def _pull_of_prior(tree, fit, settings):
    for row in range(3, fit.vectors.shape[0]):
        store(fit.unusual, row, load(fit.vectors, row) - settings.prior_mean[row])
    precision, weight = settings.prior_precision, 2.0 * settings.pose_prior
    for j in range(1, tree.parents.size):
        x = y = z = full(fit.unusual, 0.0)
        for row in range(3, fit.vectors.shape[0]):
            unusual = load(fit.unusual, row)
            x = x + precision[3 * j, row] * unusual
            y = y + precision[3 * j + 1, row] * unusual
            z = z + precision[3 * j + 2, row] * unusual
        slope = add(load3(fit.pose_gradient, j), scale(full(fit.unusual, weight), (x, y, z)))
        store_all(fit.pose_gradient, 3 * j, slope)
