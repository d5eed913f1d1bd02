"""Command report."""

from __future__ import annotations

from pathlib import Path

from ..report.page.choose import PEOPLE
from ..report.page.why import EXPLAINED
from ..report.page.write import write_report
from ..report.shown import shown_of_file
from ..safe_io.atomic_write import check_output
from .body_options import add_body, read_body
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command, integer
from .voice import remark, say_written

SUFFIXES = (".html", ".htm")
"""Of the page."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "report", run, "a page to look at a result: 3D, image, table")
    command.add_argument("input", metavar="RESULT.npz", help="what refine wrote")
    command.add_argument("-o", "--output", metavar="OUT.html", required=True, help="page to write")
    command.add_argument("--force", action="store_true", help="overwrite an existing file")
    command.add_argument(
        "--people",
        metavar="N",
        type=integer,
        default=PEOPLE,
        help=f"show the N most changed people (default: {PEOPLE})",
    )
    command.add_argument(
        "--explained",
        metavar="N",
        type=integer,
        default=EXPLAINED,
        help=f"say why N bodies were accepted or refused by map; 0 for none (default: {EXPLAINED})",
    )
    command.add_argument("--title", metavar="TEXT", help="of the page (default: the name of the result)")
    add_body(command, "the file's own")


def run(options: Options) -> int:
    """Write a page of a result: one HTML file that opens in a browser, without a network.

    It shows each body before and after in 3D and in the image, and how far it is from keypoints and truth.
    """
    check_output(options.output, force=options.force, suffixes=SUFFIXES)
    shown = shown_of_file(options.input, None if options.body is None else read_body(options))
    path = write_report(
        options.output,
        shown,
        title=options.title or Path(options.input).name,
        people=options.people,
        explained=options.explained,
        force=options.force,
        tell=remark,
    )
    say_written(path, f": {path.stat().st_size / 1e6:.1f} MB, opens in a browser")
    return ExitStatus.DONE
