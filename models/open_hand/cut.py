"""Step 3: cut the hand off behind the wrist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..shared.meshes import compact, half_edges

SNAP = 0.35  # a vertex slides onto the cut if that takes no more than this share of an edge


@dataclass
class Cut:
    """A mesh cut off at a plane: each vertex lies on an edge of the old mesh, or at its first end."""

    first: np.ndarray  # (v,) old vertex
    second: np.ndarray  # (v,) old vertex at the other end
    share: np.ndarray  # (v,) of the second end
    faces: np.ndarray  # (f, 3)
    on_border: np.ndarray  # (v,) bool

    def of(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values (..., V, k) of the old vertices."""
        share = self.share[:, None]
        return (1 - share) * values[..., self.first, :] + share * values[..., self.second, :]


def cut_mesh(points: np.ndarray, faces: np.ndarray, behind: float, snap: float = SNAP) -> Cut:
    """Cut off the part of a triangle mesh with x above `behind`.

    A vertex near the plane slides onto it along an edge, by the shortest path, if that is at most the share
    `snap` of the edge, which avoids slivers; an edge that still crosses the plane gets a vertex there.
    """
    second, share, distance = slide_to_plane(points, faces, points[:, 0] - behind, snap)
    triangles, crossings = clip_triangles(faces, distance)
    first = np.append(np.arange(len(points)), crossings[:, 0].astype(int))
    second = np.append(second, crossings[:, 1].astype(int))
    share = np.append(share, crossings[:, 2])
    distance = np.append(distance, np.zeros(len(crossings)))
    kept, new_number = compact(triangles, len(first))
    return Cut(first[kept], second[kept], share[kept], new_number[triangles], distance[kept] == 0)


def slide_to_plane(
    points: np.ndarray, faces: np.ndarray, distance: np.ndarray, snap: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slide vertices onto the plane from which they have signed distances (V,).

    Returns the other end of the edge that each vertex slides along, the share of that edge, and the distances
    afterwards; a vertex that stays has itself as the other end.
    """
    edges = np.unique(np.sort(half_edges(faces), axis=1), axis=0)
    edges = edges[distance[edges].prod(axis=1) < 0]
    edges = np.concatenate([edges, edges[:, ::-1]])
    shares = distance[edges[:, 0]] / (distance[edges[:, 0]] - distance[edges[:, 1]])
    distance = np.where(np.abs(distance) < 1e-12, 0.0, distance)
    second, share = np.arange(len(points)), np.zeros(len(points))
    path = shares * np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    for number in np.argsort(-path, kind="stable"):  # the shortest path is written last
        if shares[number] <= snap:
            vertex, other = edges[number]
            second[vertex], share[vertex], distance[vertex] = other, shares[number], 0.0
    return second, share, distance


def clip_triangles(faces: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles that lie at negative distances, and the new vertices where edges cross zero.

    New vertices are numbered after the old ones; each has a row (inside end, outside end, share of the
    outside end).
    """
    numbers: dict[tuple[int, int], int] = {}
    crossings: list[tuple[int, int, float]] = []

    def crossing(inside: int, outside: int) -> int:
        if (inside, outside) not in numbers:
            numbers[inside, outside] = len(distance) + len(crossings)
            crossings.append((inside, outside, distance[inside] / (distance[inside] - distance[outside])))
        return numbers[inside, outside]

    triangles = []
    for face in faces:
        if not (distance[face] < 0).any():
            continue
        polygon = []
        for start, end in zip(face, np.roll(face, -1), strict=True):
            if distance[start] <= 0:
                polygon.append(int(start))
            if distance[start] * distance[end] < 0:
                pair = (start, end) if distance[start] < 0 else (end, start)
                polygon.append(crossing(*map(int, pair)))
        triangles += [[polygon[0], *polygon[k : k + 2]] for k in range(1, len(polygon) - 1)]
    return np.array(triangles), np.array(crossings).reshape(-1, 3)
