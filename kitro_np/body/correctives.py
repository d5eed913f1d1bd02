"""Pose correctives of the open body: pose blend shapes in SMPL's form, packed to bytes in its file."""

from __future__ import annotations

import numpy as np


def unpack_correctives(values: np.ndarray, of: np.ndarray, step: np.ndarray, vertices: int) -> np.ndarray:
    """Return posedirs (V, 3, 9 (J - 1)) in the dtype of `step`.

    Parameters
    ----------
    values : (N, 3, 9) array
        Displacements of a vertex per entry of R_j - I of a joint, in steps.
    of : (N, 2) array of int
        The joint, from 1, and the vertex of each.
    step : (J - 1, 3, 9) array
        Size of a step for each joint, in metres.
    vertices : int
        Number of vertices V.
    """
    blocks = np.zeros((vertices, 3, len(step), 9), step.dtype)
    joint, vertex = of[:, 0] - 1, of[:, 1]
    blocks[vertex, :, joint] = values * step[joint]
    return blocks.reshape(vertices, 3, -1)
