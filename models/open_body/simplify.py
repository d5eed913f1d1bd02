"""Step 2: simplify the mean adult's mesh, the same on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..shared.edge_collapse import EdgeCollapser
from ..shared.makehuman import Rig
from ..shared.meshes import compact, half_edges, split_quads

FACE_BONES = ("oris", "levator", "special", "oculi", "temporalis", "risorius", "orbicularis")
EYE_VERTICES = 72  # of one eyeball of the base mesh, which tells the eyes from teeth and tongue


@dataclass
class Surface:
    """The parts of the base mesh that are used, as triangles, and its left-right symmetry."""

    points: np.ndarray  # (V, 3) mean adult
    triangles: np.ndarray  # (T, 3)
    skin: np.ndarray  # (V,) bool
    eyes: np.ndarray  # (V,) bool
    mirror: np.ndarray  # (V,) the vertex on the other side
    side: np.ndarray  # (V,) +1 left, -1 right, 0 on the midline


@dataclass
class Mesh:
    """A simplified mesh: which base vertices it keeps, its faces, and its mirror image."""

    kept: np.ndarray  # (v,) base vertex of each vertex
    faces: np.ndarray  # (f, 3)
    mirror: np.ndarray  # (v,)
    eyes: np.ndarray  # (v,) bool


def surface_of(quads: np.ndarray, points: np.ndarray) -> Surface:
    """Find skin, eyes and left-right symmetry of the mean adult."""
    triangles = split_quads(quads)
    edges = half_edges(triangles)
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(len(points), len(points)))
    _, part = connected_components(graph, directed=False)
    midline = np.abs(points[:, 0]) < 1e-5
    return Surface(
        points=points,
        triangles=triangles,
        skin=part == part[0],
        eyes=(np.bincount(part) == EYE_VERTICES)[part],
        mirror=cKDTree(points).query(points * [-1, 1, 1])[1],
        side=np.where(midline, 0, np.sign(points[:, 0])),
    )


def error_weights(rig: Rig) -> np.ndarray:
    """Weigh errors more at the fingers, and less in the face, than elsewhere."""
    fingers = ["finger" in label or "metacarpal" in label for label in rig.labels]
    face = [label in ("jaw", "tongue00") or any(b in label for b in FACE_BONES) for label in rig.labels]
    weights = np.ones(len(rig.vertices))
    weights[rig.weights[:, fingers].sum(1) > 0.5] = 3.0
    weights[rig.weights[:, face].sum(1) > 0.3] = 0.5
    return weights


def simplify_mesh(surface: Surface, weights: np.ndarray, vertices: int) -> Mesh:
    """Simplify the left half of the skin, mirror it, and add the eyes as they are."""
    skin = surface.triangles[surface.skin[surface.triangles[:, 0]]]
    eyes = surface.triangles[surface.eyes[surface.triangles[:, 0]]]
    left = skin[(surface.side[skin] >= 0).all(axis=1)]
    midline = surface.side == 0
    # The midline belongs to both halves; about 72 of 100 of its vertices survive at SMPL's resolution.
    half = (vertices - 2 * EYE_VERTICES) // 2 + int(midline[surface.skin].sum() * 0.36)
    left = EdgeCollapser(surface.points, left, midline, weights).run(half)
    faces = np.concatenate([left, surface.mirror[left][:, ::-1], eyes])

    kept, new_number = compact(faces, len(surface.points))
    return Mesh(kept, new_number[faces], new_number[surface.mirror[kept]], surface.eyes[kept])
