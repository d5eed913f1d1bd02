"""Step 3: place SMPL's joints in the rig."""

from __future__ import annotations

import numpy as np

from ..shared.makehuman import SIDES
from ..shared.smpl_skeleton import JOINT, JOINT_NAMES

JOINT_AT_BONE = {
    "pelvis": "spine05",
    "spine1": "spine04",
    "spine2": "spine02",
    "spine3": "spine01",
    "neck": "neck01",
    "head": "head",
    "knee": "lowerleg01",
    "ankle": "foot",
    "collar": "clavicle",
    "shoulder": "upperarm01",
    "elbow": "lowerarm01",
    "wrist": "wrist",
}
"""At the head of which rig bone an SMPL joint lies; paired joints take the bone of their side."""


def joints_from_bones(heads: np.ndarray, labels: list[str]) -> np.ndarray:
    """Place the 24 joints of every adult at, or between, the heads of rig bones."""

    def at(bone: str) -> np.ndarray:
        return heads[:, labels.index(bone)].astype(np.float64)

    joints = np.empty((len(heads), len(JOINT_NAMES), 3))
    for name, bone in JOINT_AT_BONE.items():
        if name in JOINT:
            joints[:, JOINT[name]] = at(bone)
            continue
        for letter, prefix, _ in SIDES:
            joints[:, JOINT[prefix + name]] = at(f"{bone}.{letter}")
    for letter, prefix, _ in SIDES:
        # MakeHuman's thigh begins outside of where SMPL has the hip.
        hip = 0.65 * at(f"upperleg01.{letter}") + 0.35 * at(f"upperleg02.{letter}")
        joints[:, JOINT[prefix + "hip"]] = hip * [0.8, 1, 1]
        joints[:, JOINT[prefix + "foot"]] = 0.6 * at(f"toe2-1.{letter}") + 0.4 * at(f"toe3-1.{letter}")
        joints[:, JOINT[prefix + "hand"]] = 0.5 * (at(f"finger3-1.{letter}") + at(f"finger4-1.{letter}"))
    return _with_even_spines(joints)


def _with_even_spines(joints: np.ndarray) -> np.ndarray:
    """Place the spine's joints of all adults alike between pelvis and neck, where they are on average.

    The rig's bones wander by centimetres along the trunk, unlike the skin.
    """
    pelvis, neck = joints[:, [JOINT["pelvis"]]], joints[:, [JOINT["neck"]]]
    spines = [JOINT[name] for name in ("spine1", "spine2", "spine3")]
    shares = ((joints[:, spines] - pelvis)[..., 1] / (neck - pelvis)[..., 1]).mean(0)
    lines = pelvis + shares[:, None] * (neck - pelvis)
    size = (neck - pelvis)[..., 1:2]
    behind = ((joints[:, spines] - lines) / size).mean(0)
    joints[:, spines] = lines + size * behind
    return joints
