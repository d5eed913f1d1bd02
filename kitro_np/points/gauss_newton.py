"""Gauss-Newton with damping for pose and translation of each body, and what fitted bodies tell of all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays.rotations import cayley, chord, cross_matrix
from .problem import PlacedPoints, PointsProblem

STEPS = 20
"""At most; of points as noisy as usual, a body takes four."""

DOF = 5.0
"""Degrees of freedom of the Student's t distribution of points' errors, in the units of their spread."""

ENOUGH = 0.3
"""Of the cost, in logarithms of probability: a smaller decrease ends a body's fit."""

MOST_DAMPING = 1e6
"""A larger one ends it, too."""

DAMPING, MORE, LESS = 1e-5, 8.0, 0.2
"""Of the normal equations, relative to their diagonal: at first, and its change after a worse and a better
step."""

FLAT = 1e-4
"""Precision of rotations that nothing is known of, in 1 / rad^2."""

LEAST_PRECISION = 1e-9
"""Added to the diagonal of the normal equations, for what neither points nor motion tell of."""

LARGEST_ROTATION = 1.0
"""In a step, in radians."""


class State(NamedTuple):
    """Bodies: pose (N, J, 3, 3), betas (S,) of all, and translation (N, 3)."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray


class PlacedState(NamedTuple):
    """Bodies as in :class:`State`, and their points (N, K, 3) without translation."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    placed: np.ndarray


def minimise(problem: PointsProblem, start: State, steps: int = STEPS) -> State:
    """Minimise half the squares of distances and motion of each body, with the betas of the start.

    Distances count as Student's t, motion as the chord's Gaussian.
    """
    best, damping = start, np.full(len(start.pose), DAMPING)
    active = np.ones(len(start.pose), dtype=bool)
    placed = _place(problem, best)
    cost = _cost(problem, placed, best)
    for _ in range(steps):
        step = _step(problem, placed, best, damping)
        tried = _moved(best, step)
        found = _cost(problem, _place(problem, tried), tried)
        better = (found < cost) & active
        done = better & (cost - found <= ENOUGH)
        best = State(
            np.where(better[:, None, None, None], tried.pose, best.pose),
            best.betas,
            np.where(better[:, None], tried.transl, best.transl),
        )
        placed = _place(problem, best)
        cost = np.where(better, found, cost)
        damping = np.where(better, damping * LESS, damping * MORE)
        active &= ~done & (damping <= MOST_DAMPING)
        if not active.any():
            break
    return best


class Moved(NamedTuple):
    """Posed bodies, their points' residuals (N, K, 3), and squared distances (N, K) over squared spreads."""

    placed: PlacedPoints
    residual: np.ndarray
    squared: np.ndarray


def _place(problem: PointsProblem, state: State) -> Moved:
    betas = np.broadcast_to(state.betas, (len(state.pose), len(state.betas)))
    placed = problem.place(state.pose, betas)
    residual = placed.points + state.transl[:, None] - problem.points
    return Moved(placed, residual, problem.weights * np.square(residual).sum(-1))


def _cost(problem: PointsProblem, at: Moved, state: State) -> np.ndarray:
    points = 0.5 * (DOF + 3) * np.log1p(at.squared / DOF).sum(axis=1)
    away = chord(state.pose)[0] - problem.motion.mean
    return points + 0.5 * np.einsum("nja,jab,njb->n", away, problem.motion.precision, away)


class PointsStep(NamedTuple):
    """Change of a state: turns (N, J, 3) of local rotations, in their parents' frames."""

    turns: np.ndarray
    transl: np.ndarray


class Equations(NamedTuple):
    """Normal equations of U unknowns.

    Attributes
    ----------
    jacobian, weighted : (N, 3 K, U) array
        Of the points, and the same times their weights.
    of_points, normal : (N, U, U) array
        Precision of the points, and with that of motion.
    gradient : (N, U) array
    """

    jacobian: np.ndarray
    weighted: np.ndarray
    of_points: np.ndarray
    normal: np.ndarray
    gradient: np.ndarray


class Evidence(NamedTuple):
    """What fitted bodies tell of all: sums over them.

    Attributes
    ----------
    across, size : float
        Of given and fitted points about their centres, and of fitted ones: their ratio is that of scales.
    squares, left : float
        Of distances over spreads, and the effective number of residuals, 3 K - tr((A + L)^-1 A) of each body
        (MacKay 1992), with the points' precision A and the motion's L: the ratio is the spreads' variance.
    whole, right : (S, S) array, (S,) array
        Normal equations of the betas that all share, where each body's pose and translation follow them
        (Schur complement); 0 if they were not asked for.
    """

    across: float
    size: float
    squares: float
    left: float
    whole: np.ndarray
    right: np.ndarray


