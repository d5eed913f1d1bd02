"""People made at random from anthropometric tables, as joints."""

from __future__ import annotations

import numpy as np

from kitro_np import Skeleton

from ..open_body.people import Person, draw_people
from .makehuman import MUSCLE, WEIGHT
from .smpl_skeleton import JOINT

LABELS = ["gender", "muscle", "weight"]

LIMBS = [
    JOINT[f"{side}_{name}"]
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
"""Joints that the tables place."""


def random_people(count: int, rng: np.random.Generator) -> list[Person]:
    """Draw people, men and women in turn."""
    phenotypes = np.column_stack(
        [np.arange(count) % 2, rng.normal(*MUSCLE, count), rng.normal(*WEIGHT, count)]
    )
    return draw_people(phenotypes, LABELS, rng)


def skeleton_of(person: Person, like: Skeleton) -> Skeleton:
    """Build a skeleton without betas whose limbs are the person's.

    What the tables do not give is another skeleton's, scaled to the person's stature and stretched between
    the joints that the tables place.
    """
    joints, shares = np.array(like.joint_template, dtype=np.float64), person.joints
    sole = joints[JOINT["left_ankle"], 1] - 0.039 * _stature(joints)
    joints = (joints - [0, sole, 0]) * person.measures["stature"] / _stature(joints)
    hip, shoulder = joints[JOINT["left_hip"], 1], joints[JOINT["left_shoulder"], 1]
    for name in ("pelvis", "spine1", "spine2", "spine3"):
        share = (joints[JOINT[name], 1] - hip) / (shoulder - hip)
        joints[JOINT[name], 1] = shares["hip"] + share * (shares["shoulder"] - shares["hip"])
    for name in ("neck", "head"):
        joints[JOINT[name], 1] += shares["shoulder"] - shoulder
    apart = shares["hip_half_breadth"] - joints[JOINT["left_hip"], 0]
    for side, sign in (("left", 1), ("right", -1)):
        for name in ("hip", "knee", "ankle", "foot"):
            joints[JOINT[f"{side}_{name}"], 0] += sign * apart
        for name in ("hip", "knee", "ankle", "shoulder"):
            joints[JOINT[f"{side}_{name}"], 1] = shares[name]
        hand = joints[JOINT[f"{side}_hand"], 0] - joints[JOINT[f"{side}_wrist"], 0]
        for name in ("elbow", "wrist", "hand"):
            joints[JOINT[f"{side}_{name}"], 1] = shares["shoulder"]
        for name in ("shoulder", "elbow", "wrist"):
            joints[JOINT[f"{side}_{name}"], 0] = sign * person.arm_joint(name)
        joints[JOINT[f"{side}_hand"], 0] = sign * person.arm_joint("wrist") + hand
    return Skeleton(like.parents, joints, np.zeros((*joints.shape, 0)), like.joint_names)


def _stature(joints: np.ndarray) -> float:
    """Stature of a skeleton, from the tables' heights of shoulders and ankles over it."""
    return float((joints[JOINT["left_shoulder"], 1] - joints[JOINT["left_ankle"], 1]) / (0.818 - 0.039))
