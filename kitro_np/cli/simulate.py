"""Command simulate."""

from __future__ import annotations

from dataclasses import replace

from ..formats.registry import write_arrays
from ..safe_io.atomic_write import check_output
from ..simulate import LEVELS, read_motion, simulate, usual_errors
from .body_options import add_body, read_body
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command, number, whole_number

ERRORS = {
    "rotation": ("FACTOR", "on the errors of all joints' rotations"),
    "in_plane": ("PART", "spread about the viewing axis, in parts of that across it"),
    "spread": ("SIGMA", "log-normal spread between bodies"),
    "shape_slope": ("PART", "of the true betas that is in the estimated ones"),
    "shape_noise": ("SPREAD", "of the rest of the estimated betas"),
    "depth": ("PART", "spread of the depth, beside the focal length's"),
    "shift": ("METRES", "spread of the translation across"),
    "keypoint_noise": ("PART", "spread of noisy keypoints, of the person's height"),
}
"""Options that are numbers of :class:`kitro_np.simulate.EstimateErrors`: their units and what they say."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "simulate", run, "make a benchmark")
    add = command.add_argument
    add("-o", "--output", metavar="OUT.npz", required=True, help="where to write the bodies")
    add("--force", action="store_true", help="write over an existing file")
    add_body(command)
    add("--count", type=whole_number, default=512, metavar="N", help="how many bodies (default: 512)")
    add("--seed", type=whole_number, default=0, metavar="S", help="another seed, other bodies (default: 0)")
    add("--poses", metavar="FILE.npz", help="poses (M, 24, 3), y up (default: CMU mocap's, embedded)")
    names = ", ".join(LEVELS)
    add("--level", metavar="NAME", help=f"errors as large as this network's: {names} (default: cliff)")
    group = command.add_argument_group("errors of the estimates, instead of the level's")
    for name, (unit, text) in ERRORS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=number, metavar=unit, help=text)
    text = "range of the true focal length, in parts of the image's diagonal"
    group.add_argument("--focal-ratio", nargs=2, type=number, metavar=("LOW", "HIGH"), help=text)


def run(options: Options) -> int:
    """Write bodies that are known, their keypoints, and estimates that err as a network's do."""
    check_output(options.output, force=options.force)
    body = read_body(options)
    given = {name: getattr(options, name) for name in (*ERRORS, "focal_ratio")}
    given = {name: value for name, value in given.items() if value is not None}
    errors = replace(usual_errors(body, options.level), **given)
    motion = None if options.poses is None else read_motion(options.poses)
    made = simulate(motion, body, count=options.count, errors=errors, seed=options.seed)
    target = write_arrays(options.output, made.arrays(), force=options.force)
    print(f"wrote {target}: {options.count} simulated {'body' if options.count == 1 else 'bodies'}")
    return ExitStatus.DONE
