"""Evaluation: errors before and after refinement, against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .body.model import BodyModel
from .errors import InputError
from .metrics import LSP_JOINTS, BodyErrors, body_errors
from .poses import pose_tail

BLOCK = 256
"""Bodies whose vertices are compared at once: about 130 MB."""

FAR = 1e6
"""Metres from the origin that no joint of a body reaches; squares of much larger numbers overflow float32."""

METRICS = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "pve": "PVE"}


@dataclass(frozen=True)
class Evaluation:
    """Errors of each body in millimetres, (N,) each, before and after refinement."""

    before: BodyErrors
    after: BodyErrors

    @property
    def measured(self) -> Any:
        """Bodies whose errors are finite: those with NaN in estimate or truth are left out of means."""
        return np.all(np.isfinite(np.stack([*self.before, *self.after])), axis=0)

    def as_dict(self) -> dict[str, Any]:
        """Means in millimetres, and the share of bodies whose MPJPE fell."""
        measured = self.measured
        means = [
            {name: float(np.mean(values[measured])) for name, values in errors._asdict().items()}
            for errors in (self.before, self.after)
        ]
        improved = self.after.mpjpe[measured] < self.before.mpjpe[measured]
        return {"before": means[0], "after": means[1], "improved": float(np.mean(improved))}

    def table(self) -> str:
        """Means as a small table for a person."""
        figures = self.as_dict()
        lines = [f"{'mm':<10}{'before':>9}{'after':>9}"]
        lines += [
            f"{title:<10}{figures['before'][name]:>9.2f}{figures['after'][name]:>9.2f}"
            for name, title in METRICS.items()
        ]
        count, measured = len(self.measured), int(self.measured.sum())
        lines.append(f"MPJPE improved in {100 * figures['improved']:.1f}% of {_bodies(measured)}")
        if measured < count:
            lines.append(f"{_bodies(count - measured)} left out: NaN or infinity in estimate or truth")
        return "\n".join(lines)


def check_body(body: BodyModel) -> None:
    """Raise InputError if the errors of such a body cannot be measured, as those of a hand cannot."""
    wanted = max(LSP_JOINTS) + 1
    if body.num_joints < wanted:
        raise InputError(f"body: expected SMPL's first {wanted} joints, got {body.num_joints} joints.")


def evaluate(
    body: BodyModel,
    estimate: tuple[Any, Any],
    refined: tuple[Any, Any],
    truth: tuple[Any, Any],
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Compare estimates and refined bodies with the truth.

    Parameters
    ----------
    body : BodyModel
        With SMPL's joints; it may have more, as SMPL-X has.
    estimate, refined, truth : (pose, betas)
        Poses (..., 24, 3, 3), (..., 24, 3) or (..., 72), betas (..., S).
    progress : callable, optional
        Called with the number of bodies just measured.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the truth does not hold as many bodies as the estimate, the body lacks joints that are measured, or
        there is nothing to measure.
    """
    check_body(body)
    estimate, refined, truth = (_rows(body, *pair) for pair in (estimate, refined, truth))
    count = len(estimate[0])
    if len(truth[0]) != count or len(truth[1]) != count:
        raise InputError(f"truth: expected {count} bodies, got {len(truth[0])} poses, {len(truth[1])} betas.")
    if count == 0:
        raise InputError("estimate: expected at least one body to evaluate, got none.")
    blocks = []
    for start in range(0, count, BLOCK):
        own = slice(start, start + BLOCK)
        true = (truth[0][own], truth[1][own])
        with np.errstate(invalid="ignore", over="ignore"):
            blocks.append([_errors(body, (p[own], b[own]), true) for p, b in (estimate, refined)])
        if progress is not None:
            progress(len(true[0]))
    before, after = (
        BodyErrors(*(1000 * np.concatenate(parts) for parts in zip(*side, strict=True)))
        for side in zip(*blocks, strict=True)
    )
    evaluation = Evaluation(before, after)
    if not evaluation.measured.any():
        raise InputError(
            f"estimate and truth: expected a body that is finite in both, got none among {_bodies(count)}."
        )
    return evaluation


def _rows(body: BodyModel, pose: Any, betas: Any) -> tuple[Any, Any]:
    """Give the pose and betas one leading axis; a single body has none."""
    tail = pose_tail(tuple(pose.shape), body.num_joints)
    return pose.reshape(-1, *tail), betas.reshape(math.prod(betas.shape[:-1]), betas.shape[-1])


def _bodies(count: int) -> str:
    return "1 body" if count == 1 else f"{count} bodies"


def _errors(body: BodyModel, found: tuple[Any, Any], true: tuple[Any, Any]) -> BodyErrors:
    """Errors of a block; a body that is nowhere gets NaN, and would fail the others' alignment."""
    joints = np.stack([body.joints(*found), body.joints(*true)])
    somewhere = np.all(np.abs(joints) < FAR, axis=(0, 2, 3))
    errors = body_errors(body, *(part[somewhere] for part in (*found, *true)))
    filled = [np.full(len(somewhere), np.nan) for _ in errors]
    for whole, own in zip(filled, errors, strict=True):
        whole[somewhere] = own
    return BodyErrors(*filled)
