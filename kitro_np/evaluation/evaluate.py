"""Evaluation: errors before and after refinement, against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arrays.poses import pose_tail
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

BLOCK = 256
"""Bodies whose vertices are compared at once: about 130 MB in float32, a tenth more with PA-PVE."""

FAR = 1e6
"""Metres from the origin that no joint of a body reaches; squares of much larger numbers overflow float32."""

METRICS = {
    "mpjpe": "MPJPE",
    "pa_mpjpe": "PA-MPJPE",
    "pve": "PVE",
    "pa_pve": "PA-PVE",
    "depth_error": "depth",
}
"""What can be measured, and how tables call it."""

ON_IMAGE = "reprojection_error"
"""What :meth:`Evaluation.on_image` adds: between projected joints and keypoints, in pixels."""

TITLES = {**METRICS, ON_IMAGE: "2D, px"}
"""How tables call it all."""

OF_JOINTS = {"mpjpe": joint_errors, "pa_mpjpe": pa_joint_errors, "depth_error": depth_errors}
"""Metrics that are means over the protocol's joints, and the errors that they are means of."""

USUAL = ("mpjpe", "pa_mpjpe", "pve")
"""What the paper's tables show."""


@dataclass(frozen=True)
class Evaluation:
    """Errors of each body before and after refinement.

    Parameters
    ----------
    before, after : dict
        Errors by name, (N,) each, in millimetres; the same names in both. Others than those of METRICS are
        welcome: they are called by their names, which then say the unit if it is another one.
    joints_before, joints_after : dict
        Errors of each joint of the protocol, (N, K), of those that are means over joints.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    joints_before: dict[str, Any] = field(default_factory=dict)
    joints_after: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> Any:
        """Bodies whose errors are finite: those with NaN in estimate or truth are left out of means."""
        return np.all(np.isfinite(np.stack([*self.before.values(), *self.after.values()])), axis=0)

    def as_dict(self) -> dict[str, Any]:
        """Means, and the share of bodies whose first error, MPJPE, fell."""
        measured = self.measured
        means = [
            {name: float(np.mean(values[measured])) for name, values in errors.items()}
            for errors in (self.before, self.after)
        ]
        first = next(iter(self.before))
        improved = share_improved(self.before[first][measured], self.after[first][measured])
        return {"before": means[0], "after": means[1], "improved": improved}

    def table(self) -> str:
        """Means as a small table for a person."""
        figures = self.as_dict()
        titles = {name: TITLES.get(name, name) for name in self.before}
        lines = [f"{'mm':<10}{'before':>9}{'after':>9}"]
        lines += [
            f"{title:<10}{figures['before'][name]:>9.2f}{figures['after'][name]:>9.2f}"
            for name, title in titles.items()
        ]
        count, measured = len(self.measured), int(self.measured.sum())
        first = next(iter(titles.values()))
        lines.append(f"{first} improved in {100 * figures['improved']:.1f}% of {_bodies(measured)}")
        if measured < count:
            lines.append(f"{_bodies(count - measured)} left out: NaN or infinity in estimate or truth")
        return "\n".join(lines)

    def on_image(self, before: Any, after: Any, protocol: Protocol | None = None) -> Evaluation:
        """Add the mean of errors on the image, (N, J) of all joints, before and after.

        Errors of each joint are added as well for a `protocol` that picks joints of the skeleton.
        """
        more, joints = {}, {}
        for side, errors in (("before", before), ("after", after)):
            own = f"joints_{side}"
            more[side] = {**getattr(self, side), ON_IMAGE: np.mean(errors, axis=1)}
            if protocol is not None and protocol.regressor is None:
                joints[own] = {**getattr(self, own), ON_IMAGE: errors[:, list(protocol.joints)]}
        return replace(self, **more, **joints)

    def only(self, names: Sequence[str]) -> Evaluation:
        """Return these errors only, in this order; InputError if then no body has finite ones."""
        every = ("before", "after", "joints_before", "joints_after")
        parts = {part: getattr(self, part) for part in every}
        kept = replace(
            self,
            **{part: {name: held[name] for name in names if name in held} for part, held in parts.items()},
        )
        kept.check()
        return kept

    def check(self) -> None:
        """Raise InputError if there is no body whose errors are finite."""
        measured = self.measured
        if not measured.any():
            count = _bodies(len(measured))
            raise InputError(
                f"estimate and truth: expected a body that is finite in both, got none among {count}."
            )


def check_body(body: BodyModel, protocol: Protocol = LSP14) -> None:
    """Raise InputError if a body lacks what the protocol compares, as a hand lacks LSP14's joints."""
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
    """Compare estimates and refined bodies with the truth.

    Parameters
    ----------
    body : BodyModel
        With the protocol's joints.
    estimate, refined, truth : (pose, betas)
        Poses (..., J, 3, 3), (..., J, 3) or (..., 3 J), betas (..., S).
    progress : callable, optional
        Called with the number of bodies just measured.
    metrics : sequence of str
        At least one of METRICS.
    protocol : Protocol, optional
        Which joints are compared; of a hand see :func:`kitro_np.evaluation.protocols.usual_protocol`.
    per_joint : bool
        Keep the errors of each joint, too.
    truth_bodies : sequence of BodyModel, optional
        What poses each true body where that is not `body`, as 3DPW's have genders.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the truth does not hold as many bodies as the estimate, the body lacks joints that are measured,
        there is nothing to measure, or a metric has another name.
    """
    for one in {id(one): one for one in (body, *(truth_bodies or ()))}.values():
        check_body(one, protocol)
        if one.num_vertices != body.num_vertices:
            raise InputError(
                f"truth_bodies: expected the body's {body.num_vertices} vertices, got {one.num_vertices}."
            )
    metrics = [one_of("metrics", name, METRICS) for name in metrics]
    estimate, refined, truth = (_rows(body, *pair) for pair in (estimate, refined, truth))
    count = len(estimate[0])
    if len(truth[0]) != count or len(truth[1]) != count:
        raise InputError(f"truth: expected {count} bodies, got {len(truth[0])} poses, {len(truth[1])} betas.")
    if count == 0:
        raise InputError("estimate: expected at least one body to evaluate, got none.")
    if truth_bodies is not None and len(truth_bodies) != count:
        raise InputError(f"truth_bodies: expected {count}, got {len(truth_bodies)}.")
    blocks = []
    for start in range(0, count, BLOCK):
        own = slice(start, start + BLOCK)
        with np.errstate(invalid="ignore", over="ignore"):
            those = [body] if truth_bodies is None else truth_bodies[own]
            true = _forward_each(those, truth[0][own], truth[1][own])
            posed = (body.forward(pose[own], betas[own]) for pose, betas in (estimate, refined))
            blocks.append([_millimetres(one, true, metrics, protocol, per_joint) for one in posed])
        if progress is not None:
            progress(len(true.joints))
    # Both sides' errors of bodies, then both sides' errors of joints.
    sides = [
        {name: np.concatenate([block[kind][name] for block in side]) for name in side[0][kind]}
        for kind in (0, 1)
        for side in zip(*blocks, strict=True)
    ]
    evaluation = Evaluation(*sides)
    evaluation.check()
    return evaluation


