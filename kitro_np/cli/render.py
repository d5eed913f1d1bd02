"""Command render."""

from __future__ import annotations

from argparse import BooleanOptionalAction

import numpy as np

from ..body.names import other_body
from ..errors import InputError, one_of
from ..report.overlay import MODES, OPACITY, PANELS, frames_between
from ..report.render import Look, render
from ..report.shown import shown_of_file
from .body_options import add_body, read_body
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command, integer, number
from .progress import progress_bar
from .refinement import FRAME_RATE, read_fps
from .voice import say_written, warn


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "render", run, "draw refined people on their images")
    add = command.add_argument
    add("result", metavar="RESULT.npz", help="complete result of refine")
    add("--images", metavar="PATH", help="folder of pictures, a picture or a video (default: blank)")
    add(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="an .mp4 or .gif of all frames (at most 3840 pixels wide), a .png of one, or a folder of .png",
    )
    add("--force", action="store_true", help="overwrite existing files")
    names = ", ".join(PANELS)
    text = f"some of {names}, side by side, with commas or spaces between (default: before,after,keypoints)"
    add("--panels", metavar="NAME", nargs="+", help=text)
    add("--mode", default="mesh", metavar="NAME", help=f"one of {', '.join(MODES)} (default mesh)")
    add("--opacity", type=number, default=OPACITY, metavar="N", help=f"of meshes, 0 to 1 (default {OPACITY})")
    add("--no-points", dest="points", action="store_false", help="no keypoints on the bodies")
    add(
        "--crop",
        action=BooleanOptionalAction,
        help="show only the part of the image where the people are (default: without --images)",
    )
    add("--frame", type=integer, action="append", metavar="N", help="only this frame; can be repeated")
    add("--fps", type=number, metavar="N", help=FRAME_RATE)
    add("--maps", action="store_true", help="also write maps of depth in mm, parts and people")
    add_body(command, "the result's own, if that is embedded")


def run(options: Options) -> int:
    """Draw refined people on their images: before, after, and the keypoints with their residuals."""
    body = None if options.body is None else read_body(options)
    shown = shown_of_file(options.result, body)
    if warning := other_body(options.result, shown.result.body_name, "drawn", shown.body.name):
        warn(warning)
    if options.panels is None:
        has = {"before": shown.before, "keypoints": shown.keypoints_2d, "after": shown.after}
        panels = [name for name in ("before", "after", "keypoints") if has[name] is not None]
    else:
        words = " ".join(options.panels).replace(",", " ").split()
        panels = [one_of("--panels", name, PANELS) for name in words]
    look = Look(tuple(panels), options.mode, options.opacity, options.crop, options.points, options.maps)  # type: ignore[arg-type]
    fps = read_fps(options)
    if missing := set(options.frame or ()) - set(shown.frame.tolist()):
        raise InputError(f"--frame: expected a frame with people{frames_between(shown)}, got {min(missing)}.")
    frames = len(np.unique(shown.frame)) if options.frame is None else len(set(options.frame))
    if options.output.lower().endswith(".png"):
        frames = 1
    with progress_bar(frames, "render", unit="frames") as progress:
        written = render(
            options.output, shown, options.images,
            look=look, frames=options.frame, fps=fps, force=options.force, progress=progress, tell=warn,
        )  # fmt: skip
    say_written(written[0], "" if len(written) == 1 else f" and {len(written) - 1} more")
    return ExitStatus.DONE
