"""Check the body on held-out adults and against the tables."""

from __future__ import annotations

import numpy as np

from ..shared.held_out import held_out_errors
from ..shared.meshes import is_watertight
from ..shared.shape_space import explained
from ..shared.smpl_skeleton import JOINT, JOINT_NAMES
from .people import SHARES
from .regressor import joints_of


def report_of(
    body: dict, fitted: np.ndarray, held_out: np.ndarray, joints: np.ndarray, moves: np.ndarray
) -> list[str]:
    """Return lines that describe the body and its errors on held-out adults."""
    template, directions = (body[key].astype(np.float64) for key in ("v_template", "shapedirs"))
    errors = held_out_errors(body, held_out, joints)
    watertight = "watertight" if is_watertight(body["f"]) else "NOT watertight"
    used = (body["J_regressor"] > 0).sum(1)
    percent = 100 * explained(fitted, template, directions)
    tail = f"95 % to {np.quantile(errors.vertices, 0.95):.2f}, the worst to {errors.vertices.max():.1f}"
    worst, worst_error = errors.worst_joint(JOINT_NAMES)
    off_by = f"{errors.joints.mean():.2f} mm on average, {worst} worst by {worst_error:.1f}"
    moved = 1e3 * np.linalg.norm(moves, axis=1)
    return [
        f"mesh: {len(template)} vertices, {len(body['f'])} faces, {watertight}",
        f"height: {np.ptp(template[:, 1]):.3f} m",
        f"shares of it: {shares_text(body)}",
        f"shape: ten betas explain {percent:.2f} % of the variance of {len(fitted)} adults",
        f"held out: {len(held_out)} adults rebuilt to {errors.vertices.mean():.2f} mm on average, {tail}",
        f"template alone: off them by {errors.template:.1f} mm on average",
        f"joint regressor: {used.mean():.0f} vertices a joint on average, {used.max()} at most",
        f"held-out joints: regressed off the placed ones by {off_by}",
        f"exact joints: template moved by {moved.mean():.3f} mm on average, {moved.max():.2f} at most",
    ]


def shares_of(template: np.ndarray, joints: np.ndarray) -> dict[str, float]:
    """Heights and lengths between joints over stature, by the names of SHARES."""
    stature, sole = np.ptp(template[:, 1]), template[:, 1].min()

    def at(name: str) -> np.ndarray:
        return joints[JOINT[name]]

    def between(first: str, second: str) -> float:
        return float(np.linalg.norm(at(first) - at(second)))

    found = {name: at(f"left_{name}")[1] - sole for name in ("ankle", "knee", "hip", "shoulder")}
    found["upper_arm"] = between("left_shoulder", "left_elbow")
    found["forearm"] = between("left_elbow", "left_wrist")
    found["hip_half_breadth"] = between("left_hip", "right_hip") / 2
    found["shoulder_half_breadth"] = between("left_shoulder", "right_shoulder") / 2
    found["neck"] = at("neck")[1] - sole
    found["head_below_top"] = stature - (at("head")[1] - sole)
    return {name: float(value / stature) for name, value in found.items()}


def shares_text(body: dict) -> str:
    """Joint heights and lengths beside the wanted ones."""
    template = body["v_template"].astype(np.float64)
    joints = joints_of(body["J_regressor"].astype(np.float64), template[..., None])[..., 0]
    found = shares_of(template, joints)
    return ", ".join(f"{name} {value:.4f} ({SHARES[name][0]})" for name, value in found.items())
