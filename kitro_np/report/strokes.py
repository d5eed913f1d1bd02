"""Strokes: smooth lines, dots, arrows and labels on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .colours import INK, Colour
from .extras import need

SMOOTH = 3
"""Times as large as the picture that lines are drawn, to be smooth when they are made small again."""

TILE = 96
"""Pixels along a side of the parts of a picture that are drawn on, where anything is."""

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
        head = min(4 * width * self.thickness, 0.6 * length)
        along = along / length
        for side in (-1, 1):
            across = np.array([-along[1], along[0]]) * side
            self.line(end, end - head * along + 0.5 * head * across, width, colour)

    def onto(self, rgb: np.ndarray) -> None:
        """Draw all on a picture (H, W, 3) of uint8, in place."""
        boxes = self._boxes()
        if not len(boxes):
            return
        limits = np.array([rgb.shape[1], rgb.shape[0]])
        lowest = np.clip(boxes[:, :2].min(axis=0), 0, limits).astype(int)
        highest = np.ceil(np.clip(boxes[:, 2:].max(axis=0), 0, limits)).astype(int)
        for top in range(lowest[1], highest[1], TILE):
            for left in range(lowest[0], highest[0], TILE):
                right, bottom = min(left + TILE, highest[0]), min(top + TILE, highest[1])
                inside = (boxes[:, 0] < right) & (boxes[:, 2] > left)
                inside &= (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
                if inside.any():
                    self._tile(rgb[top:bottom, left:right], np.array([left, top]), inside)

    def _tile(self, part: np.ndarray, origin: np.ndarray, inside: np.ndarray) -> None:
        """Draw those that are inside of a part of the picture on it."""
        image, draw = need("PIL.Image", "render"), need("PIL.ImageDraw", "render")
        size = (SMOOTH * part.shape[1], SMOOTH * part.shape[0])
        large = image.fromarray(part).resize(size, image.Resampling.NEAREST)
        pen, lines = draw.Draw(large), len(self._lines)
        for k in np.flatnonzero(inside[:lines]):
            ends, width, colour = self._lines[k]
            first, last = (SMOOTH * (end - origin) for end in ends)
            thick = max(1, round(SMOOTH * width))
            pen.line([*first, *last], fill=colour, width=thick)
            for end in (first, last):
                self._disc(pen, end, thick / 2 - 0.5, colour)
        for k in np.flatnonzero(inside[lines:]):
            place, radius, colour, rim = self._dots[k]
            centre = SMOOTH * (place - origin)
            if rim is not None:
                self._disc(pen, centre, SMOOTH * (radius + self.thickness), rim)
            self._disc(pen, centre, SMOOTH * radius, colour)
        part[:] = np.asarray(large.reduce(SMOOTH))

    def _disc(self, pen: Any, centre: np.ndarray, radius: float, colour: Colour) -> None:
        x, y = centre
        if radius > 0:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def _boxes(self) -> np.ndarray:
        """Left, top, right and bottom of what each line, then each dot, is drawn on: (N, 4)."""
        parts = [(ends, width + 2) for ends, width, _ in self._lines]
        parts += [(place[None], radius + self.thickness + 2) for place, radius, *_ in self._dots]
        boxes = [[*(ends.min(axis=0) - room), *(ends.max(axis=0) + room)] for ends, room in parts]
        return np.array(boxes).reshape(-1, 4)


def label(rgb: np.ndarray, text: str, *, size: float, colour: Colour = INK) -> None:
    """Write a text in the upper left corner of a picture, on a light ground, in place."""
    draw, font = need("PIL.ImageDraw", "render"), _font(size)
    pad = round(0.5 * size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    height, width = bottom - top + 2 * pad, right - left + 2 * pad
    part = rgb[pad : pad + height, pad : pad + width]
    shown = _lit(part)
    draw.Draw(shown).text((pad - left, pad - top), text, fill=colour, font=font)
    part[:] = np.asarray(shown)


def legend(rgb: np.ndarray, entries: Sequence[tuple[Sequence[Colour], str]], *, size: float) -> None:
    """Say what colours mean, a line each, in the lower left corner of a picture, in place.

    Letters are smaller than `size` where the picture is narrow.
    """
    draw, texts = need("PIL.ImageDraw", "render"), [text for _, text in entries]
    swatch = 3.2  # in letters, the room behind it included
    wide = swatch + max(_font(size).getlength(text) for text in texts) / size
    size = min(size, rgb.shape[1] / (wide + 2))
    pad, line = round(0.5 * size), round(1.4 * size)
    height, width = line * len(texts) + 2 * (pad // 2), round(wide * size) + 2 * pad
    part = rgb[max(0, rgb.shape[0] - pad - height) : rgb.shape[0] - pad, pad : pad + width]
    shown, font = _lit(part), _font(size)
    pen = draw.Draw(shown)
    for k, (colours, text) in enumerate(entries):
        middle = pad // 2 + (k + 0.5) * line
        step = 2.4 * size / len(colours)
        for place, colour in enumerate(colours):
            start = pad + place * step
            pen.rectangle((start, middle - 0.11 * size, start + step, middle + 0.11 * size), fill=colour)
        pen.text((pad + swatch * size, middle), text, fill=INK, font=font, anchor="lm")
    part[:] = np.asarray(shown)


def _font(size: float) -> Any:
    return need("PIL.ImageFont", "render").load_default(size=size)


def _lit(part: np.ndarray) -> Any:
    """Return a part of a picture as a light ground for text."""
    return need("PIL.Image", "render").fromarray(np.round(0.25 * part + 0.75 * 255).astype(np.uint8))
