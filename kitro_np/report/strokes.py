"""Strokes: smooth lines, dots, arrows and labels on a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .colours import INK, Colour
from .extras import need

SMOOTH = 3
"""Times as large as the picture that lines are drawn, to be smooth when they are made small again."""

FARTHEST = 1e5
"""Pixels from the picture beyond which nothing is drawn."""


class Strokes:
    """Lines to be drawn on a picture, in its pixels; :meth:`onto` draws them.

    Parameters
    ----------
    thickness : float
        Of a line of width 1.
    """

    def __init__(self, thickness: float = 1.0) -> None:
        self.thickness = thickness
        self._lines: list[tuple[np.ndarray, float, Colour]] = []
        self._dots: list[tuple[np.ndarray, float, Colour, Colour | None]] = []

    def line(self, start: Any, end: Any, width: float, colour: Colour) -> None:
        """Add a line; one that is not finite, or far away, is left out."""
        ends = np.array([start, end], np.float64)
        if np.all(np.abs(ends) < FARTHEST):
            self._lines.append((ends, width * self.thickness, colour))

    def dot(self, centre: Any, radius: float, colour: Colour, rim: Colour | None = None) -> None:
        """Add a dot, with a rim if that has a colour."""
        place = np.array(centre, np.float64)
        if np.all(np.abs(place) < FARTHEST):
            self._dots.append((place, radius * self.thickness, colour, rim))

    def arrow(self, start: Any, end: Any, width: float, colour: Colour) -> None:
        """Add an arrow."""
        start, end = np.array(start, np.float64), np.array(end, np.float64)
        along = end - start
        length = float(np.hypot(*along))
        self.line(start, end, width, colour)
        if not 0 < length < FARTHEST:
            return
        head = min(4 * width * self.thickness, 0.4 * length)
        along = along / length
        for side in (-1, 1):
            across = np.array([-along[1], along[0]]) * side
            self.line(end, end - head * along + 0.5 * head * across, width, colour)

    def onto(self, rgb: np.ndarray) -> None:
        """Draw all on a picture (H, W, 3) of uint8, in place."""
        box = self._box(rgb.shape[:2])
        if box is None:
            return
        image, draw = need("PIL.Image", "render"), need("PIL.ImageDraw", "render")
        left, top, right, bottom = box
        size = (right - left, bottom - top)
        under = image.fromarray(rgb[top:bottom, left:right])
        large = under.resize((SMOOTH * size[0], SMOOTH * size[1]), image.Resampling.NEAREST)
        pen, origin = draw.Draw(large), np.array([left, top])
        for ends, width, colour in self._lines:
            first, last = (SMOOTH * (end - origin) for end in ends)
            thick = max(1, round(SMOOTH * width))
            pen.line([*first, *last], fill=colour, width=thick)
            for end in (first, last):
                self._disc(pen, end, thick / 2 - 0.5, colour)
        for place, radius, colour, rim in self._dots:
            centre = SMOOTH * (place - origin)
            if rim is not None:
                self._disc(pen, centre, SMOOTH * (radius + self.thickness), rim)
            self._disc(pen, centre, SMOOTH * radius, colour)
        rgb[top:bottom, left:right] = np.asarray(large.resize(size, image.Resampling.BOX))

    def _disc(self, pen: Any, centre: np.ndarray, radius: float, colour: Colour) -> None:
        x, y = centre
        if radius > 0:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def _box(self, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
        """Part of the picture that is drawn on; None if there is none."""
        parts = [(ends, width) for ends, width, _ in self._lines]
        parts += [(place[None], 2 * radius + 2) for place, radius, *_ in self._dots]
        if not parts:
            return None
        lowest = np.min([points.min(axis=0) - width - 2 for points, width in parts], axis=0)
        highest = np.max([points.max(axis=0) + width + 2 for points, width in parts], axis=0)
        left, top = (max(0, math.floor(value)) for value in lowest)
        right = min(shape[1], math.ceil(highest[0]))
        bottom = min(shape[0], math.ceil(highest[1]))
        return (left, top, right, bottom) if left < right and top < bottom else None


def label(rgb: np.ndarray, text: str, *, size: float, colour: Colour = INK) -> None:
    """Write a text in the upper left corner of a picture, on a light ground, in place."""
    image, draw = need("PIL.Image", "render"), need("PIL.ImageDraw", "render")
    font = need("PIL.ImageFont", "render").load_default(size=size)
    pad = round(0.5 * size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    height, width = bottom - top + 2 * pad, right - left + 2 * pad
    part = rgb[pad : pad + height, pad : pad + width]
    ground = np.round(0.25 * part + 0.75 * 255).astype(np.uint8)
    shown = image.fromarray(ground)
    draw.Draw(shown).text((pad - left, pad - top), text, fill=colour, font=font)
    part[:] = np.asarray(shown)
