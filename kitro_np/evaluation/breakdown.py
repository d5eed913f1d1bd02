"""Breakdown of an evaluation: mean errors of each joint and of each sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .evaluate import TITLES, Evaluation
from .metrics import sequence_means

PAIR = 18
"""Characters of a metric's two columns."""

Breakdown = dict[str, dict[str, dict[str, "float | None"]]]
"""Mean errors "before" and "after" of each joint or sequence, by metric; None if none is finite."""


def by_joint(evaluation: Evaluation, names: Sequence[str]) -> Breakdown:
    """Mean errors of each joint over the measured bodies.

    Parameters
    ----------
    evaluation : Evaluation
        With errors of joints.
    names : sequence of str
        Names of the joints.
    """
    measured = evaluation.measured
    sides = {"before": evaluation.joints_before, "after": evaluation.joints_after}
    means = {
        side: {metric: errors[measured].mean(axis=0).tolist() for metric, errors in by_metric.items()}
        for side, by_metric in sides.items()
    }
    return {
        name: {side: {metric: row[k] for metric, row in rows.items()} for side, rows in means.items()}
        for k, name in enumerate(names)
    }


def by_sequence(evaluation: Evaluation, sequences: Any) -> Breakdown:
    """Mean errors of each sequence over its measured bodies.

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
            for metric, errors in by_metric.items()
        }
        for side, by_metric in (("before", evaluation.before), ("after", evaluation.after))
    }
    return {
        name: {
            side: {metric: _finite_or_none(row[name]) for metric, row in rows.items()}
            for side, rows in means.items()
        }
        for name in next(iter(means["before"].values()))
    }


def breakdown_table(title: str, rows: Breakdown, columns: int | None = None) -> str:
    """Format a breakdown as text, with two columns for each metric.

    What is wider than `columns` characters is several tables, one below the other.
    """
    metrics = list(next(iter(rows.values()))["before"])
    width = max(len(title), *map(len, rows))
    count = len(metrics) if columns is None else max((columns - width) // PAIR, 1)
    parts = (metrics[start : start + count] for start in range(0, len(metrics), count))
    return "\n\n".join(_table(title, rows, part, width) for part in parts)


def _table(title: str, rows: Breakdown, metrics: Sequence[str], width: int) -> str:
    lines = [
        " " * width + "".join(f"{TITLES.get(metric, metric):>{PAIR}}" for metric in metrics),
        f"{title:<{width}}" + f"{'before':>9}{'after':>9}" * len(metrics),
    ]
    for name, sides in rows.items():
        errors = (sides[side][metric] for metric in metrics for side in ("before", "after"))
        lines.append(f"{name:<{width}}" + "".join(f"{_format(error):>9}" for error in errors))
    return "\n".join(lines)


def _finite_or_none(error: float) -> float | None:
    return error if math.isfinite(error) else None


def _format(error: float | None) -> str:
    return "-" if error is None else f"{error:.2f}"
