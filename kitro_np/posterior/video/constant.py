"""Constant: what is the same in all frames of a track, its shape and constant errors, found from all frames.

Errors of detections and estimates are correlated over frames, so T frames count as fewer: see
:func:`kitro_np.posterior.video.spreads.effective_frames`. Constant errors have a prior of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ...arrays.linear import solve_each
from ..priors import BETAS_PRECISION
from .frame import Sums
from .spreads import (
    SHAPE_CORRELATION,
    SHIFT_BIAS,
    SHIFT_CORRELATION,
    TURN_BIAS,
    TURN_CORRELATION,
    effective_frames,
)


class Constants(NamedTuple):
    """What is the same in all frames of each of T tracks.

    Attributes
    ----------
    betas : (T, S) array
    turn : (T, J, 3) array
        Constant error of the estimate's local rotations, about the parents' axes, in radians.
    shift : (T, K, 2) array
        Constant error of the keypoints, in metres at the body.
    betas_precision : (T, S, S) array
        Precision of the betas.
    """

    betas: Any
    turn: Any
    shift: Any
    betas_precision: Any


def update_constants(now: Constants, sums: Sums, prior_betas: Any, count: Any, *, shape: bool) -> Constants:
    """Find betas or constant errors anew from the sums over each track; a stage that kernels share.

    Parameters
    ----------
    now : Constants
        That the sums were computed with.
    sums : Sums
        With a leading axis of T tracks.
    prior_betas : (T, S) array
        Prior mean of the betas.
    count : (T,) array
        Number of frames n.
    shape : bool
        Betas, not constant errors: both would explain the same residuals.

    Notes
    -----
    A constant error is v m / (1 + v m) of the mean, with v the ratio TURN_BIAS or SHIFT_BIAS and the
    effective number m of frames; of a keypoint m is in proportion to its weight.
    """
    xp = array_namespace(now.turn)
    precision = betas_precision_of(sums.shape_precision, count)
    if shape:
        betas = find_betas(now.betas, precision, sums.shape_right_side, prior_betas, count)
        return now._replace(betas=betas, betas_precision=precision)
    usual = TURN_BIAS * effective_frames(count, TURN_CORRELATION)
    mean_turn = sums.turn / sums.turn_weight[:, None, None]
    turn = (now.turn + mean_turn) * (usual / (1 + usual))[:, None, None]
    weight = sums.shift_weight
    largest = xp.max(weight, axis=1, keepdims=True)
    usual = SHIFT_BIAS * effective_frames(count, SHIFT_CORRELATION)
    usual = usual[:, None] * weight / xp.where(largest > 0, largest, xp.ones_like(largest))
    seen = xp.where(weight > 0, weight, xp.ones_like(weight))
    shift = (now.shift + sums.shift / seen[..., None]) * (usual / (1 + usual))[..., None]
    return Constants(now.betas, turn, shift, precision)


def betas_precision_of(shape_precision: Any, count: Any) -> Any:
    """Precision P + m/n I of betas (T, S, S), with the prior's P and the sum I of n frames'."""
    xp = array_namespace(shape_precision)
    eye = xp.eye(shape_precision.shape[1], dtype=shape_precision.dtype, device=device(shape_precision))
    return BETAS_PRECISION * eye + _share(count)[:, None, None] * shape_precision


def find_betas(betas: Any, precision: Any, right_side: Any, prior_betas: Any, count: Any) -> Any:
    """Return the most probable betas (T, S), b + (P + m/n I)^-1 (P (b_0 - b) + m/n g).

    Parameters
    ----------
    betas : (T, S) array
        b, that the right side g was computed with.
    precision : (T, S, S) array
        As of :func:`betas_precision_of`.
    right_side, prior_betas : (T, S) array
    count : (T,) array
    """
    if not betas.shape[1]:
        return betas
    towards = BETAS_PRECISION * (prior_betas - betas) + _share(count)[:, None] * right_side
    return betas + solve_each(precision, towards[..., None])[..., 0]


def _share(count: Any) -> Any:
    """Effective number of frames over their number, m/n."""
    return effective_frames(count, SHAPE_CORRELATION) / count
