"""All steps of the body, from the sampled adults to its arrays."""

from __future__ import annotations

import numpy as np

from ..shared.makehuman import Rig
from ..shared.shape_space import is_held_out
from ..shared.smpl_arrays import smpl_arrays
from ..shared.smpl_skeleton import JOINT_NAMES, PARENTS
from .adults import Adults
from .chest import chest_mask, smooth_chest
from .correctives import fit_correctives
from .exact_joints import make_joints_exact
from .joints import joints_from_bones
from .packed_correctives import pack_correctives
from .proportions import arm_shares, crotch_of, give_proportions
from .regressor import fit_regressor
from .report import report_of
from .shape import body_components, centre_of, joints_by_betas
from .simplify import Mesh, error_weights, simplify_mesh, surface_of
from .smooth_weights import smooth_weights
from .weights import merge_weights


def build_body(rig: Rig, adults: Adults, vertices: int) -> tuple[dict, list[str]]:
    """Build the body from the adults; return its arrays and the lines of the report."""
    surface = surface_of(rig.quads, adults.vertices.astype(np.float64).mean(0))
    mesh = simplify_mesh(surface, error_weights(rig), vertices)
    weights = merge_weights(rig.weights[mesh.kept], rig.labels)
    skins, joints = place_people(adults, rig, mesh, weights)

    held_out = is_held_out(len(skins))
    fitted, fitted_joints = skins[~held_out], joints[~held_out]
    template, directions = body_components(fitted)
    basis = np.dstack([template, directions])
    targets = joints_by_betas(fitted_joints, fitted, template, directions)
    regressor = fit_regressor(fitted, fitted_joints, basis, targets, mesh)
    exact = make_joints_exact(template, regressor, targets[..., 0])

    bending = smooth_weights(weights, exact, targets[..., 0], mesh.faces, mesh.mirror)

    skeleton = (JOINT_NAMES, PARENTS)
    body = smpl_arrays(exact, directions, regressor, bending, mesh.faces, skeleton)
    posedirs = fit_correctives(exact, targets[..., 0], bending, mesh.faces, mesh.mirror)
    body |= pack_correctives(posedirs)
    return body, report_of(body, fitted, skins[held_out], joints[held_out], exact - template)


def place_people(adults: Adults, rig: Rig, mesh: Mesh, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept vertices and the joints of the adults, with smooth chests and people's proportions."""
    skins = adults.vertices[:, mesh.kept].astype(np.float64)
    mask = chest_mask(rig.weights[mesh.kept], rig.labels, mesh.mirror)
    fields = np.moveaxis(skins, 0, -1).reshape(len(mask), -1)
    fields = smooth_chest(skins.mean(0), mesh.faces, mask, fields)
    skins = np.moveaxis(fields.reshape(len(mask), 3, -1), -1, 0)
    joints = joints_from_bones(adults.heads, rig.labels)

    mean = skins.mean(0)
    arm, crotch = arm_shares(mean, mesh.faces, weights), crotch_of(mean)
    placed = [
        give_proportions(skin, its_joints, arm, crotch, person)
        for skin, its_joints, person in zip(skins, joints, adults.people, strict=True)
    ]
    skins, joints = (np.stack(part) for part in zip(*placed, strict=True))
    centres = centre_of(skins)
    return skins - centres, joints - centres
