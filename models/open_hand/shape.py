"""Step 6: the mean hand and its ten shape directions."""

from __future__ import annotations

import numpy as np

from ..shared.shape_space import point_along, principal_components


def hand_components(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean hand and its principal directions; a positive beta makes the fingers longer."""
    mean, directions = principal_components(vertices)
    return mean, point_along(directions, mean * [1, 0, 0])
