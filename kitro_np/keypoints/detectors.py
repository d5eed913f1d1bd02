"""Points of the detectors: their names, their order, and the landmark of the body for each."""

from __future__ import annotations

from typing import Literal, get_args

from .landmarks import LANDMARKS

LayoutName = Literal[
    "smpl24", "coco17", "body25", "body25b", "halpe26", "wholebody133", "h36m17", "mpii16", "mediapipe33"
]  # fmt: skip
"""Names of the layouts: the body's joints, then the keys of POINTS."""

LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
"""Names of the layouts, as a tuple."""

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_LIMBS = (
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_COCO = _FACE + _LIMBS
_FEET = (
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")

_HIPS = {"left_hip": "left_outer_hip", "right_hip": "right_outer_hip"}
"""Landmarks that COCO, OpenPose and most others call hips."""

_FACE_POINTS = 68
"""Points of a face in COCO-WholeBody."""


def _points(names: tuple[str, ...], **renamed: str) -> dict[str, str | None]:
    """Landmark of each name: that in `renamed`, else the one of the same name; None if there is none."""
    landmarks = {**_HIPS, **renamed}
    return {name: landmarks.get(name, name if name in LANDMARKS else None) for name in names}


def _hand(side: str) -> tuple[str, ...]:
    return (f"{side}_hand_root", *(f"{side}_{finger}{n}" for finger in _FINGERS for n in range(1, 5)))


def _knuckles(side: str) -> dict[str, str]:
    """Points of a hand that do not move with the fingers, whose joints the body lacks."""
    pairs = zip(("forefinger", "middle_finger", "ring_finger", "pinky_finger"), _KNUCKLES, strict=True)
    knuckles = {f"{side}_{finger}1": f"{side}_{knuckle}_knuckle" for finger, knuckle in pairs}
    return {**knuckles, f"{side}_thumb2": f"{side}_thumb_knuckle"}


_KNUCKLES = ("index", "middle", "ring", "pinky")

POINTS = {
    "coco17": _points(_COCO),
    "body25": _points(
        (
            "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
            "left_wrist", "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
            "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", *_FEET,
        ),
        neck="mid_shoulder",
    ),
    "body25b": _points((*_COCO, "neck", "head_top", *_FEET), neck="lower_neck"),
    "halpe26": _points(
        (
            *_COCO, "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe",
            "right_small_toe", "left_heel", "right_heel",
        ),
        head="head_top",
        neck="mid_shoulder",
        hip="mid_hip",
    ),
    # Points of the face and of the fingers have no landmark: nose, eyes and ears determine the pose of a
    # rigid head, and the knuckles that of a rigid hand.
    "wholebody133": _points(
        (*_COCO, *_FEET, *(f"face_{n}" for n in range(_FACE_POINTS)), *_hand("left"), *_hand("right")),
        **_knuckles("left"),
        **_knuckles("right"),
    ),
    "h36m17": _points(
        (
            "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
            "spine", "thorax", "neck", "head", "left_shoulder", "left_elbow", "left_wrist",
            "right_shoulder", "right_elbow", "right_wrist",
        ),
        pelvis="h36m_pelvis",
        right_hip="right_h36m_hip",
        left_hip="left_h36m_hip",
        spine="mid_spine",
        thorax="neck_base",
        neck="mid_face",
        head="head_top",
    ),
    "mpii16": _points(
        (
            "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis",
            "thorax", "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder",
            "left_shoulder", "left_elbow", "left_wrist",
        ),
        pelvis="mid_hip",
        thorax="neck_base",
    ),
    "mediapipe33": _points(
        (
            "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
            "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder",
            "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky",
            "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
            "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
            "right_heel", "left_foot_index", "right_foot_index",
        ),
        left_pinky="left_pinky_knuckle",
        right_pinky="right_pinky_knuckle",
        left_index="left_index_knuckle",
        right_index="right_index_knuckle",
        left_thumb="left_thumb_knuckle",
        right_thumb="right_thumb_knuckle",
    ),
}  # fmt: skip
"""For each layout the landmark of every point, in the detector's order; None for points without one."""

SCORES_HIDDEN_FACES: frozenset[str] = frozenset({"mediapipe33"})
"""Layouts whose detector gives a face a high score from behind, too."""
