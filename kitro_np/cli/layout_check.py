"""Check of a file's keypoints against layouts: number of points, order, left and right, a sentence each.

The order is told by the distances of the points: those on many people are like those on the body at rest.
Left and right are told by the file's estimates, if it has any, as :func:`kitro_np.refine` does; else by the
eyes of faces that the detector sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..api import refine
from ..body import BodyModel
from ..errors import InputError
from ..formats.estimates import EstimateFile, Estimates
from ..formats.registry import find_format
from ..formats.threedpw import FORMAT as THREEDPW
from ..formats.threedpw import read_3dpw
from ..keypoints.detectors import LAYOUTS, POINTS
from ..keypoints.layouts import KeypointLayout, find_layout, layouts_of
from ..keypoints.visibility import visible_confidence
from ..posterior.facing import DIFFERENT, SEEN, face_points

MAX_BODIES = 300
"""Bodies that are looked at, evenly over the file."""

MAX_REFINED = 100
"""Bodies that are refined."""

ALIKE, CLEARER = 0.7, 0.1
"""Correlation of the distances of an order that is told from them, and its lead over the next one's. On
simulated and real people it is 0.75 to 0.98 for the own order, 0.1 to 0.6 for others."""

SOFTENING = 0.05
"""Added to distances, relative to the median one, before logarithms are taken."""

FEWEST_FACES, MOST = 5, 0.8
"""Faces from which left and right are told, and the share of them that must agree."""


class Found(NamedTuple):
    """Keypoints of a file, of some bodies of a long one.

    Attributes
    ----------
    total : int
        Number of bodies in the file.
    keypoints_2d : (N, K, 2) array
    confidence : (N, K) array or None
        The detector's scores, if the file has them.
    estimates : Estimates or None
        Those of the same N bodies, if the file has them with intrinsics.
    """

    total: int
    keypoints_2d: np.ndarray
    confidence: np.ndarray | None
    estimates: Estimates | None

    @property
    def visible(self) -> np.ndarray:
        """Whether each keypoint is visible: (N, K)."""
        return visible_confidence(self.keypoints_2d, self.scores) > 0

    @property
    def scores(self) -> np.ndarray:
        """Confidences, ones if the file has none: (N, K)."""
        return np.ones(self.keypoints_2d.shape[:2]) if self.confidence is None else self.confidence


def check_file(
    path: Path, key: str, body: BodyModel, layout: KeypointLayout | None
) -> tuple[list[str], bool]:
    """Say whether a file's keypoints have a layout, or which they have.

    Parameters
    ----------
    path : path
        A file of any known format with keypoints; those of 3DPW have theirs under a name of their own.
    key : str
        Key of the keypoints.
    body : BodyModel
    layout : KeypointLayout or None
        The expected one.

    Returns
    -------
    sentences : list of str
    fits : bool
        Whether there are bodies with visible points, whose number and order are those of the layout, or of
        any if none is expected, and nothing looks wrong with left and right, or beside the estimates.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it cannot be read, or has no keypoints under this key.
    """
    found = _read(path, key, body)
    count = found.keypoints_2d.shape[1]
    names: list[str] = [name for name in layouts_of(body)[1:] if len(POINTS[name]) == count]
    if count == body.num_joints:
        names = ["smpl24", *names]
    scores = ", without scores" if found.confidence is None else ", with scores"
    bodies = "1 body" if found.total == 1 else f"{found.total} bodies"
    sentences = [f"{path}: {bodies} of {count} points{scores}."]
    fits = bool(names) if layout is None else layout.num_points == count
    sentences.append(_of_number(count, names, layout))
    if not found.total:
        return sentences, False
    sentences.append(_of_visible(found, layout if fits else None))
    if not names or not found.visible.any():
        return sentences, False
    own = layout.name if layout is not None and fits else None
    order, likeliest, known = _of_order(found, names, own, body)
    sentences.append(order)
    agrees = True
    if likeliest is not None:
        sides, agrees = _of_sides(found, find_layout(likeliest, body), body)
        sentences.append(sides)
    return sentences, fits and known and likeliest in (None, own or likeliest) and agrees


# ------------------------------------------------------------------------------------------------- the file


def _read(path: Path, key: str, body: BodyModel) -> Found:
    if find_format(path) is THREEDPW:
        truth = read_3dpw(path, body)
        bodies = Estimates(truth.pose, truth.betas, truth.transl, truth.keypoints_2d, truth.intrinsics)
        return _thinned(Found(len(truth), truth.keypoints_2d, truth.confidence, bodies))
    file = EstimateFile(path)
    keypoints = file.required(key)
    if keypoints.ndim < 2 or keypoints.shape[-1] not in (2, 3):
        raise InputError(
            f"{path}: {key}: expected shape (..., points, 2), or 3 with scores, got {keypoints.shape}."
        )
    lead, (count, numbers) = keypoints.shape[:-2], keypoints.shape[-2:]
    keypoints = keypoints.astype(np.float64).reshape(-1, count, numbers)
    confidence = keypoints[..., 2] if numbers > 2 else file.optional("confidence")
    if confidence is not None and confidence.shape != keypoints.shape[:2]:
        if confidence.shape != (*lead, count):
            raise InputError(
                f"{path}: confidence: expected shape {(*lead, count)}, one for each keypoint, "
                f"got {confidence.shape}."
            )
        confidence = confidence.reshape(keypoints.shape[:2])
    estimates = _estimates(file, key, len(keypoints)) if len(lead) == 1 else None
    return _thinned(Found(len(keypoints), keypoints[..., :2], confidence, estimates))


def _estimates(file: EstimateFile, key: str, count: int) -> Estimates | None:
    """Estimates of a file, one for each of its `count` bodies; None if it has none, or others."""
    try:
        estimates = file.estimates(key)
    except InputError:
        return None
    # Such as one for each network, (networks, bodies, ...).
    own = estimates.pose.shape[:1] == (count,) and estimates.transl.shape == (count, 3)
    return estimates if own else None


def _thinned(found: Found) -> Found:
    """Every so many bodies of a long file."""
    every = slice(None, None, max(-(-found.total // MAX_BODIES), 1))
    return found._replace(
        keypoints_2d=found.keypoints_2d[every],
        confidence=None if found.confidence is None else found.confidence[every],
        estimates=None if found.estimates is None else _some(found.estimates, every, found.total),
    )


def _some(estimates: Estimates, own: slice, count: int) -> Estimates:
    """Estimates of some of `count` bodies; arrays that all share are kept."""
    return Estimates(
        *(array if array is None or len(array) != count else array[own] for array in estimates)  # type: ignore
    )


# ------------------------------------------------------------------------------------------------ sentences


def _of_number(count: int, names: list[str], layout: KeypointLayout | None) -> str:
    """Say which layouts have the number of points."""
    if layout is not None and layout.num_points == count:
        others = [name for name in names if name != layout.name]
        also = f", as {_have(others)}" if others else ""
        return f"The number fits: {layout.name} has {count} points{also}."
    if names:
        have = f"{_have(names)} {count}"
    else:
        of_others = [name for name in LAYOUTS[1:] if len(POINTS[name]) == count]
        elsewhere = f"; on another --body {_have(of_others)}" if of_others else ""
        have = f"no layout of this body has {count}{elsewhere}"
    if layout is None:
        return f"Number: {have}."
    return f"The number does not fit: {layout.name} has {layout.num_points} points; {have}."


def _have(names: Sequence[str]) -> str:
    return f"{_listed(names)} {'has' if len(names) == 1 else 'have'}"


def _of_visible(found: Found, layout: KeypointLayout | None) -> str:
    """Say how many points are visible, and which never are."""
    visible = found.visible
    count = visible.shape[1]
    never = [
        str(k) if layout is None else f"{layout.names[k]} ({k})" for k in np.flatnonzero(~visible.any(axis=0))
    ]
    sentence = f"Of {count} points {visible.sum(axis=1).mean():.1f} are found on average"
    if not never:
        return f"{sentence}, each in some body."
    shown = never if len(never) <= 5 else [*never[:4], f"{len(never) - 4} others"]
    return f"{sentence}; never {_listed(shown)}."


def _of_order(
    found: Found, names: list[str], own: str | None, body: BodyModel
) -> tuple[str, str | None, bool]:
    """Say which layout's order the keypoints have.

    Also return its name, None if it is not told, and whether it may be one of the known.
    """
    distances = _mean_distances(found)
    alike = {name: _likeness(find_layout(name, body), body, distances) for name in names}
    best = max(alike, key=lambda name: alike[name])
    others = [value for name, value in alike.items() if name != best]
    clear = alike[best] >= ALIKE and all(alike[best] - value >= CLEARER for value in others)
    if clear and own in (None, best):
        return f"The order looks like that of {best}.", best, True
    if clear:
        return f"The order looks like that of {best}, not of {own}.", best, True
    if max(alike.values()) < ALIKE and len(found.keypoints_2d) >= FEWEST_FACES:
        return f"The order does not look like that of {_listed(names, 'or')}.", None, False
    return "The order cannot be told from these points.", own, True


def _mean_distances(found: Found) -> np.ndarray:
    """Mean distances between visible points, relative to the body's mean: (K, K), NaN where there is none."""
    count = found.keypoints_2d.shape[1]
    total, number = np.zeros((count, count)), np.zeros((count, count))
    for points, visible in zip(found.keypoints_2d, found.visible, strict=True):
        shown = np.where(visible[:, None], points, 0)
        both = visible[:, None] & visible
        distances = np.linalg.norm(shown[:, None] - shown, axis=-1) * both
        size = distances.sum()
        if size > 0:
            total += distances * (both.sum() / size)
            number += both
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _likeness(layout: KeypointLayout, body: BodyModel, distances: np.ndarray) -> float:
    """Correlation of the logarithms of the points' distances with those on the body at rest."""
    joints = np.array(layout.joints)
    points = np.asarray(body.skeleton.joint_template, np.float64)[np.maximum(joints, 0)] + layout.offsets
    at_rest = np.linalg.norm(points[:, None] - points, axis=-1)
    pairs = np.triu(np.isfinite(distances) & (joints >= 0) & (joints[:, None] >= 0), 1)
    if pairs.sum() < 3:
        return 0.0
    logarithms = []
    for values in (at_rest[pairs], distances[pairs]):
        logarithms.append(np.log(values + SOFTENING * np.median(values) + np.finfo(float).tiny))
    if min(map(np.ptp, logarithms)) == 0:
        return 0.0
    return float(np.corrcoef(*logarithms)[0, 1])


