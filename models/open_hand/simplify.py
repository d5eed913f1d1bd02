"""Step 4: simplify the mean hand's mesh."""

from __future__ import annotations

import numpy as np

from ..shared.edge_collapse import EdgeCollapser
from ..shared.errors import BuildError
from ..shared.meshes import compact, half_edges
from .cut import Cut


def simplify_hand(points: np.ndarray, cut: Cut, vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Simplify the cut mesh; return which of its vertices are kept, and the faces."""
    faces = EdgeCollapser(points, cut.faces, cut.on_border, np.ones(len(points))).run(vertices)
    kept, new_number = compact(faces, len(points))
    return kept, new_number[faces]


def border_loops(faces: np.ndarray) -> int:
    """Count the closed borders of a mesh; a vertex where two of them touch is an error."""
    edges = {tuple(edge) for edge in half_edges(faces).tolist()}
    following = [(start, end) for start, end in edges if (end, start) not in edges]
    onward = dict(following)
    if len(onward) != len(following):
        raise BuildError("the simplified hand has a border that touches itself.")
    loops = 0
    while onward:
        loops += 1
        _, vertex = onward.popitem()
        while vertex in onward:
            vertex = onward.pop(vertex)
    return loops
