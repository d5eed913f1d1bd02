"""Command convert."""

from __future__ import annotations

from ..matching.check import check_own_joints
from ..matching.known_body import known_body
from ..safe_io.atomic_write import check_output
from .body_options import add_body, read_body
from .description import lines_of_estimates, remark_lines
from .exit_status import ExitStatus
from .output import add_output, export_of, write_bodies
from .parser import LAYOUT_FLAGS, Commands, Options, add_command, number
from .source import add_source, read_source
from .voice import warn


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "convert", run, "write the bodies of a file in another format", streams=("input", "output")
    )
    command.add_argument("input", metavar="IN", help="a result of refine, or estimates: see inspect")
    add_source(command)
    add_output(command)
    add_body(command, "the file's own")
    add = command.add_argument_group("keypoints and camera").add_argument
    add(*LAYOUT_FLAGS, metavar="NAME", help=".json: which keypoints are projected (default: coco17)")
    add(
        "--image-size",
        nargs=2,
        type=number,
        metavar=("W", "H"),
        help="in pixels, where the file does not tell",
    )
    add("--focal-length", type=number, metavar="PX", help="in pixels: the one to convert the bodies to")


def run(options: Options) -> int:
    """Write the bodies of a result or of estimates, as they are, in the format of OUT."""
    check_output(options.output, force=options.force)
    export_of(options, refined=False)
    given = None if options.body is None else read_body(options)
    estimates = read_source(options, given, refined=True)
    remark_lines(options.input, lines_of_estimates(estimates))
    for note in estimates.notes:
        warn(note)
    body = known_body(estimates, given)
    if body.note:
        warn(body.note)
    placed = body.hold(estimates)
    if placed.intrinsics is not None and (said := check_own_joints(placed, body.model)):
        warn(said)
    write_bodies(options, placed, body=body.model, fps=options.fps)
    return ExitStatus.DONE
