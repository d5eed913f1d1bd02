"""One Gauss-Newton step: the most probable change of pose, betas and translation about a linearisation."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..arrays.linear import inverse_each, solve_each
from ..arrays.rotations import chord, cross_matrix, dot
from .priors import TURN_DOF, MotionPrior
from .projection import Jacobians, Posed


class Prior(NamedTuple):
    """Gaussian priors of pose, betas and translation.

    Attributes
    ----------
    pose : (N, J, 3, 3) array
        Prior mean of the local rotations: the estimate's.
    pose_spread : (J, 3) array
        Standard deviation of its rotations about the camera's axes at pose scale 1, in radians.
    betas : (N, S) array
        Prior mean.
    betas_precision : float
    transl : (N, 3) array
        Prior mean: the estimate's, in metres.
    transl_precision : (N, 3, 3) array
        In 1 / m^2.
    motion : MotionPrior
    """

    pose: Any
    pose_spread: Any
    betas: Any
    betas_precision: float
    transl: Any
    transl_precision: Any
    motion: MotionPrior


class Scales(NamedTuple):
    """Scale parameters, estimated for each body along with it.

    Attributes
    ----------
    pose : (N,) array
        Factor on the standard deviations of the estimate's pose.
    noise : (N,) array
        Standard deviation of the keypoints, in pixels.
    """

    pose: Any
    noise: Any


class LinearPrior(NamedTuple):
    """The prior of a step x about the current body: precision L and right side p, mean L^-1 p.

    Attributes
    ----------
    precision : (N, U, U) array
        L, of the U = 3 J + S + 3 unknowns: rotation vectors, betas, translation.
    right_side : (N, U) array
        p, the precision times the prior mean of the step.
    deviation : (N, J, 3) array
        Rotation of the current pose from the estimate's, about the camera's axes, in radians.
    pose_spread : (N, J, 3) array
        Standard deviation of the estimate's rotations, at its scale.
    """

    precision: Any
    right_side: Any
    deviation: Any
    pose_spread: Any


class Step(NamedTuple):
    """The most probable step, and its posterior covariance.

    Attributes
    ----------
    rotvec : (N, J, 3) array
        Rotation of each joint and its descendants about the camera's axes, in radians.
    betas : (N, S) array
    transl : (N, 3) array
        In metres.
    covariance : (N, U, U) array
        (J^T J + L)^-1.
    deviation : (N, J, 3) array
        Rotation from the estimate's pose after the step.
    squared_residual : (N,) array
        Sum of squared residuals after the step, each over its variance.
    effective_parameters : (N,) array
        Effective number of parameters that the keypoints determine, U - tr(covariance L).
    mahalanobis : (N,) array
        Squared Mahalanobis distance of the keypoints from their prediction, r^T S^-1 r of r - J L^-1 p.
    log_determinant : (N,) array
        Logarithm of |S|, with S = I + J L^-1 J^T the covariance of the whitened residuals.
    """

    rotvec: Any
    betas: Any
    transl: Any
    covariance: Any
    deviation: Any
    squared_residual: Any
    effective_parameters: Any
    mahalanobis: Any
    log_determinant: Any


def deviation_of(prior: Prior, pose: Any, rotations: Any) -> Any:
    """Rotation of each joint from the estimate's about the camera's axes, G chord(R_0^T R): (N, J, 3)."""
    xp = array_namespace(pose)
    deviation, _ = chord(xp.matmul(xp.matrix_transpose(prior.pose), pose))
    return xp.matmul(rotations, deviation[..., None])[..., 0]


def linearise_prior(
    prior: Prior, scales: Scales, pose: Any, betas: Any, transl: Any, posed: Posed
) -> LinearPrior:
    """Linearise the priors about the current body: precision L and right side p of the step.

    Parameters
    ----------
    prior : Prior
    scales : Scales
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    posed : Posed
        The current body.

    Notes
    -----
    A rotation w about the camera's axes changes the deviation from the estimate by w to first order, and the
    chord c of a local rotation by D w, with D = (q I + [c / 2]x) G^T and q = cos(angle / 2). So a joint's
    block of L is diag(1 / spread^2) + D^T P D, with the motion prior's precision P. The root's spread grows
    with its deviation, as that of Student's t.
    """
    xp = array_namespace(pose)
    count, joints = pose.shape[:2]
    deviation = deviation_of(prior, pose, posed.rotations)
    pose_spread = _widened(prior.pose_spread * scales.pose[:, None, None], deviation)
    estimate_precision = 1 / pose_spread**2
    chords, q = chord(pose)
    by_rotation = q[..., None] * _eye(chords) + cross_matrix(chords / 2)
    by_rotation = xp.matmul(by_rotation, xp.matrix_transpose(posed.rotations))
    weighted = xp.matmul(xp.matrix_transpose(by_rotation), prior.motion.precision)
    blocks = estimate_precision[..., None] * _eye(estimate_precision) + xp.matmul(weighted, by_rotation)
    right_side = (
        -estimate_precision * deviation - xp.matmul(weighted, (chords - prior.motion.mean)[..., None])[..., 0]
    )
    right_sides = (
        xp.reshape(right_side, (count, 3 * joints)),
        prior.betas_precision * (prior.betas - betas),
        xp.matmul(prior.transl_precision, (prior.transl - transl)[..., None])[..., 0],
    )
    precision, invalid = _finite_or_identity(_block_diagonal(blocks, prior, betas.shape[1]))
    right_side = xp.concat(right_sides, axis=-1) + invalid[..., 0]
    return LinearPrior(precision, right_side, deviation, pose_spread)


def stacked_jacobian(jacobians: Jacobians) -> Any:
    """Jacobian of all projected points with respect to all unknowns: (N, 2 K, U)."""
    xp = array_namespace(jacobians.by_rotation)
    count, points, _, joints, _ = jacobians.by_rotation.shape
    rotations = xp.reshape(jacobians.by_rotation, (count, points, 2, 3 * joints))
    stacked = xp.concat([rotations, jacobians.by_betas, jacobians.by_transl], axis=-1)
    return xp.reshape(stacked, (count, 2 * points, stacked.shape[-1]))


def gauss_newton_step(linear_prior: LinearPrior, jacobians: Jacobians, residual: Any, weights: Any) -> Step:
    """Solve the normal equations (J^T J + L) x = J^T r + p of prior and keypoints.

    Parameters
    ----------
    linear_prior : LinearPrior
    jacobians : Jacobians
    residual : (N, K, 2) array
        Keypoints minus projected points, in pixels.
    weights : (N, K) array
        Inverse standard deviation of each keypoint, per pixel; 0 where it is not visible.

    Notes
    -----
    J and r are the Jacobian and residuals of the projected points, whitened by the weights. Prior and noise
    give the whitened residuals the covariance S = I + J L^-1 J^T.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    shapes, joints = jacobians.by_betas.shape[-1], jacobians.by_rotation.shape[3]
    row_weights = xp.reshape(xp.stack([weights, weights], axis=-1), (count, 2 * points, 1))
    jacobian = row_weights * stacked_jacobian(jacobians)
    residual = row_weights * xp.reshape(residual, (count, 2 * points, 1))
    transposed = xp.matrix_transpose(jacobian)
    normal_matrix, invalid = _finite_or_identity(xp.matmul(transposed, jacobian) + linear_prior.precision)
    covariance = inverse_each(normal_matrix)
    solution = (
        xp.matmul(covariance, xp.matmul(transposed, residual) + linear_prior.right_side[..., None]) + invalid
    )
    remainder = residual - xp.matmul(jacobian, solution)
    from_prior = solution - solve_each(linear_prior.precision, linear_prior.right_side[..., None])
    squared_residual = xp.sum(remainder * remainder, axis=(1, 2))
    prior_term = xp.sum(from_prior * xp.matmul(linear_prior.precision, from_prior), axis=(1, 2))
    solution = solution[..., 0]
    rotvec = xp.reshape(solution[:, : 3 * joints], (count, joints, 3))
    return Step(
        rotvec,
        solution[:, 3 * joints : 3 * joints + shapes],
        solution[:, 3 * joints + shapes :],
        covariance,
        linear_prior.deviation + rotvec,
        squared_residual,
        solution.shape[1] - xp.sum(covariance * linear_prior.precision, axis=(1, 2)),
        squared_residual + prior_term,
        xp.linalg.slogdet(normal_matrix)[1] - xp.linalg.slogdet(linear_prior.precision)[1],
    )


