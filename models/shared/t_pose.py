"""The T-pose of SMPL's template, made with MakeHuman's full rig."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .makehuman import SIDES, Rig
from .skinning import axis_rotation, blend_skin, rotation_between


def arm_rotations(head: Callable[[str], np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """Rotations that lift one arm to the horizontal with the palm down and the fingers straight out."""
    outward = np.array([sign, 0.0, 0.0])
    shoulder, elbow, wrist = head("upperarm01"), head("lowerarm01"), head("wrist")

    # First raise the arm in the frontal plane, then remove what little remains.
    x, y, _ = elbow - shoulder
    raised = axis_rotation("z", -sign * np.arctan2(y, sign * x))
    upper = rotation_between(raised @ (elbow - shoulder), outward) @ raised
    lower = rotation_between(upper @ (wrist - elbow), outward) @ upper

    # The knuckles of index and little finger must lie level, so twist the forearm, most at the wrist.
    _, y, z = lower @ (head("finger2-1") - head("finger5-1"))
    twist = np.arctan2(y, z)
    hand = axis_rotation("x", twist) @ lower
    return {
        "clavicle": axis_rotation("z", sign * np.deg2rad(8)),
        "shoulder01": axis_rotation("z", sign * np.deg2rad(14)),
        "upperarm01": upper,
        "upperarm02": upper,
        "lowerarm01": axis_rotation("x", 0.2 * twist) @ lower,
        "lowerarm02": axis_rotation("x", 0.6 * twist) @ lower,
        "wrist": rotation_between(hand @ (head("finger3-1") - wrist), outward) @ hand,
    }


def leg_rotations(head: Callable[[str], np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """Rotations that set one leg nearly vertical in the frontal plane, the toes a little outward."""
    hip, knee, ankle = head("upperleg01"), head("lowerleg01"), head("foot")
    outward = sign * np.deg2rad(1)

    def upright(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        x, y, _ = bottom - top
        return axis_rotation("z", outward - np.arctan2(x, -y))

    upper, lower = upright(hip, knee), upright(knee, ankle)
    x, _, z = head("toe3-1") - ankle
    foot = axis_rotation("y", sign * np.deg2rad(4) - np.arctan2(x, z))
    return {"upperleg01": upper, "upperleg02": upper, "lowerleg01": lower, "lowerleg02": lower, "foot": foot}


def bake_t_pose(rig: Rig, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose one adult by linear blend skinning with the full rig; return its vertices and bone heads."""
    given = {}
    for letter, _, sign in SIDES:

        def head(bone: str, letter: str = letter) -> np.ndarray:
            return heads[rig.labels.index(f"{bone}.{letter}")]

        for bone, rotation in {**arm_rotations(head, sign), **leg_rotations(head, sign)}.items():
            given[f"{bone}.{letter}"] = rotation

    rotations, placed = np.empty((len(heads), 3, 3)), np.empty_like(heads)
    for bone, (label, parent) in enumerate(zip(rig.labels, rig.parents, strict=True)):
        if parent < 0:
            rotations[bone], placed[bone] = given.get(label, np.eye(3)), heads[bone]
        else:
            rotations[bone] = given.get(label, rotations[parent])
            placed[bone] = placed[parent] + rotations[parent] @ (heads[bone] - heads[parent])
    return blend_skin(vertices, rig.weights, rotations, heads, placed), placed
