"""Conversion between chunks of bodies and tiles, shared by all methods."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...refinement.validity import LARGEST_NUMBER
from ..body.kinematics import forward_kinematics
from ..camera import reprojection_error
from ..jit import kernel
from ..lanes import load, own_lanes, store
from .validity import BAD_INTRINSICS, NOT_FINITE, estimate_status

NAN = math.nan
"""A plain number: an attribute of a module, such as math.nan, would stay a double on a GPU."""


class BodyRows(NamedTuple):
    """A batch as kernels read it: C-ordered, one row per body."""

    pose: Any  # (N, 9 J)
    betas: Any  # (N, S)
    transl: Any  # (N, 3)
    keypoints_2d: Any  # (N, 2 J)
    intrinsics: Any  # (N or 1, 9)


@kernel
def open_tile(tree, tile, bodies, refined, start, last):
    """Read a tile, check its bodies, and write their initial reprojection errors."""
    read_tile(tile, bodies, start, last)
    forward_kinematics(tree, tile)
    estimate_status(tree, tile)
    check_intrinsics(tile, bodies, start, last)
    reprojection_error(tree, tile)
    write_initial_error(tile, refined, start, last)


@kernel
def write_initial_error(tile, refined, start, last):
    """Write the estimates' reprojection errors; write_tile overwrites those of refined bodies."""
    for lane in own_lanes(tile.error, last - start):
        refined.reprojection_error[start + lane] = tile.error[0, lane]


@kernel
def without_branches(tree, tile):
    """Write a result without branches: selection -1, path score NaN."""
    store(tile.path_score, 0, NAN)
    for j in range(tree.parents.size):
        store(tile.selection, j, -1.0)


@kernel
def read_tile(tile, bodies, start, last):
    """Copy rows of bodies to lanes; the last body fills the remaining lanes."""
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        body = min(start + lane, last - 1)
        for row in range(tile.pose.shape[0]):
            tile.pose[row, lane] = bodies.pose[body, row]
        for row in range(tile.betas.shape[0]):
            tile.betas[row, lane] = bodies.betas[body, row]
        for row in range(3):
            tile.transl[row, lane] = bodies.transl[body, row]
        for row in range(tile.keypoints.shape[0]):
            tile.keypoints[row, lane] = bodies.keypoints_2d[body, row]
        camera = min(body, bodies.intrinsics.shape[0] - 1)
        tile.camera[0, lane] = bodies.intrinsics[camera, 0]
        tile.camera[1, lane] = bodies.intrinsics[camera, 4]
        tile.camera[2, lane] = bodies.intrinsics[camera, 2]
        tile.camera[3, lane] = bodies.intrinsics[camera, 5]
    for row in range(tile.pose.shape[0]):
        store(tile.initial_pose, row, load(tile.pose, row))


@kernel
def check_intrinsics(tile, bodies, start, last):
    """Check the entries of K that lanes do not hold: zero skew and lower triangle, and K[2, 2] = 1."""
    for lane in own_lanes(tile.status, last - start):
        k = bodies.intrinsics[min(start + lane, bodies.intrinsics.shape[0] - 1)]
        plain = k[1] == 0 and k[3] == 0 and k[6] == 0 and k[7] == 0 and k[8] == 1
        bounded = abs(k[1]) < LARGEST_NUMBER and abs(k[3]) < LARGEST_NUMBER and abs(k[6]) < LARGEST_NUMBER
        bounded = bounded and abs(k[7]) < LARGEST_NUMBER and abs(k[8]) < LARGEST_NUMBER
        if not bounded:  # nor NaN
            tile.status[0, lane] = NOT_FINITE
        elif not plain and tile.status[0, lane] != NOT_FINITE:
            tile.status[0, lane] = BAD_INTRINSICS


@kernel
def write_tile(tile, bodies, refined, start, last):
    """Copy lanes to rows of bodies; a body that was not refined comes back as its estimate."""
    for lane in own_lanes(tile.status, last - start):
        body = start + lane
        good = tile.status[0, lane] == 0
        refined.status[body] = int(tile.status[0, lane])
        for row in range(tile.pose.shape[0]):
            refined.pose[body, row] = tile.pose[row, lane] if good else bodies.pose[body, row]
        for row in range(tile.betas.shape[0]):
            refined.betas[body, row] = tile.betas[row, lane] if good else bodies.betas[body, row]
        for row in range(3):
            refined.transl[body, row] = tile.transl[row, lane] if good else bodies.transl[body, row]
        for row in range(tile.selection.shape[0]):
            refined.selection[body, row] = int(tile.selection[row, lane]) if good else -1
        refined.path_score[body] = tile.path_score[0, lane] if good else NAN
        if good:
            refined.reprojection_error[body] = tile.error[0, lane]
