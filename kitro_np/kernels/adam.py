"""Adam of a tile: fused twin of kitro_np.adam."""

from __future__ import annotations

from ..adam import DECAY_MEAN, DECAY_SQUARE, EPSILON
from .jit import kernel
from .lanes import load, sqrt, store


@kernel
def clear_moments(means, squares):
    """Start both running means at zero."""
    for row in range(means.shape[0]):
        store(means, row, 0.0)
        store(squares, row, 0.0)


@kernel
def adam_step(values, gradient, means, squares, rows, rate, root_rate):
    """Fused twin of kitro_np.adam.adam_step, for the first `rows` values."""
    for row in range(rows):
        slope = load(gradient, row)
        mean = DECAY_MEAN * load(means, row) + (1.0 - DECAY_MEAN) * slope
        square = DECAY_SQUARE * load(squares, row) + (1.0 - DECAY_SQUARE) * slope * slope
        store(means, row, mean)
        store(squares, row, square)
        store(values, row, load(values, row) - rate * mean / (sqrt(square) * root_rate + EPSILON))
