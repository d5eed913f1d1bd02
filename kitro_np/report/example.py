"""Example: the real person of the package, refined and ready to be shown."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np

from ..api import refine
from ..body.load import load_body
from ..formats.estimates import EstimateFile
from .shown import Shown, shown_of

FEW_SCORES = 0.3
"""Detections with smaller scores are not used."""


def real_person(camera: int | None = None) -> Shown:
    """Refine the example's real person as seen by one of its cameras, from MediaPipe's estimates.

    Parameters
    ----------
    camera : int, optional
        By default the first one.
    """
    with as_file(files("kitro_np") / "data" / "balancing.npz") as path:
        file = EstimateFile(path)
        number = file.required("camera")
        rows = number == (number.min() if camera is None else camera)
        estimate = tuple(file.required(f"mediapipe_{part}")[rows] for part in ("theta", "beta", "cam"))
        truth = tuple(file.required(f"GT_{part}")[rows] for part in ("theta", "beta", "cam"))
        points = file.required("keypoints_body25b")[rows]
        intrinsics, frame, fps = file.required("intrinsics")[rows], file.required("frame")[rows], file.fps
        body = load_body(file.body_name)
    seen = {
        "keypoints_2d": points[..., :2],
        "confidence": np.where(points[..., 2] < FEW_SCORES, 0, points[..., 2]),
        "keypoint_layout": "body25b",
        "intrinsics": intrinsics,
    }
    result = refine(
        *estimate, **seen, body=body, tracks=np.zeros(len(frame), np.int64), frames=frame, fps=fps,
        uncertainty=True,
    )  # fmt: skip
    return shown_of(result, estimate=estimate, truth=truth, **seen, frame=frame, fps=fps)
