"""Rows of a format's people, collected and made one record: layout, missing points, pixels, order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError, printable
from ...keypoints.detectors import LAYOUTS, POINTS
from ..people import PeopleKeypoints
from .source import KeypointsSource

USUAL = {
    16: "mpii16", 17: "coco17", 18: "coco18", 19: "coco19", 24: "smpl24", 26: "halpe26", 33: "mediapipe33",
    49: "spin49", 70: "mhr70", 133: "wholebody133", 136: "halpe136", 308: "sapiens308",
}  # fmt: skip
"""Layout of a number of points, where the format does not tell; of 21 and 25 there are several."""

NORMALISED = 2.0
"""Largest coordinate of points in units of the image, some of them outside; no person is that small."""

MAX_FRAME = 2**53
"""Largest number of a frame that JSON's numbers tell exactly."""


class Rows:
    """People of all frames, a row each, as a format's reader finds them."""

    def __init__(self, source: KeypointsSource, form: str) -> None:
        self.source, self.form = source, form
        self.points: list[Any] = []
        self.scores: list[Any] = []
        self.frames: list[Any] = []
        self.persons: list[Any] = []
        self.boxes: list[Any] = []
        self.names: list[str] = []

    def add(
        self,
        frame: Any,
        points: Any,
        scores: Any = None,
        *,
        person: Any = None,
        box: Any = None,
        name: str = "",
    ) -> None:
        """Add a person: points (x, y) or (x, y, score), nested or flat; box x, y, width and height."""
        self.points.append(points)
        self.scores.append(scores)
        self.frames.append(frame)
        self.persons.append(person)
        self.boxes.append(box)
        self.names.append(name)

    def people(
        self,
        *,
        columns: int | None = None,
        usual: dict[int, str] | None = None,
        missing_at_zero: bool = True,
    ) -> PeopleKeypoints:
        """Return the record.

        Parameters
        ----------
        columns : int, optional
            Numbers of each point, where points are flat lists; 3 if there is a score. Nested ones say it.
        usual : dict, optional
            Layouts of this format by the number of points, before :data:`USUAL`.
        missing_at_zero : bool
            Whether the format writes (0, 0) for points that it does not see.
        """
        source = self.source
        if not self.points:
            raise InputError(f"{source.name}: expected people, got {self.form} without any.")
        values = self._numbers("keypoints", self.points)
        if columns is not None and values.ndim != 3:
            flat = values.shape[1] if values.ndim == 2 else 0
            if not flat or flat % columns:
                raise InputError(
                    f"{source.name}: expected {columns} numbers for each keypoint, "
                    f"got {flat or values.shape[1:]} for a person."
                )
            values = values.reshape(len(values), -1, columns)
        if values.ndim != 3 or values.shape[2] not in (2, 3) or not values.shape[1]:
            raise InputError(
                f"{source.name}: expected (x, y) or (x, y, score) for each keypoint, "
                f"got shape {values.shape[1:]} for a person."
            )
        count = values.shape[1]
        points = values[..., :2].copy()
        confidence = np.ones(points.shape[:2])
        if values.shape[2] == 3:
            confidence = values[..., 2].copy()
        elif any(score is not None for score in self.scores):
            confidence = self._numbers("scores", self.scores).reshape(len(values), -1).copy()
            if confidence.shape[1] != count:
                raise InputError(
                    f"{source.name}: expected a score for each of {count} keypoints, "
                    f"got {confidence.shape[1]}."
                )
        layout = layout_of(source, count, {**USUAL, **(usual or {})}, self.form)
        missing = ~np.isfinite(points).all(axis=2) | ~np.isfinite(confidence) | ~(confidence > 0)
        if missing_at_zero:
            missing |= (points == 0).all(axis=2)
        points[missing], confidence[missing] = np.nan, 0.0
        points = in_pixels(source, points)
        frame = self._frames()
        order = np.argsort(frame, kind="stable")
        person = self._identities(frame)
        boxes = None
        if all(box is not None for box in self.boxes):
            boxes = self._numbers("boxes", self.boxes)
            boxes = boxes[order] if boxes.shape == (len(frame), 4) else None
        names = np.array(self.names) if any(self.names) else None
        return PeopleKeypoints(
            points[order],
            confidence[order],
            layout,
            frame[order],
            None if person is None else person[order],
            None if names is None else names[order],
            source.image_size,
            boxes,
            self.form,
            tuple(dict.fromkeys(source.notes)),
        )

    def _numbers(self, what: str, parts: Sequence[Any]) -> np.ndarray:
        try:
            # Bytes and text would be read as numbers; there are none in an array of them.
            array = np.asarray(parts)
            if array.dtype.kind not in "biuf":
                raise ValueError
            return array.astype(np.float64)
        except (ValueError, TypeError, OverflowError):
            lengths = Counter(_length(part) for part in parts)
            got = "others"
            if len(lengths) > 1:
                got = " and ".join(str(length) for length, _ in lengths.most_common(2)) + " in different rows"
            raise InputError(
                f"{self.source.name}: {what}: expected as many numbers for each person, got {got}."
            ) from None

    def _frames(self) -> np.ndarray:
        for value in self.frames:
            whole = isinstance(value, (int, np.integer)) or (isinstance(value, float) and value.is_integer())
            if not whole or not 0 <= value < MAX_FRAME:
                raise InputError(
                    f"{self.source.name}: expected a whole number for each frame, got {printable(value, 40)}."
                )
        return np.array(self.frames).astype(np.int64)

    def _identities(self, frame: np.ndarray) -> np.ndarray | None:
        if any(person is None for person in self.persons):
            return None
        known: dict[str, int] = {}
        texts = [str(person) for person in self.persons]
        try:
            numbers = [int(float(text)) for text in texts]
        except (ValueError, OverflowError):
            numbers = [known.setdefault(text, len(known)) for text in texts]
        if max(map(abs, numbers)) >= MAX_FRAME:
            numbers = [known.setdefault(text, len(known)) for text in texts]
        if len(set(zip(frame.tolist(), numbers, strict=True))) < len(numbers):
            self.source.notes.append("Identities are left out: some image has two people with the same one.")
            return None
        return np.array(numbers, np.int64)


