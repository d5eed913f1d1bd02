"""Errors of a shape space on held-out samples, in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shape_space import rebuilt


@dataclass
class HeldOutErrors:
    """Distances between held-out samples and their reconstructions, in millimetres."""

    vertices: np.ndarray  # (n, v) with the best betas
    template: float  # mean without betas
    joints: np.ndarray  # (n, j) of the regressed joints from the rig's

    def worst_joint(self, names: list[str]) -> tuple[str, float]:
        """Return the joint with the largest mean error, and that error."""
        means = self.joints.mean(0)
        return names[means.argmax()], self.joints[:, means.argmax()].mean()


def held_out_errors(arrays: dict, vertices: np.ndarray, joints: np.ndarray) -> HeldOutErrors:
    """Measure a model's arrays on the vertices and joints of held-out samples."""
    template, directions, regressor = (
        arrays[key].astype(np.float64) for key in ("v_template", "shapedirs", "J_regressor")
    )
    regressed = np.einsum("jv,nvc->njc", regressor, vertices)
    return HeldOutErrors(
        vertices=1e3 * np.linalg.norm(rebuilt(vertices, template, directions) - vertices, axis=2),
        template=1e3 * np.linalg.norm(template - vertices, axis=2).mean(),
        joints=1e3 * np.linalg.norm(regressed - joints, axis=2),
    )
