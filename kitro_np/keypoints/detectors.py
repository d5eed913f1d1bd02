"""Points of the detectors: their names, their order, and the landmark of the body for each."""

from __future__ import annotations

from typing import Literal, get_args

from .landmarks import LANDMARKS

LayoutName = Literal[
    "smpl24", "coco17", "body25", "body25b", "halpe26", "wholebody133", "h36m17", "mpii16", "mediapipe33",
    "coco18", "coco19", "vitpose25", "spin49", "halpe136", "mhr70", "sapiens308", "hand21",
    "hand21_interhand",
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
_HALPE = (
    *_COCO, "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "left_heel", "right_heel",
)  # fmt: skip
_BODY25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear", *_FEET,
)  # fmt: skip
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
_SIDES = ("left", "right")

_HIPS = {"left_hip": "left_outer_hip", "right_hip": "right_outer_hip"}
"""Landmarks that COCO, OpenPose and most others call hips."""

_FACE_POINTS, _SAPIENS_FACE_POINTS = 68, 238
"""Points of a face in COCO-WholeBody and Halpe, and of face and ears in Sapiens."""


def _points(names: tuple[str, ...], **renamed: str) -> dict[str, str | None]:
    """Landmark of each name: that in `renamed`, else the one of the same name; None if there is none."""
    landmarks = {**_HIPS, **renamed}
    return {name: landmarks.get(name, name if name in LANDMARKS else None) for name in names}


def _face(count: int) -> tuple[str, ...]:
    """Points without a landmark: nose, eyes and ears determine the pose of a rigid head."""
    return tuple(f"face_{n}" for n in range(count))


def _hand(side: str) -> tuple[str, ...]:
    return (f"{side}_hand_root", *(f"{side}_{finger}{n}" for finger in _FINGERS for n in range(1, 5)))


_OWN_FINGERS = {
    "thumb": "thumb", "forefinger": "index", "middle_finger": "middle", "ring_finger": "ring",
    "pinky_finger": "pinky",
}  # fmt: skip
"""Names that a body's joints have for the fingers of COCO-WholeBody."""

_FINGERTIP = 4
"""Number of a finger's last point; those before it are joints, from the palm on."""


def _finger_landmark(finger: str, n: int) -> str:
    """Joint or tip of a finger that is point n of it, from the palm on."""
    return f"{_OWN_FINGERS[finger]}{'_tip' if n == _FINGERTIP else n}"


def _finger_landmarks() -> dict[str, str]:
    """Landmarks of the points of both hands, on bodies with joints in the fingers."""
    return {
        f"{side}_{finger}{n}": f"{side}_{_finger_landmark(finger, n)}"
        for side in _SIDES
        for finger in _FINGERS
        for n in range(1, 5)
    }


def _knuckles() -> dict[str, str]:
    """Points of both hands that do not move with the fingers, on bodies without joints in them."""
    knuckles = {}
    for side in _SIDES:
        for finger in _FINGERS[1:]:
            knuckles[f"{side}_{finger}1"] = f"{side}_{_OWN_FINGERS[finger]}_knuckle"
        knuckles[f"{side}_thumb2"] = f"{side}_thumb_knuckle"
    return knuckles


_MHR_HAND = tuple(
    f"{finger}_{part}"
    for finger in _OWN_FINGERS.values()
    for part in ("tip", "first_joint", "second_joint", "third_joint")
)
"""Points of a hand in SAM 3D Body and Sapiens: they count a finger's joints from its tip."""

_MHR = (
    *_FACE, *_LIMBS[:4], *_LIMBS[6:], "left_big_toe_tip", "left_small_toe_tip", "left_heel",
    "right_big_toe_tip", "right_small_toe_tip", "right_heel",
    *(f"right_{point}" for point in _MHR_HAND), "right_wrist",
    *(f"left_{point}" for point in _MHR_HAND), "left_wrist",
    "left_olecranon", "right_olecranon", "left_cubital_fossa", "right_cubital_fossa", "left_acromion",
    "right_acromion", "neck",
)  # fmt: skip
"""SAM 3D Body's points: the wrists come after the fingers of their hands."""


def _mhr_fingers() -> dict[str, str]:
    """Landmarks of SAM 3D Body's points of the hands, on bodies with joints in the fingers."""
    parts = {"tip": "_tip", "first_joint": "3", "second_joint": "2", "third_joint": "1"}
    return {
        f"{side}_{finger}_{part}": f"{side}_{finger}{number}"
        for side in _SIDES
        for finger in _OWN_FINGERS.values()
        for part, number in parts.items()
    }


def _mhr_landmarks() -> dict[str, str]:
    """Landmarks of SAM 3D Body's points that have other names, on any body."""
    landmarks = {"neck": "throat"}
    for side in _SIDES:
        landmarks[f"{side}_hip"] = f"{side}_hip_centre"
        for toe in ("big_toe", "small_toe"):
            landmarks[f"{side}_{toe}_tip"] = f"{side}_{toe}"
        for finger in ("index", "middle", "ring", "pinky"):
            landmarks[f"{side}_{finger}_third_joint"] = f"{side}_{finger}_knuckle"
        landmarks[f"{side}_thumb_second_joint"] = f"{side}_thumb_knuckle"
    return landmarks


