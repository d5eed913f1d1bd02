"""Run the kernels of kitro_np.points on threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays.threads import each
from ...points.gauss_newton import State
from ...points.problem import PointsProblem
from ...points.swings import AT_JOINT, nearest_points
from ..pool import Pool
from .fit import fit_bodies

CHUNK = 256
"""Bodies of a call."""


def fit(problem: PointsProblem, betas: np.ndarray, start: State | None, threads: int | None = None) -> State:
    """Fused twin of kitro_np.points.fit.fit_alone: bodies with given betas, from a start or from none."""
    count, joints = len(problem.points), problem.skeleton.num_joints
    if start is None:
        pose, transl = np.empty((count, joints, 3, 3)), np.empty((count, 3))
    else:
        pose, transl = np.array(start.pose), np.array(start.transl)
    points, weights = (np.ascontiguousarray(part) for part in (problem.points, problem.weights))
    rest = np.asarray(problem.skeleton.rest_joints(betas[None])[0], dtype=np.float64)
    tree = np.array(problem.skeleton.parents), rest
    skin, motion = _skin(problem, betas), _motion(problem)
    pool = Pool(lambda: _memory(joints, problem.layout.num_points))

    def work(first: int) -> int:
        rows = slice(first, first + CHUNK)
        with pool.lend() as memory:
            fit_bodies(
                pose[rows],
                transl[rows],
                points[rows],
                weights[rows],
                tree,
                skin,
                motion,
                memory,
                start is None,
            )
        return len(pose[rows])

    each(work, range(0, count, CHUNK), threads)
    return State(pose, betas, transl)


def _skin(problem: PointsProblem, betas: np.ndarray) -> tuple[np.ndarray, ...]:
    """Anchors, offsets, whether points are below joints, and what each joint aims at."""
    aims = nearest_points(problem)
    starts = np.cumsum([0, *map(len, aims)])
    at_joint = np.linalg.norm(problem.layout.offsets, axis=1) < AT_JOINT
    joints = np.arange(problem.skeleton.num_joints)
    still = ~problem.below.T | (at_joint & (problem.anchors == joints[:, None]))
    return (
        problem.anchors,
        np.ascontiguousarray(problem.offsets(betas[None])[0]),
        problem.below,
        np.concatenate([*aims, np.zeros(0, np.int64)]).astype(np.int64),
        starts,
        np.ascontiguousarray(still),
    )


def _motion(problem: PointsProblem) -> tuple[np.ndarray, np.ndarray]:
    mean, precision = problem.motion.mean, problem.motion.precision
    return np.ascontiguousarray(mean, np.float64), np.ascontiguousarray(precision, np.float64)


def _memory(joints: int, points: int) -> tuple[Any, ...]:
    """Working memory of a thread, in the order of fit_bodies."""
    return (
        np.empty((joints, 3, 3)),  # global rotations
        np.empty((joints, 3)),  # joints
        np.empty((points, 3)),
        np.empty(points),  # squared distances
        np.zeros((joints + 1, joints + 1, 3, 3)),  # normal equations
        np.empty((joints + 1, 3)),  # right side, then step
        np.empty((joints, 3, 3)),  # pose before a step
        np.empty(3),
        np.empty((3, 3)),  # moment
        np.empty((3, 3)),  # turn
        np.empty((joints + 1, 3, 3)),  # inverses
        np.empty((3, 3)),  # factor
        np.empty((4, 4)),  # Davenport's matrix
        np.empty((4, 4)),  # its square
    )
