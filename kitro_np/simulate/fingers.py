"""Fingers: poses of a hand within the limits of its joints.

Axes of rotation are derived from the hand's rest joints. A finger bends towards the palm, about the axis
perpendicular to its bone and to the palm's normal; the thumb bends across the palm, towards the base of the
farthest finger.
"""

from __future__ import annotations

import numpy as np

from ..arrays.rotations import cross, matrix_from_axis_angle, unit
from ..body import Skeleton
from ..body.families import MANO
from .draws import Draws

FINGER_LIMITS = ((-10, 80), (0, 100), (0, 75))
"""Range of flexion of a finger's three joints, from the knuckle, in degrees."""

THUMB_LIMITS = ((-10, 30), (0, 50), (-10, 70))
"""Range of flexion of the thumb's three joints, in degrees."""

SPREAD_LIMIT = 15
"""Largest abduction of a straight finger, in degrees; that of a bent finger is smaller."""

LIFT_LIMITS = (-10, 30)
"""Range of abduction of the thumb's first joint out of the palm, in degrees."""

TENDON_RATIO = 2 / 3
"""Flexion of a finger's last joint relative to the middle one, as tendons couple them."""

THUMB_NOISE, FINGER_NOISE, JOINT_NOISE, LAST_JOINT_NOISE = 0.4, 0.2, 0.1, 0.05
"""Standard deviations of flexion in fractions of its range: of the thumb and a finger from the grip, of a
joint from its finger, of a last joint from the middle one. Chosen by eye: a thumb is more independent of the
fingers than they are of each other."""

ABDUCTION_NOISE = 0.5
"""Standard deviation of abduction in fractions of its range, chosen by eye."""


def is_hand(skeleton: Skeleton) -> bool:
    """Whether a skeleton is a hand with MANO's joints."""
    return skeleton.parents == MANO.parents


def split_fingers(skeleton: Skeleton) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Return the thumb's chain of joints, whose base is nearest to the wrist, and those of the fingers."""
    joints = skeleton.joint_template
    fingers = sorted(skeleton.chains, key=lambda chain: np.linalg.norm(joints[chain[0]] - joints[0]))
    return fingers[0], sorted(fingers[1:])


def palm_normal(skeleton: Skeleton) -> np.ndarray:
    """Return the unit normal (3,) of the plane through wrist and knuckles, on the thumb's side."""
    thumb, fingers = split_fingers(skeleton)
    joints = np.asarray(skeleton.joint_template, dtype=np.float64)
    palm = joints[[0, *(chain[0] for chain in fingers)]]
    centre = palm.mean(axis=0)
    normal = np.linalg.svd(palm - centre)[2][2]
    return normal if (joints[list(thumb)].mean(axis=0) - centre) @ normal > 0 else -normal


def bending_axes(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Axes of flexion and abduction of a hand's joints.

    Returns
    -------
    flexion, abduction : (J, 3) array
        Unit vectors in the rest pose, perpendicular to the bone and to each other; zeros for the wrist. A
        positive rotation about `flexion` closes the hand; one of the thumb about `abduction` lifts it out of
        the palm.
    """
    thumb, fingers = split_fingers(skeleton)
    joints = np.asarray(skeleton.joint_template, dtype=np.float64)
    normal = palm_normal(skeleton)
    farthest = max(
        (joints[chain[0]] for chain in fingers),
        key=lambda knuckle: np.linalg.norm(knuckle - joints[thumb[0]]),
    )
    flexion, abduction = np.zeros((2, skeleton.num_joints, 3))
    for chain in (thumb, *fingers):
        for joint, child in zip(chain, (*chain[1:], None), strict=True):
            # The bone of the last joint has no end in the skeleton: it takes the previous one's direction.
            ends = (joint, child) if child is not None else chain[-2:]
            bone = joints[ends[1]] - joints[ends[0]]
            across = farthest - joints[joint] if chain == thumb else normal
            flexion[joint] = unit(cross(bone, across))
            axis = unit(cross(flexion[joint], bone))
            # It moves the bone against the axis of flexion; for a finger, either side is fine.
            lifts = chain != thumb or flexion[joint] @ normal < 0
            abduction[joint] = axis if lifts else -axis
    return flexion, abduction


def draw_hands(skeleton: Skeleton, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Draw poses (N, 16, 3, 3) with the wrist at rest, and the grip of each hand, (N,) in [0, 1].

    Fingers of a hand, and joints of a finger, close together up to noise; the last joint of a finger follows
    the middle one.
    """
    thumb, fingers = split_fingers(skeleton)
    flexion_axes, abduction_axes = bending_axes(skeleton)
    grip = draws.uniform("grip", 0, 1)
    flexion, abduction = np.zeros((2, draws.count, skeleton.num_joints))
    for number, chain in enumerate((thumb, *fingers)):
        limits = THUMB_LIMITS if chain == thumb else FINGER_LIMITS
        noise = draws.normal(f"finger {number}", 5)
        closed = grip + (THUMB_NOISE if chain == thumb else FINGER_NOISE) * noise[:, 0]
        fraction = np.clip(closed[:, None] + JOINT_NOISE * noise[:, 1:4], 0, 1)
        if chain != thumb:
            middle, last = FINGER_LIMITS[1][1], FINGER_LIMITS[2][1]
            coupled = TENDON_RATIO * fraction[:, 1] * middle / last
            fraction[:, 2] = np.clip(coupled + LAST_JOINT_NOISE * noise[:, 3], 0, 1)
        low, high = np.array(limits, dtype=float).T
        flexion[:, chain] = low + (high - low) * fraction
        sideways = np.clip(ABDUCTION_NOISE * noise[:, 4], -1, 1)
        if chain == thumb:
            centre, half_range = np.mean(LIFT_LIMITS), np.ptp(LIFT_LIMITS) / 2
            abduction[:, chain[0]] = centre + half_range * sideways
        else:
            abduction[:, chain[0]] = SPREAD_LIMIT * (1 - fraction[:, 0]) * sideways
    flexed = matrix_from_axis_angle(np.radians(flexion)[..., None] * flexion_axes)
    abducted = matrix_from_axis_angle(np.radians(abduction)[..., None] * abduction_axes)
    return abducted @ flexed, grip
