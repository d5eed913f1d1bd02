"""What a pose does to a skin: triangles that turn over, and volume that is lost."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .meshes import half_edges


def normals_of(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the triangles' normals (f, 3), twice their areas long."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def flipped(
    rest: np.ndarray, posed: np.ndarray, faces: np.ndarray, weights: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """Return which triangles (f,) face backwards: against their normal at rest, turned with the joints.

    Parameters
    ----------
    rest, posed : (v, 3) array
    faces : (f, 3) array of int
    weights : (v, J) array
        Skinning weights; a triangle turns by the mean of its corners'.
    rotations : (J, 3, 3) array
        Global rotations of the joints.
    """
    turns = np.tensordot(weights[faces].mean(axis=1), rotations, 1)
    expected = np.einsum("fab,fb->fa", turns, normals_of(rest, faces))
    return np.einsum("fa,fa->f", expected, normals_of(posed, faces)) < 0


def faces_near(rest: np.ndarray, faces: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Return the triangles with all corners within `radius` of a point and on its side of the body."""
    near = (np.linalg.norm(rest - centre, axis=1) < radius) & (rest[:, 0] * np.sign(centre[0]) >= 0)
    return faces[near[faces].all(axis=1)]


def enclosed_volume(points: np.ndarray, faces: np.ndarray) -> float:
    """Return the volume within triangles; each of their open ends is closed by a fan about its centre."""
    edges = half_edges(faces)
    codes = edges @ [len(points), 1]
    edges = edges[~np.isin(codes, edges[:, ::-1] @ [len(points), 1])]
    volume = _cones(points, faces)
    if len(edges):
        graph = coo_array((np.ones(len(edges)), edges.T), shape=(len(points), len(points)))
        end = connected_components(graph, directed=False)[1][edges[:, 0]]
        for number in np.unique(end):
            ring = edges[end == number]
            centre = points[ring[:, 0]].mean(0)
            volume += float(np.einsum("ea,a->", np.cross(points[ring[:, 1]], points[ring[:, 0]]), centre)) / 6
    return volume


def _cones(points: np.ndarray, faces: np.ndarray) -> float:
    """Return the signed volume between the origin and the triangles."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return float(np.einsum("fa,fa->", np.cross(a, b), c)) / 6
