"""Fit a batch of bodies to points, tile by tile."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..jit import entry, kernel
from .evidence import weigh_up
from .gauss_newton import minimise, place
from .swings import first_pose, first_transl


class PointsRows(NamedTuple):
    """A batch: C-ordered, one row a body."""

    points: Any  # (N, 3 K)
    weights: Any  # (N, K)
    pose: Any  # (N, 9 J) written, and the start where there is one
    transl: Any  # (N, 3) the same
    placed: Any  # (N, 3 K) written: points on the body, without translation
    sums: Any  # (4 + S^2 + S,) added to if bodies are weighed up


@entry
def fit_bodies(limbs, tile, rows, steps, start, weighed, of_betas, first, last):
    """Fit bodies `first` to `last` - 1, from the start in closed form or (`start`) from that of the rows.

    Weighed up, only their pose and translation are written.
    """
    lanes = tile.cost.shape[1]
    for begin in range(first, last, lanes):
        _read(tile, rows, start, begin, last)
        if not start:
            first_pose(limbs, tile)
        place(limbs, tile)
        if not start:
            first_transl(tile)
        minimise(limbs, tile, steps)
        if weighed:
            weigh_up(limbs, tile, of_betas)
            _add_sums(tile, rows, min(lanes, last - begin))
        _write(tile, rows, not weighed, begin, min(lanes, last - begin))


@kernel
def _read(tile, rows, start, begin, last):
    """Read a tile; lanes without a body have no points."""
    for lane in range(tile.cost.shape[1]):
        body = min(begin + lane, last - 1)
        there = begin + lane < last
        tile.active[0, lane] = 1.0 if there else 0.0
        for k in range(tile.points.shape[0]):
            tile.points[k, lane] = rows.points[body, k]
        for k in range(tile.weights.shape[0]):
            tile.weights[k, lane] = rows.weights[body, k] if there else 0.0
        if start:
            for k in range(tile.pose.shape[0]):
                tile.pose[k, lane] = rows.pose[body, k]
            for k in range(3):
                tile.transl[k, lane] = rows.transl[body, k]


@kernel
def _write(tile, rows, with_points, begin, count):
    for lane in range(count):
        body = begin + lane
        for k in range(tile.pose.shape[0]):
            rows.pose[body, k] = tile.pose[k, lane]
        for k in range(3):
            rows.transl[body, k] = tile.transl[k, lane]
        if with_points:
            for k in range(tile.placed.shape[0]):
                rows.placed[body, k] = tile.placed[k, lane]


@kernel
def _add_sums(tile, rows, count):
    for row in range(tile.sums.shape[0]):
        for lane in range(count):
            rows.sums[row] += tile.sums[row, lane]
