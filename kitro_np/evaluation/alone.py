"""Videos without ground truth: what can be measured of anyone's own, before and after refinement.

None of these measures tells whether a body is right. Together they tell how smooth and steady the motion has
become, and what that costs in the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays.poses import as_matrices
from ..body import BodyModel
from ..formats.detections import Detections
from ..formats.estimates import TRUTH_KEYS, EstimateFile, Tracks
from ..formats.videos import as_tracks, tracks_of_file, videos_of_file
from ..keypoints.placing import place_points
from ..keypoints.visibility import visible_confidence
from ..refinement.tracks import USUAL_FPS
from .evaluate import FAR, flat_rows
from .motion import find_runs, keypoint_residual, mean_of
from .video import RESIDUAL, MovingBodies, VideoEvaluation, place_bodies, without_truth

BLOCK = 1024
"""Bodies whose keypoints are placed at a time."""

ALONE = (RESIDUAL, "jitter", "sliding", "bone_change")
"""Measures of a video without ground truth; their titles are in :mod:`kitro_np.evaluation.video`."""


@dataclass(frozen=True)
class AloneReport:
    """Result of an evaluation without ground truth.

    Parameters
    ----------
    video : VideoEvaluation
    method : str
        Name of the refinement method.
    options : dict
        Options of the method.
    body : str
        Name of the body that is measured.
    """

    video: VideoEvaluation
    method: str = ""
    options: dict[str, object] = field(default_factory=dict)
    body: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the report as a dict for JSON."""
        content = {"method": self.method, "options": self.options, "body": self.body, "truth": None}
        return {**content, "video": self.video.as_dict()}

    def text(self, columns: int | None = None) -> str:
        """Format the report as text."""
        return f"{self.video.table()}\nwithout ground truth; contacts of feet are the refined motion's own"


def tracks_without_truth(file: EstimateFile, lead: tuple[int, ...]) -> Tracks | None:
    """Return the tracks of a file that has no ground truth; None if it has any, or no tracks.

    Parameters
    ----------
    file : EstimateFile
    lead : tuple of int
        Leading shape of the estimates.
    """
    if any(file.get(key) is not None for key in TRUTH_KEYS[:3]):
        return None
    if file.get("track") is not None:
        return tracks_of_file(file, lead)
    videos, _ = videos_of_file(file, lead)
    return None if videos is None else as_tracks(videos)


def evaluate_alone(
    body: BodyModel,
    estimate: MovingBodies,
    refined: MovingBodies,
    tracks: Tracks,
    detections: Detections,
    intrinsics: Any,
    *,
    metrics: Sequence[str] = ALONE,
) -> VideoEvaluation:
    """Measure the motion of estimates and refined bodies without ground truth.

    Parameters
    ----------
    body : BodyModel
    estimate, refined : MovingBodies
        N bodies each.
    tracks : Tracks
        With extrinsics of a camera that moves: motion is measured in world space.
    detections : Detections
        The N bodies' keypoints.
    intrinsics : (3, 3) or (..., 3, 3) array
    metrics : sequence of str
        Of :data:`ALONE`. Of the residual, keypoints are taken as they are given, exchanged ones too.

    Returns
    -------
    VideoEvaluation
        Its means are over bodies that are finite in estimate and result.
    """
    fps = USUAL_FPS if tracks.fps is None else tracks.fps
    runs = find_runs(tracks.track, tracks.frame)
    with np.errstate(invalid="ignore", over="ignore"):
        placed = [place_bodies(body, bodies) for bodies in (estimate, refined)]
        measured = np.all([np.all(np.abs(part.joints) < FAR, axis=(1, 2)) for part in placed], axis=0)
        both = [part.only(measured).in_world(tracks.extrinsics) for part in placed]
        sides = []
        for bodies, part in zip((estimate, refined), both, strict=True):
            moving = [name for name in metrics if name != RESIDUAL]
            rows = without_truth(body, part, both[1].feet, runs, fps, moving)
            if RESIDUAL in metrics:
                residual = _residual(body, bodies, detections, intrinsics)
                rows[RESIDUAL] = np.where(measured, residual, np.nan)
            sides.append({name: mean_of(rows[name]) for name in metrics})
    count = len(np.unique(tracks.track))
    return VideoEvaluation(
        sides[0],
        sides[1],
        count,
        len(tracks.track),
        fps,
        tracks.fps is not None,
        tracks.extrinsics is not None,
    )


def _residual(body: BodyModel, bodies: MovingBodies, detections: Detections, intrinsics: Any) -> np.ndarray:
    """Mean distance of each body's projected points from its visible keypoints, (N,), in pixels."""
    pose, betas = flat_rows(body, bodies.pose, bodies.betas)
    count, layout, skeleton = len(pose), detections.keypoint_layout, body.skeleton.host
    transl = np.asarray(bodies.transl, np.float64).reshape(count, 1, 3)
    keypoints = np.asarray(detections.keypoints_2d, np.float64).reshape(count, layout.num_points, 2)
    cameras = np.broadcast_to(np.asarray(intrinsics, np.float64).reshape(-1, 3, 3), (count, 3, 3))
    confidence = np.ones(keypoints.shape[:2])
    if detections.confidence is not None:
        each = np.broadcast_to(detections.confidence, detections.keypoints_2d.shape[:-1])
        confidence = each.astype(np.float64).reshape(confidence.shape)
    seen = visible_confidence(keypoints, confidence) * (np.array(layout.joints) >= 0)
    found = []
    for start in range(0, count, BLOCK):
        rows = slice(start, start + BLOCK)
        matrices, _ = as_matrices(np.asarray(pose[rows], np.float64), body.num_joints)
        points = place_points(skeleton, layout, matrices, np.asarray(betas[rows])) + transl[rows]
        found.append(keypoint_residual(points, keypoints[rows], cameras[rows], seen[rows]))
    return np.concatenate(found) if found else np.zeros(0)
