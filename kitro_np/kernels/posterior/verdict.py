"""Verdict on a tile's bodies: whether each is likely better than its estimate."""

from __future__ import annotations

from ...posterior.priors import TYPICAL_NOISE
from ...posterior.verdict import (
    AFFINE_ROUNDS,
    DETAIL_FLOOR,
    FEWEST_KEYPOINTS,
    LEVER,
    RIDGE,
    ROTATION_FLOOR,
    SMALLEST_DETAIL,
    SMALLEST_STRETCH,
    TOO_FEW_INLIERS,
)
from ..jit import kernel
from ..lanes import full, load, log, sqrt, store, where
from ..vector_math import add, chord, dot, load2, load3, load9, subtract, transform
from .gauss_newton import times_precision
from .scalars import (
    AFFINE_DETAIL,
    AFFINE_SQUEEZE,
    AFFINE_TURN,
    LOG_DETERMINANT,
    MAHALANOBIS,
    NOISE,
    NUM_VISIBLE,
    PIXELS_PER_METRE,
    POSE_SCALE,
    QUALITY,
)


@kernel
def fit_affine(chains, tile, memory):
    """Fused twin of kitro_np.posterior.verdict.fit_affine, from the residuals of the first step."""
    zero = full(tile.betas, 0.0)
    points = chains.point_joint.size
    for k in range(points):
        store(memory.affine_weight, k, _affine_confidence(memory, k))
    for _ in range(AFFINE_ROUNDS):
        total, mean_x, mean_y, mean_u, mean_v = zero, zero, zero, zero, zero
        for k in range(points):
            weight = load(memory.affine_weight, k)
            u, v = load2(tile.keypoints, k)
            x, y = u - load(memory.residual, 2 * k), v - load(memory.residual, 2 * k + 1)
            total = total + weight
            mean_x, mean_y = mean_x + weight * x, mean_y + weight * y
            mean_u, mean_v = mean_u + weight * u, mean_v + weight * v
        inverse = 1.0 / where(total > 0.0, total, 1.0)
        mean_x, mean_y, mean_u, mean_v = (
            inverse * mean_x, inverse * mean_y, inverse * mean_u, inverse * mean_v,
        )  # fmt: skip
        xx, xy, yy = zero, zero, zero
        xu, yu, xv, yv = zero, zero, zero, zero
        for k in range(points):
            share = inverse * load(memory.affine_weight, k)
            u, v = load2(tile.keypoints, k)
            x = u - load(memory.residual, 2 * k) - mean_x
            y = v - load(memory.residual, 2 * k + 1) - mean_y
            u, v = u - mean_u, v - mean_v
            xx, xy, yy = xx + share * x * x, xy + share * x * y, yy + share * y * y
            xu, yu = xu + share * x * u, yu + share * y * u
            xv, yv = xv + share * x * v, yv + share * y * v
        ridge = RIDGE * (xx + yy)
        a, c = xx + ridge, yy + ridge
        determinant = a * c - xy * xy
        determinant = where(determinant > 0.0, determinant, 1.0)
        xu, yv = xu + ridge, yv + ridge
        ux, uy = (c * xu - xy * yu) / determinant, (a * yu - xy * xu) / determinant
        vx, vy = (c * xv - xy * yv) / determinant, (a * yv - xy * xv) / determinant
        mean = zero
        for k in range(points):
            u, v = load2(tile.keypoints, k)
            x = u - load(memory.residual, 2 * k) - mean_x
            y = v - load(memory.residual, 2 * k + 1) - mean_y
            left_u, left_v = u - mean_u - ux * x - uy * y, v - mean_v - vx * x - vy * y
            left = left_u * left_u + left_v * left_v
            mean = mean + inverse * load(memory.affine_weight, k) * left
            # The squared residual for now: the mean is not known yet.
            store(memory.affine_weight, k, left)
        floor = 2.0 * where(mean > 0.0, mean, 1.0)
        for k in range(points):
            left = load(memory.affine_weight, k)
            store(memory.affine_weight, k, _affine_confidence(memory, k) / (1.0 + left / floor))
    across, along = vx - uy, ux + vy
    length = sqrt(across * across + along * along)
    cosine = along / where(length > 0.0, length, 1.0)
    cosine = where(cosine < 1.0, cosine, 1.0)
    squeeze = log(_at_least(ux, SMALLEST_STRETCH)) - log(_at_least(vy, SMALLEST_STRETCH))
    store(memory.scalars, AFFINE_TURN, sqrt(2.0 - 2.0 * cosine))
    store(memory.scalars, AFFINE_SQUEEZE, _at_least(squeeze, 0.0))
    store(memory.scalars, AFFINE_DETAIL, sqrt(mean) / load(memory.scalars, PIXELS_PER_METRE))


