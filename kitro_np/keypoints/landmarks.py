"""Landmarks: named points of a body that detectors look for, each fixed in the frame of one joint.

A landmark is a weighted sum, of total weight one, of rest joints and of points of the skin, so that it is
linear in betas as they are. The skin's points are vertices, known by number for three meshes: the open body,
SMPL (and SMPL-H, the same mesh) and SMPL-X. Pose blend shapes, a few millimetres, are left out.

Where a detector's point is no joint of SMPL and no place on the skin, its weights are a modelled guess, said
below, and it counts as loosely defined.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..body import BodyModel, Skeleton
from ..body.families import BODY_JOINTS, BODY_PARENTS, FAMILIES
from ..body.load import default_body

OPEN_VERTICES = {
    "nose": 42, "head_top": 251,
    "left_eye": 6752, "left_ear": 6227, "right_eye": 6824, "right_ear": 2922,
    "left_big_toe": 6077, "left_small_toe": 6696, "left_heel": 6314,
    "right_big_toe": 2764, "right_small_toe": 3393, "right_heel": 3010,
    "left_thumb_tip": 4479, "left_index_tip": 4307, "left_middle_tip": 4326,
    "left_ring_tip": 4427, "left_pinky_tip": 4466,
    "right_thumb_tip": 1118, "right_index_tip": 946, "right_middle_tip": 965,
    "right_ring_tip": 1066, "right_pinky_tip": 1105,
}  # fmt: skip
"""Vertices of the open body, found by models/find_landmarks.py."""

SMPL_VERTICES = {
    "nose": 332, "head_top": 412,
    "left_eye": 2800, "left_ear": 583, "right_eye": 6260, "right_ear": 4071,
    "left_big_toe": 3216, "left_small_toe": 3226, "left_heel": 3387,
    "right_big_toe": 6617, "right_small_toe": 6624, "right_heel": 6787,
    "left_thumb_tip": 2746, "left_index_tip": 2319, "left_middle_tip": 2445,
    "left_ring_tip": 2556, "left_pinky_tip": 2673,
    "right_thumb_tip": 6191, "right_index_tip": 5782, "right_middle_tip": 5905,
    "right_ring_tip": 6016, "right_pinky_tip": 6133,
}  # fmt: skip
"""Vertices of SMPL and SMPL-H, as they are publicly known."""

SMPLX_VERTICES = {
    "nose": 9120, "head_top": 8976,
    "left_eye": 9448, "left_ear": 6, "right_eye": 9929, "right_ear": 616,
    "left_big_toe": 5770, "left_small_toe": 5780, "left_heel": 8846,
    "right_big_toe": 8463, "right_small_toe": 8474, "right_heel": 8635,
    "left_thumb_tip": 5361, "left_index_tip": 4933, "left_middle_tip": 5058,
    "left_ring_tip": 5169, "left_pinky_tip": 5286,
    "right_thumb_tip": 8079, "right_index_tip": 7669, "right_middle_tip": 7794,
    "right_ring_tip": 7905, "right_pinky_tip": 8022,
}  # fmt: skip
"""Vertices of SMPL-X, as they are publicly known."""

MESHES = {
    FAMILIES[name].num_vertices: vertices
    for name, vertices in (("open", OPEN_VERTICES), ("smpl", SMPL_VERTICES), ("smplx", SMPLX_VERTICES))
}
"""Vertex numbers by the size of the mesh."""

SKIN_FRAMES = {
    "nose": "head", "eye": "head", "ear": "head", "head_top": "head",
    "big_toe": "foot", "small_toe": "foot", "heel": "ankle", "tip": "wrist",
}  # fmt: skip
"""Joint that moves a point of the skin, by how its name ends; hands are rigid from the wrist on."""

TOLERANCE = 1e-4
"""Metres, a unit of beta, within which a skeleton is the open body's."""


class Landmark(NamedTuple):
    """A point fixed in a joint's frame.

    Attributes
    ----------
    joint : str
    weights : dict
        Of rest joints and of points of the skin, by name.
    spread : float
        How loosely it is defined: 1 = as well as a knee.
    """

    joint: str
    weights: dict[str, float]
    spread: float = 1.0


class Placed(NamedTuple):
    """A landmark on a body: joint, offset (3,) from it in metres, change (3, S) of the offset per beta."""

    joint: int
    offset: Any
    by_betas: Any
    spread: float


