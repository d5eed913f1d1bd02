"""Fit the verdict of method "map": a logistic regression of whether a refined body beats its estimate.

Run ``python -m models.fit_verdict``, which takes some minutes. It simulates bodies whose keypoints are their
own (of several layouts, noisy, hidden, cut off by the image's border, exchanged, with outliers; with the
estimate's translation or turn off) and keypoints that are not (another person's, rotated, squeezed, mirrored,
half as large), fits each, and prints the coefficients of ``kitro_np/posterior/verdict.py``, for people and for
hands, with how many bodies of each case they accept. That is cross-validated in two folds of clips: neither
the motion prior nor the coefficients of a body come from its own half.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from kitro_np import BodyModel, KeypointLayout, find_layout, load_body
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.posterior.fit import fit_arrays
from kitro_np.posterior.priors import MOTION_FLOOR, MOTION_SCALE, MotionPrior, flat_motion_prior
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.posterior.swaps import assignments
from kitro_np.posterior.verdict import FEATURES
from kitro_np.simulate import LEVELS, Simulated, simulate
from kitro_np.simulate.motion import cmu_motion

from .build_pose_prior import fit_chords

COUNT = 1024
"""Simulated bodies of each case."""

LSP = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""Joints of SMPL's whose mean error is compared, about the mean of the hips."""

RIDGE = 1e-3
"""Ridge of the standardised coefficients."""


@dataclass(frozen=True)
class Case:
    """Bodies of one kind, as arguments of a fit, with the ground truth.

    Parameters
    ----------
    weight : float
        Of its bodies in the regression.
    own : bool
        Whether the keypoints are the bodies', which are better refined or not; others are not to be accepted.
    clean : bool
        Whether nothing is wrong: then nearly all are to be accepted, and small losses do not count.
    margin : float
        How much worse than its estimate a body may become, in millimetres, and still is to be accepted.
    """

    name: str
    layout: KeypointLayout
    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    keypoints_2d: np.ndarray
    confidence: np.ndarray
    intrinsics: np.ndarray
    true_pose: np.ndarray
    true_betas: np.ndarray
    fold: np.ndarray
    weight: float = 1.0
    own: bool = True
    clean: bool = False
    margin: float = 0.0


