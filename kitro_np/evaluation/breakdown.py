"""Breakdown of an evaluation: mean errors of each joint, and of each sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .evaluate import TITLES, Evaluation
from .metrics import sequence_means

Breakdown = dict[str, dict[str, dict[str, "float | None"]]]
"""For each joint or sequence its mean errors "before" and "after", by metric; None where none is finite."""


def by_joint(evaluation: Evaluation, names: Sequence[str]) -> Breakdown:
    """Mean errors of each joint over the bodies that are measured.

    Parameters
    ----------
    evaluation : Evaluation
        With errors of joints.
    names : sequence of str
        Of the joints.
    """
    measured = evaluation.measured
    sides = {"before": evaluation.joints_before, "after": evaluation.joints_after}
    means = {
        side: {metric: errors[measured].mean(axis=0).tolist() for metric, errors in own.items()}
        for side, own in sides.items()
    }
    return {
        name: {side: {metric: row[k] for metric, row in own.items()} for side, own in means.items()}
        for k, name in enumerate(names)
    }


def by_sequence(evaluation: Evaluation, sequences: Any) -> Breakdown:
    """Mean errors of each sequence over its bodies that are measured.

    Parameters
    ----------
    evaluation : Evaluation
    sequences : (N,) array_like of str
        The sequence of each body.
    """
    measured = evaluation.measured
    means = {
        side: {
            metric: sequence_means(np.where(measured, errors, np.nan), sequences)
            for metric, errors in own.items()
        }
        for side, own in (("before", evaluation.before), ("after", evaluation.after))
    }
    return {
        name: {
            side: {metric: _finite(row[name]) for metric, row in own.items()} for side, own in means.items()
        }
        for name in next(iter(means["before"].values()))
    }


def breakdown_table(title: str, rows: Breakdown) -> str:
    """Write a row for each, with two columns a metric, for a person."""
    metrics = list(next(iter(rows.values()))["before"])
    width = max(len(title), *map(len, rows))
    lines = [
        " " * width + "".join(f"{TITLES.get(metric, metric):>18}" for metric in metrics),
        f"{title:<{width}}" + f"{'before':>9}{'after':>9}" * len(metrics),
    ]
    for name, sides in rows.items():
        figures = (sides[side][metric] for metric in metrics for side in ("before", "after"))
        lines.append(f"{name:<{width}}" + "".join(f"{_shown(figure):>9}" for figure in figures))
    return "\n".join(lines)


def _finite(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"
