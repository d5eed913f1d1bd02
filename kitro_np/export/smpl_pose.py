"""Poses in the layouts of SMPL's programs: axis-angle vectors, and which body they are on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays.rotations import axis_angle_from_matrix
from ..body.families import BODY_JOINTS, FAMILIES
from ..body.model import BodyModel
from ..body.names import meaning
from ..errors import InputError
from .bodies import Bodies, Person

NUM_BODY = len(BODY_JOINTS)
"""The 22 joints that SMPL, SMPL-H and SMPL-X share; fingers follow, after SMPL-X's jaw and eyes."""

STILL = 1e-6
"""Largest angle in radians of a joint that is not turned."""


class SmplBody(NamedTuple):
    """Family of SMPL's ("smpl", "smplh" or "smplx") whose joints a body has, and its gender."""

    family: str
    gender: str


def smpl_body(bodies: Bodies, what: str) -> SmplBody:
    """Return what SMPL body the bodies are on, and tell if betas are not SMPL's.

    Raises
    ------
    InputError
        If the joints are not those of SMPL, SMPL-H or SMPL-X.
    """
    body = bodies.body
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    for name in ("smpl", "smplh", "smplx"):
        if FAMILIES[name].parents == skeleton.parents:
            break
    else:
        raise InputError(
            f"body: expected the joints of SMPL, SMPL-H or SMPL-X, which {what} holds, "
            f"got {skeleton.num_joints} others."
        )
    named = meaning(body.name) if isinstance(body, BodyModel) else None
    if named is not None and named.family.embedded:
        bodies.tell(f"Betas are of {named.family.name}: on SMPL's own body they mean another shape.")
    kind = named.kind if named is not None else None
    return SmplBody(name, kind or "neutral")


def vectors_of(person: Person) -> np.ndarray:
    """Return axis-angle vectors (T, J, 3)."""
    return np.asarray(axis_angle_from_matrix(person.pose))


def with_fingers(vectors: np.ndarray, person: Person, bodies: Bodies) -> np.ndarray:
    """Return SMPL's pose (T, 24, 3) as SMPL-H's, (T, 52, 3), fingers straight; told if hands are turned."""
    hands = np.linalg.norm(vectors[:, NUM_BODY:], axis=-1)
    if hands.max() > STILL:
        angle = np.degrees(hands.max())
        bodies.tell(
            f"{person.name}: SMPL's two hand joints, turned by up to {angle:.0f} degrees, are left out."
        )
    fingers = FAMILIES["smplh"].parents[NUM_BODY:]
    return np.concatenate([vectors[:, :NUM_BODY], np.zeros((len(vectors), len(fingers), 3))], axis=1)
