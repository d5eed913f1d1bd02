"""Girths, breadths and depths of a body in T-pose, measured on the vertices of thin slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

THICKNESS = 0.03
"""Of a slice, in metres: two to three rows of vertices."""

ARM_SHARE = 0.35
"""How far a vertex may belong to an arm to be measured with the trunk."""


@dataclass
class Part:
    """A slice of the trunk, a leg or an arm, and its measures.

    Its place is a height, of an arm a distance from the midline. Two measures are breadth and depth; one is
    the girth of a limb or the breadth of the trunk.
    """

    of: str
    place: float
    measures: tuple[str, ...]


def measure(skin: np.ndarray, arm: np.ndarray, parts: list[Part]) -> dict[str, float]:
    """Measure parts of a body: skin (v, 3), soles at y = 0, and how far each vertex belongs to an arm."""
    found = {}
    for part in parts:
        along = 0 if part.of == "arm" else 1
        slab = np.abs(skin[:, along] - part.place) < THICKNESS / 2
        if part.of == "trunk":
            slab &= arm < ARM_SHARE
        elif part.of == "leg":
            slab &= (skin[:, 0] > 0) & (arm < ARM_SHARE)
        flat = np.delete(skin[slab], along, axis=1)
        girth = part.of != "trunk" and len(part.measures) == 1
        values = [ConvexHull(flat).area] if girth else np.ptp(flat, axis=0)
        found.update(zip(part.measures, map(float, values), strict=False))
    return found
