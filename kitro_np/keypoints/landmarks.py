"""Landmarks: named points of a body that detectors predict, each fixed in the frame of one joint.

A landmark is a weighted sum of rest joints and surface points whose weights sum to one, so it is linear in
betas as they are. Surface points are vertices, known for three meshes: the open body, SMPL (and SMPL-H, the
same mesh) and SMPL-X. Pose blend shapes, a few millimetres, are neglected.

If a detector's point is neither a joint of SMPL nor on the surface, its weights are a modelling assumption,
explained below, and its spread is larger.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..body import BodyModel, Skeleton
from ..body.families import BODY_JOINTS, BODY_PARENTS, FAMILIES
from ..body.load import default_body, load_body

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
"""Vertices of the open body, found by models/find_landmarks.py; its versions share them."""

OPEN_VERSIONS = ("open", "open_v1")
"""Versions of the open body, the current one first."""

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
"""Vertices of SMPL and SMPL-H, as published in other open-source code."""

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
"""Vertices of SMPL-X, as published in other open-source code."""

MESHES = {
    FAMILIES[name].num_vertices: vertices
    for name, vertices in (("open", OPEN_VERTICES), ("smpl", SMPL_VERTICES), ("smplx", SMPLX_VERTICES))
}
"""Landmark vertices by the mesh's number of vertices."""

SKIN_FRAMES = {
    "nose": "head", "eye": "head", "ear": "head", "head_top": "head",
    "big_toe": "foot", "small_toe": "foot", "heel": "ankle", "tip": "wrist",
}  # fmt: skip
"""Joint that moves a surface point, by the end of its name; hands are rigid from the wrist on."""

TOLERANCE = 1e-4
"""Largest difference in metres, also per unit of beta, of a skeleton that counts as the open body's."""

NUM_BODY = len(BODY_JOINTS)
"""The 22 joints shared by SMPL, SMPL-H and SMPL-X."""


class Landmark(NamedTuple):
    """A point fixed in a joint's frame.

    Attributes
    ----------
    joint : str
        Joint that moves it.
    weights : dict
        Weights of rest joints and surface points, by name.
    spread : float
        Standard deviation of its definition relative to that of a knee.
    """

    joint: str
    weights: dict[str, float]
    spread: float = 1.0


class Placed(NamedTuple):
    """A landmark on a body: joint, offset (3,) from it in metres, change (3, S) per beta, and spread."""

    joint: int
    offset: Any
    by_betas: Any
    spread: float


def mirrored(name: str) -> str:
    """Return the name of a point's left-right counterpart; points of the midline are unchanged."""
    for side, opposite in (("left", "right"), ("right", "left")):
        if side in name.split("_"):
            return name.replace(side, opposite)
    return name


def _between(first: str, second: str, fraction: float) -> dict[str, float]:
    """Weights of the point at a fraction of the way from the first point to the second."""
    return {first: 1 - fraction, second: fraction}


def _knuckle(tip: str, fraction: float) -> Landmark:
    """Knuckle at a fraction of the way from the left wrist to a fingertip."""
    return Landmark("left_wrist", _between("left_wrist", tip, fraction), spread=2.0)


_SHOULDERS = {"left_shoulder": 0.5, "right_shoulder": 0.5}
_NECK_BASE = {"left_shoulder": 0.25, "right_shoulder": 0.25, "neck": 0.5}
_MID_HIP = {"pelvis": 0.885, "left_knee": 0.0575, "right_knee": 0.0575}
_HALF_HIPS = {"left_shoulder": 0.253, "right_shoulder": -0.253, "left_hip": 0.133, "right_hip": -0.133}
_HIGHER_HIPS = {"left_hip": 0.4, "right_hip": 0.4, "pelvis": 0.2}
_THROAT = {"left_shoulder": 0.325, "right_shoulder": 0.325, "neck": 0.35, "nose": 0.35, "head": -0.35}

