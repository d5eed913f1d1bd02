"""All steps of the body, from the sampled adults to its arrays."""

from __future__ import annotations

import numpy as np

from ..shared.makehuman import Rig
from ..shared.shape_space import is_held_out
from ..shared.smpl_arrays import smpl_arrays
from ..shared.smpl_skeleton import JOINT_NAMES, PARENTS
from .adults import Adults
from .chest import chest_mask, smooth_chest
from .exact_joints import make_joints_exact
from .joints import joints_from_bones
from .reference import Reference
from .regressor import fit_regressor
from .report import agreement_with, report_of
from .shape import betas_by_reference, body_components, centre_of, regress_on_betas
from .simplify import Mesh, Surface, error_weights, simplify_mesh, surface_of
from .weights import merge_weights


def build_body(
    rig: Rig, adults: Adults, vertices: int, reference: Reference | None
) -> tuple[dict, list[str]]:
    """Build the body from the adults; return its arrays and the lines of the report."""
    surface = surface_of(rig.quads, adults.vertices.astype(np.float64).mean(0))
    mesh = simplify_mesh(surface, error_weights(rig), vertices)
    weights = merge_weights(rig.weights[mesh.kept], rig.labels)
    skins, joints, betas = place_adults(adults, rig, surface, mesh, reference)

    held_out = is_held_out(len(skins))
    fitted = skins[~held_out]
    if reference is None:
        template, directions = body_components(fitted)
    else:
        template, directions = regress_on_betas(fitted, betas[~held_out])
    basis = np.dstack([template, directions])
    targets = None if reference is None else reference.joints
    regressor = fit_regressor(fitted, joints[~held_out], basis, targets, mesh)
    exact = basis if targets is None else make_joints_exact(basis, regressor, targets)

    skeleton = (JOINT_NAMES, PARENTS)
    body = smpl_arrays(exact[..., 0], exact[..., 1:], regressor, weights, mesh.faces, skeleton)
    report = report_of(body, fitted, skins[held_out], joints[held_out])
    if targets is not None:
        report += agreement_with(body, targets, exact - basis)
    return body, report


def place_adults(
    adults: Adults, rig: Rig, surface: Surface, mesh: Mesh, reference: Reference | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the adults' kept vertices, with the chest smoothed, their joints, and the reference's betas."""
    vertices, betas = adults.vertices.astype(np.float64), None
    if reference is None:
        centres = centre_of(vertices[:, mesh.kept])
    else:
        allowed = np.flatnonzero(surface.skin | surface.eyes)
        betas, centres = betas_by_reference(vertices, allowed, reference)
    vertices = vertices[:, mesh.kept] - centres
    joints = joints_from_bones(adults.heads, rig.labels) - centres

    mask = chest_mask(rig.weights[mesh.kept], rig.labels, mesh.mirror)
    fields = np.moveaxis(vertices, 0, -1).reshape(len(mask), -1)
    fields = smooth_chest(vertices.mean(0), mesh.faces, mask, fields)
    return np.moveaxis(fields.reshape(len(mask), 3, -1), -1, 0), joints, betas
