"""Evaluation: errors before and after refinement, against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .body.model import BodyModel, BodyOutput
from .errors import InputError, one_of
from .metrics import LSP14, Protocol, measure, share_improved
from .poses import pose_tail

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
    """

    before: dict[str, Any]
    after: dict[str, Any]

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
        titles = {name: METRICS.get(name, name) for name in self.before}
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


def check_body(body: BodyModel, protocol: Protocol = LSP14) -> None:
    """Raise InputError if the errors of such a body cannot be measured, as those of a hand cannot."""
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
    metrics : sequence of str
        At least one of METRICS.
    protocol : Protocol, optional
        Which joints are compared.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the truth does not hold as many bodies as the estimate, the body lacks joints that are measured,
        there is nothing to measure, or a metric has another name.
    """
    check_body(body, protocol)
    metrics = [one_of("metrics", name, METRICS) for name in metrics]
    estimate, refined, truth = (_rows(body, *pair) for pair in (estimate, refined, truth))
    count = len(estimate[0])
    if len(truth[0]) != count or len(truth[1]) != count:
        raise InputError(f"truth: expected {count} bodies, got {len(truth[0])} poses, {len(truth[1])} betas.")
    if count == 0:
        raise InputError("estimate: expected at least one body to evaluate, got none.")
    blocks = []
    for start in range(0, count, BLOCK):
        own = slice(start, start + BLOCK)
        with np.errstate(invalid="ignore", over="ignore"):
            true = body.forward(truth[0][own], truth[1][own])
            found = (body.forward(pose[own], betas[own]) for pose, betas in (estimate, refined))
            blocks.append([_millimetres(one, true, metrics, protocol) for one in found])
        if progress is not None:
            progress(len(true.joints))
    before, after = (
        {name: np.concatenate([block[name] for block in side]) for name in metrics}
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


def _millimetres(
    found: BodyOutput, true: BodyOutput, metrics: Sequence[str], protocol: Protocol
) -> dict[str, Any]:
    """Errors of a block; a body that is nowhere gets NaN."""
    somewhere = np.all(np.abs(np.stack([found.joints, true.joints])) < FAR, axis=(0, 2, 3))
    errors = measure(found, true, metrics, protocol)
    return {
        name: np.where(somewhere, 1000 * values.astype(np.float64), np.nan) for name, values in errors.items()
    }
