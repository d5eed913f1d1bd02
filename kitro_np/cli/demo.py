"""Command demo."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from ..body import load_body
from ..evaluation.report import Measures
from ..formats.estimates import EstimateFile
from ..safe_io.atomic_write import check_output
from .eval import refine_and_measure
from .parser import Commands, Options, add_command
from .refinement import Refinement, write_result
from .summary import status_of_result
from .voice import remark


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "demo", run, "refine an embedded clip", streams=("output",))
    command.add_argument(
        "-o", "--output", metavar="OUT.npz", help="kitro-np-demo.npz by default, or the next unused name"
    )
    command.add_argument("--force", action="store_true", help="overwrite an existing file")


def run(options: Options) -> int:
    """Refine the embedded clip on its open body; print its errors and the path of the result."""
    output = options.output or unused_name("kitro-np-demo", ".npz")
    check_output(output, force=options.force)
    with as_file(files("kitro_np") / "data" / "demo_clip.npz") as clip:
        file = EstimateFile(clip)
        refinement = Refinement(load_body(file.body_name))
        result, report = refine_and_measure(file, refinement, Measures())
        inputs = refinement.inputs(file, refinement.read(file))
    about = "real motion (CMU mocap), simulated estimates"
    remark(f"A clip of {len(result)} frames of {about}, body {report.body}:")
    remark(report.text())
    write_result(output, result, inputs, force=options.force)
    return status_of_result(result)


def unused_name(stem: str, suffix: str) -> Path:
    """Return the first of stem.suffix, stem-2.suffix, ... that does not exist in the current folder."""
    count = 1
    while (path := Path(f"{stem}{'' if count == 1 else f'-{count}'}{suffix}")).exists():
        count += 1
    return path
