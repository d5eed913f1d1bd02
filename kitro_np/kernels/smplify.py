"""SMPLify for one tile of bodies after the other."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..shape import DECAY_MEAN, DECAY_SQUARE, EPSILON
from .camera import in_camera, project
from .checks import estimate_status, outcome_status
from .geometry import INVERSES, add, cross, dot, load2, load3, load9, scale, store_all, subtract, transform, transpose
from .jit import entry, kernel
from .kinematics import forward_kinematics
from .lanes import full, load, own_lanes, sqrt, store, where
from .refine import NAN, read_tile, refuse_skew, write_tile
from .rotate import reprojection_error
from .tile import Tree, aligned_rows


class Fit(NamedTuple):
    """Working memory of a tile beside kitro_np.kernels.tile.Tile; every member has shape (rows, lanes)."""

    size: np.ndarray  # 1 of the person in the image
    vectors: np.ndarray  # 3 J axis-angle
    start_vectors: np.ndarray  # 3 J of the estimate
    start_betas: np.ndarray  # S
    start_transl: np.ndarray  # 3
    jacobian: np.ndarray  # 2 J coefficients of the exponential map's left Jacobian
    moment: np.ndarray  # 3 J moment of the forces below a joint about it
    unusual: np.ndarray  # 3 J pose minus the prior's mean
    pose_gradient: np.ndarray  # 3 J
    pose_mean: np.ndarray  # 3 J Adam's moments; those of betas are the tile's
    pose_square: np.ndarray  # 3 J
    transl_gradient: np.ndarray  # 3
    transl_mean: np.ndarray  # 3
    transl_square: np.ndarray  # 3


class FitSettings(NamedTuple):
    """What to do; the weights are those of kitro_np.baselines.smplify.Weights."""

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


def make_fit(tree: Tree, dtype: Any) -> Fit:
    """Allocate the working memory of a fit."""
    joints, betas = tree.shapedirs.shape[:2]
    rows = {"size": 1, "start_betas": betas, "jacobian": 2 * joints}
    rows |= {name: 3 for name in ("start_transl", "transl_gradient", "transl_mean", "transl_square")}
    return Fit(**{name: aligned_rows(rows.get(name, 3 * joints), dtype) for name in Fit._fields})


@entry
def fit_bodies(tree, tile, fit, bodies, refined, settings, first, last):
    """Fused twin of kitro_np.baselines.smplify.smplify_arrays, for the bodies from `first` to before `last`."""
    lanes = tile.status.shape[1]
    for start in range(first, last, lanes):
        read_tile(tile, bodies, start, last)
        forward_kinematics(tree, tile)
        estimate_status(tree, tile)
        refuse_skew(tile, bodies, start, last)
        reprojection_error(tree, tile)
        for lane in own_lanes(tile.error, last - start):
            refined.reprojection_error[start + lane] = tile.error[0, lane]
        begin(tree, tile, fit)
        _descend(tree, tile, fit, settings, settings.root_rates, False)
        _descend(tree, tile, fit, settings, settings.rates, True)
        _pose_tile(tree, tile, fit)
        outcome_status(tree, tile)
        reprojection_error(tree, tile)
        store(tile.path_score, 0, NAN)
        for j in range(tree.parents.size):
            store(tile.selection, j, -1.0)
        write_tile(tile, bodies, refined, start, last)


@kernel
def begin(tree, tile, fit):
    """Fused twin of kitro_np.baselines.smplify.make_problem, after forward kinematics of the estimate."""
    low_u, low_v = project(in_camera(tile, 0), tile)
    high_u, high_v = low_u, low_v
    for j in range(1, tree.parents.size):
        u, v = project(in_camera(tile, j), tile)
        low_u, high_u = where(u < low_u, u, low_u), where(u > high_u, u, high_u)
        low_v, high_v = where(v < low_v, v, low_v), where(v > high_v, v, high_v)
    wide, high = high_u - low_u, high_v - low_v
    store(fit.size, 0, where(wide > high, wide, high))
    axis_angles(tree, tile.pose, fit.vectors)
    for row in range(fit.vectors.shape[0]):
        store(fit.start_vectors, row, load(fit.vectors, row))
    for row in range(tile.betas.shape[0]):
        store(fit.start_betas, row, load(tile.betas, row))
    for row in range(3):
        store(fit.start_transl, row, load(tile.transl, row))


@kernel
def axis_angles(tree, pose, vectors):
    """Fused twin of kitro_np.geometry.axis_angle_from_matrix, of all joints; once a body, so lane by lane."""
    for lane in own_lanes(pose, pose.shape[1]):
        for j in range(tree.parents.size):
            m = pose[9 * j : 9 * j + 9, lane]
            # The quaternion by its largest component, times a positive number.
            trace = m[0] + m[4] + m[8]
            if trace >= m[0] and trace >= m[4] and trace >= m[8]:
                w, x, y, z = 1 + trace, m[7] - m[5], m[2] - m[6], m[3] - m[1]
            elif m[0] >= m[4] and m[0] >= m[8]:
                w, x, y, z = m[7] - m[5], 1 + 2 * m[0] - trace, m[1] + m[3], m[2] + m[6]
            elif m[4] >= m[8]:
                w, x, y, z = m[2] - m[6], m[1] + m[3], 1 + 2 * m[4] - trace, m[5] + m[7]
            else:
                w, x, y, z = m[3] - m[1], m[2] + m[6], m[5] + m[7], 1 + 2 * m[8] - trace
            if w < 0:
                w, x, y, z = -w, -x, -y, -z
            length = math.sqrt(x * x + y * y + z * z)
            ratio = 2 * math.atan2(length, w) / length if length > 0 else 0.0
            vectors[3 * j, lane] = ratio * x
            vectors[3 * j + 1, lane] = ratio * y
            vectors[3 * j + 2, lane] = ratio * z


@kernel
def _descend(tree, tile, fit, settings, rates, everything):
    """Fused twin of one stage of kitro_np.baselines.smplify.fit."""
    for row in range(fit.pose_mean.shape[0]):
        store(fit.pose_mean, row, 0.0)
        store(fit.pose_square, row, 0.0)
    for row in range(tile.mean.shape[0]):
        store(tile.mean, row, 0.0)
        store(tile.square, row, 0.0)
    for row in range(3):
        store(fit.transl_mean, row, 0.0)
        store(fit.transl_square, row, 0.0)
    free = fit.vectors.shape[0] if everything else 3
    for step in range(rates.shape[0]):
        gradient(tree, tile, fit, settings)
        rate, spread_rate = rates[step, 0], rates[step, 1]
        _adam(fit.vectors, fit.pose_gradient, fit.pose_mean, fit.pose_square, free, rate, spread_rate)
        _adam(tile.transl, fit.transl_gradient, fit.transl_mean, fit.transl_square, 3, rate, spread_rate)
        if everything:
            betas = tile.betas.shape[0]
            _adam(tile.betas, tile.gradient, tile.mean, tile.square, betas, rate, spread_rate)


@kernel
def _adam(values, gradient, means, squares, rows, rate, spread_rate):
    for row in range(rows):
        slope = load(gradient, row)
        mean = DECAY_MEAN * load(means, row) + (1.0 - DECAY_MEAN) * slope
        square = DECAY_SQUARE * load(squares, row) + (1.0 - DECAY_SQUARE) * slope * slope
        store(means, row, mean)
        store(squares, row, square)
        store(values, row, load(values, row) - rate * mean / (sqrt(square) * spread_rate + EPSILON))


@kernel
def gradient(tree, tile, fit, settings):
    """Fused twin of kitro_np.baselines.smplify.gradient.

    Forces and moments are handed down the chain, as in kitro_np.kernels.shape, where the stage multiplies
    with a matrix of who hangs below whom.
    """
    _pose_tile(tree, tile, fit)
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
def _pose_tile(tree, tile, fit):
    """Rotations and joints of the axis-angle vectors, and what their Jacobians need."""
    for j in range(tree.parents.size):
        v = load3(fit.vectors, j)
        squared = dot(v, v)
        sine, versine = sine_and_versine(squared)
        store(fit.jacobian, 2 * j, versine)
        small = squared < SMALL_ANGLE
        series = SIXTH - squared * (INVERSE_120 - squared * INVERSE_5040)
        store(fit.jacobian, 2 * j + 1, where(small, series, (1.0 - sine) / where(small, 1.0, squared)))
        x, y, z = v
        diagonal = 1.0 - versine * squared
        xy, xz, yz = versine * x * y, versine * x * z, versine * y * z
        rotation = (
            diagonal + versine * x * x, xy - sine * z, xz + sine * y,
            xy + sine * z, diagonal + versine * y * y, yz - sine * x,
            xz - sine * y, yz + sine * x, diagonal + versine * z * z,
        )  # fmt: skip
        store_all(tile.pose, 9 * j, rotation)
    forward_kinematics(tree, tile)


SMALL_ANGLE = 1e-3
SIXTH, INVERSE_120, INVERSE_5040 = 1 / 6, 1 / 120, 1 / 5040


@kernel
def sine_and_versine(squared):
    """Return sin(t) / t and (1 - cos(t)) / t^2 of t^2, for |t| up to 2 pi: series at t / 4, doubled twice.

    LLVM would call the scalar functions for each lane.
    """
    x = 0.0625 * squared
    sine, cosine = 0.0 * x + 1.0, 0.0 * x + 1.0
    for k in range(10, 0, -1):
        cosine = 1.0 - x * cosine * (HALVES[k] * ODDS[k])
        sine = 1.0 - x * sine * (HALVES[k] * MORE_ODDS[k])
    half = sine * cosine
    half_cosine = 1.0 - 2.0 * x * sine * sine
    return half * half_cosine, 0.5 * half * half


HALVES = (0.0, *(0.5 / k for k in range(1, 11)))
ODDS = (0.0, *(1 / (2 * k - 1) for k in range(1, 11)))
MORE_ODDS = (0.0, *(1 / (2 * k + 1) for k in range(1, 11)))
"""1 / (2 k), 1 / (2 k - 1) and 1 / (2 k + 1): ratios of neighbouring terms of the two series."""


@kernel
def _pull_of_keypoints(tree, tile, fit, settings):
    """Gradient of the reprojection term: to tile.force, fit.moment, and those of betas and translation."""
    zero = full(tile.betas, 0.0)
    for s in range(tile.betas.shape[0]):
        store(tile.gradient, s, zero)
    for row in range(tile.force.shape[0]):
        store(tile.force, row, zero)
        store(fit.moment, row, zero)
    fx, fy = load(tile.camera, 0), load(tile.camera, 1)
    inverse_size = 1.0 / load(fit.size, 0)
    for j in range(tree.parents.size - 1, -1, -1):
        place = in_camera(tile, j)
        u, v = project(place, tile)
        wanted_u, wanted_v = load2(tile.keypoints, j)
        u, v = (u - wanted_u) * inverse_size, (v - wanted_v) * inverse_size
        share = settings.sigma_squared / (u * u + v * v + settings.sigma_squared)
        pull = 2.0 * settings.keypoints * share * share * inverse_size
        inverse = 1.0 / place[2]
        by_x, by_y = pull * u * fx * inverse, pull * v * fy * inverse
        by_z = -(by_x * place[0] + by_y * place[1]) * inverse
        force = add((by_x, by_y, by_z), load3(tile.force, j))
        store_all(tile.force, 3 * j, force)
        local = force
        if j > 0:
            p = tree.parents[j]
            arm = subtract(load3(tile.joints, j), load3(tile.joints, p))
            moment = add(load3(fit.moment, j), cross(arm, force))
            store_all(fit.moment, 3 * p, add(load3(fit.moment, p), moment))
            store_all(tile.force, 3 * p, add(load3(tile.force, p), force))
            local = transform(transpose(load9(tile.turned, p)), force)
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
            moment = transform(transpose(load9(tile.turned, tree.parents[j])), moment)
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
