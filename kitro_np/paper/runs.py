"""Runs: refine a data set by one method after the other, measure it, and keep what was measured."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..api import refine
from ..arrays.rotations import dot
from ..body.kinematics import forward_kinematics
from ..camera import backproject, with_focal_length
from ..evaluation.evaluate import evaluate
from ..evaluation.metrics import Protocol, joint_errors, keypoint_errors
from ..formats.estimates import Estimates
from ..kitro.tree import bones
from ..safe_io.atomic_write import atomic_write
from .sets import DataSet

Step = Mapping[str, Any]
"""One refinement: options of :func:`kitro_np.refine`; a focal length replaces the camera's."""

METRICS = ("mpjpe", "pa_mpjpe", "pve", "pa_pve", "depth_error")


class Run(NamedTuple):
    """Refinements of a data set, each on top of the one before; none is the estimate itself."""

    data: DataSet
    steps: tuple[Step, ...] = ()


class Measured(NamedTuple):
    """What is known of a run.

    Attributes
    ----------
    mpjpe, pa_mpjpe, pve, pa_pve, depth_error : (N,) array
        In millimetres, NaN where estimate or truth are not finite.
    keypoint_error : (N,) array
        In pixels, to the keypoints that the run was given.
    joint_error : (J,) array
        Mean error of every joint about the root joint, in millimetres.
    refused : (N,) array
        Whether a body could not be refined, and counts as its estimate.
    right_branch : (J,) array
        In which share of the bodies that could be measured each bone, named by its child, points to the true
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
        """Mean over the bodies that could be measured; NaN if there are none."""
        errors = getattr(self, name)
        known = errors[np.isfinite(errors)]
        return float(np.mean(known)) if known.size else math.nan


def measure_run(run: Run) -> Measured:
    """Refine and measure."""
    data, (pose, betas, transl, keypoints_2d, intrinsics) = run.data, run.data.estimates
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
    """Errors in the image, of each joint, and of each bone's side."""
    skeleton = data.body.skeleton
    number = np.result_type(refined.pose, data.truth.pose)
    with_like = skeleton.with_betas(refined.betas.shape[1]).like(np.zeros(1, number))
    joints = forward_kinematics(with_like, refined.pose.astype(number), refined.betas.astype(number)).joints
    true_skeleton = skeleton.with_betas(data.truth.betas.shape[1]).like(np.zeros(1, number))
    truth = forward_kinematics(
        true_skeleton, data.truth.pose.astype(number), data.truth.betas.astype(number)
    ).joints
    every = Protocol("all joints", tuple(range(skeleton.num_joints)), (0,))
    rays = backproject(data.estimates.keypoints_2d, data.estimates.intrinsics)
    along, truly = (dot(bones(skeleton, points), rays)[..., 0] for points in (joints, truth))
    known = np.isfinite(along) & np.isfinite(truly)
    placed = joints + refined.transl[:, None, :]
    return {
        "keypoint_error": keypoint_errors(placed, refined.keypoints_2d, refined.intrinsics).mean(axis=1),
        "joint_error": 1000 * np.nanmean(joint_errors(joints, truth, every), axis=0),
        "right_branch": np.sum(known & ((along > 0) == (truly > 0)), axis=0) / np.sum(known, axis=0),
    }


class Runs:
    """Runs that are measured once: what is known stays in a folder, so that a later call goes on from there.

    Parameters
    ----------
    folder : path
        Made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def measure(self, run: Run) -> Measured:
        """Return what was measured of a run, now or before."""
        path = self._folder / f"{_key(run)}.npz"
        if path.is_file():
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    return Measured(**{name: kept[name] for name in Measured._fields})
            except Exception:  # a damaged file is as good as none
                path.unlink()
        measured = measure_run(run)
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            name: np.asarray(value, np.float32) for name, value in measured._asdict().items()
        }
        atomic_write(path, lambda file: np.savez(file, **arrays))
        return measured._replace(**arrays)


def _key(run: Run) -> str:
    text = json.dumps([_sources(), run.data.digest, [dict(step) for step in run.steps]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _sources() -> str:
    """Name of this version of the package: what another one measured is measured again."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in (*sorted(folder.rglob("*.py")), *sorted(folder.rglob("*.npz"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