def errors_on_image(
    body: BodyModel, estimate: tuple[Any, Any, Any], keypoints_2d: Any, intrinsics: Any
) -> np.ndarray:
    """Distance of each projected joint from its keypoint, in pixels, (N, J); NaN of a body that is nowhere.

    Parameters
    ----------
    body : BodyModel
    estimate : (pose, betas, transl)
    keypoints_2d : (..., J, 2) array
    intrinsics : (3, 3) or (..., 3, 3) array
    """
    pose, betas = _rows(body, *estimate[:2])
    count = len(pose)
    kind = np.float64 if pose.dtype.kind != "f" else pose.dtype
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        joints = body.joints(pose.astype(kind), betas, estimate[2].reshape(count, 3)).astype(np.float64)
        cameras = np.broadcast_to(intrinsics.reshape(-1, 3, 3), (count, 3, 3))
        errors = keypoint_errors(joints, keypoints_2d.reshape(count, -1, 2), cameras)
    return np.where(np.isfinite(errors), errors, np.nan)


def _forward_each(bodies: Sequence[BodyModel], pose: Any, betas: Any) -> BodyOutput:
    """Pose each row with its own body, or all with the only one."""
    kinds = {id(body): body for body in bodies}
    if len(kinds) == 1:
        return bodies[0].forward(pose, betas)
    numbers = np.array([id(body) for body in bodies])
    parts = [np.flatnonzero(numbers == number) for number in kinds]
    posed = [body.forward(pose[own], betas[own]) for body, own in zip(kinds.values(), parts, strict=True)]
    back = np.argsort(np.concatenate(parts))
    return BodyOutput(*(np.concatenate(points)[back] for points in zip(*posed, strict=True)))


def _rows(body: BodyModel, pose: Any, betas: Any) -> tuple[Any, Any]:
    """Give the pose and betas one leading axis; a single body has none."""
    tail = pose_tail(tuple(pose.shape), body.num_joints)
    return pose.reshape(-1, *tail), betas.reshape(math.prod(betas.shape[:-1]), betas.shape[-1])


def _bodies(count: int) -> str:
    return "1 body" if count == 1 else f"{count} bodies"


def _millimetres(
    posed: BodyOutput, true: BodyOutput, metrics: Sequence[str], protocol: Protocol, per_joint: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors of a block's bodies, and of their joints; a body that is nowhere gets NaN."""
    somewhere = np.all(np.abs(np.stack([posed.joints, true.joints])) < FAR, axis=(0, 2, 3))
    joints = {}
    if per_joint:
        pair = protocol.joints_of(posed), protocol.joints_of(true)
        joints = {name: OF_JOINTS[name](*pair, protocol) for name in metrics if name in OF_JOINTS}
    errors = measure(posed, true, metrics, protocol)
    return (
        {name: np.where(somewhere, _thousand(one), np.nan) for name, one in errors.items()},
        {name: np.where(somewhere[:, None], _thousand(one), np.nan) for name, one in joints.items()},
    )


def _thousand(metres: Any) -> Any:
    return 1000 * metres.astype(np.float64)
