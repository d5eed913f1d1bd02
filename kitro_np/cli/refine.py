"""Command refine."""

from __future__ import annotations

from ..formats.estimates import EstimateFile
from ..safe_io.atomic_write import check_output
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command
from .refinement import ESTIMATE_KEYS, add_refinement, read_refinement, write_result


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "refine", run, "refine the bodies of a file")
    command.add_argument("input", metavar="IN", help=f"estimates, .npz or torch's .pt: {ESTIMATE_KEYS}")
    command.add_argument("-o", "--output", metavar="OUT.npz", required=True, help="file to write")
    command.add_argument("--force", action="store_true", help="overwrite an existing file")
    add_refinement(command)


def run(options: Options) -> int:
    """Refine the bodies of a file and write the result."""
    check_output(options.output, force=options.force)
    refinement = read_refinement(options)
    file = EstimateFile(options.input)
    result = refinement.run(file, refinement.read(file))
    write_result(options.output, result, force=options.force)
    return ExitStatus.DONE
