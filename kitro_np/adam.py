"""Adam: gradient descent with moving averages of the gradient and its square (Kingma and Ba, ICLR 2015)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from array_api_compat import array_namespace

DECAY_MEAN, DECAY_SQUARE = 0.9, 0.999
"""Decay rates beta_1 and beta_2 of the moving averages: the authors' defaults."""

EPSILON = 1e-8
"""Added to the denominator, so that the step stays finite if the gradient is zero: the authors' default."""


class Moments(NamedTuple):
    """Moving averages m of a gradient and v of its square, in the shape of the parameters."""

    mean: Any
    square: Any


def adam_rates(learning_rate: float, steps: int) -> list[tuple[float, float]]:
    """Bias corrections of each step t: learning_rate / (1 - beta_1^t) and 1 / sqrt(1 - beta_2^t)."""
    return [
        (learning_rate / (1 - DECAY_MEAN**step), 1 / math.sqrt(1 - DECAY_SQUARE**step))
        for step in range(1, steps + 1)
    ]


def adam_step(moments: Moments, gradient: Any, rates: tuple[float, float]) -> tuple[Any, Moments]:
    """Return the step to subtract, rate m / (sqrt(v) root_rate + epsilon), and the new moments."""
    xp = array_namespace(gradient)
    rate, root_rate = rates
    mean = DECAY_MEAN * moments.mean + (1 - DECAY_MEAN) * gradient
    square = DECAY_SQUARE * moments.square + (1 - DECAY_SQUARE) * gradient * gradient
    return rate * mean / (root_rate * xp.sqrt(square) + EPSILON), Moments(mean, square)
