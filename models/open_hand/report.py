"""Check the hand on held-out hands."""

from __future__ import annotations

import numpy as np

from ..shared.held_out import held_out_errors
from ..shared.shape_space import explained
from .skeleton import JOINT_NAMES


def report_of(hand: dict, fitted: np.ndarray, held_out: np.ndarray, joints: np.ndarray) -> list[str]:
    """Return lines that describe the hand and its errors on held-out hands."""
    template, directions = (hand[key].astype(np.float64) for key in ("v_template", "shapedirs"))
    errors = held_out_errors(hand, held_out, joints)
    lengths = np.ptp(fitted[..., 0], axis=1)
    percent = 100 * explained(fitted, template, directions)
    variances = (directions**2).sum((0, 1))
    shares = ", ".join(f"{100 * share:.1f}" for share in percent / 100 * variances / variances.sum())
    worst, worst_error = errors.worst_joint(JOINT_NAMES)
    return [
        f"mesh: {len(template)} vertices, {len(hand['f'])} faces, one border",
        f"length with the cut: {lengths.mean():.3f} m, from {lengths.min():.3f} to {lengths.max():.3f}",
        f"shape: ten betas explain {percent:.2f} % of the variance of {len(fitted)} hands, each {shares} %",
        f"held out: {len(held_out)} hands rebuilt to {errors.vertices.mean():.2f} mm on average, "
        f"the worst to {errors.vertices.max():.2f}",
        f"template alone: off them by {errors.template:.1f} mm on average",
        f"joint regressor: {(hand['J_regressor'] > 0).sum(1).mean():.0f} vertices a joint on average",
        f"held-out joints: off the rig's by {errors.joints.mean():.2f} mm on average, "
        f"{worst} worst by {worst_error:.2f}",
    ]
