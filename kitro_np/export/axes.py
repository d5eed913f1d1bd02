"""Axes of other programs: rotations from the camera's, x to the right, y down, z forwards."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

AXES = MappingProxyType(
    {
        "y": np.diag([1.0, -1.0, -1.0]),
        "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
        "camera": np.eye(3),
    }
)
"""By what points up: y, as in glTF and BVH, z, as in AMASS and Blender, or nothing is turned."""


def turn(
    pose: np.ndarray, transl: np.ndarray, rest: np.ndarray, axes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return pose and translation in other axes: bodies turn about their root joint, not about the origin.

    Parameters
    ----------
    pose : (N, J, 3, 3) array
    transl : (N, 3) array
    rest : (N, 3) array
        Root joint at rest.
    axes : (3, 3) array
    """
    turned_pose = pose.copy()
    turned_pose[:, 0] = axes @ pose[:, 0]
    return turned_pose, (rest + transl) @ axes.T - rest
