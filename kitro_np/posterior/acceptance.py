"""Verdict: whether the keypoints are this body's, and whether their left and right are.

Both are asked before anything has moved: keypoints of another person are far from all that the estimate and
its spread let expect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from ..body.families import has_body_joints
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from .gauss_newton import Known, Step
from .priors import KEYPOINT_FREEDOM, USUAL_NOISE

FEWEST = 4
"""Keypoints that must be seen for a verdict."""

THRESHOLD, THRESHOLD_OF_FEW, MANY = 0.4, 0.3, 48.0
"""A body is accepted if its score is less than the first; for fewer than MANY numbers more is allowed."""

ALLOWANCE = 0.5
"""What is allowed more of bodies that are not people, such as hands: the threshold was found on people."""

SHIFT_FLOOR = 0.1
"""Metres that all keypoints may be off together: much less says nothing more."""

NOISE_WEIGHT = 0.7
"""Of the keypoints' noise: another person's fit a body exactly, but one that is far from the estimate."""

ODD_FLOOR, ODD_SHARE = 10.0, 2.3
"""Most that betas and translation may be off, squared and in their spreads: the first, and the second a
number. Keypoints of a person half as large as the estimate fit exactly, if the body may be odd enough."""

SHIFT_FREEDOM = 60.0
"""Degrees of freedom of a keypoint's error in that mean: nearly all count."""

SWAP_MARGIN = 0.5
"""What another assignment of left and right must gain in surprise, for each number."""


class Gates(NamedTuple):
    """How unexpected each keypoint is on its own.

    Attributes
    ----------
    weight : (N, K) array
        Factor of its precision, for Student's t.
    shift : (N,) array
        How far all are off together, in pixels.
    """

    weight: Any
    shift: Any


def gate_keypoints(known: Known, jacobian: Any, residual: Any, confidence: Any, noise: Any) -> Gates:
    """Weigh every keypoint by how far it is from where the estimate and its spread let expect it.

    Parameters
    ----------
    known : Known
    jacobian : (N, 2 K, U) array
    residual : (N, K, 2) array
        In pixels.
    confidence : (N, K) array
    noise : (N,) array
        In pixels.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    reach = xp.matrix_transpose(xp.linalg.solve(known.precision, xp.matrix_transpose(jacobian)))
    expected = xp.matmul(reach, known.pull[..., None])
    off = residual - xp.reshape(expected, (count, points, 2))
    own, spread = (xp.reshape(part, (count, points, 2, jacobian.shape[-1])) for part in (jacobian, reach))
    covariance = xp.matmul(own, xp.matrix_transpose(spread))
    noise = noise[:, None] ** 2
    a, b, c = covariance[..., 0, 0] + noise, covariance[..., 0, 1], covariance[..., 1, 1] + noise
    u, v = off[..., 0], off[..., 1]
    surprise = (c * u * u - 2 * b * u * v + a * v * v) / (a * c - b * b)
    nearly_all = confidence * (SHIFT_FREEDOM + 2) / (SHIFT_FREEDOM + surprise)
    total = xp.sum(nearly_all, axis=1)
    total = xp.where(total > 0, total, xp.ones_like(total))
    shift = xp.sum(residual * nearly_all[..., None], axis=1) / total[:, None]
    return Gates(
        (KEYPOINT_FREEDOM + 2) / (KEYPOINT_FREEDOM + surprise), xp.sqrt(xp.sum(shift * shift, axis=1))
    )


LIMBS = (
    ("hip", "knee", "ankle", "foot", "toe", "heel"),
    ("collar", "shoulder", "elbow", "wrist", "hand", "thumb", "index", "pinky"),
)
"""What the names of points on legs, and on arms, hold."""


def assignments(layout: KeypointLayout) -> list[list[int]]:
    """Return other assignments of left and right: of all points with a twin, of legs, of arms."""
    every = list(range(layout.num_points))
    orders = [list(layout.mirror)]
    for words in LIMBS:
        own = [any(word in name for word in words) for name in layout.names]
        orders.append([twin if own[k] else k for k, twin in enumerate(layout.mirror)])
    return [list(kept) for kept in dict.fromkeys(map(tuple, orders)) if list(kept) != every]


def gain_of_swaps(
    step: Step, known: Known, jacobian: Any, weights: Any, residual: Any, swapped: list[Any]
) -> Any:
    """How much less surprising the keypoints are with left and right the other way round: (N,).

    Parameters
    ----------
    step : Step
        The first one.
    known : Known
    jacobian : (N, 2 K, U) array
    weights : (N, K) array
    residual : (N, K, 2) array
    swapped : list of (N, K, 2) array
        Residuals of other assignments.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    both = xp.reshape(xp.stack([weights, weights], axis=-1), (count, 2 * points, 1))
    across = xp.matrix_transpose(both * jacobian)

    def surprise(off: Any) -> Any:
        off = both * xp.reshape(off, (count, 2 * points, 1))
        pull = xp.matmul(across, off) + known.pull[..., None]
        return xp.sum(off * off, axis=(1, 2)) - xp.sum(pull * xp.matmul(step.covariance, pull), axis=(1, 2))

    own = surprise(residual)
    gains = [own - surprise(off) for off in swapped]
    return xp.max(xp.stack([xp.zeros_like(own), *gains]), axis=0)


def score_of(step: Step, spread: Any, shift: Any, noise: Any, pixels_per_metre: Any, numbers: Any) -> Any:
    """Score a fit: the less, the likelier the keypoints are this body's: (N,).

    Parameters
    ----------
    step : Step
        The last one.
    spread : (N,) array
        Growth of the logarithm of the determinant of the keypoints' covariance since the first step.
    shift : (N,) array
        In pixels.
    noise : (N,) array
        Likewise.
    metre : (N,) array
        Pixels of a metre at the body.
    numbers : (N,) array
        How many numbers the keypoints are.
    """
    xp = array_namespace(shift)
    exact = NOISE_WEIGHT * xp.log(noise / (USUAL_NOISE * pixels_per_metre))
    return (step.surprise + spread) / numbers + xp.log(shift / pixels_per_metre + SHIFT_FLOOR) - exact


def threshold_of(numbers: Any, allowance: float) -> Any:
    """Score below which a body is accepted: (N,)."""
    return THRESHOLD + THRESHOLD_OF_FEW * (MANY / numbers - 1) + allowance


def quality_of(score: Any, threshold: Any, odd: Any, unknowns: int) -> Any:
    """Quality of a body: how far its score is below the threshold, less than 0 if the body is too odd: (N,).

    Parameters
    ----------
    score, threshold : (N,) array
    odd : (N,) array
        Squared distance of betas and translation from what was to be expected, in its spread.
    unknowns : int
        How many numbers these are.
    """
    xp = array_namespace(score)
    quality, over = threshold - score, 1 - odd / (ODD_FLOOR + ODD_SHARE * unknowns)
    return xp.where(over < 0, xp.minimum(quality, over), quality)


def allowance_of(skeleton: Skeleton) -> float:
    """Return what is allowed more of a body: nothing of a person."""
    return 0.0 if has_body_joints(skeleton.parents) else ALLOWANCE
