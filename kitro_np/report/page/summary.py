"""Summary of a page: what was refined, by which method, and what came of it, in a few labelled numbers."""

from __future__ import annotations

from html import escape

import numpy as np

from ...refinement.validity import Status, was_fitted
from ..shown import Shown
from .figures import PageFigures

DIGITS = {"Reprojection error": 1, "MPJPE": 2}
"""Behind the point; those of MPJPE are as many as ``kitro-np eval`` prints."""


def summary_of(shown: Shown, figures: PageFigures) -> str:
    """Return the tiles of a page's head as HTML."""
    status = shown.result.status.astype(int)
    fitted = int(np.asarray(was_fitted(status)).sum())
    people = len(np.unique(shown.person))
    frames = len(np.unique(shown.frame))
    who = f"{people} {'person' if people == 1 else 'people'}, {frames} {'frame' if frames == 1 else 'frames'}"
    if 1 < len(shown) == people == frames:
        who = "each of another person"
    tiles = [
        _tile("Bodies", f"{len(shown):,}", who),
        _tile("Refined", f"{fitted:,}", _others(status)),
    ]
    if figures.change is not None:
        tiles.append(_tile("Moved", _mean(figures.change, "\u00a0mm"), "mean over joints, about the root"))
    for title, by_stage, unit, about in (
        ("Reprojection error", figures.pixels, "\u00a0px", "mean distance from keypoints, of all bodies"),
        ("MPJPE", figures.error, "\u00a0mm", f"mean error ({figures.protocol.name}), of all bodies"),
    ):
        if by_stage:
            numbers = [_mean(values, "", DIGITS[title]) for values in by_stage.values()]
            tiles.append(_tile(title, '<span class="to">→</span>'.join(numbers) + unit, about))
    return "\n".join(tiles)


def _tile(label: str, value: str, about: str) -> str:
    return f'<div class="tile"><dt>{escape(label)}</dt><dd>{value}<small>{escape(about)}</small></dd></div>'


def _others(status: np.ndarray) -> str:
    """Say why bodies were not refined."""
    counts = {code: int((status == int(code)).sum()) for code in Status if code is not Status.REFINED}
    said = [f"{count}: {code.reason}" for code, count in counts.items() if count]
    return "; ".join(said) or "none refused"


def _mean(values: np.ndarray, unit: str, digits: int = 1) -> str:
    finite = values[np.isfinite(values)]
    return f"{finite.mean():.{digits}f}{unit}" if finite.size else "&ndash;"
