"""Fit the verdict of method "map": a logistic regression of whether a refined body beats its estimate.

Run ``python -m models.fit_verdict``, which takes some minutes. It fits the simulated bodies of all cases of
verdict_cases.py and prints the coefficients of ``kitro_np/posterior/verdict.py``, for people and for hands,
with how many bodies of each case they accept. That is cross-validated in two folds of clips: neither the
motion prior nor the coefficients of a body come from its own half.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from kitro_np import BodyModel, load_body
from kitro_np.posterior.fit import fit_arrays
from kitro_np.posterior.priors import MotionPrior
from kitro_np.posterior.verdict import FEATURES

from .verdict_cases import Case, cases_of_hands, cases_of_people, errors_of, motion_priors

COUNT = 1024
"""Simulated bodies of each case."""

RIDGE = 1e-3
"""Ridge of the standardised coefficients."""

LENIENCE = 0.5
"""Added to the constant for people: a body that is refused for nothing may lose 200 mm of improvement."""


@dataclass(frozen=True)
class Outcome:
    """Features and labels of a case."""

    case: Case
    features: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """1 where the refined body is to be accepted."""
        if not self.case.own:
            return np.zeros(len(self.before))
        return (self.after < self.before + (15 if self.case.clean else self.case.margin)).astype(float)

    @property
    def weight(self) -> np.ndarray:
        """Weight of each body: how much better or worse it became."""
        if not self.case.own:
            return np.full(len(self.before), self.case.weight)
        weight = np.clip(np.abs(self.after - self.before) / 25, 0.05, 3)
        return self.case.weight * (np.maximum(weight, 1.5) if self.case.clean else weight)


def outcome_of(case: Case, body: BodyModel, priors: Sequence[MotionPrior]) -> Outcome:
    """Fit a case, each fold with the other's motion."""
    features = np.empty((len(case.pose), len(FEATURES)))
    after = np.empty(len(case.pose))
    confidence = case.confidence / case.confidence.max(axis=1, keepdims=True)
    keypoints = np.where(confidence[..., None] > 0, case.keypoints_2d, 0)
    for k in (0, 1):
        own = np.flatnonzero(case.fold == k)
        fitted = fit_arrays(
            body.skeleton, case.layout, case.pose[own], case.betas[own], case.transl[own], keypoints[own],
            confidence[own], case.intrinsics[own], priors[k],
        )  # fmt: skip
        features[own] = fitted.features
        part = replace(case, true_pose=case.true_pose[own], true_betas=case.true_betas[own])
        after[own] = errors_of(body, fitted.pose, fitted.betas, part)
    fine = np.isfinite(features).all(axis=1)
    return Outcome(
        case, np.where(fine[:, None], features, 0), errors_of(body, case.pose, case.betas, case), after
    )


def regress(features: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients and constant of a weighted logistic regression."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    standard = (features - mean) / spread
    weight = weight / weight.sum()

    def loss(unknowns: np.ndarray) -> tuple[float, np.ndarray]:
        coefficients, constant = unknowns[:-1], unknowns[-1]
        odds = standard @ coefficients + constant
        missed = 1 / (1 + np.exp(-odds)) - label
        value = np.sum(weight * (np.logaddexp(0, odds) - label * odds)) + RIDGE * np.sum(coefficients**2)
        slope = np.append(standard.T @ (weight * missed) + 2 * RIDGE * coefficients, np.sum(weight * missed))
        return float(value), slope

    start = np.zeros(features.shape[1] + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    coefficients = best[:-1] / spread
    return coefficients, float(best[-1] - mean @ coefficients)


def regress_all(
    outcomes: Sequence[Outcome], chosen: Callable[[Case], np.ndarray]
) -> tuple[np.ndarray, float]:
    """Fit the coefficients to the bodies of all cases that are chosen."""
    masks = [chosen(outcome.case) for outcome in outcomes]
    features, label, weight = (
        np.concatenate([getattr(o, name)[mask] for o, mask in zip(outcomes, masks, strict=True)])
        for name in ("features", "label", "weight")
    )
    return regress(features, label, weight)


def report(title: str, body: BodyModel, cases: Sequence[Case], lenience: float = 0.0) -> None:
    """Fit a family's verdict and print it."""
    priors = motion_priors(body)
    outcomes = [outcome_of(case, body, priors) for case in cases]
    halves = [regress_all(outcomes, lambda case, k=k: case.fold != k) for k in (0, 1)]
    coefficients, constant = regress_all(outcomes, lambda case: np.ones(len(case.fold), bool))
    print(f"{title} = (")
    for name, value in zip(FEATURES, coefficients, strict=True):
        print(f"    {value:.4g},  # {name}")
    print(f"), {constant + lenience:.4g}\n")
    print("accepted, better among them, mm before, refined, with the verdict; cross-validated")
    for outcome in outcomes:
        fold = outcome.case.fold
        odds = np.empty(len(fold))
        for k in (0, 1):
            odds[fold == k] = outcome.features[fold == k] @ halves[k][0] + halves[k][1]
        accepted, better = odds + lenience > 0, outcome.after < outcome.before
        share = better[accepted].mean() if accepted.any() else 1.0
        safe = np.where(accepted, outcome.after, outcome.before).mean()
        print(
            f"{outcome.case.name:45s} {accepted.mean():6.1%} {share:5.0%} {outcome.before.mean():6.1f} "
            f"{outcome.after.mean():6.1f} {safe:6.1f}"
        )
    print()


def main() -> int:
    """Fit the verdicts of people and of hands, and print them."""
    rng = np.random.default_rng(0)
    people, hands = load_body("open"), load_body("open_hand")
    report("PERSON", people, cases_of_people(people, COUNT, rng), LENIENCE)
    report("OTHER", hands, cases_of_hands(hands, COUNT, rng))
    return 0


if __name__ == "__main__":
    sys.exit(main())
