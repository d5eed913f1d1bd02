"""Mesh simplification by edge collapses (Garland and Heckbert's quadric error) onto existing vertices."""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np


class EdgeCollapser:
    """Simplify a mesh by collapsing edges, cheapest first, always onto one of their ends."""

    LENGTH_PENALTY = 0.05  # keeps vertices in flat regions, where the quadric error is zero
    MAX_NEIGHBOURS = 11

    def __init__(
        self, points: np.ndarray, faces: np.ndarray, on_border: np.ndarray, error_weight: np.ndarray
    ):
        """Take the mesh, which vertices must stay on the border, and the weight of each vertex's error."""
        self.points, self.on_border, self.error_weight = points, on_border, error_weight
        self.faces = {number: tuple(face) for number, face in enumerate(faces)}
        self.faces_at: dict[int, set[int]] = defaultdict(set)
        self.quadrics = np.zeros((len(points), 4, 4))
        self.version = np.zeros(len(points), int)  # a queued collapse is stale once an end's version moved on
        self.queue: list[tuple] = []
        for number, face in self.faces.items():
            self._add_face(number, face)
        self.alive = set(self.faces_at)

    def _add_face(self, number: int, face: tuple) -> None:
        """Register a face with its vertices and add its area-weighted plane to their quadrics."""
        normal = self._normal(face)
        length = np.linalg.norm(normal)
        if length < 1e-14:
            return
        normal /= length
        plane = np.append(normal, -normal @ self.points[face[0]])
        for vertex in face:
            self.faces_at[vertex].add(number)
            self.quadrics[vertex] += np.outer(plane, plane) * length / 2

    def _normal(self, face) -> np.ndarray:
        """Return the normal of a triangle, twice its area long."""
        a, b, c = self.points[list(face)]
        return np.cross(b - a, c - a)

    def _neighbours(self, vertex: int) -> set[int]:
        """Return the vertices that share an edge with this one."""
        return {other for number in self.faces_at[vertex] for other in self.faces[number] if other != vertex}

    def _queue_collapses(self, vertex: int) -> None:
        """Queue every collapse of this vertex onto a neighbour with its present cost."""
        for other in self._neighbours(vertex):
            if self.on_border[vertex] and not self.on_border[other]:
                continue
            place = np.append(self.points[other], 1)
            plane_error = place @ (self.quadrics[vertex] + self.quadrics[other]) @ place
            square = ((self.points[vertex] - self.points[other]) ** 2).sum()
            cost = (
                self.error_weight[vertex] * plane_error
                + self.LENGTH_PENALTY * self.error_weight[vertex] * square * square
            )
            entry = (cost, vertex, other, self.version[vertex], self.version[other])
            heapq.heappush(self.queue, entry)

    def _may_collapse(self, vertex: int, other: int) -> bool:
        """Return whether the mesh stays a manifold without flipped triangles, slivers or high valences."""
        shared = self.faces_at[vertex] & self.faces_at[other]
        if not shared:
            return False
        if self.on_border[vertex] and self.on_border[other] and len(shared) != 1:
            return False
        around, around_other = self._neighbours(vertex), self._neighbours(other)
        if len(around & around_other) != len(shared):
            return False
        if not all(self._stays_sound(number, vertex, other) for number in self.faces_at[vertex] - shared):
            return False
        return len(around | around_other) - 2 <= self.MAX_NEIGHBOURS

    def _stays_sound(self, number: int, vertex: int, other: int) -> bool:
        """Return whether a face neither flips nor becomes a sliver when one of its corners moves."""
        face = self.faces[number]
        moved = [other if corner == vertex else corner for corner in face]
        before, after = self._normal(face), self._normal(moved)
        a, b, c = self.points[moved]
        longest = max(((a - b) ** 2).sum(), ((b - c) ** 2).sum(), ((a - c) ** 2).sum())
        length = np.linalg.norm(after)
        return length >= 0.08 * longest and before @ after >= 0.25 * np.linalg.norm(before) * length

    def _collapse(self, vertex: int, other: int) -> None:
        """Move a vertex onto another one and queue the collapses around it at their new cost."""
        for number in self.faces_at[vertex] & self.faces_at[other]:
            for corner in self.faces[number]:
                self.faces_at[corner].discard(number)
            del self.faces[number]
        for number in self.faces_at.pop(vertex):
            self.faces[number] = tuple(other if corner == vertex else corner for corner in self.faces[number])
            self.faces_at[other].add(number)
        self.alive.discard(vertex)
        self.quadrics[other] += self.quadrics[vertex]
        around = self._neighbours(other)
        for changed in (other, *around):
            self.version[changed] += 1
        for changed in (other, *around):
            self._queue_collapses(changed)

    def run(self, target: int) -> np.ndarray:
        """Collapse edges until `target` vertices are left and return the faces."""
        for vertex in list(self.alive):
            self._queue_collapses(vertex)
        while len(self.alive) > target and self.queue:
            _, vertex, other, version, version_other = heapq.heappop(self.queue)
            alive = vertex in self.alive and other in self.alive
            fresh = self.version[vertex] == version and self.version[other] == version_other
            if alive and fresh and self._may_collapse(vertex, other):
                self._collapse(vertex, other)
        return np.array(list(self.faces.values()))
