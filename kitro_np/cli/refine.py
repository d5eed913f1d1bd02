"""Command refine."""

from __future__ import annotations

from ..body.names import other_body
from ..formats.estimates import EstimateFile
from ..safe_io.atomic_write import check_output
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command
from .refinement import ESTIMATE_KEYS, add_refinement, print_own_body, read_refinement, write_result


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
    file = EstimateFile(options.input)
    refinement = read_refinement(options, file)
    result = refinement.run(file, refinement.read(file))
    print_own_body(options, file, refinement.body)
    if warning := other_body(str(file.path), file.body_name, "refined", refinement.body.name):
        print(warning)
    write_result(options.output, result, force=options.force)
    return ExitStatus.DONE
