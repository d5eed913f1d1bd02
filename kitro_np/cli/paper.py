"""Command paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..body import BodyModel
from ..errors import InputError
from ..evaluation.protocols import Protocol, regressed_protocol
from ..paper import video
from ..paper.command import EXPERIMENTS, INDEX, write_paper, write_videos
from ..paper.sets import FULL, QUICK, Sets, file_sets, simulated_sets
from .body_options import BODY_DEFAULTS, add_body, read_body
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command, number
from .progress import elapsed_time, progress_bar
from .voice import say_written

DATA_DEFAULTS = {**BODY_DEFAULTS, "regressor": None, "image_size": None}
"""Options that apply to --data only, and their defaults."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "paper", run, "the paper's experiments")
    add = command.add_argument
    add("-o", "--output", metavar="DIR", type=Path, required=True, help="folder for the pages")
    names = ", ".join(EXPERIMENTS)
    add(
        "--table",
        action="append",
        metavar="NAME",
        help=f"one of {names}; can be repeated (default: all)",
    )
    text = "instead, a page of videos: each frame alone, smoothed, and all frames of a track together"
    add("--video", action="store_true", help=text)
    text = f"{QUICK} bodies instead of {FULL}, or {video.QUICK[0]} tracks instead of {video.FULL[0]}"
    add("--quick", action="store_true", help=f"simulate {text}")
    add(
        "--data",
        nargs="+",
        metavar="FILE",
        type=Path,
        default=[],
        help="files as for eval, with --video one of tracks, instead of simulated data; --body applies",
    )
    add("--regressor", metavar="FILE.npy", help="J_regressor_h36m.npy: compare its 14 joints in --data")
    add("--image-size", nargs=2, type=number, metavar=("W", "H"), help="in pixels, instead of intrinsics")
    add_body(command, "each file's own if that is embedded, else open")


def run(options: Options) -> int:
    """Run the paper's experiments on simulated data or on files, and write pages with tables and figures.

    Measurements are cached: the same command resumes after an interruption.
    """

    def progress(runs: int) -> Any:
        return progress_bar(runs, "measure", unit="runs")

    if options.video:
        with elapsed_time("prepare"):
            videos = read_videos(options)
        page = write_videos(videos, options.output, progress)
        say_written(page)
        return ExitStatus.DONE
    try:
        with elapsed_time("prepare"):
            sets = read_sets(options)
        pages = write_paper(sets, options.output, options.table or tuple(EXPERIMENTS), progress)
    except KeyboardInterrupt:
        print("kitro-np: stopped; the same command resumes.", file=sys.stderr)
        return ExitStatus.STOPPED
    count = "1 page" if len(pages) == 1 else f"{len(pages)} pages"
    say_written(options.output / INDEX, f" and {count} in the same folder")
    return ExitStatus.DONE


def read_sets(options: Options) -> Sets:
    """Read the files, which are also base estimates of Table 3; simulate the other data sets."""
    count = QUICK if options.quick else FULL
    if not options.data:
        _check_no_data(options)
        return simulated_sets(count)
    body, protocol = _read_data_options(options)
    data = file_sets(options.data, body, protocol, image_size=options.image_size)
    sets = simulated_sets(count)
    return sets._replace(hands=data) if data[0].hand else sets._replace(people=data, bases=data)


def read_videos(options: Options) -> video.VideoSet:
    """Read the file of tracks, or simulate videos."""
    if options.table:
        raise InputError(f"table: expected none with --video, got {options.table[0]}.")
    if not options.data:
        _check_no_data(options)
        return video.simulated_videos(*(video.QUICK if options.quick else video.FULL))
    if len(options.data) > 1:
        raise InputError(f"data: expected one file with --video, got {len(options.data)}.")
    return video.videos_of_data(options.data[0], *_read_data_options(options), image_size=options.image_size)


def _check_no_data(options: Options) -> None:
    """InputError for options of --data: one without effect is an error."""
    for name, default in DATA_DEFAULTS.items():
        if (value := getattr(options, name)) != default:
            flag = name.replace("_", "-")
            raise InputError(f"{flag}: expected --data, which this option applies to, got only {value}.")


def _read_data_options(options: Options) -> tuple[BodyModel | None, Protocol | None]:
    """Return the body and the protocol of the options, None for those of the files."""
    protocol = None if options.regressor is None else regressed_protocol(options.regressor)
    return None if options.body is None else read_body(options), protocol
