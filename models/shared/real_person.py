"""The real person of the example: a body fitted to triangulated keypoints, and estimates of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from kitro_np import BodyModel, find_layout
from kitro_np.points.in_image import translation_in_image

from .fit_to_points import PointFit, fit_to_points, posed_points

CENTRE = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""Points about whose mean distances are measured."""

TRUTH_SPREAD, POSE_SPREAD = 0.05, 2.0
"""Of the truth's fit, in metres and radians: points say nothing of twists and little of the spine."""

WORLD_SPREAD = 0.03
"""Of the fit to a network's 3D landmarks, in metres."""

ESTIMATES = ("pred", "mediapipe")


def matrices(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) in float64 of such, or of rotation vectors (..., 24, 3)."""
    if vectors.shape[-2:] == (3, 3):
        return vectors.astype(np.float64)
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)


def fit_truth(body: BodyModel, people: Mapping[str, np.ndarray]) -> PointFit:
    """Fit a body to the triangulated points of all views, from the pose that a set has."""
    points = people["triangulated_body25b"].astype(np.float64)
    first = matrices(people["GT_theta"])
    layout = find_layout("body25b", body)
    return fit_to_points(body.skeleton, layout, points, first, spread=TRUTH_SPREAD, pose_spread=POSE_SPREAD)


def place_on(body: BodyModel, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Truth and estimates of a set on another body.

    The truth is fitted anew. Simulated estimates keep their errors: rotations in their joints' frames, betas
    in standard deviations, translations in metres. The network's 3D landmarks, where the set has them, are
    fitted anew, with betas of zero; else its estimate keeps its pose.
    """
    truth = fit_truth(body, people)
    betas = np.tile(truth.betas, (len(truth.pose), 1))
    errors = matrices(people["pred_theta"]) @ np.swapaxes(matrices(people["GT_theta"]), -1, -2)
    placed = {
        "GT_theta": truth.pose,
        "GT_beta": betas,
        "GT_cam": truth.transl,
        "pred_theta": errors @ truth.pose,
        "pred_beta": betas + people["pred_beta"] - people["GT_beta"],
        "pred_cam": truth.transl + people["pred_cam"] - people["GT_cam"],
    }
    return {**placed, **_network(body, people)}


def _network(body: BodyModel, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    pose, transl = matrices(people["mediapipe_theta"]), people["mediapipe_cam"].astype(np.float64)
    if "mediapipe_world" in people:
        layout = find_layout("mediapipe33", body)
        fit = fit_to_points(
            body.skeleton,
            layout,
            people["mediapipe_world"][..., :3].astype(np.float64),
            pose,
            spread=WORLD_SPREAD,
            pose_spread=1.0,
            beta_spread=1e-3,
        )
        pose = fit.pose
        points, seen = fit.points - fit.transl[:, None], people["keypoints_mediapipe33"][..., :2]
        known = np.isfinite(points).all(-1).astype(np.float64)
        transl = translation_in_image(points, seen, people["intrinsics"].astype(np.float64), known)
    return {"mediapipe_theta": pose, "mediapipe_beta": np.zeros((len(pose), 10)), "mediapipe_cam": transl}


def point_distances(
    body: BodyModel, pose: np.ndarray, betas: np.ndarray, triangulated: np.ndarray
) -> np.ndarray:
    """Distances (F, 25) of a body's points from triangulated ones, in metres, both about their centre."""
    layout = find_layout("body25b", body)
    centre = [layout.names.index(name) for name in CENTRE]
    points = np.stack(
        [
            posed_points(body.skeleton, layout, one[None], shape, np.zeros((1, 3)))[0]
            for one, shape in zip(matrices(pose), betas.astype(np.float64), strict=True)
        ]
    )
    points = points - points[:, centre].mean(1, keepdims=True)
    return np.linalg.norm(points - (triangulated - triangulated[:, centre].mean(1, keepdims=True)), axis=-1)
