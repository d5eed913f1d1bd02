"""Refinement of a file's bodies in the commands refine, explain, eval and demo, and its options."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ..api import refine
from ..arrays.engines import CPU_ENGINES
from ..arrays.threads import usable_cores
from ..body import BodyModel
from ..body.load import default_body
from ..errors import InputError, one_of
from ..formats.detections import Detections, read_detections
from ..formats.estimates import TRUTH_KEYS, EstimateFile, Estimates
from ..formats.refined import Inputs, write_refined
from ..formats.videos import HYPOTHESES, VideoRows, in_time, videos_of_file
from ..keypoints.detectors import LAYOUTS
from ..keypoints.layouts import find_layout
from ..refinement.method import METHODS, Method
from ..refinement.tracks import check_fps
from ..result import RefineResult
from ..typing import EngineName
from .body_options import add_body, read_body
from .method_options import DEFAULT_METHOD, add_method, read_method
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
    """How the bodies of a file are refined; defaults are those of :func:`kitro_np.refine`.

    Parameters
    ----------
    body : BodyModel
    method : Method
    keypoints_key : str
        Key of the keypoints in the file.
    keypoint_layout : str, optional
        Layout of the keypoints; by default the one that the file names, else the body's joints.
    joints_of : str, optional
        Of keypoints of all the body's joints take those that this layout has, as a detector's.
    confidence_key : str, optional
        Key of the keypoints' confidences in the file.
    image_size : (width, height), optional
        In pixels, instead of the file's intrinsics; it also says where the image ends.
    intrinsics : (3, 3) array, optional
        Instead of the file's.
    focal_length : float, optional
        In pixels: with `image_size` the camera's focal length, else the estimates are converted to it.
    engine : str, optional
    threads : int, optional
    strict : bool
    each_frame : bool
        Refine each frame alone, also of files with tracks.
    fps : float, optional
        Frames per second, instead of the file's.

    Raises
    ------
    InputError
        If `confidence_key` is given and the method does not weigh keypoints.
    """

    body: BodyModel = field(default_factory=default_body)
    method: Method = field(default_factory=lambda: METHODS[DEFAULT_METHOD]())
    keypoints_key: str = "keypoints_2d"
    keypoint_layout: str | None = None
    joints_of: str | None = None
    confidence_key: str | None = None
    image_size: tuple[float, float] | None = None
    intrinsics: np.ndarray | None = None
    focal_length: float | None = None
    engine: EngineName | None = None
    threads: int | None = None
    strict: bool = False
    each_frame: bool = False
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.confidence_key is not None and not self.method.takes_detections:
            takes = " or ".join(repr(other.name) for other in METHODS.values() if other.takes_detections)
            raise InputError(
                f"confidence-key: expected method={takes}, which weighs keypoints, got {self.method.name!r}."
            )

    def read(self, file: EstimateFile) -> Estimates:
        """Read a file's estimates, with the camera of the options."""
        need = self.image_size is None and self.intrinsics is None
        estimates = file.estimates(self.keypoints_key, need_intrinsics=need)
        return estimates.with_camera(self.intrinsics, self.image_size, self.focal_length)

    def log(self) -> None:
        """Log how bodies are refined."""
        body, method = self.body, self.method
        LOG.info("body %s: %d joints, %d vertices", body.name, body.num_joints, body.num_vertices)
        options = ", ".join(f"{name}={value}" for name, value in vars(method).items())
        LOG.info("method %s: %s", method.name, options)
        LOG.info("engine %s, threads %d", self.engine or CPU_ENGINES[0], self.threads or usable_cores())

    def run(self, file: EstimateFile, estimates: Estimates) -> Timed:
        """Refine the estimates of a file, and measure how long that takes."""
        # A method that does not support layouts refuses them.
        detections: dict[str, Any] = {
            "keypoints_2d": estimates.keypoints_2d,
            "keypoint_layout": self.joints_of or self.layout(file),
        }
        if self.method.takes_detections:
            detections = self.detections(file, estimates)._asdict()
            detections["image_size"] = self.image_size
        lead = estimates.lead(self.body.num_joints)
        videos, _ = self.videos(file, lead)
        self.log()
        with progress_bar(math.prod(lead), "refine") as progress, stopwatch() as watch:
            result = refine(
                estimates.pose,
                estimates.betas,
                estimates.transl,
                intrinsics=estimates.intrinsics,
                **detections,
                **({} if videos is None else videos._asdict()),
                body=self.body,
                method=self.method,
                engine=self.engine,
                threads=self.threads,
                strict=self.strict,
                progress=progress,
            )
        log_speed(result, watch.seconds)
        return Timed(result, watch.seconds)

    def videos(self, file: EstimateFile, lead: tuple[int, ...]) -> tuple[VideoRows | None, str]:
        """Return the videos that a file's bodies, of leading shape `lead`, are refined as, if they are.

        Also return a sentence on why not, or on what is left out.
        """
        if self.each_frame or not self.method.takes_videos:
            return None, ""
        videos, note = videos_of_file(file, lead, self.fps)
        if videos is not None and self._hypotheses:
            return None, HYPOTHESES
        if videos is None and getattr(self.method, "video", False) and not self._hypotheses:
            return in_time(lead, file.fps if self.fps is None else self.fps), ""
        return videos, note

    @property
    def _hypotheses(self) -> int:
        return int(getattr(self.method, "hypotheses", 0))

    def lines(self, file: EstimateFile, lead: tuple[int, ...]) -> str:
        """Return what a result's summary is followed by: whether bodies were refined as videos."""
        videos, note = self.videos(file, lead)
        parts = (note, self.in_vain if videos is None else videos)
        return "".join(f"\n{part}" for part in parts if part)

    @property
    def in_vain(self) -> str:
        """A sentence on options of videos that change nothing where each frame is refined alone, if any."""
        held = getattr(self.method, "contacts", "none") != "none"
        flags = [flag for flag, given in (("--contacts", held), ("--fps", self.fps is not None)) if given]
        if not flags:
            return ""
        verb = "changes" if len(flags) == 1 else "change"
        return f"{' and '.join(flags)} {verb} nothing of the bodies: each frame is refined alone."

    def layout(self, file: EstimateFile) -> str:
        """Return the layout of a file's keypoints."""
        return self.keypoint_layout or file.layout or LAYOUTS[0]

    def inputs(self, file: EstimateFile, estimates: Estimates) -> Inputs:
        """Return what a result came from, to be written with it."""
        seen = None
        if self.method.takes_detections:
            seen = self.detections(file, estimates)
        known = {name: file.get(name) for name in KEPT}
        truth = {name: part for name in TRUTH_KEYS if (part := file.get(name)) is not None}
        if self.fps is not None:
            known["fps"] = np.array(self.fps)
        if self.image_size is not None:
            known["image_size"] = np.array(self.image_size)
        return Inputs(
            estimates.pose,
            estimates.betas,
            estimates.transl,
            estimates.keypoints_2d if seen is None else seen.keypoints_2d,
            estimates.intrinsics,
            None if seen is None else seen.confidence,
            self.layout(file) if seen is None else seen.keypoint_layout.name,
            source=named(str(file.path)),
            truth=truth,
            **known,  # type: ignore[arg-type]
        )

    def detections(self, file: EstimateFile, estimates: Estimates) -> Detections:
        """Return the detections of a file."""
        shape, layout = estimates.keypoints_2d.shape, find_layout(self.layout(file), self.body)
        count, joints = shape[-2] if len(shape) > 1 else 0, self.body.num_joints
        if self.joints_of is not None:
            if count != joints:
                raise InputError(f"joints-of: expected keypoints of the body's {joints} joints, got {count}.")
            return read_detections(file, estimates, self.body, self.joints_of, self.confidence_key)
        if count != layout.num_points:
            how = f"; --joints-of {layout.name} takes those of its joints" if count == joints else ""
            raise InputError(
                f"{file.path}: keypoints_2d: expected {layout.num_points} points, as {layout.name} has, "
                f"got {count}{how}."
            )
        return read_detections(file, estimates, self.body, layout, self.confidence_key)


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
    engine = None
    if options.engine is not None:
        engine = cast("EngineName", one_of("engine", options.engine, CPU_ENGINES))
    method = read_method(options)
    if options.each_frame and getattr(method, "video", False):
        raise InputError("each-frame: expected none with --video, got both.")
    return Refinement(
        method=method,
        keypoints_key=options.keypoints_key,
        keypoint_layout=read_layout(options),
        joints_of=_read_joints_of(options),
        confidence_key=options.confidence_key,
        image_size=None if options.image_size is None else tuple(options.image_size),
        intrinsics=read_intrinsics(options),
        focal_length=options.focal_length,
        engine=engine,
        threads=options.threads,
        strict=options.strict,
        each_frame=options.each_frame,
        fps=read_fps(options),
        body=read_body(options, own="" if file is None else file.body_name),
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
