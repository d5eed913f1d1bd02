"""Picture of an explanation of ``map``: keypoints and bodies in the image, what is known, and the verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .drawing import BLUE, FAINT, GREEN, LETTER, RED, SOFT, WIDTH, Drawing, between
from .map_fit import MapExplanation
from .map_text import heading_of_map, notes_of_map, points_in_order, reasons_shown, title_of_verdict
from .wording import shortened

IMAGE = (20, 134, 520, 590)
"""Left, top, width and height of the part that shows the image, in pixels."""

SHARES = (565, 415)
"""Left and width of the chart of what is known of the joints."""

NAMES = 118
"""Width of the names of joints, in pixels."""

LINE, REASON = 15.5, 25
"""Height of a joint's bar, and of a reason's."""

MOST_JOINTS, MOST_LABELS = 34, 10
"""How many are shown."""

WORDS = 480
"""Width of the words of reasons."""

ESTIMATE = "#8c8c8c"
"""Colour of the estimate."""

Point = tuple[float, float]


def picture_of_map(found: MapExplanation) -> bytes:
    """Draw what ``map`` made of a body, and return an SVG file."""
    reasons, rest = reasons_shown(found)
    chart = IMAGE[1] + IMAGE[3] + 40
    drawing = Drawing(chart + REASON * (len(reasons) + 3) + 30, heading_of_map(found))
    for k, note in enumerate(notes_of_map(found)):
        drawing.text(20, 58 + 19 * k, f"{note[0].upper()}{note[1:]}.", 13, colour=SOFT)
    _image(drawing, found)
    _shares(drawing, found)
    rows = [("a usual body that is accepted", found.verdict.usual)]
    rows += [(reason.words, reason.contribution) for reason in reasons] + [("all else", rest)]
    _verdict(drawing, found, rows, chart)
    return drawing.as_bytes()


# -------------------------------------------------------------------------------------------- the image


def _image(drawing: Drawing, found: MapExplanation) -> None:
    left, top, width, height = IMAGE
    drawing.box(left, top, width, height, "#f7f7f7", stroke=FAINT)
    to_picture = _window(found)
    for joints, colour, thick, dashes in (
        (found.joints_before, ESTIMATE, 2.0, "5 4"),
        (found.joints_after, GREEN, 3.5, ""),
    ):
        places = [to_picture(joint) for joint in joints]
        for j, parent in enumerate(found.parents[1:], start=1):
            if np.isfinite(joints[[j, parent]]).all():
                drawing.line(places[parent], places[j], colour, thick, dashes=dashes)
    order = points_in_order(found)
    for k in order[::-1]:
        colour = between(BLUE, RED, 1 - found.inlier[k])
        place = to_picture(found.keypoints_2d[k])
        if np.isfinite(found.projected_before[k]).all():
            drawing.arrow(*_short_of(place, to_picture(found.projected_before[k]), _radius(found, k)), colour)
    taken: list[tuple[float, float, float, float]] = []
    for k in order:
        (x, y), radius = to_picture(found.keypoints_2d[k]), _radius(found, k)
        taken.append((x - radius, y - radius, x + radius, y + radius))
    for k in order[::-1]:
        colour = between(BLUE, RED, 1 - found.inlier[k])
        drawing.circle(to_picture(found.keypoints_2d[k]), _radius(found, k), colour)
    centre = np.nanmean(found.keypoints_2d, axis=0)
    for k in order:
        if len(taken) < len(order) + MOST_LABELS:
            _label(
                drawing, found.point_names[k], to_picture(found.keypoints_2d[k]), to_picture(centre), taken
            )
    _key(drawing)


def _radius(found: MapExplanation, k: int) -> float:
    return float(2.5 + 6 * np.sqrt(np.clip(found.weight[k], 0, 1)))


def _short_of(end: Point, start: Point, radius: float) -> tuple[Point, Point]:
    """Return start and end of an arrow to the border of a circle at `end`."""
    along = np.subtract(end, start)
    length = float(np.hypot(*along))
    x, y = along * (max(length - radius, 0) / max(length, 1e-9)) + start
    return start, (float(x), float(y))


def _window(found: MapExplanation) -> Callable[[np.ndarray], Point]:
    """Return the map from the image to its part of the picture: what is drawn, with a margin."""
    left, top, width, height = IMAGE
    parts = [found.keypoints_2d[found.visible], found.joints_after]
    reach = float(np.nanmax(np.ptp(parts[1], axis=0), initial=0))
    for others in (found.joints_before, found.projected_before[found.visible]):
        # An estimate that is far off would make all else small.
        near = np.abs(others - np.nanmean(parts[1], axis=0)).max(axis=1) < 2 * reach
        parts.append(others[near])
    points = np.concatenate(parts)
    points = points[np.isfinite(points).all(axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 1e-6)
    scale = min((width - 110) / size[0], (height - 60) / size[1])
    shift = np.array([left + width / 2, top + height / 2]) - scale * (low + high) / 2

    def to_picture(point: np.ndarray) -> Point:
        x, y = scale * point + shift
        # What is far outside of the window is drawn at its border.
        return float(np.clip(x, left, left + width)), float(np.clip(y, top, top + height))

    return to_picture


def _label(
    drawing: Drawing, name: str, place: Point, centre: Point, taken: list[tuple[float, float, float, float]]
) -> None:
    """Name a keypoint beside it, away from the body's middle, if there is room beside what is `taken`."""
    name = shortened(name, 18)
    wide = 11 * LETTER * len(name)
    for right in (place[0] >= centre[0], place[0] < centre[0]):
        x = place[0] + 11 if right else place[0] - 11 - wide
        box = (x, place[1] - 8, x + wide, place[1] + 8)
        inside = IMAGE[0] < box[0] and box[2] < IMAGE[0] + IMAGE[2]
        if inside and not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for other in taken
        ):
            taken.append(box)
            drawing.text(x, place[1] + 4, name, 11, halo=True)
            return


