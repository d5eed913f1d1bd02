"""Refinement of a file's bodies in the commands refine, eval and demo, and its options."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from ..api import refine
from ..arrays.engines import CPU_ENGINES
from ..body import BodyModel
from ..body.load import default_body
from ..camera import default_intrinsics, with_focal_length
from ..errors import InputError, one_of
from ..formats.detections import read_detections
from ..formats.estimates import EstimateFile, Estimates
from ..keypoints.detectors import LAYOUTS
from ..refinement.method import METHODS, Method
from ..result import RefineResult
from ..typing import EngineName
from .body_options import add_body, read_body
from .method_options import DEFAULT_METHOD, add_method, read_method
from .parser import Options, Parser, integer, number
from .progress import progress_bar

ESTIMATE_KEYS = "pred_theta, pred_beta, pred_cam, or pose, betas, transl; with intrinsics, keypoints_2d"
"""Keys of a file of estimates, for the help."""


@dataclass(frozen=True)
class Refinement:
    """How the bodies of a file are refined; defaults are those of :func:`kitro_np.refine`.

    Parameters
    ----------
    body : BodyModel
    method : Method
    keypoints_key : str
        Key of the keypoints in the file.
    keypoint_layout : str
        Layout of the keypoints.
    confidence_key : str, optional
        Key of the keypoints' confidences in the file.
    image_size : (width, height), optional
        In pixels, instead of the file's intrinsics; it also says where the image ends.
    focal_length : float, optional
        In pixels: with `image_size` the camera's focal length, else the estimates are converted to it.
    engine : str, optional
    threads : int, optional
    strict : bool

    Raises
    ------
    InputError
        If `confidence_key` is given and the method does not weigh keypoints.
    """

    body: BodyModel = field(default_factory=default_body)
    method: Method = field(default_factory=lambda: METHODS[DEFAULT_METHOD]())
    keypoints_key: str = "keypoints_2d"
    keypoint_layout: str = "smpl24"
    confidence_key: str | None = None
    image_size: tuple[float, float] | None = None
    focal_length: float | None = None
    engine: EngineName | None = None
    threads: int | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.confidence_key is not None and not self.method.takes_detections:
            takes = " or ".join(repr(other.name) for other in METHODS.values() if other.takes_detections)
            raise InputError(
                f"confidence-key: expected method={takes}, which weighs keypoints, got {self.method.name!r}."
            )

    def read(self, file: EstimateFile) -> Estimates:
        """Read a file's estimates, with the camera of the options."""
        estimates = file.estimates(self.keypoints_key, need_intrinsics=self.image_size is None)
        if self.image_size is not None:
            return estimates._replace(intrinsics=default_intrinsics(self.image_size, self.focal_length))
        if self.focal_length is not None:
            intrinsics = cast("np.ndarray", estimates.intrinsics)  # needed without an image size
            changed = with_focal_length(intrinsics, estimates.transl, self.focal_length)
            return estimates._replace(intrinsics=changed.intrinsics, transl=changed.transl)
        return estimates

    def run(self, file: EstimateFile, estimates: Estimates) -> RefineResult[np.ndarray]:
        """Refine the estimates of a file."""
        # A method that does not support layouts refuses them.
        detections: dict[str, Any] = {
            "keypoints_2d": estimates.keypoints_2d,
            "keypoint_layout": self.keypoint_layout,
        }
        if self.method.takes_detections:
            detections = read_detections(
                file, estimates, self.body, self.keypoint_layout, self.confidence_key
            )._asdict()
            detections["image_size"] = self.image_size
        with progress_bar(math.prod(estimates.lead(self.body.num_joints)), "refine") as progress:
            return refine(
                estimates.pose,
                estimates.betas,
                estimates.transl,
                intrinsics=estimates.intrinsics,
                **detections,
                body=self.body,
                method=self.method,
                engine=self.engine,
                threads=self.threads,
                strict=self.strict,
                progress=progress,
            )


def add_refinement(command: Parser) -> None:
    """Add the options of :class:`Refinement`."""
    add_body(command, "the file's own if that is embedded, else open")
    add = command.add_argument_group("detections and camera").add_argument
    add("--keypoints-key", default="keypoints_2d", metavar="KEY", help="key of the keypoints in the file")
    add(
        "--keypoint-layout",
        default=LAYOUTS[0],
        metavar="NAME",
        help=f"layout of the keypoints: {', '.join(LAYOUTS)}; for keypoints of all the body's joints, those "
        f"that are visible (default: {LAYOUTS[0]})",
    )
    add("--confidence-key", metavar="KEY", help="key of the confidences (default: confidence, if present)")
    add("--image-size", nargs=2, type=number, metavar=("W", "H"), help="in pixels, instead of intrinsics")
    text = "in pixels: that of --image-size, or the one to convert the estimates to"
    add("--focal-length", type=number, metavar="PX", help=text)
    add_method(command)
    add = command.add_argument_group("execution").add_argument
    add("--engine", metavar="NAME", help="numba (kernels, the default) or array (stages)")
    add("--threads", type=integer, metavar="N", help="default: all cores available to the process")
    add("--strict", action="store_true", help="fail if any body cannot be refined")


def read_refinement(options: Options, file: EstimateFile | None = None) -> Refinement:
    """Return the refinement of the options, of a file by default on its own body."""
    engine = None
    if options.engine is not None:
        engine = cast("EngineName", one_of("engine", options.engine, CPU_ENGINES))
    return Refinement(
        method=read_method(options),
        keypoints_key=options.keypoints_key,
        keypoint_layout=one_of("keypoint-layout", options.keypoint_layout, LAYOUTS),
        confidence_key=options.confidence_key,
        image_size=None if options.image_size is None else tuple(options.image_size),
        focal_length=options.focal_length,
        engine=engine,
        threads=options.threads,
        strict=options.strict,
        body=read_body(options, own="" if file is None else file.body_name),
    )


def print_own_body(options: Options, file: EstimateFile, body: BodyModel) -> None:
    """Say that the body is the file's own, if that is neither asked for nor the usual one."""
    if options.body is None and body is not default_body():
        print(f"{file.path} is on {body.name}, so that body is used.")


def write_result(path: str | os.PathLike[str], result: RefineResult[np.ndarray], *, force: bool) -> None:
    """Write a result with poses as matrices; print its summary and the path."""
    target = result.with_matrices().save(path, force=force)
    print(result.summary())
    print(f"wrote {target}")
