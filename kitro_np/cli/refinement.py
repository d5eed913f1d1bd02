"""Refinement of a file's bodies in the commands refine, explain, eval and demo, and its options."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays.engines import CPU_ENGINES
from ..arrays.threads import usable_cores
from ..body import BodyModel
from ..body.load import default_body
from ..errors import InputError, one_of
from ..formats.estimates import TRUTH_KEYS, EstimateFile, Estimates
from ..formats.refined import Inputs, write_refined
from ..formats.videos import HYPOTHESES, VideoRows, in_time, videos_of_file
from ..keypoints.detectors import LAYOUTS
from ..refinement.tracks import check_fps
from ..result import RefineResult
from ..streaming.refiner import Refiner
from .body_options import add_body, read_body
from .method_options import add_method, read_method
from .parser import LAYOUT_FLAGS, Options, Parser, integer, number
from .progress import progress_bar
from .summary import log_speed, say_summary
from .timing import stopwatch
from .voice import LOG, named, remark, say_written

ESTIMATE_KEYS = "pred_theta, pred_beta, pred_cam, or pose, betas, transl; with intrinsics, keypoints_2d"
"""Keys of a file of estimates, for the help."""

KEPT = ("frame", "track", "person", "image_name", "image_size", "fps", "extrinsics")
"""Keys of a file of estimates that its results keep, as they are."""

FRAME_RATE = "frames a second (default: those of the file, else 30)"
"""Help of --fps."""


class Timed(NamedTuple):
    """A result, and how many seconds the refinement took."""

    result: RefineResult[np.ndarray]
    seconds: float


@dataclass(frozen=True)
class Refinement:
    """How the bodies of a file are refined: on which body, with what settings.

    Parameters
    ----------
    refiner : Refiner
    body : BodyModel
    """

    refiner: Refiner
    body: BodyModel

    def log(self) -> None:
        """Log how bodies are refined."""
        body, method = self.body, self.refiner.method
        LOG.info("body %s: %d joints, %d vertices", body.name, body.num_joints, body.num_vertices)
        options = ", ".join(f"{name}={value}" for name, value in vars(method).items())
        LOG.info("method %s: %s", method.name, options)
        engine, threads = self.refiner.engine or CPU_ENGINES[0], self.refiner.threads or usable_cores()
        LOG.info("engine %s, threads %d", engine, threads)

    def run(self, file: EstimateFile, estimates: Estimates) -> Timed:
        """Refine the estimates of a file, and measure how long that takes."""
        lead = estimates.lead(self.body.num_joints)
        videos, _ = self.videos(file, lead)
        as_videos = {} if videos is None else videos._asdict()
        self.log()
        with progress_bar(math.prod(lead), "refine") as progress, stopwatch() as watch:
            result = self.refiner.refine(file, estimates, self.body, as_videos, progress)
        log_speed(result, watch.seconds)
        return Timed(result, watch.seconds)

    def videos(self, file: EstimateFile, lead: tuple[int, ...]) -> tuple[VideoRows | None, str]:
        """Return the videos that a file's bodies, of leading shape `lead`, are refined as, if they are.

        Also return a sentence on why not, or on what is left out.
        """
        method, fps = self.refiner.method, self.refiner.fps
        if self.refiner.each_frame:
            return None, ""
        if not method.takes_videos:
            seen = file.get("track") is not None
            return None, f"{method.name} refines no videos: each frame is refined alone." if seen else ""
        videos, note = videos_of_file(file, lead, fps)
        hypotheses = int(getattr(method, "hypotheses", 0))
        if videos is not None and hypotheses:
            return None, HYPOTHESES
        if videos is None and getattr(method, "video", False) and not hypotheses:
            return in_time(lead, file.fps if fps is None else fps), ""
        return videos, note

    def lines(self, file: EstimateFile, lead: tuple[int, ...]) -> str:
        """Return what a result's summary is followed by: whether bodies were refined as videos."""
        videos, note = self.videos(file, lead)
        parts = (note, self.in_vain if videos is None else videos)
        return "".join(f"\n{part}" for part in parts if part)

    @property
    def in_vain(self) -> str:
        """A sentence on options of videos that change nothing where each frame is refined alone, if any."""
        held = getattr(self.refiner.method, "contacts", "none") != "none"
        rated = self.refiner.fps is not None
        flags = [flag for flag, given in (("--contacts", held), ("--fps", rated)) if given]
        if not flags:
            return ""
        verb = "changes" if len(flags) == 1 else "change"
        return f"{' and '.join(flags)} {verb} nothing of the bodies: each frame is refined alone."

    def inputs(self, file: EstimateFile, estimates: Estimates) -> Inputs:
        """Return what a result came from, to be written with it."""
        refiner, seen = self.refiner, None
        if refiner.method.takes_detections:
            seen = refiner.detections(file, estimates, self.body)
        known = {name: file.get(name) for name in KEPT}
        truth = {name: part for name in TRUTH_KEYS if (part := file.get(name)) is not None}
        if refiner.fps is not None:
            known["fps"] = np.array(refiner.fps)
        if refiner.image_size is not None:
            known["image_size"] = np.array(refiner.image_size)
        return Inputs(
            estimates.pose,
            estimates.betas,
            estimates.transl,
            estimates.keypoints_2d if seen is None else seen.keypoints_2d,
            estimates.intrinsics,
            None if seen is None else seen.confidence,
            refiner.layout(file) if seen is None else seen.keypoint_layout.name,
            source=named(str(file.path)),
            truth=truth,
            **known,  # type: ignore[arg-type]
        )


