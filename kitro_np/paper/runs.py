"""Runs: refine a data set by a sequence of methods, measure the result, and cache the measurements."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ..api import refine
from ..arrays.rotations import dot
from ..body.kinematics import forward_kinematics
from ..camera import backproject, with_focal_length
from ..evaluation.evaluate import MILLIMETRES, evaluate
from ..evaluation.metrics import Protocol, joint_errors, keypoint_errors
from ..formats.estimates import Estimates
from ..kitro.tree import bones
from ..safe_io.atomic_write import atomic_write
from .sets import DataSet

Step = Mapping[str, Any]
"""One refinement: options of :func:`kitro_np.refine`; a focal length changes the camera."""

METRICS = ("mpjpe", "pa_mpjpe", "pve", "pa_pve", "depth_error")

KEY_LENGTH = 24
"""Hexadecimal digits of a run's file name: 96 bits make collisions impossible in practice."""


class Run(NamedTuple):
    """Refinements of a data set, each applied to the result of the previous one; none for the estimate."""

    data: DataSet
    steps: tuple[Step, ...] = ()


class Measured(NamedTuple):
    """Measurements of a run.

    Attributes
    ----------
    mpjpe, pa_mpjpe, pve, pa_pve, depth_error : (N,) array
        In millimetres; NaN if estimate or truth are not finite.
    keypoint_error : (N,) array
        Mean distance from the run's keypoints, in pixels.
    joint_error : (J,) array
        Mean error of each joint relative to the root joint, in millimetres.
    refused : (N,) array
        Whether a body could not be refined: its estimate is measured.
    right_branch : (J,) array
        Fraction of the measured bodies in which each bone, indexed by its child joint, points to the true
        side of its ray.
    """

    mpjpe: Any
    pa_mpjpe: Any
    pve: Any
    pa_pve: Any
    depth_error: Any
    keypoint_error: Any
    joint_error: Any
    refused: Any
    right_branch: Any

    def mean(self, name: str) -> float:
        """Mean over the bodies with a finite error; NaN if there are none."""
        errors = getattr(self, name)
        finite = errors[np.isfinite(errors)]
        return float(np.mean(finite)) if finite.size else math.nan


def measure_run(run: Run) -> Measured:
    """Refine the data set of a run and measure the result."""
    data, (pose, betas, transl, keypoints_2d, _) = run.data, run.data.estimates
    intrinsics = cast("np.ndarray", data.estimates.intrinsics)  # a data set has a camera
    refused = np.zeros(len(pose), bool)
    for step in run.steps:
        options = dict(step)
        if "focal_length" in options:
            intrinsics, transl = with_focal_length(intrinsics, transl, options.pop("focal_length"))
        result = refine(pose, betas, transl, keypoints_2d, intrinsics, body=data.body, **options)
        pose, betas, transl = result.pose, result.betas, result.transl
        refused |= result.status != 0
    before, after = (data.estimates.pose, data.estimates.betas), (pose, betas)
    errors = evaluate(data.body, before, after, data.truth, metrics=METRICS, protocol=data.protocol).after
    refined = Estimates(pose, betas, transl, keypoints_2d, intrinsics)
    with np.errstate(all="ignore"):
        return Measured(**errors, refused=refused, **_errors_of_joints(data, refined))


def _errors_of_joints(data: DataSet, refined: Estimates) -> dict[str, Any]:
    """2D errors, errors of each joint, and the side of each bone."""
    skeleton = data.body.skeleton
    dtype = np.result_type(refined.pose, data.truth.pose)

    def joints_of(pose: np.ndarray, betas: np.ndarray) -> Any:
        like = skeleton.with_betas(betas.shape[1]).like(np.zeros(1, dtype))
        return forward_kinematics(like, pose.astype(dtype), betas.astype(dtype)).joints

    joints, truth = joints_of(refined.pose, refined.betas), joints_of(data.truth.pose, data.truth.betas)
    all_joints = Protocol("all joints", tuple(range(skeleton.num_joints)), (0,))
    rays = backproject(data.estimates.keypoints_2d, data.estimates.intrinsics)
    depth, true_depth = (dot(bones(skeleton, points), rays)[..., 0] for points in (joints, truth))
    finite = np.isfinite(depth) & np.isfinite(true_depth)
    in_camera = joints + refined.transl[:, None, :]
    return {
        "keypoint_error": keypoint_errors(in_camera, refined.keypoints_2d, refined.intrinsics).mean(axis=1),
        "joint_error": MILLIMETRES * np.nanmean(joint_errors(joints, truth, all_joints), axis=0),
        "right_branch": np.sum(finite & ((depth > 0) == (true_depth > 0)), axis=0) / np.sum(finite, axis=0),
    }


class Runs:
    """Runs that are measured once: measurements are cached in a folder, so that an interrupted call resumes.

    Parameters
    ----------
    folder : path
        Created with the first measurement.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def measure(self, run: Run) -> Measured:
        """Return the measurements of a run, from the cache if they are in it."""
        path = self._folder / f"{_key(run)}.npz"
        if path.is_file():
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    return Measured(**{name: kept[name] for name in Measured._fields})
            except Exception:  # a damaged file is measured again
                path.unlink()
        measured = measure_run(run)
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            name: np.asarray(value, np.float32) for name, value in measured._asdict().items()
        }
        atomic_write(path, lambda file: np.savez(file, **arrays))
        return measured._replace(**arrays)


def _key(run: Run) -> str:
    text = json.dumps(
        [_package_digest(), run.data.digest, [dict(step) for step in run.steps]], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


@cache
def _package_digest() -> str:
    """Digest of the package's sources and data: measurements of another version are not reused."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in (*sorted(folder.rglob("*.py")), *sorted(folder.rglob("*.npz"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
