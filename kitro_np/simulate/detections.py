"""Detections: how a detector's keypoints of a video differ from the true ones, and its confidence."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..body import Skeleton
from ..keypoints.layouts import find_layout
from .draws import Draws
from .drift import WHITE, OverTime
from .errors import check_sizes
from .frames import Frames
from .spells import Spells

FACTORS = (
    1.5, 1.5, 1.5, 1.0, 0.8, 0.8, 1.0, 0.8, 0.8, 1.0, 1.0, 1.0,
    1.0, 1.0, 1.0, 0.8, 1.0, 1.0, 0.8, 0.8, 0.8, 0.8, 1.0, 1.0,
)  # fmt: skip
"""Factors on the errors of SMPL's joints: where a hip is, is harder to tell than a knee."""

HIPS, KNEES, SHOULDERS, ELBOWS = (1, 2), (4, 5), (16, 17), (18, 19)

OCCLUDED = (*((joint,) for joint in (*KNEES, *ELBOWS)), HIPS)
"""Joints that are occluded together, with all below them: a leg, an arm, or both legs from the hips down."""

EXCHANGED = (HIPS, SHOULDERS, HIPS + SHOULDERS)
"""Joints whose left and right are exchanged together, with all below them."""

LEAST = 0.03
"""Confidence of the worst detection; 0 means that there is none."""


@dataclass(frozen=True)
class DetectionErrors:
    """Errors of a detector in a video; their size is the `keypoint_noise` of EstimateErrors.

    Parameters
    ----------
    over_time : OverTime
        Parts of the error of each keypoint that are constant, drift and jitter.
    factors : tuple of float
        Factor on the error of each of SMPL's joints; further joints have 1.
    occlusions : Spells
        Times in which a limb is occluded.
    occluded_error : float
        Factor on the error of an occluded joint.
    occluded_confidence : float
        By how much its confidence is lower.
    confidence : float
        Confidence of a keypoint without error.
    confidence_slope : float
        By how much confidence falls, for an error as large as the person's height.
    confidence_noise : float
        Standard deviation of the confidence about that.
    exchanges : Spells
        Times in which left and right of legs, of arms, or of both are exchanged.
    gaps : Spells
        Times without any detection.

    Raises
    ------
    InputError
        If a number is negative or not finite.
    """

    over_time: OverTime = field(default=OverTime(0.58, ((0.7, 0.2),), 0.268))
    factors: tuple[float, ...] = FACTORS
    occlusions: Spells = field(default=Spells(0.38, 0.2, 1.5))
    occluded_error: float = 5.0
    occluded_confidence: float = 0.55
    confidence: float = 0.92
    confidence_slope: float = 5.0
    confidence_noise: float = 0.06
    exchanges: Spells = field(default=Spells(0.37, 1 / 30, 8 / 30))
    gaps: Spells = field(default=Spells(0.17, 2 / 30, 10 / 30))

    def __post_init__(self) -> None:
        check_sizes(self)


def draw_detections(
    skeleton: Skeleton,
    keypoints_2d: np.ndarray,
    heights: np.ndarray,
    size: float,
    frames: Frames,
    errors: DetectionErrors,
    draws: Draws,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw detections (N, J, 2) and their confidence (N, J); those that are missing are NaN and 0.

    Parameters
    ----------
    skeleton : Skeleton
    keypoints_2d : (N, J, 2) array
        True ones.
    heights : (N,) array
        Of the person in the image, in pixels.
    size : float
        Standard deviation of the errors of a joint with factor 1, relative to the height.
    frames : Frames
        Of the N bodies.
    errors : DetectionErrors
    draws : Draws
    """
    joints = skeleton.num_joints
    factors = np.ones(joints)
    factors[: len(errors.factors)] = errors.factors[:joints]
    occluded = frames.draw(errors.occlusions, draws, "occlusions", len(OCCLUDED)) @ below(skeleton, OCCLUDED)
    factors = factors * np.where(occluded, errors.occluded_error, 1)
    error = size * factors[..., None] * frames.draw(errors.over_time, draws, "detections", joints, 2)
    found = keypoints_2d + heights[:, None, None] * error

    exchanged = frames.draw(errors.exchanges, draws, "exchanged", len(EXCHANGED)) @ below(skeleton, EXCHANGED)
    twins = np.array(find_layout("smpl24", skeleton).mirror)
    places = np.where(exchanged, twins, np.arange(joints))
    found = np.take_along_axis(found, places[..., None], axis=1)

    confidence = (
        errors.confidence
        - errors.confidence_slope * np.linalg.norm(error, axis=-1)
        - errors.occluded_confidence * occluded
        + errors.confidence_noise * frames.draw(WHITE, draws, "confidence", joints)
    )
    missing = frames.draw(errors.gaps, draws, "gaps", 1)
    return (
        np.where(missing[..., None], np.nan, found),
        np.where(missing, 0, np.clip(confidence, LEAST, 1)),
    )


def below(skeleton: Skeleton, groups: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Return which joints are in each group or below its joints in the tree, (groups, J)."""
    member = np.zeros((len(groups), skeleton.num_joints), dtype=bool)
    for row, group in zip(member, groups, strict=True):
        for joint, parent in enumerate(skeleton.parents):
            row[joint] = joint in group or (parent >= 0 and row[parent])
    return member
