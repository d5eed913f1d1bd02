"""Step: the most probable change of pose, betas and translation, all slopes taken as constant."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..arrays.rotations import chord, cross_matrix, dot
from .priors import MotionPrior
from .projection import Posed, Slopes


class Prior(NamedTuple):
    """What is known of bodies besides their keypoints.

    Attributes
    ----------
    pose : (N, J, 3, 3) array
        The estimate's.
    pose_spread : (J, 3) array
        Of its rotations about the camera's axes, if it is of usual quality.
    betas : (N, S) array
        Those to expect.
    betas_precision : float
    transl : (N, 3) array
        The estimate's.
    transl_precision : (N, 3, 3) array
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
    """What is found for each body on the way.

    Attributes
    ----------
    pose : (N,) array
        How far the estimate's pose is off, over its usual spread.
    noise : (N,) array
        Spread of the keypoints, in pixels.
    """

    pose: Any
    noise: Any


class Known(NamedTuple):
    """Precision of a step without keypoints, and where it would go.

    Attributes
    ----------
    precision : (N, U, U) array
        Of the U = 3 J + S + 3 unknowns: turns, betas, translation.
    pull : (N, U) array
        Precision times the step to expect.
    deviation : (N, J, 3) array
        From the estimate's pose.
    """

    precision: Any
    pull: Any
    deviation: Any


class Step(NamedTuple):
    """The most probable change, and how sure it is.

    Attributes
    ----------
    turn : (N, J, 3) array
        Rotation of each joint, and of all that hangs on it, about the camera's axes.
    betas : (N, S) array
    transl : (N, 3) array
    covariance : (N, U, U) array
    deviation : (N, J, 3) array
        From the estimate's pose, after the step.
    missed : (N,) array
        Sum of squared residuals after the step, each in its spread.
    fitted : (N,) array
        How many of the keypoints' numbers the step could choose.
    surprise : (N,) array
        Squared distance of the keypoints from what was to be expected, in its spread.
    volume : (N,) array
        Logarithm of the determinant of that spread over the keypoints' own.
    """

    turn: Any
    betas: Any
    transl: Any
    covariance: Any
    deviation: Any
    missed: Any
    fitted: Any
    surprise: Any
    volume: Any


def deviation_of(prior: Prior, pose: Any, rotations: Any) -> Any:
    """How far each joint is turned from the estimate, about the camera's axes: chords (N, J, 3)."""
    xp = array_namespace(pose)
    away, _ = chord(xp.matmul(xp.matrix_transpose(prior.pose), pose))
    return xp.matmul(rotations, away[..., None])[..., 0]


def known_step(prior: Prior, scales: Scales, pose: Any, betas: Any, transl: Any, posed: Posed) -> Known:
    """Gather what is known of a step without keypoints.

    Notes
    -----
    A turn w about the camera's axes changes the deviation from the estimate by w (nearly), and the chord c
    of a local rotation by (q I + [c / 2]x) G^T w.
    """
    xp = array_namespace(pose)
    count, joints = pose.shape[:2]
    deviation = deviation_of(prior, pose, posed.rotations)
    own = 1 / (prior.pose_spread * scales.pose[:, None, None]) ** 2
    place, q = chord(pose)
    by_turn = q[..., None] * _eye(place) + cross_matrix(place / 2)
    by_turn = xp.matmul(by_turn, xp.matrix_transpose(posed.rotations))
    weighed = xp.matmul(xp.matrix_transpose(by_turn), prior.motion.precision)
    blocks = own[..., None] * _eye(own) + xp.matmul(weighed, by_turn)
    pull = -own * deviation - xp.matmul(weighed, (place - prior.motion.mean)[..., None])[..., 0]
    pulls = (
        xp.reshape(pull, (count, 3 * joints)),
        prior.betas_precision * (prior.betas - betas),
        xp.matmul(prior.transl_precision, (prior.transl - transl)[..., None])[..., 0],
    )
    precision, broken = _usable(_block_diagonal(blocks, prior, betas.shape[1]))
    return Known(precision, xp.concat(pulls, axis=-1) + broken[..., 0], deviation)