def layout_of(source: KeypointsSource, count: int, usual: dict[int, str], form: str) -> str:
    """Return the layout of K points: the one that the caller names, else the format's."""
    if source.layout is not None:
        expected = num_points(source.layout)
        if count != expected:
            alike = usual.get(count)
            hint = f"; {alike!r} has as many" if alike else ""
            raise InputError(
                f"layout: expected one of {count} points, as {form} has here, "
                f"got {source.layout!r} with {expected}{hint}."
            )
        return source.layout
    if count in usual:
        return usual[count]
    several = [repr(name) for name in LAYOUTS if num_points(name) == count]
    if several:
        raise InputError(
            f"layout: expected one of {', '.join(several)}, whose {count} points {source.name} may have, "
            "got None."
        )
    raise InputError(f"{source.name}: expected as many points as a layout of LAYOUTS has, got {count}.")


def num_points(layout: str) -> int:
    """Return the number of points of a layout."""
    return len(POINTS[layout]) if layout in POINTS else 24


def in_pixels(source: KeypointsSource, points: np.ndarray, normalised: bool | None = None) -> np.ndarray:
    """Convert points in units of the image's width and height to pixels; others are returned as they are."""
    if normalised is None:
        with np.errstate(invalid="ignore"):
            seen = np.abs(points[np.isfinite(points)])
        normalised = bool(seen.size) and float(seen.max()) <= NORMALISED
    if not normalised:
        return points
    if source.image_size is None:
        raise InputError(
            f"image_size: expected the width and height of the image, since the points of {source.name} are "
            "in units of it, got None."
        )
    source.notes.append("Points are in units of the image's width and height.")
    return points * source.image_size


def corners_to_box(box: Any) -> list[float] | None:
    """Return x, y, width and height of a box given by two corners; None for anything else."""
    try:
        x1, y1, x2, y2 = (float(value) for value in np.asarray(box, np.float64).reshape(-1)[:4])
    except (ValueError, TypeError):
        return None
    return [x1, y1, x2 - x1, y2 - y1]


def _length(part: Any) -> str:
    try:
        return str(len(part))
    except TypeError:
        return type(part).__name__
