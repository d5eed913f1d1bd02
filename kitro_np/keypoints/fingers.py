"""Fingers: wrist, finger joints and fingertips of hands, and of bodies that have joints in the fingers.

Fingertips are vertices on the open hand, MANO, SMPL-H and SMPL-X. On a bare skeleton or another mesh a
finger's last bone is extended to the tip.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..body import BodyModel, Skeleton
from ..body.families import FAMILIES, MANO, SIDES, Family
from ..body.load import load_body
from .landmarks import SMPL_VERTICES, SMPLX_VERTICES, Placed

SMPLH, SMPLX = FAMILIES["smplh"], FAMILIES["smplx"]

OPEN_HAND_TIPS = {"thumb_tip": 283, "index_tip": 9, "middle_tip": 92, "ring_tip": 165, "pinky_tip": 241}
"""Vertices of the open hand, found by models/find_landmarks.py."""

MANO_TIPS = {"thumb_tip": 744, "index_tip": 320, "middle_tip": 443, "ring_tip": 554, "pinky_tip": 671}
"""Vertices of MANO, as published in other open-source code."""

TIP_LENGTHS = {"thumb": 0.8, "index": 1.15, "middle": 0.95, "ring": 1.1, "pinky": 1.3}
"""Distance of a fingertip from the last joint over the length of the bone before it, on the open hand."""

SPREAD_ON_BODIES, SPREAD_OF_EXTENDED_TIPS = 2.0, 1.5
"""Factors of the spread of finger points on a whole body, 40 of which would else outweigh the body's own, and
of tips for which a bone is extended."""


def is_hand(parents: tuple[int, ...]) -> bool:
    """Whether a tree is that of a single hand with MANO's joints."""
    return parents == MANO.parents


def has_fingers(parents: tuple[int, ...]) -> bool:
    """Whether a tree has joints in the fingers: a hand's, SMPL-H's or SMPL-X's."""
    return _family(parents) is not None


def place_fingers(body: BodyModel | Skeleton) -> dict[str, Placed]:
    """Compute wrist, joints and tips of the fingers of a body that has them, by name.

    Names begin with left_ or right_ on whole bodies. Joints are exact; a tip is fixed to its finger's last
    joint.
    """
    skeleton = (body.skeleton if isinstance(body, BodyModel) else body).host
    family = _family(skeleton.parents)
    if family is None:
        return {}
    if isinstance(body, BodyModel):
        body = body._origin or body
    hand = is_hand(family.parents)
    joints = {name: number for number, name in enumerate(family.joint_names)}
    tips = _tip_vertices(body)
    placed = {}
    if hand:
        placed["wrist"] = _joint(skeleton, joints["wrist"])
    for side in ("",) if hand else ("left_", "right_"):
        for finger, length in TIP_LENGTHS.items():
            chain = [joints[f"{side}{finger}{n}"] for n in (1, 2, 3)]
            for n, joint in enumerate(chain, start=1):
                placed[f"{side}{finger}{n}"] = _joint(skeleton, joint)
            tip = f"{side}{finger}_tip"
            if tips is not None and isinstance(body, BodyModel):
                placed[tip] = _vertex(body, tips[tip], chain[-1])
            else:
                placed[tip] = _extended(skeleton, chain, length)
    factor = 1.0 if hand else SPREAD_ON_BODIES
    return {name: point._replace(spread=factor * point.spread) for name, point in placed.items()}


def _family(parents: tuple[int, ...]) -> Family | None:
    return next((family for family in (MANO, SMPLH, SMPLX) if parents == family.parents), None)


def _joint(skeleton: Skeleton, joint: int) -> Placed:
    return Placed(joint, np.zeros(3), np.zeros((3, skeleton.num_betas)), 1.0)


def _vertex(body: BodyModel, vertex: int, joint: int) -> Placed:
    """Return a vertex in the frame of a joint."""
    skeleton = body.skeleton
    offset = _float64(body.v_template)[vertex] - _float64(skeleton.joint_template)[joint]
    by_betas = _float64(body.shapedirs)[vertex] - _float64(skeleton.joint_shapedirs)[joint]
    return Placed(joint, offset, by_betas, 1.0)


def _extended(skeleton: Skeleton, chain: list[int], length: float) -> Placed:
    """Return a point beyond the last joint of a finger, at a multiple of the length of the bone before it."""
    _, before, last = chain
    template, shapedirs = _float64(skeleton.joint_template), _float64(skeleton.joint_shapedirs)
    offset, by_betas = (length * (array[last] - array[before]) for array in (template, shapedirs))
    return Placed(last, offset, by_betas, SPREAD_OF_EXTENDED_TIPS)


def _tip_vertices(body: BodyModel | Skeleton) -> dict[str, int] | None:
    """Vertices of the fingertips on a known mesh."""
    if not isinstance(body, BodyModel):
        return None
    if is_hand(body.skeleton.parents) and body.num_vertices == MANO.num_vertices:
        own = any(np.array_equal(np.asarray(body.faces), faces) for faces in _open_hand_faces())
        return OPEN_HAND_TIPS if own else MANO_TIPS
    known = ((SMPLH, SMPL_VERTICES), (SMPLX, SMPLX_VERTICES))
    return next((tips for family, tips in known if body.num_vertices == family.num_vertices), None)


@lru_cache(maxsize=1)
def _open_hand_faces() -> tuple[np.ndarray, ...]:
    """Faces of both open hands: MANO has as many vertices."""
    return tuple(np.asarray(load_body("open_hand", gender=side).faces) for side in SIDES)


def _float64(array: object) -> np.ndarray:
    return np.asarray(array, dtype=np.float64)
