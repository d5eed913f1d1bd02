"""Facing: whether an estimate took a person's front for the back, and its reflection in depth.

Seen from afar, a body and its reflection in depth with left and right exchanged have the same image. So where
the keypoints fit only with left and right exchanged, either a detector exchanged them or the estimate faces
the wrong way. The face tells: most detectors do not see it from behind.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..body.families import BODY_JOINTS, has_body_joints
from ..body.skeleton import Skeleton
from ..keypoints.detectors import SCORES_HIDDEN_FACES
from ..keypoints.layouts import KeypointLayout, find_layout

AWAY = 0.3
"""Cosine between the face's direction and the view from which on a head faces the camera, or faces away."""

SEEN, HIDDEN = 0.4, 0.2
"""Confidence of the face over the mean of the limbs from which on it is seen, and below which it is not."""

DIFFERENT = 1.001
"""Largest over smallest confidence from which on they tell something about what is seen."""

HEAD = BODY_JOINTS.index("head")
"""Joint of the face."""

FACE, EARS = ("nose", "left_eye", "right_eye"), ("left_ear", "right_ear")
LIMBS = tuple(
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)


class FacePoints(NamedTuple):
    """Indices of a layout's points that tell which way a person faces; empty if they do not."""

    face: tuple[int, ...]
    ears: tuple[int, ...]
    limbs: tuple[int, ...]


def face_points(skeleton: Skeleton, layout: KeypointLayout) -> FacePoints:
    """Return the points of face, ears and limbs of a layout whose detector scores what it sees."""
    if (
        not has_body_joints(skeleton.parents)
        or {*layout.name.split("+")} & SCORES_HIDDEN_FACES  # joined layouts, too
        or not {*FACE, *EARS, *LIMBS} <= {*layout.names}
    ):
        return FacePoints((), (), ())
    return FacePoints(*(tuple(map(layout.names.index, names)) for names in (FACE, EARS, LIMBS)))


@lru_cache(maxsize=8)
def mirror_joints(skeleton: Skeleton) -> tuple[int, ...]:
    """Index of each joint's left-right counterpart; its own for bodies that are not people."""
    if not has_body_joints(skeleton.parents):
        return tuple(range(skeleton.num_joints))
    return find_layout("smpl24", skeleton).mirror


def faces_wrong_way(points: FacePoints, rotations: Any, confidence: Any) -> Any:
    """Whether a head faces away though its face is seen, or the camera though it is not: (N,) of bool.

    Parameters
    ----------
    points : FacePoints
    rotations : (N, J, 3, 3) array
        Global rotations of the estimate.
    confidence : (N, K) array
        0 where a keypoint is not visible.
    """
    xp = array_namespace(confidence)
    if not points.face:
        return xp.zeros_like(confidence[:, 0]) > 0

    def of(indices: tuple[int, ...]) -> Any:
        return xp.stack([confidence[:, k] for k in indices], axis=1)

    limbs = of(points.limbs)
    number = xp.sum(xp.astype(limbs > 0, confidence.dtype), axis=1)
    usual = xp.sum(limbs, axis=1) / xp.maximum(number, xp.ones_like(number))
    face, ears = of(points.face), of(points.ears)
    smallest = xp.min(xp.where(confidence > 0, confidence, xp.full_like(confidence, xp.inf)), axis=1)
    telling = (xp.max(confidence, axis=1) > DIFFERENT * smallest) & (number > 0)
    seen = xp.min(face, axis=1) > SEEN * usual
    hidden = (xp.max(face, axis=1) < HIDDEN * usual) & (xp.max(ears, axis=1) > HIDDEN * usual)
    towards = -rotations[:, HEAD, 2, 2]
    return telling & ((seen & (towards < -AWAY)) | (hidden & (towards > AWAY)))


def reflected(skeleton: Skeleton, pose: Any, transl: Any) -> Any:
    """Reflect a body in depth: joints take their counterparts' rotations, S R S, and the root Z R S.

    Parameters
    ----------
    skeleton : Skeleton
    pose : (N, J, 3, 3) array
    transl : (N, 3) array

    Notes
    -----
    S = diag(-1, 1, 1) mirrors left and right, Z = I - 2 r r^T reflects along the ray r to the body.
    """
    xp = array_namespace(pose)
    mirror = xp.asarray([-1.0, 1.0, 1.0], dtype=pose.dtype, device=device(pose))
    twins = xp.stack([pose[:, k, :, :] for k in mirror_joints(skeleton.host)], axis=1)
    twins = mirror[:, None] * twins * mirror
    root = reflected_root(pose[:, 0, :, :], transl)
    return xp.concat([root[:, None, :, :], twins[:, 1:, :, :]], axis=1)


def reflected_root(root: Any, transl: Any) -> Any:
    """Rotation (N, 3, 3) of a root after its reflection in depth, Z R S, see :func:`reflected`."""
    xp = array_namespace(root)
    mirror = xp.asarray([-1.0, 1.0, 1.0], dtype=root.dtype, device=device(root))
    length = xp.sqrt(xp.sum(transl * transl, axis=1, keepdims=True))
    ray = transl / xp.where(length > 0, length, xp.ones_like(length))
    along = xp.matmul(ray[:, None, :], root)
    return (root - 2 * ray[:, :, None] * along) * mirror