def mirrored(name: str) -> str:
    """Return the name of a point's left-right twin; points of the midline are their own."""
    for side, other in (("left", "right"), ("right", "left")):
        if side in name.split("_"):
            return name.replace(side, other)
    return name


def _between(first: str, second: str, share: float) -> dict[str, float]:
    """Go some share of the way from one point to another."""
    return {first: 1 - share, second: share}


def _knuckle(tip: str, share: float) -> Landmark:
    """Go some share of the way from the left wrist to a fingertip."""
    return Landmark("left_wrist", _between("left_wrist", tip, share), spread=2.0)


_SHOULDERS = {"left_shoulder": 0.5, "right_shoulder": 0.5}
_NECK_BASE = {"left_shoulder": 0.25, "right_shoulder": 0.25, "neck": 0.5}
_LOWER_HIPS = {"left_hip": 0.47, "right_hip": 0.47, "left_knee": 0.03, "right_knee": 0.03}
_HIGHER_HIPS = {"left_hip": 0.25, "right_hip": 0.25, "pelvis": 0.5}

_MIDDLE_AND_LEFT = {
    # Where detectors have hips is known only roughly: 3 to 5 cm off marker-based ones (Needham et al. 2021).
    # Pose2Sim's biomechanical model has OpenPose's 21 cm apart; SMPL's shoulders are 36 cm apart, hence 0.29.
    # That they are 2 cm below SMPL's is a guess. They turn with the pelvis: a detector does not see how a
    # thigh turns about itself.
    "left_outer_hip": Landmark(
        "pelvis", {**_LOWER_HIPS, "left_shoulder": 0.29, "right_shoulder": -0.29}, spread=2.0
    ),
    "mid_hip": Landmark("pelvis", _LOWER_HIPS, spread=1.5),
    # Human3.6M's own skeletons have hips 27 cm apart for a leg of 90 cm, above SMPL's.
    "left_h36m_hip": Landmark(
        "pelvis", {**_HIGHER_HIPS, "left_shoulder": 0.325, "right_shoulder": -0.325}, spread=2.5
    ),
    "h36m_pelvis": Landmark("pelvis", _HIGHER_HIPS, spread=2.0),
    # COCO has no neck: OpenPose's is the middle of the shoulders, which collars move: not held by one joint.
    "mid_shoulder": Landmark("spine3", _SHOULDERS, spread=1.5),
    "neck_base": Landmark("spine3", _NECK_BASE, spread=2.0),
    "upper_neck": Landmark("neck", _between("neck", "head", 0.75), spread=2.0),
    "mid_face": Landmark("head", _between("head", "nose", 0.5), spread=2.0),
    "mid_spine": Landmark("spine2", {"spine2": 1.0}, spread=2.0),
    "nose": Landmark("head", {"nose": 1.0}),
    "head_top": Landmark("head", {"head_top": 1.0}, spread=2.0),
    "left_eye": Landmark("head", {"left_eye": 1.0}),
    # An eye is half as wide as the pupils are apart.
    "left_eye_inner": Landmark("head", _between("left_eye", "right_eye", 0.24)),
    "left_eye_outer": Landmark("head", _between("left_eye", "right_eye", -0.24)),
    "left_ear": Landmark("head", {"left_ear": 1.0}, spread=1.5),
    "left_big_toe": Landmark("left_foot", {"left_big_toe": 1.0}, spread=1.5),
    "left_small_toe": Landmark("left_foot", {"left_small_toe": 1.0}, spread=1.5),
    "left_foot_index": Landmark("left_foot", _between("left_big_toe", "left_small_toe", 0.2), spread=1.5),
    "left_heel": Landmark("left_ankle", {"left_heel": 1.0}, spread=1.5),
    "left_hand_root": Landmark("left_wrist", {"left_wrist": 1.0}, spread=1.5),
    # Shares of the way from the wrist to the fingertips, measured on an open hand that has knuckles. On the
    # open body, whose fingers droop, they come out 1 to 2 cm below the bones.
    "left_thumb_knuckle": _knuckle("left_thumb_tip", 0.52),
    "left_index_knuckle": _knuckle("left_index_tip", 0.58),
    "left_middle_knuckle": _knuckle("left_middle_tip", 0.54),
    "left_ring_knuckle": _knuckle("left_ring_tip", 0.55),
    "left_pinky_knuckle": _knuckle("left_pinky_tip", 0.62),
}  # fmt: skip


def _on_the_other_side(landmark: Landmark) -> Landmark:
    weights = {mirrored(name): weight for name, weight in landmark.weights.items()}
    return Landmark(mirrored(landmark.joint), weights, landmark.spread)


