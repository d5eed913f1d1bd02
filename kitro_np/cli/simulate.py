"""Command simulate."""

from __future__ import annotations

from dataclasses import replace

from ..body import BodyModel
from ..errors import InputError
from ..formats.registry import write_arrays
from ..safe_io.atomic_write import check_output
from ..simulate import (
    LEVELS,
    EstimateErrors,
    network_errors,
    read_motion,
    simulate,
    simulate_video,
    usual_errors,
)
from ..simulate.run import DEFAULT_COUNT
from ..simulate.video import DEFAULT_FPS, DEFAULT_FRAMES, DEFAULT_TRACKS
from .body_options import add_body, read_body
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command, integer, number
from .progress import elapsed_time
from .voice import say_written

ERRORS = {
    "rotation": ("FACTOR", "factor on the errors of all joints' rotations"),
    "in_plane": ("RATIO", "rotation error about the viewing axis, relative to that about other axes"),
    "spread": ("SIGMA", "log-normal spread between bodies"),
    "shape_slope": ("SLOPE", "of the estimated betas over the true ones"),
    "shape_noise": ("SIGMA", "of the noise of the estimated betas"),
    "depth": ("SIGMA", "relative error of the depth, in addition to the focal length's"),
    "shift": ("METRES", "error of the translation across the viewing direction"),
    "keypoint_noise": ("RATIO", "noise of the noisy keypoints, relative to the person's height"),
    "turn": ("DEGREES", "rotation of the whole body about axes perpendicular to the viewing axis"),
    "flatten": ("FACTOR", "factor on depths relative to the root"),
    "agreement": ("FRACTION", "how far joints are moved back to where the image shows them, 0 to 1"),
    "swapped": ("FRACTION", "bodies whose left and right are exchanged"),
}
"""Numeric fields of :class:`kitro_np.simulate.EstimateErrors` with an option: metavar and help."""

OF_VIDEOS = {
    "tracks": ("N", integer, f"people, each in front of a camera of their own (default: {DEFAULT_TRACKS})"),
    "frames": ("N", integer, f"frames of a track, fewer where motion ends (default: {DEFAULT_FRAMES})"),
    "fps": ("F", number, f"frames per second (default: {DEFAULT_FPS:g})"),
}
"""Options of --video: metavar, type and help."""

OF_IMAGES = ("count", "strength", "turn", "flatten", "agreement", "swapped")
"""Options that --video does not take."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "simulate", run, "make a benchmark", streams=("output",))
    add = command.add_argument
    add("-o", "--output", metavar="OUT.npz", required=True, help="file to write")
    add("--force", action="store_true", help="overwrite an existing file")
    add_body(command)
    add(
        "--count",
        type=integer,
        metavar="N",
        help=f"number of bodies (default: {DEFAULT_COUNT})",
    )
    add("--seed", type=integer, default=0, metavar="S", help="seed of the random numbers (default: 0)")
    text = "poses (M, 24, 3), y up, or motion as in AMASS (default: embedded CMU mocap)"
    add("--poses", metavar="FILE.npz", help=text)
    names = ", ".join(LEVELS)
    add("--level", metavar="NAME", help=f"errors as large as this network's: {names} (default: cliff)")
    text = "errors between cliff's, 0, and mediapipe's, 1, instead of a level's"
    add("--strength", type=number, metavar="X", help=text)
    group = command.add_argument_group("errors, instead of the level's")
    for name, (unit, text) in ERRORS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=number, metavar=unit, help=text)
    text = "range of the true focal length, relative to the image's diagonal"
    group.add_argument("--focal-ratio", nargs=2, type=number, metavar=("LOW", "HIGH"), help=text)
    group = command.add_argument_group("videos")
    text = "people who move, with estimates and detections that err over time as in videos"
    group.add_argument("--video", action="store_true", help=text)
    for name, (unit, kind, text) in OF_VIDEOS.items():
        group.add_argument(f"--{name}", type=kind, metavar=unit, help=text)
    text = "also write how each camera moves, for refine and eval: key extrinsics, world to camera"
    group.add_argument("--extrinsics", action="store_true", default=None, help=text)


def run(options: Options) -> int:
    """Write true bodies, their keypoints, and estimates with a network's typical errors."""
    check_output(options.output, force=options.force)
    for name in OF_IMAGES if options.video else (*OF_VIDEOS, "extrinsics"):
        if (value := getattr(options, name)) is not None:
            word = "with" if options.video else "without"
            got = "it" if value is True else f"{value:g}"
            raise InputError(f"{name}: expected none {word} --video, got {got}.")
    body = read_body(options)
    changed = {name: getattr(options, name) for name in (*ERRORS, "focal_ratio")}
    changed = {name: value for name, value in changed.items() if value is not None}
    errors = replace(read_errors(options, body), **changed)
    motion = None if options.poses is None else read_motion(options.poses)
    if options.video:
        given = {name: getattr(options, name) for name in OF_VIDEOS if getattr(options, name) is not None}
        with elapsed_time("simulate"):
            video = simulate_video(motion, body, **given, errors=errors, seed=options.seed)
        arrays = video.arrays(extrinsics=bool(options.extrinsics))
        tracks = int(video.track[-1]) + 1
        what = f"{tracks} simulated {'track' if tracks == 1 else 'tracks'}, {len(video.track)} frames"
    else:
        count = DEFAULT_COUNT if options.count is None else options.count
        with elapsed_time("simulate"):
            arrays = simulate(motion, body, count=count, errors=errors, seed=options.seed).arrays()
        what = f"{count} simulated {'body' if count == 1 else 'bodies'}"
    target = write_arrays(options.output, arrays, force=options.force)
    say_written(target, f": {what}")
    return ExitStatus.DONE


def read_errors(options: Options, body: BodyModel) -> EstimateErrors:
    """Return the errors of the options --level or --strength."""
    if options.strength is None:
        return usual_errors(body, options.level)
    if options.level is not None:
        raise InputError(f"strength: expected none with --level, got {options.strength:g}.")
    return network_errors(options.strength)