def add_refinement(command: Parser) -> None:
    """Add the options of :class:`Refinement`."""
    add_body(command, "the file's own if that is embedded, else open")
    add = command.add_argument_group("detections and camera").add_argument
    add("--keypoints-key", default="keypoints_2d", metavar="KEY", help="key of the keypoints in the file")
    add(
        *LAYOUT_FLAGS,
        metavar="NAME",
        help=f"of the keypoints: {', '.join(LAYOUTS)} (default: what their file tells, else {LAYOUTS[0]})",
    )
    text = "of keypoints of all the body's joints take those that this layout has, as if from a detector"
    add("--joints-of", metavar="NAME", help=text)
    add("--confidence-key", metavar="KEY", help="key of the confidences (default: confidence, if present)")
    add("--image-size", nargs=2, type=number, metavar=("W", "H"), help="in pixels, instead of intrinsics")
    add("--intrinsics", nargs=4, type=number, metavar=("FX", "FY", "CX", "CY"), help="instead of the file's")
    text = "in pixels: that of --image-size, or the one to convert the estimates to"
    add("--focal-length", type=number, metavar="PX", help=text)
    add_method(command)
    add = command.add_argument_group("videos").add_argument
    text = "refine each frame alone; by default map refines files with tracks as videos"
    add("--each-frame", action="store_true", help=f"{text} (keys track, or person and frame)")
    add = command.add_argument_group("execution").add_argument
    add("--engine", metavar="NAME", help="numba (kernels, the default) or array (stages)")
    add("--threads", type=integer, metavar="N", help="default: all cores available to the process")
    add("--strict", action="store_true", help="fail if any body cannot be refined")


def read_refinement(options: Options, file: EstimateFile | None = None) -> Refinement:
    """Return the refinement of the options, of a file by default on its own body."""
    refiner = read_refiner(options, threads=options.threads)
    body = refiner.body_of("" if file is None else file.body_name)
    assert isinstance(body, BodyModel)
    return Refinement(refiner, body)


def read_refiner(options: Options, *, threads: int | None) -> Refiner:
    """Return the settings of the options."""
    method = read_method(options)
    if options.each_frame and getattr(method, "video", False):
        raise InputError("each-frame: expected none with --video, got both.")
    return Refiner(
        body=None if options.body is None else read_body(options),
        method=method,
        keypoints_key=options.keypoints_key,
        keypoint_layout=read_layout(options),
        joints_of=_read_joints_of(options),
        confidence_key=options.confidence_key,
        image_size=options.image_size,
        intrinsics=read_intrinsics(options),
        focal_length=options.focal_length,
        engine=options.engine,
        threads=threads,
        strict=options.strict,
        each_frame=options.each_frame,
        fps=read_fps(options),
    )


def read_fps(options: Options) -> float | None:
    """Return the frames per second of the options, None if there are none."""
    return None if options.fps is None else check_fps(options.fps)


def read_layout(options: Options) -> str | None:
    """Return the layout of the options, None if there is none."""
    return None if options.layout is None else one_of("layout", options.layout, LAYOUTS)


def _read_joints_of(options: Options) -> str | None:
    if options.joints_of is not None and options.layout is not None:
        raise InputError("joints-of: expected none with --layout, got both.")
    return None if options.joints_of is None else one_of("joints-of", options.joints_of, LAYOUTS)


def read_intrinsics(options: Options) -> np.ndarray | None:
    """Return the camera matrix of the options, None if there is none."""
    if options.intrinsics is None:
        return None
    if options.focal_length is not None:
        raise InputError("focal-length: expected none beside --intrinsics, got both.")
    fx, fy, cx, cy = options.intrinsics
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def say_own_body(options: Options, file: EstimateFile, body: BodyModel) -> None:
    """Say that the body is the file's own, if that is neither asked for nor the usual one."""
    if options.body is None and body is not default_body():
        remark(f"{file.path} is on {body.name}, so that body is used.")


def write_result(
    path: str | os.PathLike[str],
    result: RefineResult[np.ndarray],
    inputs: Inputs,
    *,
    force: bool,
    lines: str = "",
) -> Path:
    """Write a complete result with poses as matrices; say its summary, lines after it, and the path."""
    target = write_refined(path, result.with_matrices(), inputs, force=force)
    say_summary(result, lines)
    say_written(target)
    return target