@kernel
def _affine_confidence(memory, k):
    """Confidence of a keypoint, less if it is metres off."""
    metre = load(memory.scalars, PIXELS_PER_METRE)
    u, v = load(memory.residual, 2 * k) / metre, load(memory.residual, 2 * k + 1) / metre
    return load(memory.confidence, k) / (1.0 + u * u + v * v)


@kernel
def judge(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.verdict.features_of, and quality_of, after the last step."""
    zero = full(tile.betas, 0.0)
    seen, total, squared = zero, zero, zero
    for k in range(chains.point_joint.size):
        inlier = load(memory.inlier, k)
        weight = inlier * load(memory.confidence, k)
        seen, total, squared = seen + inlier, total + weight, squared + weight * weight
    visible = _at_least(load(memory.scalars, NUM_VISIBLE), 1.0)
    effective = _at_least(total * total / where(squared > 0.0, squared, 1.0), 1.0)
    coordinates = 2.0 * _at_least(seen, 1.0)
    pixels_per_metre = load(memory.scalars, PIXELS_PER_METRE)
    pose_scale = log(load(memory.scalars, POSE_SCALE))
    noise = log(load(memory.scalars, NOISE) / (TYPICAL_NOISE * pixels_per_metre))
    outliers = 1.0 - seen / visible
    detail = load(memory.scalars, AFFINE_DETAIL)
    turn = load(memory.scalars, AFFINE_TURN) * LEVER / (detail + DETAIL_FLOOR)
    squeeze = load(memory.scalars, AFFINE_SQUEEZE) * LEVER / (detail + DETAIL_FLOOR)
    offset = subtract(load3(tile.transl, 0), load3(memory.prior_transl, 0))
    translation = dot(offset, transform(load9(memory.transl_precision, 0), offset))
    depth = log(_at_least(load(tile.transl, 2) / load(memory.prior_transl, 2), SMALLEST_STRETCH))
    joints, in_plane, out_of_plane, unusual = zero, zero, zero, zero
    for a in range(chains.moving.size):
        j = chains.moving[a]
        if j == 0:
            continue
        moves = load(memory.moves, j)
        rotation = add(load3(memory.deviation, j), load3(memory.joint_step, j))
        x = rotation[0] / chains.pose_spread[j, 0]
        y = rotation[1] / chains.pose_spread[j, 1]
        z = rotation[2] / chains.pose_spread[j, 2]
        joints = joints + moves
        in_plane = in_plane + moves * z * z
        out_of_plane = out_of_plane + moves * (x * x + y * y)
        given, _ = chord(load9(tile.initial_pose, j))
        away = (
            given[0] - chains.motion_mean[j, 0],
            given[1] - chains.motion_mean[j, 1],
            given[2] - chains.motion_mean[j, 2],
        )
        unusual = unusual + moves * dot(away, times_precision(chains.motion_precision[j], away))
    joints = _at_least(joints, 1.0)
    w = chains.verdict
    quality = (
        w[0] * pose_scale
        + w[1] * pose_scale * pose_scale
        + w[2] * noise
        + w[3] * noise * noise
        + w[4] * load(memory.scalars, MAHALANOBIS) / coordinates
        + w[5] * log(detail + SMALLEST_DETAIL)
        + w[6] * log(1.0 + turn * turn)
        + w[7] * log(1.0 + squeeze * squeeze)
        + w[8] * depth
        + w[9] * outliers
        + w[10] * outliers * outliers
        + w[11] * load(memory.scalars, LOG_DETERMINANT) / coordinates
        + w[12] * translation
        + w[13] * log(sqrt(in_plane / joints) + ROTATION_FLOOR)
        + w[14] * log(sqrt(out_of_plane / (2.0 * joints)) + ROTATION_FLOOR)
        + w[15] * unusual / (3.0 * joints)
        + w[16] * 24.0 / visible
        + w[17] * 24.0 / effective
        + w[18]
    )
    store(memory.scalars, QUALITY, where(seen > FEWEST_KEYPOINTS - 0.5, quality, TOO_FEW_INLIERS))


@kernel
def _at_least(number, least):
    return where(number > least, number, least)
