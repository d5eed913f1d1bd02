"""Content of a page: what its script reads, as JSON and arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...body.families import EMBEDDED
from ...body.names import meaning
from ...keypoints.layouts import find_layout
from ...refinement.validity import Status, was_fitted
from ..shown import STAGES, PosedBodies, Shown
from .blob import Blob
from .choose import choose_rows
from .figures import PageFigures
from .geometry import add_geometry
from .why import why_of


class PageContent(NamedTuple):
    """What a page holds.

    Attributes
    ----------
    facts : dict
        For the page's script, to be written as JSON.
    arrays : str
        In base64.
    notes : tuple of str
        Sentences on what was left out or must be known.
    """

    facts: dict[str, Any]
    arrays: str
    notes: tuple[str, ...]


def content_of(shown: Shown, figures: PageFigures, people: int, explained: int) -> PageContent:
    """Return the content of a page with at most `people` people, of whom it explains some bodies."""
    change = np.zeros(len(shown)) if figures.change is None else figures.change
    chosen = choose_rows(shown.frame, shown.person, change, people)
    kept, rows = shown.take(chosen.rows), chosen.rows
    notes = tuple(note for note in (chosen.note, *_notes_on_body(shown), _note_on_hypotheses(shown)) if note)
    blob = Blob()
    bodies = {name: one for name in STAGES if (one := kept.stage(name)) is not None}
    ghosts = kept.result.hypotheses
    number = 0
    if ghosts is not None:
        number = int(ghosts.pose.shape[1])
        for k in range(number):
            bodies[f"ghost{k}"] = PosedBodies(
                *(np.asarray(part[:, k], np.float64) for part in (ghosts.pose, ghosts.betas, ghosts.transl))
            )
        blob.add("probability", np.asarray(ghosts.probability, np.float32))
    add_geometry(blob, kept.body, bodies)
    lens = kept.intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]  # fx, fy, cx, cy
    blob.add("camera", lens.astype(np.float32))
    if kept.result.joint_spread is not None:
        blob.add("spread", kept.result.joint_spread.astype(np.float32))
    if figures.keypoints is not None:
        blob.add("keypoints", figures.keypoints[rows].astype(np.float32))
    for name, points in figures.points.items():
        blob.add(f"{name}.points", points[rows].astype(np.float32))
    facts = {
        "stages": [name for name in STAGES if name in bodies],
        "ghosts": number,
        "size": list(shown.size),
        "fps": shown.fps if shown.fps is not None and 0 < shown.fps < np.inf else None,
        "parents": list(shown.body.skeleton.parents),
        "joints": list(find_layout("smpl24", shown.body).names),
        "measured": {"joints": list(figures.protocol.joints), "root": list(figures.protocol.root)},
        "points": None if figures.keypoints is None or shown.layout is None else list(shown.layout.names),
        "rows": _rows(kept, figures, rows),
        "why": why_of(kept, None if figures.change is None else figures.change[rows], explained),
        "arrays": blob.places,
    }
    return PageContent(facts, blob.base64(), notes)


def _rows(shown: Shown, figures: PageFigures, rows: np.ndarray) -> dict[str, Any]:
    """Return the columns of the page's table, each a list; None where a body has no number."""
    status = shown.result.status.astype(int)
    columns: dict[str, Any] = {
        "frame": shown.frame.tolist(),
        "person": shown.person.tolist(),
        "status": [Status(code).name.lower() for code in status.tolist()],
        "reason": [Status(code).reason for code in status.tolist()],
        "fitted": np.asarray(was_fitted(status)).tolist(),
        "image": None if shown.image_name is None else [str(name) for name in shown.image_name.tolist()],
    }
    for name in ("swapped", "turned"):
        flags = getattr(shown.result, name)
        columns[name] = None if flags is None else (flags == 1).tolist()
    numbers = {
        "quality": shown.result.quality,
        "change": None if figures.change is None else figures.change[rows],
        **{f"pixels_{stage}": values[rows] for stage, values in figures.pixels.items()},
        **{f"error_{stage}": values[rows] for stage, values in figures.error.items()},
    }
    for name, values in numbers.items():
        columns[name] = None if values is None else _numbers(values)
    return columns


def _numbers(values: np.ndarray) -> list[float | None]:
    """Numbers with four digits, None for those that are not finite, which JSON lacks."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]


def _note_on_hypotheses(shown: Shown) -> str:
    if shown.result.hypotheses is None or shown.result.track is None:
        return ""
    return "Hypotheses are those of each frame alone; the refined bodies are those of the video."


def _notes_on_body(shown: Shown) -> list[str]:
    notes, body = [], shown.body
    if body.posedirs is not None:
        notes.append("Pose blend shapes are left out of the meshes; joints and figures are exact.")
    named = meaning(body.name)
    if named is not None and named.family.name not in EMBEDDED:
        notes.append(f"The page holds a mesh of {body.name}: its licence says who may have it.")
    return notes