_HAND21 = ("wrist", *(f"{finger}{n}" for finger in _FINGERS for n in range(1, 5)))
_HAND21_LANDMARKS: dict[str, str | None] = {
    "wrist": "wrist",
    **{f"{finger}{n}": _finger_landmark(finger, n) for finger in _FINGERS for n in range(1, 5)},
}
_INTERHAND21 = (*(f"{finger}{n}" for finger in _FINGERS for n in range(4, 0, -1)), "wrist")

POINTS = {
    "coco17": _points(_COCO),
    "body25": _points(_BODY25, neck="mid_shoulder"),
    "body25b": _points((*_COCO, "upper_neck", "head_top", *_FEET), upper_neck="lower_neck"),
    "halpe26": _points(_HALPE, head="head_top", neck="mid_shoulder", hip="mid_hip"),
    # On a body without joints in the fingers only the knuckles have a landmark: its hands are rigid.
    "wholebody133": _points(
        (*_COCO, *_FEET, *_face(_FACE_POINTS), *_hand("left"), *_hand("right")), **_knuckles()
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
    "coco18": _points(
        (
            "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
            "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
            "right_eye", "left_eye", "right_ear", "left_ear",
        ),
        neck="mid_shoulder",
    ),
    "coco19": _points(
        (
            "neck", "nose", "mid_hip", "left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee",
            "left_ankle", "right_shoulder", "right_elbow", "right_wrist", "right_hip", "right_knee",
            "right_ankle", "left_eye", "left_ear", "right_eye", "right_ear",
        ),
        neck="mid_shoulder",
    ),
    "vitpose25": _points(
        (*_FACE, "neck", *_LIMBS[:8], "hip", *_LIMBS[8:], *_FEET), neck="mid_shoulder", hip="mid_hip"
    ),
    "spin49": {
        **{f"op_{name}": point for name, point in _points(_BODY25, neck="mid_shoulder").items()},
        **_points(
            (
                "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
                "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
                "neck", "head_top", "pelvis", "thorax", "spine", "jaw", "head", "nose", "left_eye",
                "right_eye", "left_ear", "right_ear",
            ),
            # As SPIN reads MPII and Human3.6M: the neck of the one, the jaw of the other.
            neck="upper_neck",
            pelvis="mid_hip",
            thorax="neck_base",
            spine="mid_spine",
            jaw="mid_face",
            head="head_top",
        ),
    },
    "halpe136": _points(
        (*_HALPE, *_face(_FACE_POINTS), *_hand("left"), *_hand("right")),
        head="head_top",
        neck="mid_shoulder",
        hip="mid_hip",
        **_knuckles(),
    ),
    "mhr70": _points(_MHR, **_mhr_landmarks()),
    "sapiens308": _points((*_MHR, *_face(_SAPIENS_FACE_POINTS)), **_mhr_landmarks()),
    "hand21": {name: _HAND21_LANDMARKS[name] for name in _HAND21},
    "hand21_interhand": {name: _HAND21_LANDMARKS[name] for name in _INTERHAND21},
}  # fmt: skip
"""For each layout the landmark of every point, in the detector's order; None for points without one."""

FINGER_POINTS: dict[str, dict[str, str]] = {
    **dict.fromkeys(("wholebody133", "halpe136"), _finger_landmarks()),
    **dict.fromkeys(("mhr70", "sapiens308"), _mhr_fingers()),
}
"""For each layout the landmarks that points have instead on bodies with joints in the fingers."""

HAND_LAYOUTS: tuple[LayoutName, ...] = ("hand21", "hand21_interhand")
"""Layouts of a single hand; the others are of a whole body."""

WRITTEN_BY: dict[LayoutName, str] = {
    "smpl24": "the body's own joints: simulations, ground truth",
    "coco17": "COCO: YOLO, RTMPose, ViTPose, HRNet, Detectron2",
    "body25": "OpenPose's default",
    "body25b": "OpenPose's model BODY_25B",
    "halpe26": "AlphaPose, RTMPose",
    "wholebody133": "COCO-WholeBody: RTMW, DWPose, Sapiens",
    "h36m17": "Human3.6M",
    "mpii16": "MPII",
    "mediapipe33": "MediaPipe Pose, in pixels",
    "coco18": "OpenPose's model COCO, files of 3DPW",
    "coco19": "CMU Panoptic",
    "vitpose25": "easy_ViTPose",
    "spin49": "SPIN, VIBE: OpenPose's 25 and 24 of data sets",
    "halpe136": "AlphaPose",
    "mhr70": "SAM 3D Body",
    "sapiens308": "Sapiens",
    "hand21": "a hand: OpenPose, MediaPipe, RTMPose",
    "hand21_interhand": "a hand: InterHand2.6M",
}
"""What has its points in the order of each layout."""

SCORES_HIDDEN_FACES: frozenset[str] = frozenset({"mediapipe33"})
"""Layouts whose detector gives a face a high score from behind, too."""
