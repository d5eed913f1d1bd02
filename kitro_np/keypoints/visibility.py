"""Visibility: which keypoints are visible, and their relative confidence."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

FAR, LARGEST_CONFIDENCE = 1e9, 1e30
"""Coordinate in pixels, and confidence, from which on a keypoint is not visible: some detectors write such
numbers for missing keypoints, and squares of much larger ones overflow float32."""

CONFIDENCE_RATIO = 1024.0
"""Ratio of a body's usual confidence to a keypoint's from which on it is not visible. Confidences 1 / r^2 of
honest detections r pixels off differ by some hundreds."""

USUAL_RANK = 3
"""The usual confidence of a body is its third highest: two may be huge, and most may be vanishing."""

CREDIBLE_RATIO = 8.0
"""Largest ratio of a confidence to the body's usual one that counts: else one huge confidence would make all
others look doubtful. Powers of two: the product has the digits of the confidence in every dtype."""

BORDER = 0.5
"""Width of the image's border, in pixels: detectors move points from outside onto it, to 0, W - 1 or W."""

FEWEST_ON_EDGE = 3
"""Visible keypoints with the same extreme coordinate that make a flat edge; two may be a coincidence."""


def visible_confidence(keypoints_2d: Any, confidence: Any, image_size: Any = None) -> Any:
    """Confidence of each keypoint divided by the body's highest, 0 where it is not visible: (N, K).

    Only ratios count, because the scale of scores differs between detectors; the fit estimates the noise of a
    body's keypoints.

    Parameters
    ----------
    keypoints_2d : (N, K, 2) array
        Not visible where they are not finite, not below FAR, exactly (0, 0), which is how detectors write
        missing points, not inside the image, or on a flat edge.
    confidence : (N, K) array
        Below the body's usual one by more than CONFIDENCE_RATIO it is not visible; above CREDIBLE_RATIO
        times the usual one it counts as that.
    image_size : (N or 1, 2) array, optional
        Width and height in pixels. Where they are not known, a flat edge is taken for the image's.
    """
    xp = array_namespace(keypoints_2d)
    confidence = _limited(confidence)
    highest = xp.max(confidence, axis=1, keepdims=True)
    confidence = confidence / xp.where(highest > 0, highest, xp.ones_like(highest))
    x, y = keypoints_2d[..., 0], keypoints_2d[..., 1]
    bounds = image_bounds(image_size, keypoints_2d)
    left, top, right, bottom = (bounds[:, k : k + 1] for k in range(4))
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    visible = (confidence > 0) & inside & ((x != 0) | (y != 0))
    if image_size is None:
        visible = visible & ~_on_flat_edge(keypoints_2d, visible)
    return xp.where(visible, confidence, xp.zeros_like(confidence))


def image_bounds(image_size: Any, like: Any) -> Any:
    """Left, top, right and bottom, between which visible keypoints lie: (N or 1, 4), FAR if not known.

    Parameters
    ----------
    image_size : (N or 1, 2) array or None
    like : array
        Of the library, dtype and device to compute with.
    """
    xp = array_namespace(like)
    if image_size is None:
        return xp.asarray([[-FAR, -FAR, FAR, FAR]], dtype=like.dtype, device=device(like))
    size = xp.astype(image_size, like.dtype)
    end = xp.where(size > FAR, xp.full_like(size, FAR), size - (1 + BORDER))
    return xp.concat([xp.full_like(size, BORDER), end], axis=1)


def at_least(confidence: Any, least: float) -> Any:
    """Confidences, 0 where they are below `least`."""
    xp = array_namespace(confidence)
    lowest = xp.full_like(confidence, min(least, LARGEST_CONFIDENCE))
    return xp.where(confidence >= lowest, confidence, xp.zeros_like(confidence))


def _limited(confidence: Any) -> Any:
    """Confidences, at most CREDIBLE_RATIO times the body's usual one; 0 if far below it."""
    xp = array_namespace(confidence)
    zero = xp.zeros_like(confidence)
    confidence = xp.where((confidence > 0) & (confidence < LARGEST_CONFIDENCE), confidence, zero)
    ordered = xp.sort(confidence, axis=1)
    positive = xp.sum(xp.astype(confidence > 0, xp.int64), axis=1, keepdims=True)
    points = confidence.shape[1]
    rank = xp.where(positive < USUAL_RANK, positive, xp.full_like(positive, USUAL_RANK))
    place = xp.arange(points, dtype=xp.int64, device=device(confidence))
    usual = xp.sum(xp.where(place == points - rank, ordered, zero), axis=1, keepdims=True)
    highest = CREDIBLE_RATIO * usual
    limited = xp.where(confidence > highest, highest + zero, confidence)
    return xp.where(CONFIDENCE_RATIO * confidence < usual, zero, limited)


def _on_flat_edge(keypoints_2d: Any, visible: Any) -> Any:
    """Whether visible keypoints lie on a flat edge, where a detector has moved them from outside: (N, K).

    FEWEST_ON_EDGE or more share the smallest or the largest x or y to the last digit. Detections on a grid
    and symmetric bodies have such keypoints elsewhere, too: on a flat edge there are more than on all the
    rest. Edges on which more than half of the visible keypoints lie do not count.
    """
    xp = array_namespace(keypoints_2d)

    def count(mask: Any) -> Any:
        return xp.sum(xp.astype(mask, xp.int64), axis=1, keepdims=True)

    flat = xp.zeros_like(visible)
    for axis in range(2):
        x = keypoints_2d[..., axis]
        last = xp.full_like(x, FAR)
        ordered = xp.sort(xp.where(visible, x, last), axis=1)
        ties = count((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < FAR))
        low = visible & (x == ordered[:, :1])
        high = visible & (x == xp.max(xp.where(visible, x, -last), axis=1, keepdims=True))
        elsewhere = ties - (count(low) - 1) - (count(high) - 1)
        for edge in (low, high):
            shared = count(edge)
            flat = flat | (edge & (shared >= FEWEST_ON_EDGE) & (shared - 1 > elsewhere))
    return flat & (2 * count(flat) <= count(visible))