def cases_of_people(body: BodyModel, rng: np.random.Generator) -> list[Case]:
    """Return all cases of people."""
    plain, coco = find_layout("smpl24", body), find_layout("coco17", body)
    simulated = simulate(count=COUNT, seed=1)
    exact = observe("exact", simulated, body, plain, 0.0, rng)
    noisy = observe("noisy", simulated, body, plain, 0.012, rng)
    few = observe("coco17", simulated, body, coco, 0.012, rng)
    clean = [replace(case, clean=True) for case in (exact, noisy, few)]
    for name in ("body25b", "mediapipe33", "h36m17"):
        clean.append(replace(observe(name, simulated, body, find_layout(name, body), 0.012, rng), clean=True))
    # Of other networks little is known: errors about the view as large as about other axes.
    other = simulate(count=COUNT, seed=3, errors=replace(LEVELS["cliff"], in_plane=1.0, spread=0.3))
    for layout, noise in ((plain, 0.0), (plain, 0.012), (coco, 0.012)):
        name = f"{layout.name}, errors alike about all axes, noise {noise}"
        clean.append(replace(observe(name, other, body, layout, noise, rng), clean=True))
    cases = [*clean, *(hidden(case, 0.35, rng) for case in (noisy, few))]
    for level in ("mediapipe", "halfway", "spin"):
        other = simulate(count=COUNT // 2, seed=2, errors=level)
        cases.append(observe(level, other, body, coco, 0.012, rng))
    for case in (noisy, few):
        cases += [
            replace(moved(case, (0, 0.24, 0)), clean=True),
            turned(case, 40, rng),
            *(exchanged(case, k) for k in range(len(assignments(case.layout)))),
            outliers(case, 0.1, 0.3, rng),
            outliers(case, 0.05, 1.0, rng),
            scaled_depth(case, 0.8),
            scaled_depth(case, 0.6),
            *(cut_off(case, confidence) for confidence in (0.0, 0.05, 0.3)),
            in_plane(case, 20, rng),
            stretched(case, (1, 0.75), 7.0),
            stretched(case, (0.75, 1), 0.5),
            stretched(case, (0.5, 0.5), 1.0),
            mirrored(case),
            *(another(case, shift, placed=True) for shift in (17, 101, 333)),
            *(another(case, shift, placed=False) for shift in (17, 333)),
            scored(another(case, 59, placed=False), rng),
        ]
    cases += [replace(another(exact, shift, placed=True), weight=3.0) for shift in (17, 101)]
    return cases


def cases_of_hands(body: BodyModel, rng: np.random.Generator) -> list[Case]:
    """Return all cases of hands."""
    layout = find_layout("smpl24", body)
    simulated = simulate(body=body, count=COUNT, seed=1)
    exact = observe("exact", simulated, body, layout, 0.0, rng)
    noisy = observe("noisy", simulated, body, layout, 0.012, rng)
    cases = [replace(case, clean=True) for case in (exact, noisy)]
    cases += [hidden(noisy, 0.25, rng), outliers(noisy, 0.1, 0.03, rng)]
    for case in (exact, noisy):
        cases += [another(case, shift, placed=True) for shift in (17, 333)]
        cases += [another(case, shift, placed=False) for shift in (17, 333)]
        cases += [in_plane(case, 20, rng), stretched(case, (0.5, 0.5), 1.0)]
    return cases


def observe(
    name: str,
    simulated: Simulated,
    body: BodyModel,
    layout: KeypointLayout,
    noise: float,
    rng: np.random.Generator,
) -> Case:
    """Return the case of a simulation seen by a detector, whose noise is relative to the person's size."""
    pose, betas = (np.asarray(part, float) for part in (simulated.true_pose, simulated.true_betas))
    points = points_on(body.skeleton, layout, pose)
    placed = place_points(body.skeleton, points, pose, betas, simulated.true_transl.astype(float)).points
    camera = simulated.intrinsics.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = simulated.true_focal
    keypoints = project(placed, camera)
    size = np.ptp(simulated.keypoints_2d, axis=1).max(axis=1)
    keypoints = keypoints + noise * size[:, None, None] * rng.standard_normal(keypoints.shape)
    clips = np.unique(simulated.clip)
    fold = np.searchsorted(clips, simulated.clip) % 2 if len(clips) > 1 else np.arange(len(pose)) % 2
    return Case(
        name, layout, simulated.pose.astype(float), simulated.betas.astype(float),
        simulated.transl.astype(float), keypoints, np.ones(keypoints.shape[:2]), simulated.intrinsics,
        pose, betas, fold,
    )  # fmt: skip


def pixels_per_metre(case: Case) -> np.ndarray:
    """Scale of the image at each body, (N, 1, 1)."""
    return (case.intrinsics[:, 0, 0] / case.transl[:, 2])[:, None, None]


def hidden(case: Case, share: float, rng: np.random.Generator) -> Case:
    """Hide a share of the keypoints."""
    seen = rng.random(case.confidence.shape) >= share
    return replace(case, name=f"{case.name}, {share:.0%} hidden", confidence=case.confidence * seen)


def outliers(case: Case, share: float, metres: float, rng: np.random.Generator) -> Case:
    """Move a share of the keypoints by a distance."""
    away = rng.standard_normal(case.keypoints_2d.shape)
    away *= metres * pixels_per_metre(case) / np.linalg.norm(away, axis=-1, keepdims=True)
    chosen = rng.random(case.confidence.shape) < share
    keypoints = case.keypoints_2d + np.where(chosen[..., None], away, 0)
    return replace(case, name=f"{case.name}, {share:.0%} off by {metres} m", keypoints_2d=keypoints)


def cut_off(case: Case, confidence: float) -> Case:
    """Move the lower 40% of each person onto the image's border, with some noise, at a confidence."""
    y = case.keypoints_2d[..., 1]
    border = 0.4 * y.min(axis=1, keepdims=True) + 0.6 * y.max(axis=1, keepdims=True)
    below = y > border
    keypoints = case.keypoints_2d.copy()
    noise = 0.01 * pixels_per_metre(case)[..., 0] * np.cos(37.0 * np.arange(y.size)).reshape(y.shape)
    keypoints[..., 1] = np.where(below, border + noise, y)
    name = f"{case.name}, cut off at c = {confidence}"
    return replace(
        case, name=name, keypoints_2d=keypoints, confidence=np.where(below, confidence, case.confidence)
    )


def exchanged(case: Case, number: int) -> Case:
    """Exchange left and right of some keypoints."""
    order = assignments(case.layout)[number]
    return replace(
        case, name=f"{case.name}, exchange {number}", keypoints_2d=case.keypoints_2d[:, order], weight=0.3
    )


def moved(case: Case, offset: tuple[float, float, float]) -> Case:
    """Move the estimates."""
    return replace(case, name=f"{case.name}, moved by {offset}", transl=case.transl + np.array(offset))


def scaled_depth(case: Case, factor: float) -> Case:
    """Scale the estimates' depth."""
    return replace(case, name=f"{case.name}, depth {factor}", transl=case.transl * [1, 1, factor])


def turned(case: Case, degrees: float, rng: np.random.Generator) -> Case:
    """Turn the estimates about their own vertical, to either side."""
    angle = np.radians(degrees) * rng.choice([-1.0, 1.0], len(case.pose))
    pose = case.pose.copy()
    pose[:, 0] = pose[:, 0] @ matrix_from_axis_angle(angle[:, None] * np.array([0.0, 1.0, 0.0]))
    return replace(case, name=f"{case.name}, turned by {degrees} degrees", pose=pose, weight=3.0)


def mapped(case: Case, matrix: np.ndarray) -> np.ndarray:
    """Keypoints after a linear map about their mean."""
    middle = case.keypoints_2d.mean(axis=1, keepdims=True)
    return (case.keypoints_2d - middle) @ np.swapaxes(matrix, -1, -2) + middle


def in_plane(case: Case, degrees: float, rng: np.random.Generator) -> Case:
    """Rotate the keypoints in the image plane, to either side."""
    angle = np.radians(degrees) * rng.choice([-1.0, 1.0], len(case.pose))
    matrix = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1)
    return replace(
        case, name=f"{case.name}, rotated", keypoints_2d=mapped(case, matrix.reshape(-1, 2, 2)), weight=2.25
    )


