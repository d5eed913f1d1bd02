"""Step 3: merge the rig's skinning weights to SMPL's joints."""

from __future__ import annotations

import numpy as np

from ..shared.makehuman import SIDES
from ..shared.skinning import four_largest
from ..shared.smpl_skeleton import JOINT, JOINT_NAMES

BONE_TO_JOINT = (
    ("root", "pelvis"),
    ("pelvis", "pelvis"),
    ("spine05", "pelvis"),
    ("spine04", "spine1"),
    ("spine03", "spine1"),
    ("spine02", "spine2"),
    ("spine01", "spine3"),
    ("breast", "spine3"),
    ("upperleg", "hip"),
    ("lowerleg", "knee"),
    ("foot", "ankle"),
    ("toe", "foot"),
    ("clavicle", "collar"),
    ("shoulder01", "collar"),
    ("upperarm", "shoulder"),
    ("lowerarm", "elbow"),
    ("wrist", "wrist"),
    ("metacarpal", "wrist"),
    ("finger", "hand"),
    ("neck", "neck"),
)
"""SMPL joint that moves the skin of a rig bone, by the first matching prefix of its name; the head moves the
rest."""


def split_side(bone: str) -> tuple[str, str]:
    """Split a rig bone's name into SMPL's side prefix and the rest."""
    for letter, prefix, _ in SIDES:
        if bone.endswith("." + letter):
            return prefix, bone[:-2]
    return "", bone


def joint_of_bone(bone: str) -> str:
    """Name the SMPL joint that moves a rig bone's skin."""
    prefix, stem = split_side(bone)
    joint = next((joint for start, joint in BONE_TO_JOINT if stem.startswith(start)), "head")
    return prefix + joint if prefix + joint in JOINT else joint


def merge_weights(weights: np.ndarray, labels: list[str]) -> np.ndarray:
    """Merge the rig's weights to the 24 joints and keep the four largest of each vertex."""
    merged = np.zeros((len(weights), len(JOINT_NAMES)))
    for bone, label in enumerate(labels):
        merged[:, JOINT[joint_of_bone(label)]] += weights[:, bone]
    return four_largest(merged)