LANDMARKS = {
    **{name: Landmark(name, {name: 1.0}) for name in BODY_JOINTS},
    **{mirrored(name): _on_the_other_side(landmark) for name, landmark in _MIDDLE_AND_LEFT.items()},
    **_MIDDLE_AND_LEFT,
}
"""Every landmark by name."""


def place_landmarks(body: BodyModel | Skeleton, names: Iterable[str]) -> dict[str, Placed]:
    """Place landmarks on a body whose skeleton begins with SMPL's first 22 joints.

    On a known mesh they are exact. On a bare skeleton, and on a mesh of another kind, points of the skin are
    those of the open body: as they are if the skeleton is the open body's, else scaled by the summed lengths
    of the bones, to first order in betas.
    """
    if isinstance(body, BodyModel):
        body = body._origin or body
    skeleton = (body.skeleton if isinstance(body, BodyModel) else body).host
    joints = _with_betas(skeleton.joint_template, skeleton.joint_shapedirs)
    points = {**dict(zip(BODY_JOINTS, joints, strict=False)), **_skin_points(body, skeleton, joints)}
    placed = {}
    for name in names:
        joint, weights, spread = LANDMARKS[name]
        point = np.sum([weight * points[part] for part, weight in weights.items()], axis=0) - points[joint]
        placed[name] = Placed(BODY_JOINTS.index(joint), point[:, 0], point[:, 1:], spread)
    return placed


def _with_betas(template: Any, shapedirs: Any) -> np.ndarray:
    """Template and change per beta in one array: (K, 3, 1 + S) float64."""
    parts = (np.asarray(template)[..., None], np.asarray(shapedirs))
    return np.concatenate(parts, axis=-1, dtype=np.float64)


def _skin_points(body: BodyModel | Skeleton, skeleton: Skeleton, joints: np.ndarray) -> dict[str, np.ndarray]:
    """Rest points of the skin, (3, 1 + S) each."""
    if isinstance(body, BodyModel) and _is_known(body):
        numbers = MESHES[body.num_vertices]
        vertices = list(numbers.values())
        points = _with_betas(body.v_template[vertices, :], body.shapedirs[vertices, :, :])
        return dict(zip(numbers, points, strict=True))
    reference, offsets = _open_offsets()
    betas = min(skeleton.num_betas, reference.shape[2] - 1)
    own, known = joints[:22, :, : 1 + betas], reference[:, :, : 1 + betas]
    if betas == skeleton.num_betas and np.abs(own - known).max() < TOLERANCE:
        moved = {name: offset[:, : 1 + betas] for name, offset in offsets.items()}
    else:
        size = _size(joints[:22]) / _size(reference)[0]
        moved = {name: offset[:, :1] * size for name, offset in offsets.items()}
    return {name: joints[_frame(name)] + offset for name, offset in moved.items()}


def _is_known(body: BodyModel) -> bool:
    if MESHES.get(body.num_vertices) is OPEN_VERTICES:  # other meshes may have as many vertices
        return np.array_equal(np.asarray(body.faces), default_body().faces)
    return body.num_vertices in MESHES


@lru_cache(maxsize=1)
def _open_offsets() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the open body's first 22 rest joints, and the offsets of the points of its skin from them."""
    body = default_body()
    joints = _with_betas(body.skeleton.joint_template, body.skeleton.joint_shapedirs)[:22]
    vertices = list(OPEN_VERTICES.values())
    skin = _with_betas(body.v_template[vertices], body.shapedirs[vertices])
    return joints, {
        name: point - joints[_frame(name)] for name, point in zip(OPEN_VERTICES, skin, strict=True)
    }


def _frame(name: str) -> int:
    """Return the number of the joint that moves a point of the skin."""
    joint = next(joint for ending, joint in SKIN_FRAMES.items() if name.endswith(ending))
    side = name.split("_")[0] + "_" if joint != "head" else ""
    return BODY_JOINTS.index(side + joint)


def _size(joints: np.ndarray) -> np.ndarray:
    """Sum the lengths of the bones, and to first order their changes per beta: (1 + S,)."""
    bones = joints[1:] - joints[list(BODY_PARENTS[1:])]
    lengths = np.linalg.norm(bones[..., 0], axis=1)
    along = bones[..., 0] / np.where(lengths > 0, lengths, 1)[:, None]
    return np.einsum("bi,bis->s", along, bones)
