"""Command refine."""

from __future__ import annotations

from ..body import BodyModel
from ..body.names import other_body
from ..errors import InputError
from ..evaluation.truth_body import body_of_truth
from ..formats.estimates import EstimateFile, Estimates
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
    estimates = refinement.read(file)
    result = refinement.run(file, estimates)
    print_own_body(options, file, refinement.body)
    name = _name_of_body(file, estimates, refinement.body)
    if warning := other_body(str(file.path), name, "refined", refinement.body.name):
        print(warning)
    write_result(options.output, result, force=options.force)
    return ExitStatus.DONE


def _name_of_body(file: EstimateFile, estimates: Estimates, used: BodyModel) -> str:
    """Name of the body that a file is on, as it says or its truth tells; "" if neither does."""
    lead = estimates.lead(used.num_joints)
    try:
        truth = file.truth(used, lead)
    except InputError:  # there is none, or none that fits; nothing else here needs it
        return file.body_name
    return body_of_truth(file, truth, used, lead)
