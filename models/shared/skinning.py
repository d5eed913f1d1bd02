"""Rotations and linear blend skinning."""

from __future__ import annotations

import numpy as np


def axis_rotation(axis: str, angle: float) -> np.ndarray:
    """Return the rotation about a coordinate axis, counter-clockwise looking from its tip to the origin."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array(
        {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )


def rotation_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the shortest rotation that takes one direction to another, which must not be its opposite."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    x, y, z = np.cross(start, end)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + start @ end)


def blend_skin(
    vertices: np.ndarray,
    weights: np.ndarray,
    rotations: np.ndarray,
    joints: np.ndarray,
    posed_joints: np.ndarray,
) -> np.ndarray:
    """Pose vertices (V, 3) by weights (V, J) with joints that are rotated and moved."""
    offsets = posed_joints - np.einsum("jab,jb->ja", rotations, joints)
    blended = weights @ np.concatenate([rotations.reshape(-1, 9), offsets], axis=1)
    return np.einsum("vab,vb->va", blended[:, :9].reshape(-1, 3, 3), vertices) + blended[:, 9:]


def four_largest(weights: np.ndarray) -> np.ndarray:
    """Keep the four largest weights of each vertex, scaled to a sum of one."""
    largest = np.argsort(-weights, axis=1)[:, :4]
    sparse = np.zeros_like(weights)
    np.put_along_axis(sparse, largest, np.take_along_axis(weights, largest, 1), 1)
    return sparse / sparse.sum(1, keepdims=True)