def jacobian_of(slopes: Slopes) -> Any:
    """All slopes in one matrix: (N, 2 K, U)."""
    xp = array_namespace(slopes.by_turn)
    count, points, _, joints, _ = slopes.by_turn.shape
    turns = xp.reshape(slopes.by_turn, (count, points, 2, 3 * joints))
    every = xp.concat([turns, slopes.by_betas, slopes.by_transl], axis=-1)
    return xp.reshape(every, (count, 2 * points, every.shape[-1]))


def best_step(known: Known, slopes: Slopes, residual: Any, weights: Any) -> Step:
    """Minimise the sum of all squared deviations, each in its spread (Gauss-Newton).

    Parameters
    ----------
    known : Known
    slopes : Slopes
    residual : (N, K, 2) array
        Keypoints minus projected points, in pixels.
    weights : (N, K) array
        Inverse spread of keypoints, per pixel; 0 of those unseen.

    Notes
    -----
    With J and r of the projected points in their spreads, and the precision L and pull p of what is known,
    (J^T J + L) step = J^T r + p. The keypoints' surprise is that of r under the covariance I + J L^-1 J^T.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    shapes, joints = slopes.by_betas.shape[-1], slopes.by_turn.shape[3]
    both = xp.reshape(xp.stack([weights, weights], axis=-1), (count, 2 * points, 1))
    jacobian = both * jacobian_of(slopes)
    residual = both * xp.reshape(residual, (count, 2 * points, 1))
    across = xp.matrix_transpose(jacobian)
    stiffness, broken = _usable(xp.matmul(across, jacobian) + known.precision)
    covariance = xp.linalg.inv(stiffness)
    change = xp.matmul(covariance, xp.matmul(across, residual) + known.pull[..., None]) + broken
    left = residual - xp.matmul(jacobian, change)
    away = change - xp.linalg.solve(known.precision, known.pull[..., None])
    missed = xp.sum(left * left, axis=(1, 2))
    unexpected = xp.sum(away * xp.matmul(known.precision, away), axis=(1, 2))
    change = change[..., 0]
    turn = xp.reshape(change[:, : 3 * joints], (count, joints, 3))
    return Step(
        turn,
        change[:, 3 * joints : 3 * joints + shapes],
        change[:, 3 * joints + shapes :],
        covariance,
        known.deviation + turn,
        missed,
        change.shape[1] - xp.sum(covariance * known.precision, axis=(1, 2)),
        missed + unexpected,
        xp.linalg.slogdet(stiffness)[1] - xp.linalg.slogdet(known.precision)[1],
    )


def length_of(turn: Any) -> Any:
    """Largest turn of any joint: (N,)."""
    xp = array_namespace(turn)
    return xp.sqrt(xp.max(dot(turn, turn)[..., 0], axis=1))


def _usable(matrix: Any) -> tuple[Any, Any]:
    """Put the identity in place of matrices that are not finite, and say by NaN which those are: (N, 1, 1).

    LAPACK may refuse a batch because of one of them.
    """
    xp = array_namespace(matrix)
    fine = xp.all(xp.isfinite(matrix), axis=(1, 2), keepdims=True)
    eye = xp.eye(matrix.shape[-1], dtype=matrix.dtype, device=device(matrix))
    broken = xp.zeros_like(matrix[:, :1, :1])
    return xp.where(fine, matrix, eye), xp.where(fine, broken, xp.full_like(broken, xp.nan))


def _eye(like: Any) -> Any:
    xp = array_namespace(like)
    return xp.eye(3, dtype=like.dtype, device=device(like))


def _block_diagonal(blocks: Any, prior: Prior, shapes: int) -> Any:
    """Put the precisions of turns (N, J, 3, 3), betas and translation into one matrix."""
    xp = array_namespace(blocks)
    count, joints = blocks.shape[:2]
    on = {"dtype": blocks.dtype, "device": device(blocks)}
    apart = xp.eye(joints, **on)[None, :, None, :, None]
    turns = xp.reshape(blocks[:, :, :, None, :] * apart, (count, 3 * joints, 3 * joints))
    betas = prior.betas_precision * xp.eye(shapes, **on) * xp.ones_like(turns[:, :1, :1])
    rows, start, size = [], 0, 3 * joints + shapes + 3
    for part in (turns, betas, prior.transl_precision):
        width = part.shape[-1]
        before = xp.zeros((count, width, start), **on)
        after = xp.zeros((count, width, size - start - width), **on)
        rows.append(xp.concat([before, part, after], axis=-1))
        start += width
    return xp.concat(rows, axis=1)
