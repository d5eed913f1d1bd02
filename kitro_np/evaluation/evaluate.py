"""Evaluation: errors against the ground truth before and after refinement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from ..arrays.poses import pose_tail
from ..arrays.threads import each
from ..body.model import BodyModel, BodyOutput
from ..errors import InputError, one_of
from .metrics import (
    LSP14,
    Protocol,
    depth_errors,
    joint_errors,
    keypoint_errors,
    measure,
    pa_joint_errors,
    share_improved,
)

BLOCK = 32
"""Bodies whose vertices a thread compares at a time: about 8 MB in float32, 25 MB with PA-PVE."""

FAR = 1e6
"""Coordinate in metres that no joint of a body reaches; squares of much larger numbers overflow float32."""

MILLIMETRES = 1000
"""Millimetres per metre."""

METRICS = {
    "mpjpe": "MPJPE",
    "pa_mpjpe": "PA-MPJPE",
    "pve": "PVE",
    "pa_pve": "PA-PVE",
    "depth_error": "depth",
}
"""Metrics of 3D bodies, and their titles in tables."""

ON_IMAGE = "reprojection_error"
"""Metric added by :meth:`Evaluation.on_image`: distance of projected joints from keypoints, in pixels."""

TITLES = {**METRICS, ON_IMAGE: "2D, px"}
"""All metrics, and their titles in tables."""

OF_JOINTS = {"mpjpe": joint_errors, "pa_mpjpe": pa_joint_errors, "depth_error": depth_errors}
"""Metrics that are means over the protocol's joints, and the functions of the joints' errors."""

OF_VERTICES = ("pve", "pa_pve")
"""Metrics that need vertices, which take most of the time."""

USUAL = ("mpjpe", "pa_mpjpe", "pve")
"""Metrics of the paper's tables."""


@dataclass(frozen=True)
class Evaluation:
    """Errors of each body before and after refinement.

    Parameters
    ----------
    before, after : dict
        Errors by metric, (N,) each, in millimetres; the same metrics in both. A metric not in METRICS has its
        name as title, which should contain its unit if that is another.
    joints_before, joints_after : dict
        Errors of each joint of the protocol, (N, K), for metrics that are means over joints.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    joints_before: dict[str, Any] = field(default_factory=dict)
    joints_after: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> Any:
        """Mask of bodies whose errors are finite; bodies with NaN in estimate or truth are not averaged."""
        return np.all(np.isfinite(np.stack([*self.before.values(), *self.after.values()])), axis=0)

    def as_dict(self) -> dict[str, Any]:
        """Return the mean errors, and the fraction of bodies whose first error, MPJPE, decreased."""
        measured = self.measured
        means = [
            {name: float(np.mean(values[measured])) for name, values in errors.items()}
            for errors in (self.before, self.after)
        ]
        first = next(iter(self.before))
        improved = share_improved(self.before[first][measured], self.after[first][measured])
        return {"before": means[0], "after": means[1], "improved": improved}

    def table(self) -> str:
        """Format the mean errors as text."""
        means = self.as_dict()
        titles = {name: TITLES.get(name, name) for name in self.before}
        lines = [f"{'mm':<10}{'before':>9}{'after':>9}"]
        lines += [
            f"{title:<10}{means['before'][name]:>9.2f}{means['after'][name]:>9.2f}"
            for name, title in titles.items()
        ]
        count, measured = len(self.measured), int(self.measured.sum())
        first = next(iter(titles.values()))
        lines.append(f"{first} improved in {100 * means['improved']:.1f}% of {_bodies(measured)}")
        if measured < count:
            lines.append(f"{_bodies(count - measured)} left out: NaN or infinity in estimate or truth")
        return "\n".join(lines)

    def on_image(self, before: Any, after: Any, protocol: Protocol | None = None) -> Evaluation:
        """Add the mean of the 2D errors (N, J) of all joints, before and after.

        The errors of each joint are added, too, for a `protocol` that selects joints of the skeleton.
        """
        means, joints = {}, {}
        for side, errors in (("before", before), ("after", after)):
            field_name = f"joints_{side}"
            means[side] = {**getattr(self, side), ON_IMAGE: np.mean(errors, axis=1)}
            if protocol is not None and protocol.regressor is None:
                joints[field_name] = {
                    **getattr(self, field_name),
                    ON_IMAGE: errors[:, list(protocol.joints)],
                }
        return replace(self, **means, **joints)

    def only(self, names: Sequence[str]) -> Evaluation:
        """Return only these metrics, in this order; InputError if no body has finite errors in them."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        selected = replace(
            self,
            **{
                part: {name: errors[name] for name in names if name in errors}
                for part, errors in parts.items()
            },
        )
        selected.check()
        return selected

    def check(self) -> None:
        """Raise InputError if no body has finite errors."""
        measured = self.measured
        if not measured.any():
            count = _bodies(len(measured))
            raise InputError(
                f"estimate and truth: expected at least one body that is finite in both, "
                f"got none among {count}."
            )


