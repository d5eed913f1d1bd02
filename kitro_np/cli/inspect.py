"""Command inspect."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InputError
from ..formats.estimates_in.read import find_reader, known_readers, read_estimates
from ..formats.estimates_in.records import MissingBodyError
from ..formats.keypoints_in.read import find_keypoint_reader, read_keypoints
from ..formats.keypoints_in.registry import keypoint_formats
from ..formats.people import PeopleEstimates
from ..matching.check import check_projection
from ..matching.known_body import known_body
from ..safe_io.memory import RAISED_BY
from .description import Line, lines_of_estimates, lines_of_keypoints, print_lines
from .exit_status import ExitStatus
from .parser import LAYOUT_FLAGS, Commands, Options, add_command, number
from .refinement import read_layout
from .source import add_source, opened, read_source
from .voice import named


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "inspect", run, "what a file of estimates or keypoints holds", streams=("input",)
    )
    command.add_argument(
        "input", metavar="FILE", nargs="?", help="file or folder; none lists all that are known"
    )
    add_source(command)
    command.add_argument(*LAYOUT_FLAGS, metavar="NAME", help="of the keypoints, where the file does not tell")
    text = "in pixels, where the file does not tell"
    command.add_argument("--image-size", nargs=2, type=number, metavar=("W", "H"), help=text)
    command.set_defaults(focal_length=None)


def run(options: Options) -> int:
    """Print what a file or folder is, how many people and frames it has, which camera, and what is missing.

    Without a file, print the programs whose files are read.
    """
    if options.input is None:
        print("estimates of", ", ".join(sorted({reader.name for reader in known_readers()})))
        print("keypoints of", ", ".join(sorted({form.name for form in keypoint_formats()})))
        return ExitStatus.DONE
    said, source = "", opened(options.input)
    reader = find_reader(source)
    if options.format is not None or reader is not None:
        try:
            print_lines(options.input, _lines(read_source(options, source=source)))
            return ExitStatus.DONE
        except InputError as error:
            said = str(error)
            if find_keypoint_reader(options.input) is None:
                if reader is None or not isinstance(error, MissingBodyError):
                    raise
                print_lines(options.input, [("estimates", f"of {reader.name}"), ("missing", said)])
                return ExitStatus.DONE
    elif find_keypoint_reader(options.input) is None:
        raise _unknown(options)
    keypoints = read_keypoints(options.input, read_layout(options), image_size=options.image_size)
    print_lines(options.input, lines_of_keypoints(keypoints))
    for note in (*keypoints.notes, *([said] if said else [])):
        print(named(f"  {note}"))
    return ExitStatus.DONE


def _unknown(options: Options) -> InputError:
    """Say what a file holds that is neither estimates nor keypoints."""
    got: dict[str, None] = {}
    for read in (read_estimates, read_keypoints):
        try:
            read(options.input)
        except InputError as error:
            if RAISED_BY in str(error):
                raise
            got[str(error).partition(", got ")[2].rstrip(".")] = None
    return InputError(
        f"{options.input}: expected estimates or keypoints of a program that kitro-np inspect lists, "
        f"got {'; as keypoints, '.join(got)}."
    )


def _lines(estimates: PeopleEstimates) -> Iterator[Line]:
    yield from lines_of_estimates(estimates)
    if estimates.keypoints is not None:
        yield from lines_of_keypoints(estimates.keypoints)
    else:
        yield "keypoints", "none: give refine those of a detector, --keypoints FILE_OR_DIR"
    if estimates.joints_2d is not None:
        yield "2D joints", _fit(estimates)
    for note in estimates.notes:
        yield "note", note


def _fit(estimates: PeopleEstimates) -> str:
    """Say whether the program's own joints are where the camera sees the bodies."""
    if estimates.intrinsics is None:
        return "the program's own"
    check = check_projection(estimates)
    on = " on the open body, as there is no file of SMPL" if known_body(estimates).note else ""
    where = f"{check.pixels:.1f} px ({check.heights:.1%} of a height) from the projected bodies{on}"
    return f"{check}" if not check.fits else f"the program's own, {where}"