def _of_sides(found: Found, layout: KeypointLayout, body: BodyModel) -> tuple[str, bool]:
    """Say whether left and right look exchanged, and whether keypoints and estimates agree.

    Also return whether nothing looks wrong.
    """
    if found.estimates is not None:
        return _of_estimates(found, found.estimates, layout, body)
    told = _faces(found, layout, body)
    if told is None:
        return "Left and right cannot be told without estimates in the file, or scores of faces.", True
    if told > MOST:
        return "Left and right look exchanged, or the images are mirrored: faces have their eyes so.", False
    if told < 1 - MOST:
        return "Left and right look right: faces have their eyes so.", True
    return "Left and right look right in some bodies and exchanged in others.", False


def _of_estimates(
    found: Found, estimates: Estimates, layout: KeypointLayout, body: BodyModel
) -> tuple[str, bool]:
    """Say what refining some of the bodies tells; also return whether nothing looks wrong."""
    count = len(found.keypoints_2d)
    own = slice(None, None, -(-count // MAX_REFINED))
    some = _some(estimates, own, count)
    confidence = None if found.confidence is None else found.confidence[own]
    try:
        result = refine(
            some.pose,
            some.betas,
            some.transl,
            found.keypoints_2d[own],
            some.intrinsics,
            confidence=confidence,
            keypoint_layout=layout,
            body=body,
            method="map",
            engine="array",  # without compilation
        )
    except InputError as problem:
        return f"The estimates could not be looked at; {problem}", True
    if result.hint:
        return result.hint, False
    accepted, total = int(np.sum(result.accepted)), len(result)
    if 2 * accepted <= total:
        return f"The keypoints do not agree with the estimates: only in {accepted} of {total} bodies.", False
    return (
        f"The keypoints agree with the estimates, in left and right too: in {accepted} of {total} bodies.",
        True,
    )


def _faces(found: Found, layout: KeypointLayout, body: BodyModel) -> float | None:
    """Share of the faces seen whose left eye is where the right one should be; None if there are too few."""
    points = face_points(body.skeleton, layout)
    if found.confidence is None or not points.face:
        return None
    scores = np.where(found.visible, found.confidence, 0)
    usual = scores[:, list(points.limbs)].mean(axis=1)
    spread = scores.max(axis=1) > DIFFERENT * np.where(scores > 0, scores, np.inf).min(axis=1)
    seen = (scores[:, list(points.face)].min(axis=1) > SEEN * usual) & (usual > 0) & spread
    nose, left_eye, right_eye = points.face
    shoulders = [layout.names.index(f"{side}_shoulder") for side in ("left", "right")]
    seen &= (scores[:, shoulders] > 0).all(axis=1)
    if seen.sum() < FEWEST_FACES:
        return None
    keypoints = found.keypoints_2d[seen]
    across = keypoints[:, left_eye] - keypoints[:, right_eye]
    up = keypoints[:, [nose, left_eye, right_eye]].mean(axis=1) - keypoints[:, shoulders].mean(axis=1)
    # y points down: upright, towards the camera, a person's left eye is on the right.
    turned = up[:, 0] * across[:, 1] - up[:, 1] * across[:, 0]
    return float(np.mean(turned < 0))


def _listed(names: Sequence[str], last: str = "and") -> str:
    """Names with commas and a word before the last."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
