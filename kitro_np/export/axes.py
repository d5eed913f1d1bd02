"""Axes of other programs: rotations from the camera's, x to the right, y down, z forwards."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from ..errors import one_of
from .bodies import Person

AXES = MappingProxyType(
    {
        "y": np.diag([1.0, -1.0, -1.0]),
        "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
        "camera": np.eye(3),
    }
)
"""By what points up: y, as in glTF and BVH, z, as in AMASS and Blender, or nothing is turned."""


def turned(person: Person, up: str) -> Person:
    """Return a person with other axes: the root is turned, the rest pose stays as it is."""
    axes = AXES[one_of("up", up, AXES)]
    pose = person.pose.copy()
    pose[:, 0] = axes @ pose[:, 0]
    # Bodies turn about their root joint, not about the origin.
    rest = person.skeleton.rest_joints(person.betas)[:, 0]
    transl = person.root @ axes.T - rest
    return Person(person.number, person.frame, pose, person.betas, transl, person.body)