def check_body(body: BodyModel, protocol: Protocol = LSP14) -> None:
    """Raise InputError if a body lacks joints of the protocol, as a hand lacks LSP14's."""
    protocol.check_body(body)


def evaluate(
    body: BodyModel,
    estimate: tuple[Any, Any],
    refined: tuple[Any, Any],
    truth: tuple[Any, Any],
    progress: Callable[[int], None] | None = None,
    *,
    metrics: Sequence[str] = USUAL,
    protocol: Protocol = LSP14,
    per_joint: bool = False,
    truth_bodies: Sequence[BodyModel] | None = None,
) -> Evaluation:
    """Compare estimates and refined bodies with the ground truth.

    Parameters
    ----------
    body : BodyModel
        With the protocol's joints.
    estimate, refined, truth : (pose, betas)
        Poses (..., J, 3, 3), (..., J, 3) or (..., 3 J), betas (..., S).
    progress : callable, optional
        Called with the number of bodies measured since the last call.
    metrics : sequence of str
        One or more of METRICS.
    protocol : Protocol, optional
        Joints to compare; for a hand see :func:`kitro_np.evaluation.protocols.usual_protocol`.
    per_joint : bool
        Return the errors of each joint, too.
    truth_bodies : sequence of BodyModel, optional
        The body model of each true body, if it is not `body`: 3DPW's depend on the gender.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the numbers of bodies differ, a body lacks joints of the protocol, no body can be measured, or a
        metric is unknown.
    """
    for model in {id(model): model for model in (body, *(truth_bodies or ()))}.values():
        check_body(model, protocol)
        if model.num_vertices != body.num_vertices:
            raise InputError(
                f"truth_bodies: expected the body's {body.num_vertices} vertices, got {model.num_vertices}."
            )
    metrics = [one_of("metrics", name, METRICS) for name in metrics]
    estimate, refined, truth = (flat_rows(body, *pair) for pair in (estimate, refined, truth))
    count = len(estimate[0])
    if len(truth[0]) != count or len(truth[1]) != count:
        raise InputError(f"truth: expected {count} bodies, got {len(truth[0])} poses, {len(truth[1])} betas.")
    if count == 0:
        raise InputError("estimate: expected at least one body to evaluate, got none.")
    if truth_bodies is not None and len(truth_bodies) != count:
        raise InputError(f"truth_bodies: expected {count} body models, got {len(truth_bodies)}.")
    blocks: dict[int, list[Any]] = {}
    vertices = protocol.regressor is not None or not set(OF_VERTICES).isdisjoint(metrics)

    def measure_block(start: int) -> int:
        block = slice(start, start + BLOCK)
        with np.errstate(invalid="ignore", over="ignore"):
            models = [body] if truth_bodies is None else truth_bodies[block]
            true = _pose_each(models, truth[0][block], truth[1][block], vertices=vertices)
            posed = (
                _pose(body, pose[block], betas[block], vertices=vertices)
                for pose, betas in (estimate, refined)
            )
            blocks[start] = [_block_errors(bodies, true, metrics, protocol, per_joint) for bodies in posed]
        return len(true.joints)

    starts = range(0, count, BLOCK)
    each(measure_block, starts, None, progress)
    # In the order of Evaluation's fields: errors of bodies before and after, then errors of joints.
    errors = [
        {name: np.concatenate([part[kind][name] for part in side]) for name in side[0][kind]}
        for kind in (0, 1)
        for side in zip(*(blocks[start] for start in starts), strict=True)
    ]
    evaluation = Evaluation(*errors)
    evaluation.check()
    return evaluation


