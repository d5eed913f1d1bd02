"""Gauss-Newton with damping: pose and translation of each body, and betas that all share if asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays.rotations import chord, cross_matrix, matrix_from_axis_angle
from .problem import PlacedPoints, PointsProblem

STEPS = 12
"""At most."""

DOF = 5.0
"""Degrees of freedom of the Student's t distribution of points' errors, in the units of their spread."""

ENOUGH = 1e-3
"""Of the cost: a smaller decrease ends a body's fit."""

MOST_DAMPING = 1e6
"""A larger one ends it, too."""

DAMPING, MORE, LESS = 1e-3, 8.0, 0.2
"""Of the normal equations, relative to their diagonal: at first, and its change after a worse and a better
step."""

FLAT = 1e-4
"""Precision of rotations that nothing is known of, in 1 / rad^2."""

LARGEST_ROTATION = 1.0
"""In a step, in radians."""


class State(NamedTuple):
    """Bodies: pose (N, J, 3, 3), betas (S,) of all, and translation (N, 3)."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray


def minimise(problem: PointsProblem, start: State, betas_precision: float | None) -> State:
    """Minimise half the squares of distances, motion and betas; without a precision betas stay.

    Distances count as Student's t, motion as the chord's Gaussian.
    """
    best, damping = start, np.full(len(start.pose), DAMPING)
    active = np.ones(len(start.pose), dtype=bool)
    placed = _place(problem, best)
    cost = _cost(problem, placed, best, betas_precision)
    for _ in range(STEPS):
        step = _step(problem, placed, best, damping, betas_precision)
        tried = _moved(best, step)
        there = _place(problem, tried)
        found = _cost(problem, there, tried, betas_precision)
        if betas_precision is not None:  # all bodies share the step of the betas
            better = np.broadcast_to(found.sum() < cost.sum(), found.shape)
        else:
            better = (found < cost) & active
        done = better & (cost - found <= ENOUGH * cost)
        best = State(
            np.where(better[:, None, None, None], tried.pose, best.pose),
            tried.betas if betas_precision is not None and better.all() else best.betas,
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


def _cost(problem: PointsProblem, at: Moved, state: State, betas_precision: float | None) -> np.ndarray:
    points = 0.5 * (DOF + 3) * np.log1p(at.squared / DOF).sum(axis=1)
    away = chord(state.pose)[0] - problem.motion.mean
    motion = 0.5 * np.einsum("nja,jab,njb->n", away, problem.motion.precision, away)
    betas = 0.0 if betas_precision is None else 0.5 * betas_precision * np.square(state.betas).sum()
    return points + motion + betas / len(points)


class PointsStep(NamedTuple):
    """Change of a state: turns (N, J, 3) of local rotations, in their parents' frames."""

    turns: np.ndarray
    betas: np.ndarray
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


def noise_of(problem: PointsProblem, state: State) -> float:
    """Spread of the points found from their residuals, over the one assumed.

    Squares over the effective number of residuals, 3 K - tr((A + L)^-1 A) of each body (MacKay 1992), with
    the points' precision A and the motion's L.
    """
    at = _place(problem, state)
    equations = _equations(problem, at, state)
    inverse = np.linalg.inv(equations.normal + 1e-9 * np.eye(equations.normal.shape[1]))
    parameters = np.einsum("nab,nba->n", inverse, equations.of_points)
    share = (DOF + 3) / (DOF + at.squared)  # of outliers, little
    seen = problem.weights > 0
    left = 3 * (share * seen).sum(axis=1) - parameters
    total = (share * at.squared).sum()
    return float(np.sqrt(total / max(left.sum(), 1e-3 * seen.sum())))


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


def _step(
    problem: PointsProblem, at: Moved, state: State, damping: np.ndarray, betas_precision: float | None
) -> PointsStep:
    """Solve the normal equations, betas by their Schur complement over all bodies."""
    count, joints = state.pose.shape[:2]
    own, scaled, _, normal, gradient = _equations(problem, at, state)
    diagonal = np.einsum("naa->na", normal)
    diagonal += damping[:, None] * diagonal + 1e-9

    columns = gradient[..., None]
    if betas_precision is not None:
        shared = by_betas(problem, at.placed.rotations).reshape(count, own.shape[1], -1)
        cross_terms = np.matmul(np.swapaxes(scaled, 1, 2), shared)
        columns = np.concatenate([columns, cross_terms], axis=-1)
    solved = np.linalg.solve(normal, columns)
    betas = np.zeros_like(state.betas)
    step = -solved[..., 0]
    if betas_precision is not None:
        weights = problem.weights * (DOF + 3) / (DOF + at.squared)
        weighted_shared = shared * np.repeat(weights, 3, axis=1)[..., None]
        whole = np.einsum("nrs,nrt->st", weighted_shared, shared) + betas_precision * np.eye(len(betas))
        right = np.einsum("nrs,nr->s", weighted_shared, at.residual.reshape(count, -1))
        right = right + betas_precision * state.betas
        whole = whole - np.einsum("nas,nat->st", cross_terms, solved[..., 1:])
        right = right - np.einsum("nas,na->s", cross_terms, solved[..., 0])
        betas = -np.linalg.solve(whole * (1 + np.median(damping) * np.eye(len(betas))), right)
        step = step - solved[..., 1:] @ betas
    turns = step[:, :-3].reshape(count, joints, 3)
    largest = np.sqrt(np.square(turns).sum(-1)).max(axis=1)
    turns = turns * np.minimum(1, LARGEST_ROTATION / np.maximum(largest, 1e-9))[:, None, None]
    # About the world's axes, before the joint's own rotation: in the parent's frame R -> exp(G_p^T w) R.
    parents = at.placed.rotations[:, np.maximum(problem.skeleton.parents, 0)].copy()
    parents[:, 0] = np.eye(3)
    turns = np.matmul(np.swapaxes(parents, -1, -2), turns[..., None])[..., 0]
    return PointsStep(turns, betas, step[:, -3:])


def _moved(state: State, step: PointsStep) -> State:
    return State(
        matrix_from_axis_angle(step.turns) @ state.pose, state.betas + step.betas, state.transl + step.transl
    )


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
