"""Report of an example: errors of each of its cases before and after refinement."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

import numpy as np

from ..api import refine
from ..arrays.rotations import norm
from ..body import BodyModel
from ..errors import InputError, one_of
from ..refinement.method import METHODS, Method, option_names, resolve_method
from .evaluate import MILLIMETRES
from .examples import EXAMPLES, Case, ExampleSet
from .metrics import LSP14, mpjpe, pa_mpjpe, share_improved

METRICS = {"mpjpe": mpjpe, "pa_mpjpe": pa_mpjpe}
"""What is measured."""

WIDTH = 79
"""Characters in a line of text."""


@dataclass(frozen=True)
class CaseReport:
    """Errors of a case.

    Parameters
    ----------
    name : str
    bodies : int
    before, after : dict
        Mean errors by metric, mpjpe and pa_mpjpe, in millimetres.
    improved : dict
        Fraction of bodies whose error decreased, by metric.
    accepted : float
        Fraction of bodies that were refined.
    error_over_spread : float or None
        Root mean square of the joints' errors about the root over their predicted standard deviations, of
        accepted bodies: 1 if these are right, more if they are too small; None without such predictions.
    """

    name: str
    bodies: int
    before: dict[str, float]
    after: dict[str, float]
    improved: dict[str, float]
    accepted: float
    error_over_spread: float | None


@dataclass(frozen=True)
class ExampleReport:
    """Result of an evaluation of an example.

    Parameters
    ----------
    example, title : str
        Name of the example, and what is in it.
    method : str
        Name of the refinement method.
    options : dict
        Options of the method.
    cases : tuple of CaseReport
    body : str
        Name of the body that is measured.
    """

    example: str
    title: str
    method: str
    options: dict[str, object]
    cases: tuple[CaseReport, ...]
    body: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the report as a dict for JSON."""
        return asdict(self)

    def text(self) -> str:
        """Format the report as text."""
        pairs = f"{'MPJPE':>8}{'PA':>7}"
        lines = [
            *wrap(f"{self.title}:", WIDTH),
            f"{'mm':<18}{'before':>15}{'after':>15}{'improved':>15}{'accepted':>9}{'error/':>7}",
            f"{'':<18}{3 * pairs}{'':>9}{'spread':>7}",
        ]
        for case in self.cases:
            errors = (f"{side['mpjpe']:>8.2f}{side['pa_mpjpe']:>7.2f}" for side in (case.before, case.after))
            shares = (case.improved["mpjpe"], case.improved["pa_mpjpe"], case.accepted)
            percent = "".join(f"{100 * share:>{w}.1f}%" for share, w in zip(shares, (7, 6, 8), strict=True))
            ratio = "-" if case.error_over_spread is None else f"{case.error_over_spread:.2f}"
            lines.append(f"{case.name:<18}{''.join(errors)}{percent}{ratio:>7}")
        return "\n".join(lines)


def measure_example(name: str, method: Method | str = "map", **execution: Any) -> ExampleReport:
    """Refine the cases of an example and measure their errors: LSP14's joints about the mean of the hips.

    Parameters
    ----------
    name : str
        One of EXAMPLES.
    method : Method or str
        That takes detections.
    **execution
        Further arguments of :func:`kitro_np.refine`: engine, threads, strict.

    Raises
    ------
    InputError
        If there is no such example or method, or the method takes no detections.
    """
    name = one_of("example", name, EXAMPLES)
    chosen = resolve_method(method, {})
    if not chosen.takes_detections:
        takes = " or ".join(repr(other.name) for other in METHODS.values() if other.takes_detections)
        raise InputError(f"example: expected method={takes}, which weighs keypoints, got {chosen.name!r}.")
    # Predicting the joints' spread changes no body, so it is not reported as an option.
    predicts = "uncertainty" in option_names(type(chosen))
    asked = resolve_method(chosen, {"uncertainty": True} if predicts else {})
    example = EXAMPLES[name]()
    cases = (_measure(example, case, method=asked, **execution) for case in example.cases)
    options = dict(vars(chosen))
    return ExampleReport(name, example.title, chosen.name, options, tuple(cases), example.body.name)


def _measure(example: ExampleSet, case: Case, **arguments: Any) -> CaseReport:
    """Refine the runs of a case, each in a call of its own, and pool their errors."""
    body = example.body
    true = _joints(body, *example.truth)
    before, after, accepted, ratios = [], [], [], []
    for run in case.runs:
        result = refine(
            *run,
            case.keypoints_2d,
            example.intrinsics,
            confidence=case.confidence,
            keypoint_layout=case.layout,
            body=body,
            **arguments,
        )
        joints = _joints(body, result.pose, result.betas)
        before.append(_errors(_joints(body, run.pose, run.betas), true))
        after.append(_errors(joints, true))
        accepted.append(result.accepted)
        if result.joint_spread is not None:
            errors = norm((joints - joints[:, :1]) - (true - true[:, :1]))[..., 0]
            # Without the root, which has no error about itself.
            about_root = result.accepted, slice(1, None)
            ratios.append(errors[about_root] / result.joint_spread[about_root])
    earlier, later = (
        {name: np.concatenate([errors[name] for errors in runs]) for name in METRICS}
        for runs in (before, after)
    )
    kept = np.concatenate(accepted)
    return CaseReport(
        case.name,
        len(kept),
        {name: float(errors.mean()) for name, errors in earlier.items()},
        {name: float(errors.mean()) for name, errors in later.items()},
        {name: share_improved(earlier[name], later[name]) for name in METRICS},
        float(kept.mean()),
        float(np.sqrt(np.mean(np.concatenate(ratios) ** 2))) if ratios and kept.any() else None,
    )


def _joints(body: BodyModel, pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
    return body.joints(pose, betas).astype(np.float64)


def _errors(joints: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """Errors of each body by metric, in millimetres."""
    return {name: MILLIMETRES * measure(joints, true, LSP14) for name, measure in METRICS.items()}