def errors_on_image(
    body: BodyModel, estimate: tuple[Any, Any, Any], keypoints_2d: Any, intrinsics: Any
) -> np.ndarray:
    """Distance of each projected joint from its keypoint, in pixels: (N, J); NaN if it is not finite.

    Parameters
    ----------
    body : BodyModel
    estimate : (pose, betas, transl)
    keypoints_2d : (..., J, 2) array
    intrinsics : (3, 3) or (..., 3, 3) array
    """
    pose, betas = flat_rows(body, *estimate[:2])
    count = len(pose)
    dtype = np.float64 if pose.dtype.kind != "f" else pose.dtype
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        joints = body.joints(pose.astype(dtype), betas, estimate[2].reshape(count, 3)).astype(np.float64)
        cameras = np.broadcast_to(intrinsics.reshape(-1, 3, 3), (count, 3, 3))
        errors = keypoint_errors(joints, keypoints_2d.reshape(count, -1, 2), cameras)
    return np.where(np.isfinite(errors), errors, np.nan)


def _pose(body: BodyModel, pose: np.ndarray, betas: np.ndarray, *, vertices: bool) -> BodyOutput[np.ndarray]:
    """Pose bodies, with no vertices if none are needed."""
    if vertices:
        return body.forward(pose, betas, threads=1)
    joints = body.joints(pose, betas)
    return BodyOutput(joints, joints[:, :0])


def _pose_each(
    bodies: Sequence[BodyModel], pose: np.ndarray, betas: np.ndarray, *, vertices: bool
) -> BodyOutput[np.ndarray]:
    """Pose each row with its body model, or all rows with the only one."""
    models = {id(body): body for body in bodies}
    if len(models) == 1:
        return _pose(bodies[0], pose, betas, vertices=vertices)
    numbers = np.array([id(body) for body in bodies])
    rows_of = [np.flatnonzero(numbers == number) for number in models]
    posed = [
        _pose(model, pose[rows], betas[rows], vertices=vertices)
        for model, rows in zip(models.values(), rows_of, strict=True)
    ]
    order = np.argsort(np.concatenate(rows_of))
    return BodyOutput(*(np.concatenate(points)[order] for points in zip(*posed, strict=True)))


def flat_rows(body: BodyModel, pose: Any, betas: Any) -> tuple[np.ndarray, np.ndarray]:
    """Reshape pose and betas to one leading axis."""
    tail = pose_tail(tuple(pose.shape), body.num_joints)
    return pose.reshape(-1, *tail), betas.reshape(math.prod(betas.shape[:-1]), betas.shape[-1])


def _bodies(count: int) -> str:
    return "1 body" if count == 1 else f"{count} bodies"


def _block_errors(
    posed: BodyOutput[np.ndarray],
    true: BodyOutput[np.ndarray],
    metrics: Sequence[str],
    protocol: Protocol,
    per_joint: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors of a block's bodies and of their joints, in millimetres; NaN for bodies that are not finite."""
    finite = np.all(np.abs(np.stack([posed.joints, true.joints])) < FAR, axis=(0, 2, 3))
    joints = {}
    if per_joint:
        pair = protocol.joints_of(posed), protocol.joints_of(true)
        joints = {name: OF_JOINTS[name](*pair, protocol) for name in metrics if name in OF_JOINTS}
    errors = measure(posed, true, metrics, protocol)
    return (
        {name: np.where(finite, _millimetres(values), np.nan) for name, values in errors.items()},
        {name: np.where(finite[:, None], _millimetres(values), np.nan) for name, values in joints.items()},
    )


def _millimetres(metres: Any) -> Any:
    return MILLIMETRES * metres.astype(np.float64)
