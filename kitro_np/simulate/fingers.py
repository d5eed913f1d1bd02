"""Fingers: poses of a hand within the limits of its joints.

No axis is written down: a hand's own rest joints say where it bends. A finger bends about the axis at right
angles to its bone and to the palm's normal, towards the palm; the thumb across the palm, towards the base of
the finger that is farthest from it.
"""

from __future__ import annotations

import numpy as np

from ..arrays.rotations import cross, matrix_from_axis_angle, unit
from ..body import Skeleton
from ..body.families import MANO
from .draws import Draws

FINGER_LIMITS = ((-10, 80), (0, 100), (0, 75))
"""Flexion of a finger's three joints, from the knuckle, in degrees."""

THUMB_LIMITS = ((-10, 30), (0, 50), (-10, 70))
"""Flexion of the thumb's three joints, in degrees."""

SPREAD_LIMIT = 15
"""Most degrees that a finger moves sideways, stretched; a bent one moves less."""

LIFT_LIMITS = (-10, 30)
"""Degrees that the thumb's first joint lifts it out of the palm."""


def is_hand(skeleton: Skeleton) -> bool:
    """Say whether a skeleton is a hand's, in MANO's order of joints."""
    return skeleton.parents == MANO.parents


def split_fingers(skeleton: Skeleton) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Return the thumb's chain of joints, whose base is nearest to the wrist, and the other fingers'."""
    joints = skeleton.joint_template
    fingers = sorted(skeleton.chains, key=lambda chain: np.linalg.norm(joints[chain[0]] - joints[0]))
    return fingers[0], sorted(fingers[1:])


def palm_normal(skeleton: Skeleton) -> np.ndarray:
    """Return the unit normal of the plane through wrist and knuckles, (3,), on the thumb's side."""
    thumb, fingers = split_fingers(skeleton)
    joints = np.asarray(skeleton.joint_template, dtype=np.float64)
    palm = joints[[0, *(chain[0] for chain in fingers)]]
    centre = palm.mean(axis=0)
    normal = np.linalg.svd(palm - centre)[2][2]
    return normal if (joints[list(thumb)].mean(axis=0) - centre) @ normal > 0 else -normal


def bending_axes(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Axes about which a hand's joints bend: towards the palm, and sideways.

    Returns
    -------
    flexion, abduction : (J, 3) array
        Unit vectors in the rest pose, at right angles to the bone and to each other; zeros for the wrist. A
        positive turn about `flexion` closes the hand; one of the thumb about `abduction` lifts it out of the
        palm.
    """
    thumb, fingers = split_fingers(skeleton)
    joints = np.asarray(skeleton.joint_template, dtype=np.float64)
    normal = palm_normal(skeleton)
    far = max(
        (joints[chain[0]] for chain in fingers),
        key=lambda knuckle: np.linalg.norm(knuckle - joints[thumb[0]]),
    )
    flexion, abduction = np.zeros((2, skeleton.num_joints, 3))
    for chain in (thumb, *fingers):
        for joint, following in zip(chain, (*chain[1:], None), strict=True):
            # The last joint's bone has no end in the skeleton: it goes on as the one before.
            ends = (joint, following) if following is not None else chain[-2:]
            bone = joints[ends[1]] - joints[ends[0]]
            across = far - joints[joint] if chain == thumb else normal
            flexion[joint] = unit(cross(bone, across))
            sideways = unit(cross(flexion[joint], bone))
            # It moves the bone against the axis of flexion; a finger's may be either side.
            lifts = chain != thumb or flexion[joint] @ normal < 0
            abduction[joint] = sideways if lifts else -sideways
    return flexion, abduction


def draw_hands(skeleton: Skeleton, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Draw poses (N, 16, 3, 3) with the wrist at rest, and how far each hand is closed, (N,) in [0, 1].

    The fingers of a hand close together, roughly; within a finger the joints do, and the last follows the
    middle one by two thirds, as tendons make it.
    """
    thumb, fingers = split_fingers(skeleton)
    flexion_axes, abduction_axes = bending_axes(skeleton)
    grip = draws.uniform("grip", 0, 1)
    flexion, abduction = np.zeros((2, draws.count, skeleton.num_joints))
    for number, chain in enumerate((thumb, *fingers)):
        limits = THUMB_LIMITS if chain == thumb else FINGER_LIMITS
        own = draws.normal(f"finger {number}", 5)
        # A thumb is freer of the fingers than they are of one another.
        closed = grip + (0.4 if chain == thumb else 0.2) * own[:, 0]
        share = np.clip(closed[:, None] + 0.1 * own[:, 1:4], 0, 1)
        if chain != thumb:
            share[:, 2] = np.clip(2 / 3 * share[:, 1] * 100 / 75 + 0.05 * own[:, 3], 0, 1)
        low, high = np.array(limits, dtype=float).T
        flexion[:, chain] = low + (high - low) * share
        sideways = np.clip(0.5 * own[:, 4], -1, 1)
        if chain == thumb:
            middle, half = np.mean(LIFT_LIMITS), np.ptp(LIFT_LIMITS) / 2
            abduction[:, chain[0]] = middle + half * sideways
        else:
            abduction[:, chain[0]] = SPREAD_LIMIT * (1 - share[:, 0]) * sideways
    bend = matrix_from_axis_angle(np.radians(flexion)[..., None] * flexion_axes)
    aside = matrix_from_axis_angle(np.radians(abduction)[..., None] * abduction_axes)
    return aside @ bend, grip