_MIDDLE_AND_LEFT = {
    # Detectors' hips differ from marker-based ones by 3 to 5 cm (Needham et al. 2021). Their height makes the
    # thigh between detected points 0.97 of the shank on the open body; people have 0.96 to 1.09. It is told
    # from pelvis and knees, since SMPL's own hips are 4 cm lower than the open body's. They are 21 cm apart
    # on the open body and on SMPL, as in Pose2Sim's biomechanical model; shoulders and hips tell how far, as
    # one body has the wider and the other the narrower. They move with the pelvis: a detector cannot see the
    # twist of a thigh.
    "left_outer_hip": Landmark(
        "pelvis", {**_MID_HIP, **_HALF_HIPS}, spread=2.0
    ),
    "mid_hip": Landmark("pelvis", _MID_HIP, spread=1.5),
    # Human3.6M's skeletons have hips 27 cm apart for a leg of 90 cm, above SMPL's hips.
    "left_h36m_hip": Landmark(
        "pelvis", {**_HIGHER_HIPS, "left_shoulder": 0.375, "right_shoulder": -0.375}, spread=2.5
    ),
    "h36m_pelvis": Landmark("pelvis", _HIGHER_HIPS, spread=2.0),
    # COCO has no neck: OpenPose's is the midpoint of the shoulders, which depends on both collars, not on
    # one joint.
    "mid_shoulder": Landmark("spine3", _SHOULDERS, spread=1.5),
    "neck_base": Landmark("spine3", _NECK_BASE, spread=2.0),
    "upper_neck": Landmark("neck", _between("neck", "head", 0.75), spread=2.0),
    "lower_neck": Landmark("neck", _between("neck", "head", 0.05), spread=2.0),
    "mid_face": Landmark("head", _between("head", "nose", 0.5), spread=2.0),
    "mid_spine": Landmark("spine2", {"spine2": 1.0}, spread=2.0),
    "nose": Landmark("head", {"nose": 0.7, "left_eye": 0.15, "right_eye": 0.15}),
    "head_top": Landmark("head", {"head_top": 1.1, "nose": 0.15, "head": -0.25}, spread=2.5),
    "left_eye": Landmark("head", {"left_eye": 1.0}),
    # An eye's width is about half the distance of the pupils.
    "left_eye_inner": Landmark("head", _between("left_eye", "right_eye", 0.24)),
    "left_eye_outer": Landmark("head", _between("left_eye", "right_eye", -0.24)),
    "left_ear": Landmark("head", {"left_ear": 0.8, "left_eye": 0.1, "nose": 0.1}, spread=1.5),
    "left_big_toe": Landmark("left_foot", _between("left_big_toe", "left_foot", 0.35), spread=1.5),
    "left_small_toe": Landmark("left_foot", _between("left_small_toe", "left_foot", 0.35), spread=1.5),
    "left_foot_index": Landmark("left_foot", _between("left_big_toe", "left_small_toe", 0.2), spread=1.5),
    "left_heel": Landmark("left_ankle", _between("left_heel", "left_big_toe", 0.13), spread=1.5),
    "left_hand_root": Landmark("left_wrist", {"left_wrist": 1.0}, spread=1.5),
    # Fractions of the way from the wrist to the fingertips, measured on the open hand, which has knuckles. On
    # the open body, whose fingers are slightly bent, they are 1 to 2 cm below the bones.
    "left_thumb_knuckle": _knuckle("left_thumb_tip", 0.52),
    "left_index_knuckle": _knuckle("left_index_tip", 0.58),
    "left_middle_knuckle": _knuckle("left_middle_tip", 0.54),
    "left_ring_knuckle": _knuckle("left_ring_tip", 0.55),
    "left_pinky_knuckle": _knuckle("left_pinky_tip", 0.62),
    # ---- of SAM 3D Body and Sapiens
    # On four people in SAM 3D Body's examples the neck lies 1 to 3 cm above the middle of the shoulders and
    # 4.5 cm in front of it; the hips are 14 to 15.5 cm apart: they are centres of joints.
    "throat": Landmark("spine3", _THROAT, spread=2.0),
    "left_hip_centre": Landmark("pelvis", {"left_hip": 1.0}, spread=1.5),
}  # fmt: skip


def _mirrored_landmark(landmark: Landmark) -> Landmark:
    weights = {mirrored(name): weight for name, weight in landmark.weights.items()}
    return Landmark(mirrored(landmark.joint), weights, landmark.spread)


LANDMARKS = {
    **{name: Landmark(name, {name: 1.0}) for name in BODY_JOINTS},
    **{mirrored(name): _mirrored_landmark(landmark) for name, landmark in _MIDDLE_AND_LEFT.items()},
    **_MIDDLE_AND_LEFT,
}
"""All landmarks, by name."""

_ON_OPEN = {
    # Its arms follow Drillis and Contini, who measure them between points of the skin that lie further apart
    # than what detectors take for shoulder and elbow. Shoulders move with the collars. The rig's ankles are
    # behind the malleoli.
    "left_shoulder": Landmark("left_collar", _between("left_shoulder", "left_elbow", 0.06)),
    "left_elbow": Landmark("left_shoulder", _between("left_elbow", "left_shoulder", 0.03)),
    "left_ankle": Landmark("left_ankle", _between("left_ankle", "left_foot", 0.1)),
}

ON_VERSION = {
    "open": {**_ON_OPEN, **{mirrored(name): _mirrored_landmark(point) for name, point in _ON_OPEN.items()}}
}
"""Landmarks that are not the joint of their name on a version of the open body."""


