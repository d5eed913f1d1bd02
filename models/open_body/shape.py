"""Step 6: the template and its ten shape directions."""

from __future__ import annotations

import numpy as np

from ..shared.shape_space import BETAS, betas_of, point_along, principal_components


def centre_of(vertices: np.ndarray) -> np.ndarray:
    """Return each adult's mean vertex, which becomes the origin, but leave the midline at x = 0."""
    centre = vertices.mean(axis=1, keepdims=True)
    centre[..., 0] = 0
    return centre


def body_components(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean adult and its principal directions; a positive beta stretches the body upwards."""
    mean, directions = principal_components(vertices)
    return mean, point_along(directions, np.sign(mean) * [0, 1, 0])


def joints_by_betas(
    joints: np.ndarray, vertices: np.ndarray, template: np.ndarray, directions: np.ndarray
) -> np.ndarray:
    """Return the joints (24, 3, 11) of the template and of each direction that predict the adults' best."""
    betas = betas_of(vertices, template, directions)
    design = np.column_stack([np.ones(len(betas)), betas])
    fitted = np.linalg.lstsq(design, joints.reshape(len(joints), -1), rcond=None)[0]
    return np.moveaxis(fitted.reshape(1 + BETAS, -1, 3), 0, -1)
