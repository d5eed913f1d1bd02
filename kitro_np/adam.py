"""Adam: gradient descent with running means of the gradient and of its square (Kingma and Ba, ICLR 2015)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from array_api_compat import array_namespace

DECAY_MEAN, DECAY_SQUARE = 0.9, 0.999
"""How much of either running mean a step keeps: the authors' defaults."""

EPSILON = 1e-8
"""What keeps the step finite where the gradient has always been zero."""


class Moments(NamedTuple):
    """Running means of a gradient and of its square, in the shape of what is fitted."""

    mean: Any
    square: Any


def adam_rates(learning_rate: float, steps: int) -> list[tuple[float, float]]:
    """Rates of the mean and of the root of the square in each step, which undo that both start at zero."""
    return [
        (learning_rate / (1 - DECAY_MEAN**step), 1 / math.sqrt(1 - DECAY_SQUARE**step))
        for step in range(1, steps + 1)
    ]


def adam_step(moments: Moments, gradient: Any, rates: tuple[float, float]) -> tuple[Any, Moments]:
    """Return what a step takes off, rate m / (sqrt(v) root_rate + epsilon), and the new moments."""
    xp = array_namespace(gradient)
    rate, root_rate = rates
    mean = DECAY_MEAN * moments.mean + (1 - DECAY_MEAN) * gradient
    square = DECAY_SQUARE * moments.square + (1 - DECAY_SQUARE) * gradient * gradient
    return rate * mean / (root_rate * xp.sqrt(square) + EPSILON), Moments(mean, square)
