"""Rotation matrices of many axis-angle vectors: an hour of motion has millions."""

from __future__ import annotations

import math

import numpy as np

from ..arrays.threads import each
from .jit import entry
from .vector_math import TWO_TERM_SERIES

BLOCK = 2**14
"""Vectors that a thread takes at once, which fit into the second cache."""


def matrices_from_axis_angle(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) in float64 of axis-angle vectors (..., 3), on all cores."""
    flat = vectors.reshape(-1, 3)
    matrices = np.empty((len(flat), 9))

    def convert(start: int) -> int:
        block = flat[start : start + BLOCK].astype(np.float64)
        convert_block(block, matrices[start : start + BLOCK])
        return len(block)

    each(convert, range(0, len(flat), BLOCK), None)
    return matrices.reshape(*vectors.shape, 3)


@entry
def convert_block(vectors, matrices):
    """Fused twin of kitro_np.arrays.rotations.matrix_from_axis_angle."""
    for k in range(vectors.shape[0]):
        x, y, z = vectors[k, 0], vectors[k, 1], vectors[k, 2]
        squared = x * x + y * y + z * z
        if squared < TWO_TERM_SERIES:
            sine, versine = 1.0 - squared / 6.0, 0.5 - squared / 24.0
        else:
            angle = math.sqrt(squared)
            sine, versine = math.sin(angle) / angle, (1.0 - math.cos(angle)) / squared
        diagonal = 1.0 - versine * squared
        xy, xz, yz = versine * x * y, versine * x * z, versine * y * z
        x_sine, y_sine, z_sine = sine * x, sine * y, sine * z
        matrices[k, 0] = diagonal + versine * x * x
        matrices[k, 1], matrices[k, 3] = xy - z_sine, xy + z_sine
        matrices[k, 2], matrices[k, 6] = xz + y_sine, xz - y_sine
        matrices[k, 4] = diagonal + versine * y * y
        matrices[k, 5], matrices[k, 7] = yz - x_sine, yz + x_sine
        matrices[k, 8] = diagonal + versine * z * z
