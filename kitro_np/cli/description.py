"""What a file of people holds, in lines of a name and a text."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator

import numpy as np

from ..formats.people import PeopleEstimates, PeopleKeypoints
from .voice import named, remark

Line = tuple[str, str]

LEAST_WIDTH = 20
"""Characters of a text that stay in a line on the narrowest terminal."""


def lines_of_estimates(estimates: PeopleEstimates) -> Iterator[Line]:
    """Yield what estimates are."""
    yield "estimates", f"of {estimates.source}, {_counted(len(estimates), 'body', 'bodies')}"
    yield "people", _people(estimates.frame, estimates.person)
    joints, betas = estimates.pose.shape[1], estimates.betas.shape[1]
    yield "body", f"{estimates.body or 'not named'}: {joints} joints, {betas} betas"
    yield "camera", _camera(estimates)
    yield from _size_and_rate(estimates.image_size, estimates.fps)


def lines_of_keypoints(keypoints: PeopleKeypoints) -> Iterator[Line]:
    """Yield what keypoints are."""
    count, rows = keypoints.points.shape[1], len(keypoints)
    layout = keypoints.layout or "the file does not say which"
    whose = f"of {keypoints.source}, " if keypoints.source else ""
    yield "keypoints", f"{whose}{_counted(rows, 'row')} of {count} points: {layout}"
    if not rows:
        return
    yield "people", _people(keypoints.frame, keypoints.person)
    seen = keypoints.confidence > 0
    if not seen.any():
        yield "points", "none is visible"
        return
    scores, points = keypoints.confidence[seen], keypoints.points[seen]
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    place = f"x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f} pixels"
    yield "points", f"{place}; {1 - seen.mean():.0%} missing"
    yield "scores", f"{scores.min():.2g} to {scores.max():.2g}"
    yield from _size_and_rate(keypoints.image_size, None)


def print_lines(title: object, lines: Iterable[Line]) -> None:
    """Print names and texts in two columns below a title."""
    print(_two_columns(title, lines))


def remark_lines(title: object, lines: Iterable[Line]) -> None:
    """Say the same as a remark."""
    remark(_two_columns(title, lines))


def _two_columns(title: object, lines: Iterable[Line]) -> str:
    parts = [str(title)]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name, text in lines:
        start = f"  {name:<11} "
        if columns is None:  # a program reads whole lines
            parts.append(start + text)
        else:
            room = max(columns - 1, len(start) + LEAST_WIDTH)
            parts += textwrap.wrap(
                text, room, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False
            )
    return named("\n".join(parts))


def _people(frame: np.ndarray, person: np.ndarray | None) -> str:
    frames, counts = np.unique(frame, return_counts=True)
    if not len(frames):
        return "none"
    where = f"in {_counted(len(frames), 'frame')}"
    if len(frames) > 1:
        where += f", {frames[0]} to {frames[-1]}"
    if person is None:
        return f"at most {counts.max()} {where}; no identities"
    return f"{_counted(len(np.unique(person)), 'person', 'people')} {where}"


def _camera(estimates: PeopleEstimates) -> str:
    matrices = estimates.intrinsics
    if matrices is None or not len(matrices):
        return estimates.camera or "not known"
    focal, centre = matrices[:, [0, 1], [0, 1]], matrices[:, :2, 2]
    low, high = focal.min(), focal.max()
    length = f"f {low:.1f}" if high - low < 0.05 else f"f {low:.1f} to {high:.1f}"
    still = np.ptp(centre, axis=0).max() < 0.05
    place = f"centre ({centre[0, 0]:.1f}, {centre[0, 1]:.1f})" if still else "centres differ"
    words = f": {estimates.camera}" if estimates.camera else ""
    return f"{length}, {place}{words}"


def _size_and_rate(size: tuple[float, float] | None, fps: float | None) -> Iterator[Line]:
    if size is not None:
        yield "image size", f"{size[0]:g} x {size[1]:g}"
    if fps is not None:
        yield "frames/s", f"{fps:g}"


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"
