"""Step 2: the rest pose of MANO's right hand."""

from __future__ import annotations

import numpy as np

from ..shared.skinning import blend_skin, rotation_between
from .skeleton import FINGERS, JOINT_NAMES

ARCH = 0.15  # share of the first bones' slope that flattened fingers keep


def flatten_fingers(
    vertices: np.ndarray, joints: np.ndarray, tips: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Straighten the four fingers of a hand by linear blend skinning; the thumb stays as it is.

    Every bone rotates the shortest way to the direction of the finger's first bone, levelled.
    """
    rotations = np.tile(np.eye(3), (len(joints), 1, 1))
    placed = joints.copy()
    for finger, tip in zip(FINGERS[:-1], tips, strict=False):
        first = JOINT_NAMES.index(f"{finger}1")
        bones = np.diff(np.vstack([joints[first : first + 3], tip]), axis=0)
        straight = bones[0] * [1, ARCH, 1]
        for number, bone in enumerate(bones):
            joint = first + number
            rotations[joint] = rotation_between(bone, straight)
            if number:
                placed[joint] = placed[joint - 1] + rotations[joint - 1] @ bones[number - 1]
    return blend_skin(vertices, weights, rotations, joints, placed), placed
