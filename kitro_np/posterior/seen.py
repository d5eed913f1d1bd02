"""Seen: which keypoints of bodies are visible, and where a body's points of these are."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from ..camera import project
from ..keypoints.visibility import visible_confidence
from .projection import Points


class SeenKeypoints(NamedTuple):
    """Keypoints of N bodies.

    Attributes
    ----------
    keypoints_2d : (N, K, 2) array
        In pixels; 0 where they are not visible.
    confidence : (N, K) array
        From 0, where a keypoint is not visible, to 1.
    visible : (N, K) array of bool
    """

    keypoints_2d: Any
    confidence: Any
    visible: Any


def see_keypoints(points: Points, keypoints_2d: Any, confidence: Any, image_size: Any) -> SeenKeypoints:
    """Tell which keypoints of points on the body are visible.

    Parameters
    ----------
    points : Points
    keypoints_2d : (N, K, 2) array
    confidence : (N, K) array
        As it is given.
    image_size : (N or 1, 2) array or None
    """
    xp = array_namespace(keypoints_2d)
    confidence = xp.where(points.precision > 0, confidence, xp.zeros_like(confidence))
    confidence = visible_confidence(keypoints_2d, confidence, image_size)
    visible = confidence * points.precision > 0
    keypoints_2d = xp.where(visible[:, :, None], keypoints_2d, xp.zeros_like(keypoints_2d))
    return SeenKeypoints(keypoints_2d, confidence, visible)


def visible_error(placed: Any, keypoints_2d: Any, visible: Any, intrinsics: Any) -> Any:
    """Mean distance of projected points (N, K, 3) from their visible keypoints, in pixels: (N,)."""
    xp = array_namespace(placed)
    away = project(placed, intrinsics) - keypoints_2d
    away = xp.where(visible, xp.sqrt(xp.sum(away * away, axis=-1)), xp.zeros_like(away[..., 0]))
    count = xp.sum(xp.astype(visible, placed.dtype), axis=1)
    return xp.sum(away, axis=1) / xp.maximum(count, xp.ones_like(count))


def visible_in_front(placed: Any, transl: Any, visible: Any) -> Any:
    """Whether a body's place and its points of visible keypoints are in front of the camera: (N,)."""
    xp = array_namespace(placed)
    depth = xp.where(visible, placed[..., 2], xp.ones_like(placed[..., 2]))
    return xp.all(depth > 0, axis=1) & (transl[:, 2] > 0)
