"""Frame: one Gauss-Newton step of each frame, given its neighbours' messages and the shape of the track.

Messages are about global rotations. With the rotations w of :mod:`kitro_np.posterior.gauss_newton`, that of a
joint is phi_j, the sum of w over its ancestors and itself: a precision s of phi adds the sum of s over the
subtree of i to every block of joint i with its ancestors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ...arrays.linear import inverse_each, solve_each
from ...arrays.rotations import cayley
from ...body.kinematics import parent_rotations
from ...body.skeleton import Skeleton
from ...camera import project
from .. import priors
from ..fit import FitInput, apply_rotations, weigh_residuals
from ..gauss_newton import (
    LinearPrior,
    Prior,
    Scales,
    _finite_or_identity,
    largest_angle,
    linearise_prior,
    stacked_jacobian,
)
from ..projection import Posed, place_points, point_jacobians, unseen_in_front
from .chain import Messages
from .contacts import Rests, rest_evidence
from .spreads import DEPTH_CORRELATION, effective_frames


class FrameSystem(NamedTuple):
    """Normal equations of each frame about its current body, without and with its neighbours' messages.

    Attributes
    ----------
    posed : Posed
    own : (T, U, U) array
        Precision of 3 J rotations, betas and translation by keypoints, priors and contacts.
    precision : (T, U, U) array
        With the messages.
    right_side : (T, U) array
        With the messages.
    linear_prior : LinearPrior
    jacobian : (T, 2 K, U) array
        Of the projected points, in pixels.
    residual : (T, K, 2) array
        In pixels.
    weights : (T, K) array
        Inverse standard deviation of each keypoint, per pixel.
    """

    posed: Posed
    own: Any
    precision: Any
    right_side: Any
    linear_prior: LinearPrior
    jacobian: Any
    residual: Any
    weights: Any


class Sums(NamedTuple):
    """What the frames of each of T tracks say of its shape and of constant errors, summed over frames.

    Attributes
    ----------
    shape_precision : (T, S, S) array
    shape_right_side : (T, S) array
        Of a change of the betas.
    turn : (T, J, 3) array
        Rotations from the estimates, about the axes of each joint's parent, over the squared scale.
    turn_weight : (T,) array
    shift : (T, K, 2) array
        Residuals in metres at the body, weighed.
    shift_weight : (T, K) array
    """

    shape_precision: Any
    shape_right_side: Any
    turn: Any
    turn_weight: Any
    shift: Any
    shift_weight: Any


def ancestors(skeleton: Skeleton) -> np.ndarray:
    """Which joints are each joint's ancestors, or itself: (J, J) of 1 and 0."""
    above = np.eye(skeleton.num_joints)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            above[joint] += above[parent]
    return above


def frame_system(
    given: FitInput,
    prior: Prior,
    scales: Scales,
    pose: Any,
    betas: Any,
    transl: Any,
    others: Messages,
    rests: Rests | None = None,
) -> FrameSystem:
    """Linearise about the current bodies, and weigh the keypoints by their residuals.

    Parameters
    ----------
    given : FitInput
    prior : Prior
    scales : Scales
    pose : (T, J, 3, 3) array
    betas : (T, S) array
    transl : (T, 3) array
    others : Messages
        Of the neighbours.
    rests : Rests, optional
        Where joints are held.
    """
    xp = array_namespace(pose)
    visible = given.visible
    posed = unseen_in_front(place_points(given.skeleton, given.points, pose, betas, transl), visible > 0)
    jacobians = point_jacobians(posed, given.points.moved, given.intrinsics)
    residual = (given.keypoints_2d - project(posed.points, given.intrinsics)) * visible[:, :, None]
    linear_prior = linearise_prior(prior, scales, pose, betas, transl, posed)
    _, weights = weigh_residuals(given, residual, scales.noise)
    count, points = weights.shape
    rows = xp.reshape(xp.stack([weights, weights], axis=-1), (count, 2 * points, 1))
    jacobian = stacked_jacobian(jacobians)
    transposed = xp.matrix_transpose(rows * jacobian)
    own = xp.matmul(transposed, rows * jacobian) + linear_prior.precision
    whitened = rows * xp.reshape(residual, (count, 2 * points, 1))
    right_side = xp.matmul(transposed, whitened)[..., 0] + linear_prior.right_side
    if rests is not None:
        held, towards = rest_evidence(given.skeleton, posed, rests, betas.shape[1])
        own, right_side = own + held, right_side + towards
    to_global = _to_global(given.skeleton, pose, betas.shape[1])
    spread = xp.matmul(
        xp.matrix_transpose(to_global) * _with_betas(others.precision, betas)[:, None, :], to_global
    )
    pull = xp.matmul(xp.matrix_transpose(to_global), _with_betas(others.right_side, betas)[..., None])[..., 0]
    return FrameSystem(posed, own, own + spread, right_side + pull, linear_prior, jacobian, residual, weights)


