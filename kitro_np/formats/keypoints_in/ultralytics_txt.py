"""Ultralytics' labels: a text file for each image, `class x y w h (x y [score])xK [score] [id]` a line."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows, num_points
from .source import KeypointsSource, Text, number_frames

NAME = "Ultralytics text"

BOX = 5
"""Numbers before the points: class, and the box's centre and size."""

COUNTS = (17, 133, 26, 33, 136, 70, 308)
"""Numbers of points that are tried, the most usual first; not those of which there are several layouts."""


def is_ultralytics_txt(content: Any) -> bool:
    """Whether lines are numbers, of a class and a box in units of the image at least."""
    if not isinstance(content, Text) or not content.lines:
        return False
    try:
        numbers = [float(part) for part in content.lines[0].split()]
    except ValueError:
        return False
    return len(numbers) > BOX and numbers[0] == int(numbers[0]) and all(0 <= x <= 1 for x in numbers[1:BOX])


def read_ultralytics_txt(source: KeypointsSource) -> PeopleKeypoints:
    """Read a file or a folder of labels; the number of columns tells scores and identities."""
    lines: dict[str, tuple[str, ...]] = {}
    for stem, content in source.pieces():
        if isinstance(content, Text):
            # A second run appends its lines to those of the first.
            lines[stem] = tuple(dict.fromkeys(content.lines))
            if len(lines[stem]) < len(content.lines):
                source.notes.append("Lines that occur twice are read once: labels are appended on each run.")
    parts = [(stem, line.split()) for stem, found in lines.items() for line in found]
    widths = {len(part) for _, part in parts}
    if len(widths) != 1:
        raise InputError(
            f"{source.name}: expected as many numbers in all lines, "
            f"got {' and '.join(map(str, sorted(widths)[:2]))}."
        )
    try:
        values = np.array([part for _, part in parts], np.float64)
    except ValueError:
        raise InputError(f"{source.name}: expected numbers, got text.") from None
    if source.image_size is None:
        raise InputError(
            f"image_size: expected the width and height of the image, since {NAME} is in units of it, "
            "got None."
        )
    count, scored, tail = _columns(source, values.shape[1] - BOX)
    points = values[:, BOX : values.shape[1] - tail].reshape(len(values), count, -1)
    person = _identities(values, tail)
    width, height = source.image_size
    scale = np.array([width, height, *([1] if scored else [])])
    boxes = np.concatenate([values[:, 1:3] - values[:, 3:5] / 2, values[:, 3:5]], axis=1)
    boxes = boxes * [width, height, width, height]
    numbers, note = _number_frames(list(lines)) if source.is_folder else ([0] * len(lines), "")
    if note:
        source.notes.append(note)
    frames = dict(zip(lines, numbers, strict=True))
    rows = Rows(source, NAME)
    for row, (stem, _) in enumerate(parts):
        identity = None if person is None else int(person[row])
        rows.add(frames[stem], points[row] * scale, person=identity, box=boxes[row], name=stem)
    return rows.people()


def _columns(source: KeypointsSource, numbers: int) -> tuple[int, bool, int]:
    """Return the number of points, whether they have scores, and how many numbers follow them."""
    counts = (num_points(source.layout),) if source.layout else COUNTS
    for count in counts:
        for each in (3, 2):
            if 0 <= numbers - each * count <= 2:
                return count, each == 3, numbers - each * count
    which = str(counts[0]) if source.layout else "17 or another usual number of"
    raise InputError(
        f"{source.name}: expected lines of a box and of 2 or 3 numbers for each of {which} points, "
        f"got {numbers + BOX} numbers; layout= tells the points."
    )


def _identities(values: np.ndarray, tail: int) -> np.ndarray | None:
    """Return the identities, which come last; a single number is one if all are whole."""
    last = values[:, -1]
    if tail == 2 or (tail == 1 and bool(np.all(last == np.floor(last)))):
        return last
    return None


def _number_frames(stems: list[str]) -> tuple[list[int], str]:
    """Return the frames of files: those of a video are NAME_1, NAME_2 and so on."""
    found = [re.fullmatch(r"(.*)_([1-9]\d*)", stem) for stem in stems]
    names = {match[1] for match in found if match}
    if all(found) and len(names) == 1:
        numbers = [int(match[2]) - 1 for match in found if match]
        return numbers, "A video's files are numbered from 1, here frames are counted from 0."
    return number_frames(stems)


FORMATS = (KeypointFormat(NAME, (), is_ultralytics_txt, read_ultralytics_txt),)
