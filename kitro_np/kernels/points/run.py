"""Run the kernels of kitro_np.points on threads."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...arrays.threads import each
from ...body.skeleton import Skeleton
from ...keypoints.layouts import KeypointLayout
from ...points.gauss_newton import STEPS, Evidence, PlacedState, State
from ...points.problem import PointsProblem
from ..pool import Pool
from ..records import refer, refer_tile
from .fit import PointsRows, fit_bodies
from .memory import make_limbs, make_points_tile

CHUNK = 256
"""Bodies of a call."""

NONE = np.zeros((1, 1))
"""Rows that a call does not need."""


def fit(
    problem: PointsProblem, betas: np.ndarray, start: State | None, threads: int | None = None
) -> PlacedState:
    """Fused twin of kitro_np.points.fit.fit_alone: bodies with given betas, from a start or from none."""
    count, points = problem.weights.shape
    rows = _rows(problem, start)
    rows = rows._replace(placed=np.empty((count, 3 * points)))
    limbs, table, pool = _limbs(problem, betas), refer(rows), _tiles(problem)

    def work(first: int) -> int:
        last = min(first + CHUNK, count)
        with pool.lend() as tile:
            fit_bodies(limbs, tile, table, STEPS, start is not None, False, False, first, last)
        return last - first

    each(work, range(0, count, CHUNK), threads)
    return PlacedState(*_state(rows, betas), rows.placed.reshape(count, points, 3))


def weigh_up(
    problem: PointsProblem, betas: np.ndarray, start: State | None, steps: int, of_betas: bool
) -> tuple[State, Evidence]:
    """Fused twin of kitro_np.points.fit.weigh_up, on one thread: of few bodies."""
    count, shapes = len(problem.points), len(betas)
    rows = _rows(problem, start)
    rows = rows._replace(sums=np.zeros(4 + shapes * shapes + shapes))
    with _tiles(problem).lend() as tile:
        fit_bodies(
            _limbs(problem, betas), tile, refer(rows), steps, start is not None, True, of_betas, 0, count
        )
    whole = rows.sums[4 : 4 + shapes * shapes].reshape(shapes, shapes)
    if of_betas:
        whole = np.tril(whole) + np.tril(whole, -1).T
    across, size, squares, left = rows.sums[:4].tolist()
    right = rows.sums[4 + shapes * shapes :]
    return _state(rows, betas), Evidence(across, size, squares, left, whole, right)


def _rows(problem: PointsProblem, start: State | None) -> PointsRows:
    count, joints = len(problem.weights), problem.skeleton.num_joints
    points = np.ascontiguousarray(problem.points.reshape(count, -1), dtype=np.float64)
    weights = np.ascontiguousarray(problem.weights, dtype=np.float64)
    if start is None:
        pose, transl = np.empty((count, 9 * joints)), np.empty((count, 3))
    else:
        pose = np.array(start.pose, dtype=np.float64, order="C").reshape(count, -1)
        transl = np.array(start.transl, dtype=np.float64, order="C")
    return PointsRows(points, weights, pose, transl, NONE, NONE[0])


def _state(rows: PointsRows, betas: np.ndarray) -> State:
    return State(rows.pose.reshape(len(rows.pose), -1, 3, 3), betas, rows.transl)


def _limbs(problem: PointsProblem, betas: np.ndarray) -> Any:
    return _limbs_of(problem.skeleton, problem.layout, betas.tobytes())


@lru_cache(maxsize=16)
def _limbs_of(skeleton: Skeleton, layout: KeypointLayout, betas: bytes) -> Any:
    problem = PointsProblem.without_bodies(skeleton, layout)
    return refer(make_limbs(problem, np.frombuffer(betas)))


def _tiles(problem: PointsProblem) -> Pool:
    return _tiles_of(problem.skeleton.num_joints, problem.layout.num_points, problem.skeleton.num_betas)


@lru_cache(maxsize=16)
def _tiles_of(joints: int, points: int, betas: int) -> Pool:
    return Pool(lambda: refer_tile(make_points_tile(joints, points, betas)))