def take_step(
    given: FitInput, system: FrameSystem, pose: Any, transl: Any, others: Messages
) -> tuple[Any, Any, Messages, Any]:
    """Move every frame to its most probable body at the current shape; also return its message and the step.

    A frame's message has the diagonal d of its own precision, and the right side that makes the most probable
    bodies of the whole track a fixed point: s (x - z) + d (x - x'), with x' the step taken. Betas stay.
    """
    xp = array_namespace(pose)
    joints = pose.shape[1]
    shapes = system.own.shape[1] - 3 * joints - 3
    fixed = _without_betas(system.precision, joints, shapes)
    fixed, invalid = _finite_or_identity(fixed)
    right_side = _leave_out(system.right_side, joints, shapes, axis=1)
    step = solve_each(fixed, right_side[..., None])[..., 0] + invalid[..., 0]
    rotvec = xp.reshape(step[:, : 3 * joints], (-1, joints, 3))
    length = largest_angle(rotvec)
    share = priors.LARGEST_ROTATION / xp.maximum(length, priors.LARGEST_ROTATION * xp.ones_like(length))
    pose = apply_rotations(given.skeleton, pose, system.posed, rotvec * share[:, None, None])
    transl = transl + step[:, 3 * joints :] * share[:, None]
    to_global = _to_global(given.skeleton, pose, 0)
    along = xp.matmul(to_global, step[..., None])[..., 0]
    from_global = inverse_each(to_global)
    own = _without_betas(system.own, joints, shapes)
    diagonal = xp.sum(from_global * xp.matmul(own, from_global), axis=1)
    message = others.precision * along - others.right_side + diagonal * along * (1 - share[:, None])
    return pose, transl, Messages(diagonal, message), step


def sums_of(given: FitInput, scales: Scales, system: FrameSystem, step: Any) -> Sums:
    """Sum over a track's frames what they say of its shape, and of constant errors after a step (T, C)."""
    xp = array_namespace(system.own)
    joints = system.linear_prior.deviation.shape[1]
    shapes = system.own.shape[1] - 3 * joints - 3
    fixed, _ = _finite_or_identity(_without_betas(system.precision, joints, shapes))
    own, right = slice(3 * joints, 3 * joints + shapes), system.right_side
    with_rest = _leave_out(system.precision[:, :, own], joints, shapes, axis=1)
    rest = _leave_out(right, joints, shapes, axis=1)
    solved = xp.matrix_transpose(solve_each(fixed, with_rest))
    # The prior of betas belongs to the track, not to each frame.
    shape = (
        system.own[:, own, own] - system.linear_prior.precision[:, own, own] - xp.matmul(solved, with_rest)
    )
    shape_right_side = right[:, own] - xp.matmul(solved, rest[..., None])[..., 0]
    above = parent_rotations(given.skeleton, system.posed.rotations)
    identity = xp.eye(3, dtype=above.dtype, device=device(above)) + xp.zeros_like(above[:, :1, :, :])
    above = xp.concat([identity, above[:, 1:, :, :]], axis=1)
    rotvec = xp.reshape(step[:, : 3 * joints], (-1, joints, 3))
    turned = xp.matmul(xp.matrix_transpose(above), (system.linear_prior.deviation + rotvec)[..., None])[
        ..., 0
    ]
    weight = 1 / scales.pose**2
    of_points = system.weights**2 * scales.noise[:, None] ** 2 / given.information[:, None]
    jacobian = _leave_out(system.jacobian, joints, shapes, axis=2)
    after = system.residual - xp.reshape(xp.matmul(jacobian, step[..., None]), system.residual.shape)
    shift = after / given.pixels_per_metre[:, None, None]
    return Sums(
        *(
            xp.sum(part, axis=0, keepdims=True)
            for part in (
                shape, shape_right_side, weight[:, None, None] * turned, weight,
                of_points[..., None] * shift, of_points,
            )
        )
    )  # fmt: skip


def turned_estimates(pose: Any, turn: Any) -> Any:
    """Estimates (T, J, 3, 3) without a constant error, rotations (1, J, 3) about the parents' axes."""
    return array_namespace(pose).matmul(cayley(turn), pose)


def with_depth_share(prior: Prior, transl: Any, count: int) -> Any:
    """Precision of the translation (T, 3, 3) whose depth has the same error in most of `count` frames."""
    xp = array_namespace(transl)
    along = 1 / (priors.DEPTH_SPREAD * transl[:, 2])
    less = (1 - 1 / effective_frames(count, DEPTH_CORRELATION)) * along * along
    corner = xp.asarray(
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=transl.dtype, device=device(transl)
    )
    return prior.transl_precision - less[:, None, None] * corner


def _to_global(skeleton: Skeleton, like: Any, shapes: int) -> Any:
    """Matrix (U, U) from rotations w, betas and translation to global rotations phi and the same."""
    xp = array_namespace(like)
    rotations = 3 * skeleton.num_joints
    matrix = np.eye(rotations + shapes + 3)
    matrix[:rotations, :rotations] = np.kron(ancestors(skeleton.host), np.eye(3))
    return xp.asarray(matrix, dtype=like.dtype, device=device(like))


def _with_betas(values: Any, betas: Any) -> Any:
    """Insert zeros for betas before the translation: (T, U) from (T, C)."""
    xp = array_namespace(values)
    return xp.concat([values[:, :-3], xp.zeros_like(betas), values[:, -3:]], axis=1)


def _without_betas(matrix: Any, joints: int, shapes: int) -> Any:
    """Leave out rows and columns of betas: (T, C, C) from (T, U, U)."""
    return _leave_out(_leave_out(matrix, joints, shapes, axis=1), joints, shapes, axis=2)


def _leave_out(values: Any, joints: int, shapes: int, *, axis: int) -> Any:
    """Leave out betas along an axis of U unknowns."""
    xp = array_namespace(values)
    before = (slice(None),) * axis
    kept = (slice(None, 3 * joints), slice(3 * joints + shapes, None))
    parts = ((*before, part, ...) for part in kept)
    return xp.concat([values[part] for part in parts], axis=axis)
