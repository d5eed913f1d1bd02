"""Predictions: how good the best hypothesis is, and whether errors are as large as the predicted spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..body import BodyModel
from ..result import RefineResult
from .evaluate import TITLES, Evaluation, evaluate, flat_rows
from .runs import lengths_of


@dataclass(frozen=True)
class Spread:
    """Errors of joints about the root relative to their predicted standard deviations, of accepted bodies.

    Parameters
    ----------
    error_over_spread : float
        Root mean square of the ratios: 1 if the predictions are right, more if they are too small.
    within_1, within_2 : float
        Shares of joints whose error is at most one or two of them: 0.61 and 0.99 if errors are normal and
        alike in all directions.
    """

    error_over_spread: float
    within_1: float
    within_2: float

    def __str__(self) -> str:
        return (
            f"error over spread {self.error_over_spread:.2f}; "
            f"{self.within_1:.1%} of joints within 1 spread, {self.within_2:.1%} within 2"
        )


@dataclass(frozen=True)
class BestOf:
    """Mean errors of the best of several hypotheses of each body, best in each metric.

    Parameters
    ----------
    count : int
        Number of hypotheses.
    errors : dict of str to float
        By metric, in millimetres.
    """

    count: int
    errors: dict[str, float]

    def __str__(self) -> str:
        errors = ", ".join(f"{TITLES.get(name, name)} {error:.2f}" for name, error in self.errors.items())
        return f"best of {self.count} hypotheses: {errors}"


def measure_spread(
    body: BodyModel, result: RefineResult[Any], truth: Any, truth_bodies: Any = None
) -> Spread | None:
    """Compare errors with the predicted spread; None without one, or if no body was accepted.

    Parameters
    ----------
    body : BodyModel
    result : RefineResult
    truth : (pose, betas)
    truth_bodies : sequence of BodyModel, optional
        The body model of each true body, if it is not `body`.
    """
    if result.joint_spread is None:
        return None
    joints = _about_root(body, result.pose, result.betas)
    pose, betas = flat_rows(body, *truth)
    true = np.empty_like(joints)
    for model in {id(model): model for model in truth_bodies or [body]}.values():
        rows = slice(None) if truth_bodies is None else np.array([one is model for one in truth_bodies])
        true[rows] = _about_root(model, pose[rows], betas[rows])
    # Without the root, which has no error about itself.
    spread = np.asarray(result.joint_spread).reshape(len(joints), -1)[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratios = (lengths_of(joints - true)[:, 1:] / spread)[np.ravel(result.accepted)]
    ratios = ratios[np.isfinite(ratios)]
    if not ratios.size:
        return None
    within = (float(np.mean(ratios <= count)) for count in (1, 2))
    return Spread(math.sqrt(float(np.mean(ratios**2))), *within)


def measure_best(
    body: BodyModel, result: RefineResult[Any], truth: Any, evaluation: Evaluation, **options: Any
) -> BestOf | None:
    """Measure the best hypothesis of each body that an evaluation measured; None without hypotheses.

    Parameters
    ----------
    body : BodyModel
    result : RefineResult
    truth : (pose, betas)
    evaluation : Evaluation
    **options
        Of :func:`kitro_np.evaluation.evaluate.evaluate`, as for the evaluation.
    """
    hypotheses = result.hypotheses
    if hypotheses is None:
        return None
    lead, count = result.status.ndim, hypotheses.probability.shape[-1]
    bodies = [
        (np.take(hypotheses.pose, h, axis=lead), np.take(hypotheses.betas, h, axis=lead))
        for h in range(count)
    ]
    errors = []
    for h in range(0, count, 2):  # two at a time share the truth
        pair = evaluate(body, bodies[h], bodies[min(h + 1, count - 1)], truth, **options)
        errors += [pair.before, pair.after]
    measured = evaluation.measured
    best = {name: np.min([each[name] for each in errors], axis=0)[measured] for name in errors[0]}
    return BestOf(count, {name: float(np.nanmean(values)) for name, values in best.items()})


def _about_root(body: BodyModel, pose: Any, betas: Any) -> np.ndarray:
    """Joints relative to the first one, in float64."""
    with np.errstate(invalid="ignore", over="ignore"):
        joints = np.asarray(body.joints(*flat_rows(body, pose, betas)), np.float64)
        return joints - joints[:, :1]
