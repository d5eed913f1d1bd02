"""Check the body on held-out adults and against the reference."""

from __future__ import annotations

import numpy as np

from ..shared.errors import BuildError
from ..shared.held_out import held_out_errors
from ..shared.meshes import is_watertight
from ..shared.shape_space import explained
from ..shared.smpl_skeleton import JOINT_NAMES
from .regressor import joints_of

AGREEMENT = 1e-5  # metres, to which joints must agree with the reference's


def report_of(body: dict, fitted: np.ndarray, held_out: np.ndarray, joints: np.ndarray) -> list[str]:
    """Return lines that describe the body and its errors on held-out adults."""
    template, directions = (body[key].astype(np.float64) for key in ("v_template", "shapedirs"))
    errors = held_out_errors(body, held_out, joints)
    watertight = "watertight" if is_watertight(body["f"]) else "NOT watertight"
    used = (body["J_regressor"] > 0).sum(1)
    percent = 100 * explained(fitted, template, directions)
    tail = f"95 % to {np.quantile(errors.vertices, 0.95):.2f}, the worst to {errors.vertices.max():.1f}"
    worst, worst_error = errors.worst_joint(JOINT_NAMES)
    off_by = f"{errors.joints.mean():.2f} mm on average, {worst} worst by {worst_error:.1f}"
    return [
        f"mesh: {len(template)} vertices, {len(body['f'])} faces, {watertight}",
        f"height: {np.ptp(template[:, 1]):.3f} m",
        f"shape: ten betas explain {percent:.2f} % of the variance of {len(fitted)} adults",
        f"held out: {len(held_out)} adults rebuilt to {errors.vertices.mean():.2f} mm on average, {tail}",
        f"template alone: off them by {errors.template:.1f} mm on average",
        f"joint regressor: {used.mean():.0f} vertices a joint on average, {used.max()} at most",
        f"held-out joints: off the rig's by {off_by}",
    ]


def agreement_with(body: dict, targets: np.ndarray, moves: np.ndarray) -> list[str]:
    """Return lines on the joints' differences from the reference's and the skin's displacement."""
    basis = np.dstack([body["v_template"], body["shapedirs"]]).astype(np.float64)
    difference = np.abs(joints_of(body["J_regressor"].astype(np.float64), basis) - targets)
    if difference.max() >= AGREEMENT:
        raise BuildError(f"the joints still differ from the reference's by {1e3 * difference.max():.4f} mm.")
    moved = 1e3 * np.linalg.norm(moves, axis=1)
    joint, by_beta = 1e3 * difference[..., 0].max(), 1e3 * difference[..., 1:].max()
    return [
        f"joints against the reference: template within {joint:.6f} mm, directions within {by_beta:.6f} mm",
        f"template moved by {moved[:, 0].mean():.3f} mm on average, {moved[:, 0].max():.2f} at most",
        f"directions moved by {moved[:, 1:].mean():.3f} mm on average, {moved[:, 1:].max():.2f} at most",
    ]