def _widened(pose_spread: Any, deviation: Any) -> Any:
    """Widen the root's spread by sqrt((nu + d^2) / nu), d its deviation about x and y over it: (N, J, 3).

    A rotation about the viewing axis alone does not: what is off by that is the image.
    """
    xp = array_namespace(pose_spread)
    across = deviation[:, 0, :2] / pose_spread[:, 0, :2]
    factor = xp.sqrt(1 + xp.sum(across * across, axis=-1, keepdims=True) / TURN_DOF)
    return xp.concat([(pose_spread[:, 0, :] * factor)[:, None, :], pose_spread[:, 1:, :]], axis=1)


def largest_angle(rotvec: Any) -> Any:
    """Largest rotation angle of any joint, in radians: (N,)."""
    xp = array_namespace(rotvec)
    return xp.sqrt(xp.max(dot(rotvec, rotvec)[..., 0], axis=1))


def _finite_or_identity(matrix: Any) -> tuple[Any, Any]:
    """Replace matrices that are not finite by the identity; also return NaN for these, else 0: (N, 1, 1).

    LAPACK may refuse a whole batch because of one of them.
    """
    xp = array_namespace(matrix)
    fine = xp.all(xp.isfinite(matrix), axis=(1, 2), keepdims=True)
    eye = xp.eye(matrix.shape[-1], dtype=matrix.dtype, device=device(matrix))
    invalid = xp.zeros_like(matrix[:, :1, :1])
    return xp.where(fine, matrix, eye), xp.where(fine, invalid, xp.full_like(invalid, xp.nan))


def _eye(like: Any) -> Any:
    xp = array_namespace(like)
    return xp.eye(3, dtype=like.dtype, device=device(like))


def _block_diagonal(blocks: Any, prior: Prior, shapes: int) -> Any:
    """Block-diagonal precision of rotations (N, J, 3, 3), betas and translation: (N, U, U)."""
    xp = array_namespace(blocks)
    count, joints = blocks.shape[:2]
    on = {"dtype": blocks.dtype, "device": device(blocks)}
    diagonal = xp.eye(joints, **on)[None, :, None, :, None]
    rotations = xp.reshape(blocks[:, :, :, None, :] * diagonal, (count, 3 * joints, 3 * joints))
    betas = prior.betas_precision * xp.eye(shapes, **on) * xp.ones_like(rotations[:, :1, :1])
    rows, start, size = [], 0, 3 * joints + shapes + 3
    for part in (rotations, betas, prior.transl_precision):
        width = part.shape[-1]
        before = xp.zeros((count, width, start), **on)
        after = xp.zeros((count, width, size - start - width), **on)
        rows.append(xp.concat([before, part, after], axis=-1))
        start += width
    return xp.concat(rows, axis=1)