def evidence_of(problem: PointsProblem, state: State, betas: bool) -> Evidence:
    """Weigh up fitted bodies; with the equations of the betas or without."""
    count, shapes = len(state.pose), len(state.betas)
    at = _place(problem, state)
    jacobian, scaled, of_points, normal, gradient = _equations(problem, at, state)
    inverse = np.linalg.inv(normal + LEAST_PRECISION * np.eye(normal.shape[1]))
    parameters = np.einsum("nab,nba->", inverse, of_points)
    share = (DOF + 3) / (DOF + at.squared)  # of outliers, little
    left = 3 * (share * (problem.weights > 0)).sum() - parameters
    squares = (share * at.squared).sum()
    ours, _ = problem.centred(at.placed.points, problem.weights)
    theirs, _ = problem.centred(problem.points, problem.weights)
    across = np.einsum("nk,nkc,nkc->", problem.weights, theirs, ours)
    size = np.einsum("nk,nkc,nkc->", problem.weights, ours, ours)
    whole, right = np.zeros((shapes, shapes)), np.zeros(shapes)
    if betas:
        shared = by_betas(problem, at.placed.rotations).reshape(count, jacobian.shape[1], shapes)
        weighted = shared * np.repeat(problem.weights * share, 3, axis=1)[..., None]
        cross_terms = np.matmul(np.swapaxes(scaled, 1, 2), shared)
        solved = np.matmul(inverse, cross_terms)
        whole = np.einsum("nrs,nrt->st", weighted, shared) - np.einsum("nas,nat->st", cross_terms, solved)
        right = np.einsum("nrs,nr->s", weighted, at.residual.reshape(count, -1))
        right = right - np.einsum("nas,na->s", solved, gradient)
    return Evidence(float(across), float(size), float(squares), float(left), whole, right)


def _equations(problem: PointsProblem, at: Moved, state: State) -> Equations:
    """Linearise points and motion about the current bodies."""
    count, joints = state.pose.shape[:2]
    weights = problem.weights * (DOF + 3) / (DOF + at.squared)
    arms = at.placed.points[:, :, None] - at.placed.joints[:, None]
    by_turn = -cross_matrix(arms * problem.below[..., None])
    own = np.concatenate(
        [
            np.moveaxis(by_turn, 2, 3).reshape(count, -1, 3, 3 * joints),
            np.broadcast_to(np.eye(3), (*at.residual.shape, 3)),
        ],
        axis=-1,
    ).reshape(count, -1, 3 * joints + 3)
    scaled = own * np.repeat(weights, 3, axis=1)[..., None]
    of_points = np.matmul(np.swapaxes(scaled, 1, 2), own)
    normal = of_points.copy()
    gradient = np.matmul(np.swapaxes(scaled, 1, 2), at.residual.reshape(count, -1, 1))[..., 0]

    # The chord c changes by D w, D = (q I + [c / 2]x) G^T.
    chords, q = chord(state.pose)
    change = (q[..., None] * np.eye(3) + cross_matrix(chords / 2)) @ np.swapaxes(at.placed.rotations, -1, -2)
    weighted = np.swapaxes(change, -1, -2) @ problem.motion.precision
    blocks = weighted @ change + FLAT * np.eye(3)
    pull = np.matmul(weighted, (chords - problem.motion.mean)[..., None])[..., 0]
    for joint in range(joints):
        part = slice(3 * joint, 3 * joint + 3)
        normal[:, part, part] += blocks[:, joint]
        gradient[:, part] += pull[:, joint]
    return Equations(own, scaled, of_points, normal, gradient)


def _step(problem: PointsProblem, at: Moved, state: State, damping: np.ndarray) -> PointsStep:
    """Solve the normal equations."""
    count, joints = state.pose.shape[:2]
    _, _, _, normal, gradient = _equations(problem, at, state)
    diagonal = np.einsum("naa->na", normal)
    diagonal += damping[:, None] * diagonal + LEAST_PRECISION
    step = -np.linalg.solve(normal, gradient[..., None])[..., 0]
    turns = step[:, :-3].reshape(count, joints, 3)
    largest = np.sqrt(np.square(turns).sum(-1)).max(axis=1)
    turns = turns * np.minimum(1, LARGEST_ROTATION / np.maximum(largest, 1e-9))[:, None, None]
    # About the world's axes, before the joint's own rotation: in the parent's frame R -> exp(G_p^T w) R.
    parents = at.placed.rotations[:, np.maximum(problem.skeleton.parents, 0)].copy()
    parents[:, 0] = np.eye(3)
    turns = np.matmul(np.swapaxes(parents, -1, -2), turns[..., None])[..., 0]
    return PointsStep(turns, step[:, -3:])


def _moved(state: State, step: PointsStep) -> State:
    return State(cayley(step.turns) @ state.pose, state.betas, state.transl + step.transl)


def by_betas(problem: PointsProblem, rotations: np.ndarray) -> np.ndarray:
    """Change of points per unit of each beta, (N, K, 3, S)."""
    directions = np.asarray(problem.skeleton.joint_shapedirs, dtype=np.float64)
    change = np.empty((*rotations.shape[:2], *directions.shape[1:]))
    for joint, parent in enumerate(problem.skeleton.parents):
        if parent < 0:
            change[:, joint] = directions[joint]
        else:
            bone = directions[joint] - directions[parent]
            change[:, joint] = change[:, parent] + rotations[:, parent] @ bone
    turned = np.einsum("nkab,kbs->nkas", rotations[:, problem.anchors], problem.layout.by_betas)
    return change[:, problem.anchors] + turned
