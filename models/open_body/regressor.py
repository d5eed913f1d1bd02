"""Step 7: fit a sparse joint regressor."""

from __future__ import annotations

import numpy as np

from ..shared.regressor_row import fit_row
from ..shared.smpl_skeleton import JOINT, JOINT_NAMES, mirror_name
from .simplify import Mesh

REGRESSOR_REACH = {
    "pelvis": 1800,
    "spine1": 1800,
    "spine2": 1800,
    "spine3": 2200,
    "neck": 900,
    "head": 900,
    "left_hip": 1500,
    "left_collar": 1500,
    "left_shoulder": 900,
}
"""How many of the vertices nearest to a joint its regressor row may use; 700 for joints not named here."""

TARGET_PULL = 300.0
"""Weight of the joints of the template and of the directions in the fit, where an adult's have weight 1."""


def vertices_near(name: str, joint: np.ndarray, template: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """Return the vertices that a joint's row may use: the 120 nearest, and about 330 of the others."""
    distance = np.where(excluded, np.inf, np.linalg.norm(template - joint, axis=1))
    near = np.argsort(distance)[: REGRESSOR_REACH.get(name.replace("right_", "left_"), 700)]
    return near[np.r_[0:120, 120 : len(near) : max(1, (len(near) - 120) // 330)]]


def fit_regressor(
    vertices: np.ndarray, joints: np.ndarray, basis: np.ndarray, targets: np.ndarray, mesh: Mesh
) -> np.ndarray:
    """Fit the rows of the left and of the middle and mirror them, so that the regressor is symmetric.

    `targets` holds the joints (24, 3, 11) that the template and each direction should have.
    """
    regressor = np.zeros((len(JOINT_NAMES), len(basis)))
    mean_joints = joints.mean(0)
    for name, number in JOINT.items():
        if name.startswith("right_"):
            continue
        near = vertices_near(name, mean_joints[number], basis[..., 0], mesh.eyes)
        # Every second adult suffices for so few weights.
        offsets = vertices[::2][:, near] - joints[::2, number, None]
        of_basis = TARGET_PULL * np.moveaxis(basis[near] - targets[number], -1, 0)
        offsets = np.concatenate([offsets, of_basis])
        regressor[number, near] = fit_row(offsets)
        mirrored = regressor[number][mesh.mirror]
        if name.startswith("left_"):
            regressor[JOINT[mirror_name(name)]] = mirrored
        else:
            regressor[number] = (regressor[number] + mirrored) / 2
    return regressor


def joints_of(regressor: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the joints of the template and of each direction."""
    return np.einsum("jv,vck->jck", regressor, basis)
