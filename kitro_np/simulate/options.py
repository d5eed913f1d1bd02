"""Options of ``kitro-np simulate``."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..body import BodyModel
from .errors import LEVELS
from .motion import read_motion
from .run import simulate, usual_errors
from .simulated import Simulated

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
"""Options that are numbers of :class:`EstimateErrors`."""


def add_simulation(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`simulate`, but for the body's."""
    add = command.add_argument
    add("--count", type=int, default=512, metavar="N", help="how many bodies (default: 512)")
    add("--seed", type=int, default=0, metavar="S", help="other bodies for another seed (default: 0)")
    add("--poses", metavar="FILE.npz", help="poses (M, 24, 3), y up (default: CMU mocap's, embedded)")
    add("--level", choices=tuple(LEVELS), help="errors as large as this network's (default: cliff)")
    group = command.add_argument_group("errors of the estimates, instead of the level's")
    for name, (unit, text) in ERRORS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=float, metavar=unit, help=text)
    text = "range of the true focal length, in parts of the image's diagonal"
    group.add_argument("--focal-ratio", nargs=2, type=float, metavar=("LOW", "HIGH"), help=text)


def simulation(body: BodyModel, options: argparse.Namespace) -> Simulated:
    """Simulate what the options ask for."""
    given = {name: getattr(options, name) for name in (*ERRORS, "focal_ratio")}
    errors = replace(
        usual_errors(body, options.level),
        **{name: value for name, value in given.items() if value is not None},
    )
    motion = None if options.poses is None else read_motion(options.poses)
    return simulate(motion, body, count=options.count, errors=errors, seed=options.seed)
