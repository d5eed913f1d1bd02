"""Visibility: which keypoints a detector gives, and how sure it is of each."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

FAR, LARGEST_CONFIDENCE = 1e9, 1e30
"""Pixels, and a confidence, beyond which a keypoint is not visible: some detectors write such numbers for
none, and squares of much larger ones overflow float32."""


def visible_confidence(keypoints_2d: Any, confidence: Any) -> Any:
    """Confidence of each keypoint over that of the body's best, 0 where it is not visible: (N, K).

    What is not finite, or beyond FAR, is not visible. Detectors score on scales of their own, and the fit
    estimates how exact all keypoints of a body are.
    """
    xp = array_namespace(keypoints_2d)
    zero = xp.zeros_like(confidence)
    near = (xp.abs(keypoints_2d[..., 0]) < FAR) & (xp.abs(keypoints_2d[..., 1]) < FAR)
    positive = (confidence > 0) & (confidence < LARGEST_CONFIDENCE)
    confidence = xp.where(positive, confidence, zero)
    most = xp.max(confidence, axis=1, keepdims=True)
    return xp.where(near, confidence / xp.where(most > 0, most, xp.ones_like(most)), zero)
