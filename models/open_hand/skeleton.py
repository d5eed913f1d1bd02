"""MANO's 16 joints, and the bones of MakeHuman's rig that they lie at."""

from __future__ import annotations

import numpy as np

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINT_NAMES = ["wrist", *(f"{finger}{number}" for finger in FINGERS for number in (1, 2, 3))]
PARENTS = [-1] + [0 if number % 3 == 1 else number - 1 for number in range(1, 16)]
MAKEHUMAN_FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
ORIGIN = JOINT_NAMES.index("middle1")


def rig_bone(joint: str) -> str:
    """Name the rig's bone whose head a joint is."""
    if joint == "wrist":
        return "wrist.R"
    return f"finger{MAKEHUMAN_FINGERS[joint[:-1]]}-{joint[-1]}.R"


def merge_weights(weights: np.ndarray, labels: list[str]) -> np.ndarray:
    """Merge the rig's weights to the 16 joints; all that are not a finger's go to the wrist."""
    merged = np.zeros((len(weights), len(JOINT_NAMES)))
    for number, name in enumerate(JOINT_NAMES[1:], start=1):
        merged[:, number] = weights[:, labels.index(rig_bone(name))]
    merged[:, 0] = 1 - merged.sum(1)
    return merged