def place_landmarks(body: BodyModel | Skeleton, names: Iterable[str]) -> dict[str, Placed]:
    """Compute landmarks on a body whose skeleton begins with SMPL's first 22 joints.

    On a known mesh they are exact. For a bare skeleton or another mesh, surface points are those of the open
    body: unchanged if the skeleton is the open body's, in any version, else scaled by the total length of the
    bones, to first order in betas.
    """
    if isinstance(body, BodyModel):
        body = body._origin or body
    skeleton = (body.skeleton if isinstance(body, BodyModel) else body).host
    joints = _with_betas(skeleton.joint_template, skeleton.joint_shapedirs)
    version = _version_of(joints)
    points = {**dict(zip(BODY_JOINTS, joints, strict=False)), **_surface_points(body, version, joints)}
    landmarks = {**LANDMARKS, **ON_VERSION.get(version, {})}
    placed = {}
    for name in names:
        joint, weights, spread = landmarks[name]
        point = np.sum([weight * points[part] for part, weight in weights.items()], axis=0) - points[joint]
        placed[name] = Placed(BODY_JOINTS.index(joint), point[:, 0], point[:, 1:], spread)
    return placed


def mesh_vertices(body: BodyModel) -> dict[str, int] | None:
    """Return the vertices of surface points by name, None if the body's mesh is not known."""
    return MESHES[body.num_vertices] if _has_known_mesh(body) else None


def _with_betas(template: Any, shapedirs: Any) -> np.ndarray:
    """Template and change per beta in one array: (K, 3, 1 + S) float64."""
    parts = (np.asarray(template)[..., None], np.asarray(shapedirs))
    return np.concatenate(parts, axis=-1, dtype=np.float64)


def _version_of(joints: np.ndarray) -> str:
    """Return the version of the open body that rest joints (K, 3, 1 + S) are of; empty if of none."""
    for version in OPEN_VERSIONS:
        expected = _open_offsets(version)[0]
        count = joints.shape[2]
        if count <= expected.shape[2] and np.allclose(joints[:NUM_BODY], expected[..., :count], 0, TOLERANCE):
            return version
    return ""


def _surface_points(body: BodyModel | Skeleton, version: str, joints: np.ndarray) -> dict[str, np.ndarray]:
    """Surface points in the rest pose, (3, 1 + S) each."""
    if isinstance(body, BodyModel) and (numbers := mesh_vertices(body)) is not None:
        vertices = list(numbers.values())
        points = _with_betas(body.v_template[vertices, :], body.shapedirs[vertices, :, :])
        return dict(zip(numbers, points, strict=True))
    open_joints, open_offsets = _open_offsets(version or OPEN_VERSIONS[0])
    if version:
        offsets = {name: offset[:, : joints.shape[2]] for name, offset in open_offsets.items()}
    else:
        scale = _size(joints[:NUM_BODY]) / _size(open_joints)[0]
        offsets = {name: offset[:, :1] * scale for name, offset in open_offsets.items()}
    return {name: joints[_frame(name)] + offset for name, offset in offsets.items()}


def _has_known_mesh(body: BodyModel) -> bool:
    if MESHES.get(body.num_vertices) is OPEN_VERTICES:  # another mesh may have as many vertices
        return np.array_equal(np.asarray(body.faces), np.asarray(default_body().faces))
    return body.num_vertices in MESHES


@lru_cache(maxsize=len(OPEN_VERSIONS))
def _open_offsets(version: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return an open body's first 22 rest joints, and the offsets of its surface points from them."""
    body = load_body(version)
    joints = _with_betas(body.skeleton.joint_template, body.skeleton.joint_shapedirs)[:NUM_BODY]
    vertices = list(OPEN_VERTICES.values())
    surface = _with_betas(body.v_template[vertices], body.shapedirs[vertices])
    return joints, {
        name: point - joints[_frame(name)] for name, point in zip(OPEN_VERTICES, surface, strict=True)
    }


def _frame(name: str) -> int:
    """Return the index of the joint that moves a surface point."""
    joint = next(joint for ending, joint in SKIN_FRAMES.items() if name.endswith(ending))
    side = name.split("_")[0] + "_" if joint != "head" else ""
    return BODY_JOINTS.index(side + joint)


def _size(joints: np.ndarray) -> np.ndarray:
    """Total length of the bones, and its change per beta to first order: (1 + S,)."""
    bones = joints[1:] - joints[list(BODY_PARENTS[1:])]
    lengths = np.linalg.norm(bones[..., 0], axis=1)
    directions = bones[..., 0] / np.where(lengths > 0, lengths, 1)[:, None]
    return np.einsum("bi,bis->s", directions, bones)
