"""Visibility: which keypoints are visible, and their relative confidence."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

FAR, LARGEST_CONFIDENCE = 1e9, 1e30
"""Coordinate in pixels, and confidence, from which on a keypoint is not visible: some detectors write such
numbers for missing keypoints, and squares of much larger ones overflow float32."""


def visible_confidence(keypoints_2d: Any, confidence: Any) -> Any:
    """Confidence of each keypoint divided by the body's highest, 0 where it is not visible: (N, K).

    Keypoints that are not finite, or not below FAR, are not visible. Only ratios count, because the scale of
    scores differs between detectors; the fit estimates the noise of a body's keypoints.
    """
    xp = array_namespace(keypoints_2d)
    zero = xp.zeros_like(confidence)
    near = (xp.abs(keypoints_2d[..., 0]) < FAR) & (xp.abs(keypoints_2d[..., 1]) < FAR)
    positive = (confidence > 0) & (confidence < LARGEST_CONFIDENCE)
    confidence = xp.where(positive, confidence, zero)
    highest = xp.max(confidence, axis=1, keepdims=True)
    return xp.where(near, confidence / xp.where(highest > 0, highest, xp.ones_like(highest)), zero)