def _key(drawing: Drawing) -> None:
    x, y = IMAGE[0], IMAGE[1] - 14
    drawing.line((x, y - 4), (x + 26, y - 4), ESTIMATE, 2, dashes="5 4")
    drawing.text(x + 32, y, "estimate", 12)
    drawing.line((x + 94, y - 4), (x + 120, y - 4), GREEN, 3.5)
    drawing.text(x + 126, y, "refined", 12)
    drawing.circle((x + 186, y - 4), 3.5, BLUE)
    drawing.circle((x + 199, y - 4), 8, BLUE)
    drawing.text(x + 212, y, "keypoint, by weight", 12)
    drawing.text(x + 366, y, "0%", 12, anchor="end")
    for k in range(30):
        drawing.box(x + 371 + 2 * k, y - 10, 2.2, 11, between(BLUE, RED, k / 29))
    drawing.text(x + 436, y, "100% outlier", 12)


# ------------------------------------------------------------------------------------------- the joints


def _shares(drawing: Drawing, found: MapExplanation) -> None:
    """Chart of the shares of what is known of the joints: keypoints, then prior."""
    left, width = SHARES
    moving = np.flatnonzero(found.moving)
    shown = moving
    if len(moving) > MOST_JOINTS:
        shown = np.sort(moving[np.argsort(-found.evidence_share[moving], kind="stable")][:MOST_JOINTS])
    start, full = left + NAMES, width - NAMES - 100
    y = IMAGE[1] - 14
    drawing.text(left, y - 24, "What each joint's rotation is known from", 14, weight="bold")
    drawing.box(start, y - 10, 11, 11, BLUE)
    drawing.text(start + 16, y, "keypoints", 12)
    drawing.box(start + 88, y - 10, 11, 11, FAINT)
    drawing.text(start + 104, y, "estimate, motion prior", 12)
    drawing.text(start + full + 98, y, "bent by", 12, colour=SOFT, anchor="end")
    line = min(IMAGE[3] / max(len(shown), 1), 2 * LINE)
    for k, j in enumerate(shown):
        top, share = IMAGE[1] + k * line, float(np.clip(found.evidence_share[j], 0, 1))
        base = top + line / 2 + 4
        drawing.text(start - 8, base, shortened(found.joint_names[j], 17), 12, anchor="end")
        drawing.box(start, top + line / 8, full, 0.75 * line, FAINT)
        drawing.box(start, top + line / 8, share * full, 0.75 * line, BLUE)
        drawing.text(start + full + 42, base, f"{share:.0%}", 12, anchor="end")
        drawing.text(start + full + 98, base, f"{found.angles[j]:.0f}\N{DEGREE SIGN}", 12, colour=SOFT,
                     anchor="end")  # fmt: skip


# ------------------------------------------------------------------------------------------ the verdict


def _verdict(drawing: Drawing, found: MapExplanation, rows: list[tuple[str, float]], top: float) -> None:
    """Chart of what adds up to the log odds: each bar begins where the one before it ends."""
    drawing.line((20, top - 22), (WIDTH - 20, top - 22), FAINT)
    drawing.text(20, top, title_of_verdict(found), 14, weight="bold")
    ends = np.cumsum([0.0, *(value for _, value in rows)])
    low, high = min(ends.min(), -0.5), max(ends.max(), 0.5)
    start = WORDS + 70.0
    scale = (WIDTH - 40 - start) / (high - low)

    def at(value: float) -> float:
        return float(start + (value - low) * scale)

    bottom = top + 14 + REASON * (len(rows) + 1)
    drawing.line((at(0), top - 4), (at(0), bottom), SOFT, 1.3)
    drawing.text(at(0) + 5, top + 2, "better than the estimate \N{RIGHTWARDS ARROW}", 11, colour=GREEN)
    drawing.text(at(0) - 5, top + 2, "\N{LEFTWARDS ARROW} worse", 11, colour=RED, anchor="end")
    for k, (words, value) in enumerate(rows):
        y = top + 14 + REASON * k
        drawing.text(WORDS, y + 16, f"{words[0].upper()}{words[1:]}", 13, anchor="end")
        drawing.text(WORDS + 55, y + 16, f"{value:+.2f}".replace("-", "\N{MINUS SIGN}"), 13, anchor="end",
                     weight="bold")  # fmt: skip
        colour = SOFT if k == 0 else GREEN if value >= 0 else RED
        drawing.box(at(ends[k]), y + 4, value * scale, REASON - 8, colour)
        drawing.line((at(ends[k + 1]), y + 4), (at(ends[k + 1]), y + REASON + 4), SOFT, 1)
    y = top + 14 + REASON * len(rows)
    total = float(ends[-1])
    drawing.text(WORDS, y + 16, "Together", 13, anchor="end", weight="bold")
    drawing.text(WORDS + 55, y + 16, f"{total:+.2f}".replace("-", "\N{MINUS SIGN}"), 13, anchor="end",
                 weight="bold")  # fmt: skip
    drawing.box(at(0), y + 4, total * scale, REASON - 8, BLUE)
