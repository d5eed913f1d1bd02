"""Cases that the verdict of method "map" is fitted to and measured on: estimates, keypoints, and the truth.

Keypoints are a body's own (of several layouts, noisy, hidden, cut off by the image's border, exchanged, with
outliers; with the estimate's translation or turn off) or not (another person's, rotated, squeezed, mirrored,
half as large).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kitro_np import BodyModel, KeypointLayout, find_layout
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.posterior.priors import MOTION_FLOOR, MOTION_SCALE, MotionPrior, flat_motion_prior
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.posterior.swaps import assignments
from kitro_np.simulate import Simulated, simulate
from kitro_np.simulate.motion import cmu_poses

from .build_pose_prior import fit_chords

LSP = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""Joints of SMPL's whose mean error is compared, about the mean of the hips."""


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


def cases_of_people(body: BodyModel, count: int, rng: np.random.Generator) -> list[Case]:
    """Return all cases of people, simulated."""
    cases = cases_of(simulate(count=count, seed=1), body, rng)
    coco = find_layout("coco17", body)
    for level in ("mediapipe", "halfway", "spin"):
        other = simulate(count=count // 2, seed=2, errors=level)
        cases.append(observe(level, other, body, coco, 0.012, rng))
    return cases


def cases_of(simulated: Simulated, body: BodyModel, rng: np.random.Generator) -> list[Case]:
    """Return the cases that some people are put in."""
    plain, coco = find_layout("smpl24", body), find_layout("coco17", body)
    exact = observe("exact", simulated, body, plain, 0.0, rng)
    noisy = observe("noisy", simulated, body, plain, 0.012, rng)
    few = observe("coco17", simulated, body, coco, 0.012, rng)
    clean = [replace(case, clean=True) for case in (exact, noisy, few)]
    for name in ("body25b", "mediapipe33", "h36m17"):
        clean.append(replace(observe(name, simulated, body, find_layout(name, body), 0.012, rng), clean=True))
    cases = [*clean, *(hidden(case, 0.35, rng) for case in (noisy, few))]
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


def cases_of_hands(body: BodyModel, count: int, rng: np.random.Generator) -> list[Case]:
    """Return all cases of hands."""
    layout = find_layout("smpl24", body)
    simulated = simulate(body=body, count=count, seed=1)
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


def cut_off(case: Case, confidence: float, jitter: float = 0.01) -> Case:
    """Move the lower 40% of each person onto the image's border, but for a jitter in metres."""
    y = case.keypoints_2d[..., 1]
    border = 0.4 * y.min(axis=1, keepdims=True) + 0.6 * y.max(axis=1, keepdims=True)
    below = y > border
    keypoints = case.keypoints_2d.copy()
    noise = jitter * pixels_per_metre(case)[..., 0] * np.cos(37.0 * np.arange(y.size)).reshape(y.shape)
    keypoints[..., 1] = np.where(below, border + noise, y)
    name = f"{case.name}, cut off at c = {confidence}{', exactly' if not jitter else ''}"
    return replace(
        case, name=name, keypoints_2d=keypoints, confidence=np.where(below, confidence, case.confidence)
    )


def exchanged(case: Case, number: int) -> Case:
    """Exchange left and right of some keypoints."""
    order = assignments(case.layout)[number]
    return replace(
        case, name=f"{case.name}, exchange {number}", keypoints_2d=case.keypoints_2d[:, order], weight=0.3
    )


def leg_on_the_other(case: Case, confidence: float, rng: np.random.Generator) -> Case:
    """Put one leg's keypoints on the other leg's, at a confidence."""
    keypoints, scores = case.keypoints_2d.copy(), case.confidence.copy()
    left = rng.random(len(case.pose)) < 0.5
    for part in ("knee", "ankle", "foot"):
        if f"left_{part}" not in case.layout.names:
            continue
        sides = [case.layout.names.index(f"{side}_{part}") for side in ("left", "right")]
        for hidden_one, other, chosen in ((*sides, left), (*sides[::-1], ~left)):
            keypoints[chosen, hidden_one] = case.keypoints_2d[chosen, other]
            scores[chosen, hidden_one] = confidence
    name = f"{case.name}, a leg on the other at c = {confidence}"
    return replace(case, name=name, keypoints_2d=keypoints, confidence=scores)


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
    return replace(case, name=f"{case.name}, turned by {degrees} degrees", pose=pose, weight=4.0)


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
    motion = cmu_poses()
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
