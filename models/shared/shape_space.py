"""Linear shape spaces: a template and ten directions (v, 3, 10), whose coefficients are the betas."""

from __future__ import annotations

import numpy as np

BETAS = 10


def principal_components(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and ten principal directions, each one standard deviation long, of either sign."""
    flat = vertices.reshape(len(vertices), -1)
    mean = flat.mean(0)
    _, singular, components = np.linalg.svd(flat - mean, full_matrices=False)
    directions = components[:BETAS] * singular[:BETAS, None] / np.sqrt(len(flat) - 1)
    return mean.reshape(-1, 3), directions.T.reshape(-1, 3, BETAS)


def point_along(directions: np.ndarray, stretch: np.ndarray) -> np.ndarray:
    """Choose each direction's sign such that a positive beta moves the vertices along `stretch` (v, 3)."""
    return directions * np.where(np.einsum("vck,vc->k", directions, stretch) < 0, -1.0, 1.0)


def betas_of(vertices: np.ndarray, template: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the least-squares betas (n, 10) of each adult."""
    offsets = (vertices - template).reshape(len(vertices), -1)
    return np.linalg.lstsq(directions.reshape(-1, BETAS), offsets.T, rcond=None)[0].T


def rebuilt(vertices: np.ndarray, template: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return every adult reconstructed from its least-squares betas."""
    return template + np.einsum("vck,nk->nvc", directions, betas_of(vertices, template, directions))


def explained(vertices: np.ndarray, template: np.ndarray, directions: np.ndarray) -> float:
    """Return the share of the adults' variance that the ten directions explain."""
    offsets = vertices - vertices.mean(0)
    left = vertices - rebuilt(vertices, template, directions)
    return 1 - float((left**2).sum() / (offsets**2).sum())


def is_held_out(count: int) -> np.ndarray:
    """Mark every sixth sample as held out."""
    return np.arange(count) % 6 == 0
