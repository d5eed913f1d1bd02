"""Evaluation: errors before and after refinement, against the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .body.model import BodyModel
from .errors import InputError
from .metrics import BodyErrors, body_errors

BLOCK = 256
"""Bodies whose vertices are compared at once: about 130 MB."""

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
        lines.append(f"MPJPE improved in {100 * figures['improved']:.1f}% of {measured} bodies")
        if measured < count:
            lines.append(f"{count - measured} bodies left out: NaN or infinity in estimate or truth")
        return "\n".join(lines)


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
        With SMPL's 24 joints.
    estimate, refined, truth : (pose, betas)
        Poses (N, 24, 3, 3), (N, 24, 3) or (N, 72), betas (N, S).
    progress : callable, optional
        Called with the number of bodies just measured.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the truth does not hold as many bodies as the estimate, or there is nothing to measure.
    """
    count = len(estimate[0])
    if len(truth[0]) != count or len(truth[1]) != count:
        raise InputError(f"truth: expected {count} bodies, got {len(truth[0])} poses, {len(truth[1])} betas.")
    if count == 0:
        raise InputError("estimate: expected at least one body to evaluate, got none.")
    blocks = []
    for start in range(0, count, BLOCK):
        own = slice(start, start + BLOCK)
        true = (truth[0][own], truth[1][own])
        with np.errstate(invalid="ignore"):
            blocks.append([_errors(body, (p[own], b[own]), true) for p, b in (estimate, refined)])
        if progress is not None:
            progress(len(true[0]))
    before, after = (
        BodyErrors(*(1000 * np.concatenate(parts) for parts in zip(*side, strict=True)))
        for side in zip(*blocks, strict=True)
    )
    return Evaluation(before, after)


def _errors(body: BodyModel, found: tuple[Any, Any], true: tuple[Any, Any]) -> BodyErrors:
    """Errors of a block; a body that is not finite gets NaN, and would fail the others' alignment."""
    parts = (*found, *true)
    finite = np.all([np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in parts], axis=0)
    errors = body_errors(body, *(part[finite] for part in parts))
    filled = [np.full(len(finite), np.nan) for _ in errors]
    for whole, own in zip(filled, errors, strict=True):
        whole[finite] = own
    return BodyErrors(*filled)
