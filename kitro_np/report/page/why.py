"""Why bodies were accepted or refused: reasons of the verdict and keypoints of least weight, for a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError
from ...posterior.method import Map
from ...refinement.method import resolve_method
from ...refinement.validity import Status
from ..explain.map_fit import MapExplanation, explain_map
from ..explain.map_text import reasons_shown, title_of_verdict, verdict_of_map
from ..explain.row import ASSESSED
from ..shown import Shown

EXPLAINED = 50
"""Bodies that a page explains, unless asked for more or fewer: some 40 ms each."""

POINTS = 8
"""Keypoints of a body, at most."""

DIGITS = 4
"""Digits behind the point: the parts add up to the log odds."""


def why_of(shown: Shown, change: np.ndarray | None, explained: int) -> dict[str, Any] | None:
    """Return what a page says of why its bodies were accepted or refused.

    Parameters
    ----------
    shown : Shown
        The page's bodies.
    change : (N,) array or None
        How much each body changed; one that is not finite counts as unchanged.
    explained : int
        Bodies that are explained at most: refused ones first, then the most changed.

    Returns
    -------
    dict or None
        Of each body an explanation, or a sentence on why there is none; and a note, or "". None if no body
        is explained: only ``map`` is, with estimates and keypoints.
    """
    method = _method_of(shown)
    if method is None:
        return None
    status = shown.result.status.astype(int)
    limit = f"Not explained: the page explains at most {explained}, refused first, then the most changed."
    bodies: list[dict[str, Any] | str] = [
        limit if code in ASSESSED else f"Not judged: {Status(code).reason}." for code in status.tolist()
    ]
    for row in rows_to_explain(status, change, explained).tolist():
        found = _explain(shown, row, method)
        bodies[row] = "Not explained: this body alone cannot be fitted." if found is None else _told(found)
    if not any(isinstance(one, dict) for one in bodies):
        return None
    video = method.video or shown.result.track is not None
    note = "This is the frame alone: the body shown was refined with its video." if video else ""
    return {"note": note, "bodies": bodies}


def rows_to_explain(status: np.ndarray, change: np.ndarray | None, explained: int) -> np.ndarray:
    """Choose bodies that were judged: refused ones first, then the most changed."""
    judged = np.flatnonzero(np.isin(status, ASSESSED))
    size = np.zeros(len(status)) if change is None else np.where(np.isfinite(change), change, 0)
    accepted = status == Status.REFINED
    return judged[np.lexsort((-size[judged], accepted[judged]))][:explained]


def _method_of(shown: Shown) -> Map | None:
    """Return the method that can explain the bodies, or None."""
    if shown.result.method != "map" or shown.before is None or shown.keypoints_2d is None:
        return None
    try:
        method = resolve_method("map", shown.result.options or {})
    except InputError:  # a file may name any options
        return None
    return method if isinstance(method, Map) else None


def _explain(shown: Shown, row: int, method: Map) -> MapExplanation | None:
    """Explain one body; None if it cannot be fitted alone."""
    one = shown.take(np.array([row]))
    if one.before is None or one.layout is None:
        return None
    try:
        found = explain_map(
            *one.before,
            one.keypoints_2d,
            one.intrinsics,
            method=method,
            body=one.body,
            confidence=one.confidence,
            keypoint_layout=one.layout,
            image_size=one.image_size,
        )
    except InputError:
        return None
    return found if np.isfinite(found.verdict.log_odds) else None


def _told(found: MapExplanation) -> dict[str, Any]:
    """Return what the page shows of an explanation; keypoints by their numbers."""
    reasons, rest = reasons_shown(found)
    parts = [("a usual body that is accepted", found.verdict.usual)]
    parts += [(reason.words, reason.contribution) for reason in reasons] + [("all else", rest)]
    seen = np.flatnonzero(found.visible)
    least = seen[np.argsort(found.weight[seen], kind="stable")][:POINTS]
    columns = (found.weight, 1 - found.inlier, found.residual_before, found.residual_after)
    return {
        "accepted": found.accepted,
        "verdict": verdict_of_map(found),
        "title": title_of_verdict(found),
        "parts": [[words, _number(value)] for words, value in parts],
        "sum": _number(found.verdict.log_odds),
        "points": [[k, *(_number(column[k]) for column in columns)] for k in least.tolist()],
    }


def _number(value: float) -> float | None:
    """Return a number as JSON has it: None for one that is not finite."""
    return round(float(value), DIGITS) if np.isfinite(value) else None
