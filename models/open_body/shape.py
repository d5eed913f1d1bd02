"""Step 5: the template and its ten shape directions."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..shared.errors import BuildError
from ..shared.shape_space import BETAS, betas_of, point_along, principal_components
from .reference import Reference


def centre_of(vertices: np.ndarray) -> np.ndarray:
    """Return each adult's mean vertex, which becomes the origin, but leave the midline at x = 0."""
    centre = vertices.mean(axis=1, keepdims=True)
    centre[..., 0] = 0
    return centre


def body_components(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean adult and its principal directions; a positive beta stretches the body upwards."""
    mean, directions = principal_components(vertices)
    return mean, point_along(directions, np.sign(mean) * [0, 1, 0])


def regress_on_betas(vertices: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the template and the ten directions that predict the adults best from given betas."""
    design = np.column_stack([np.ones(len(betas)), betas])
    fitted = np.linalg.lstsq(design, vertices.reshape(len(vertices), -1), rcond=None)[0]
    fitted = fitted.reshape(1 + BETAS, -1, 3)
    return fitted[0], np.moveaxis(fitted[1:], 0, -1)


def betas_by_reference(
    adults: np.ndarray, allowed: np.ndarray, reference: Reference, rounds: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Return the betas that the reference gives to every adult, and each adult's centre.

    The reference's vertices are some of the same base mesh, without a record of which. The initial guess are
    those nearest to it in the mean adult; the mesh regressed at zero betas is far closer and improves it.
    """
    points = adults.mean(0)
    # Bounding boxes align both bodies, whatever vertices each of them keeps.
    points = points + (middle_of(reference.template) - middle_of(points[allowed])) * [0, 1, 1]
    for _ in range(rounds):
        distance, nearest = cKDTree(points[allowed]).query(reference.template)
        if np.median(distance) > 0.01:
            raise BuildError(
                "the body given by --joints-from does not look like one built from this base mesh."
            )
        matched = adults[:, allowed[nearest]]
        centres = centre_of(matched)
        betas = betas_of(matched - centres, reference.template, reference.directions)
        points, _ = regress_on_betas(adults - centres, betas)
    return betas, centres


def middle_of(points: np.ndarray) -> np.ndarray:
    """Return the middle of the points' bounding box."""
    return (points.min(0) + points.max(0)) / 2