def stretched(case: Case, factors: tuple[float, float], weight: float) -> Case:
    """Stretch the keypoints along x and y."""
    keypoints = mapped(case, np.diag(factors))
    name = f"{case.name}, stretched by {factors}"
    return replace(case, name=name, keypoints_2d=keypoints, weight=weight, margin=-25.0)


def mirrored(case: Case) -> Case:
    """Mirror the keypoints, with left and right exchanged."""
    keypoints = mapped(case, np.diag([-1.0, 1.0]))[:, list(case.layout.mirror)]
    return replace(case, name=f"{case.name}, mirrored", keypoints_2d=keypoints)


def another(case: Case, shift: int, *, placed: bool) -> Case:
    """Give each body the keypoints of another one, as they are, or moved and scaled onto its own."""
    keypoints = np.roll(case.keypoints_2d, shift, axis=0)
    if placed:
        own, other = (k - k.mean(axis=1, keepdims=True) for k in (case.keypoints_2d, keypoints))
        scale = np.sqrt((own**2).sum(axis=(1, 2)) / (other**2).sum(axis=(1, 2)))
        keypoints = scale[:, None, None] * other + case.keypoints_2d.mean(axis=1, keepdims=True)
    name = f"{case.name}, another's {'in its place' if placed else 'anywhere'}"
    return replace(case, name=name, keypoints_2d=keypoints, weight=2.0, own=False, clean=False)


def scored(case: Case, rng: np.random.Generator) -> Case:
    """Give the keypoints very different scores."""
    confidence = np.exp(3 * rng.standard_normal(case.confidence.shape))
    return replace(case, name=f"{case.name}, with wild scores", confidence=confidence)


def errors_of(body: BodyModel, pose: np.ndarray, betas: np.ndarray, case: Case) -> np.ndarray:
    """Mean joint error of bodies in millimetres, (N,)."""
    joints = LSP if body.num_joints == 24 else tuple(range(body.num_joints))
    hips = [2, 1] if body.num_joints == 24 else [0]

    def relative(pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
        places = forward_kinematics(body.skeleton, pose, betas).joints
        return places[:, joints] - places[:, hips].mean(axis=1, keepdims=True)

    away = relative(pose, betas) - relative(case.true_pose, case.true_betas)
    return 1000 * np.linalg.norm(away, axis=-1).mean(axis=1)


def motion_priors(body: BodyModel) -> list[MotionPrior]:
    """Return the motion prior of each fold: of the other fold's clips."""
    if body.num_joints != 24:
        return [flat_motion_prior(body.skeleton)] * 2
    motion = cmu_motion()
    assert motion.clips is not None
    clips = np.unique(motion.clips)
    fold = np.searchsorted(clips, motion.clips) % 2
    priors = []
    for k in (0, 1):
        mean, covariance = fit_chords(np.asarray(motion.poses, float)[fold != k])
        precision = np.zeros_like(covariance)
        widened = MOTION_SCALE * covariance + MOTION_FLOOR**2 * np.eye(3)
        precision[1:22] = np.linalg.inv(widened[1:22])
        mean[[0, 22, 23]] = 0
        priors.append(MotionPrior(mean, precision))
    return priors


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


def report(title: str, body: BodyModel, cases: Sequence[Case]) -> None:
    """Fit a family's verdict and print it."""
    priors = motion_priors(body)
    outcomes = [outcome_of(case, body, priors) for case in cases]
    halves = [regress_all(outcomes, lambda case, k=k: case.fold != k) for k in (0, 1)]
    coefficients, constant = regress_all(outcomes, lambda case: np.ones(len(case.fold), bool))
    print(f"{title} = (")
    for name, value in zip(FEATURES, coefficients, strict=True):
        print(f"    {value:.4g},  # {name}")
    print(f"), {constant:.4g}\n")
    print("accepted, better among them, mm before, refined, with the verdict; cross-validated")
    for outcome in outcomes:
        fold = outcome.case.fold
        odds = np.empty(len(fold))
        for k in (0, 1):
            odds[fold == k] = outcome.features[fold == k] @ halves[k][0] + halves[k][1]
        accepted, better = odds > 0, outcome.after < outcome.before
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
    report("PERSON", people, cases_of_people(people, rng))
    report("OTHER", hands, cases_of_hands(hands, rng))
    return 0


if __name__ == "__main__":
    sys.exit(main())
