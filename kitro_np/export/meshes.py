"""Vertices of bodies for mesh files, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .bodies import BLOCK, Bodies


def meshes_of(bodies: Bodies) -> Iterator[np.ndarray]:
    """Yield the vertices (V, 3) of each body, in the axes that the options say, by default y up."""
    body = bodies.mesh_body
    rows = bodies.in_order().turned(bodies.options.get("up", "y"))
    for start in range(0, len(bodies), BLOCK):
        block = slice(start, start + BLOCK)
        yield from body.forward(rows.pose[block], rows.betas[block], rows.transl[block]).vertices
