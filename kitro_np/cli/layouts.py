"""Command layouts."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from ..body import BodyModel
from ..errors import InputError, one_of
from ..keypoints.detectors import HAND_LAYOUTS, LAYOUTS, POINTS, WRITTEN_BY
from ..keypoints.layouts import KeypointLayout, find_layout, landmarks_of
from .body_options import BODY_DEFAULTS, add_body, read_body
from .exit_status import ExitStatus
from .layout_check import check_file
from .layout_picture import write_picture
from .parser import Commands, Options, add_command
from .voice import say_written

LEAST_WIDTH = 20
"""Characters of a line's last column that it keeps on the narrowest terminal."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "layouts", run, "keypoint layouts: list, draw, check a file")
    add = command.add_argument
    add("layout", metavar="NAME", nargs="?", help="print its points; by default list all layouts")
    add("-o", "--output", metavar="FILE.png", help="draw the points on the body's rest pose")
    add("--force", action="store_true", help="overwrite an existing file")
    add("--check", metavar="FILE", help="say whether the keypoints of a file have this layout, or which")
    add("--keypoints-key", default="keypoints_2d", metavar="KEY", help="key of the keypoints in the file")
    add_body(command)
    command.set_defaults(body=None)  # open, or open_hand for a hand's layout


def run(options: Options) -> int:
    """List the keypoint layouts; print or draw the points of one on a body; check a file against it."""
    name = None if options.layout is None else one_of("layout", options.layout, LAYOUTS)
    if options.output is not None and name is None:
        raise InputError("layout: expected the name of one to draw, got none; kitro-np layouts lists them.")
    if name is None and options.check is None:
        print("\n".join(_list()))
        return ExitStatus.DONE
    if options.body is None:
        options.body = "open_hand" if name in HAND_LAYOUTS else BODY_DEFAULTS["body"]
    body = read_body(options)
    layout = None if name is None else find_layout(name, body)
    fits = True
    if options.check is not None:
        sentences, fits = check_file(Path(options.check), options.keypoints_key, body, layout)
        print("\n".join(sentences))
    elif layout is not None and options.output is None:
        print("\n".join(_table(layout, body)))
    if layout is not None and options.output is not None:
        say_written(write_picture(options.output, layout, body, force=options.force))
    return ExitStatus.DONE if fits else ExitStatus.WRONG_INPUT


def _list() -> list[str]:
    """All layouts, a line each: name, number of points, what writes them."""
    start = max(map(len, LAYOUTS)) + 2
    lines = [f"{'layout':<{start}}points  written by"]
    for name in LAYOUTS:
        count = "any" if name == LAYOUTS[0] else str(len(POINTS[name]))
        lines += _wrapped(f"{name:<{start}}{count:>6}  ", WRITTEN_BY[name])
    return lines


def _table(layout: KeypointLayout, body: BodyModel) -> list[str]:
    """Points of a layout on a body: index, name, landmark, joint that moves it, spread.

    They are a line each, on a narrow terminal an item each.
    """
    joints = find_layout("smpl24", body).names
    rows = [("#", "point", "landmark", "moved by", "spread")]
    landmarks = landmarks_of(layout.name, body)
    for k, (point, joint) in enumerate(zip(layout.names, layout.joints, strict=True)):
        if joint < 0:
            rows.append((str(k), point, "-", "-", "-"))
        else:
            rows.append((str(k), point, landmarks[point] or "-", joints[joint], f"{layout.spread[k]:.1f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = _wrapped("", f"{layout.name} on the body {body.name}, {layout.num_points} points")
    if sum(widths) + 2 * (len(widths) - 1) >= shutil.get_terminal_size().columns:
        rows, narrow = rows[:0], rows[1:]
        for index, point, landmark, mover, spread in narrow:
            about = "-" if mover == "-" else f"{landmark}, moved by {mover}, spread {spread}"
            lines += _wrapped(f"{index:>{widths[0]}}  ", f"{point}: {about}")
    for index, *texts, spread in rows:
        cells = [f"{text:<{width}}" for text, width in zip(texts, widths[1:-1], strict=True)]
        lines.append("  ".join([f"{index:>{widths[0]}}", *cells, f"{spread:>{widths[-1]}}"]))
    missing = layout.joints.count(-1)
    if missing:
        lines += _wrapped("", f"{missing} points are not on this body, and are not looked at.")
    return lines


def _wrapped(start: str, text: str) -> list[str]:
    """Text after a line's start, continued below where the terminal ends."""
    width = max(shutil.get_terminal_size().columns - 1, len(start) + LEAST_WIDTH)
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=" " * len(start))
