"""SMPLify, tile by tile."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..adam import adam_step, clear_moments
from ..camera import in_camera, project, reprojection_error
from ..jit import entry, kernel
from ..lanes import load, store, where
from ..refinement.chunks import open_tile, without_branches, write_tile
from ..refinement.validity import outcome_status
from ..tile import Tree, aligned_rows
from .energy import gradient, pose_tile
from .rotation_vectors import axis_angles


class Fit(NamedTuple):
    """Working memory of a tile beside kitro_np.kernels.tile.Tile; every member has shape (rows, lanes)."""

    size: np.ndarray  # 1 of the person in the image, in pixels
    vectors: np.ndarray  # 3 J axis-angle
    start_vectors: np.ndarray  # 3 J of the estimate
    start_betas: np.ndarray  # S
    start_transl: np.ndarray  # 3
    jacobian: np.ndarray  # 2 J coefficients of the exponential map's left Jacobian
    rotation_gradient: np.ndarray  # 3 J gradient by a rotation about each joint
    deviation: np.ndarray  # 3 J pose minus the prior's mean
    pose_gradient: np.ndarray  # 3 J
    pose_mean: np.ndarray  # 3 J Adam's moments; those of betas are the tile's
    pose_square: np.ndarray  # 3 J
    transl_gradient: np.ndarray  # 3
    transl_mean: np.ndarray  # 3
    transl_square: np.ndarray  # 3


def make_fit(tree: Tree, dtype: Any) -> Fit:
    """Allocate the working memory of a fit."""
    joints, betas = tree.shapedirs.shape[:2]
    rows = {"size": 1, "start_betas": betas, "jacobian": 2 * joints}
    rows |= dict.fromkeys(("start_transl", "transl_gradient", "transl_mean", "transl_square"), 3)
    return Fit(**{name: aligned_rows(rows.get(name, 3 * joints), dtype) for name in Fit._fields})


@entry
def fit_bodies(tree, tile, fit, bodies, refined, settings, first, last):
    """Fused twin of kitro_np.smplify.descent.smplify_arrays, for bodies `first` to `last` - 1."""
    lanes = tile.status.shape[1]
    for start in range(first, last, lanes):
        open_tile(tree, tile, bodies, refined, start, last)
        make_problem(tree, tile, fit)
        _descend(tree, tile, fit, settings, settings.root_rates, False)
        _descend(tree, tile, fit, settings, settings.rates, True)
        pose_tile(tree, tile, fit)
        reprojection_error(tree, tile)
        outcome_status(tree, tile)
        without_branches(tree, tile)
        write_tile(tile, bodies, refined, start, last)


@kernel
def make_problem(tree, tile, fit):
    """Fused twin of kitro_np.smplify.energy.make_problem, after forward kinematics of the estimate."""
    low_u, low_v = project(in_camera(tile, 0), tile)
    high_u, high_v = low_u, low_v
    for j in range(1, tree.parents.size):
        u, v = project(in_camera(tile, j), tile)
        low_u, high_u = where(u < low_u, u, low_u), where(u > high_u, u, high_u)
        low_v, high_v = where(v < low_v, v, low_v), where(v > high_v, v, high_v)
    width, height = high_u - low_u, high_v - low_v
    store(fit.size, 0, where(width > height, width, height))
    axis_angles(tree, tile.pose, fit.vectors)
    for row in range(fit.vectors.shape[0]):
        store(fit.start_vectors, row, load(fit.vectors, row))
    for row in range(tile.betas.shape[0]):
        store(fit.start_betas, row, load(tile.betas, row))
    for row in range(3):
        store(fit.start_transl, row, load(tile.transl, row))


@kernel
def _descend(tree, tile, fit, settings, rates, everything):
    """Fused twin of kitro_np.smplify.descent.fit, for one of its stages."""
    clear_moments(fit.pose_mean, fit.pose_square)
    clear_moments(tile.mean, tile.square)
    clear_moments(fit.transl_mean, fit.transl_square)
    free = fit.vectors.shape[0] if everything else 3
    for step in range(rates.shape[0]):
        gradient(tree, tile, fit, settings)
        rate, root_rate = rates[step, 0], rates[step, 1]
        adam_step(fit.vectors, fit.pose_gradient, fit.pose_mean, fit.pose_square, free, rate, root_rate)
        adam_step(tile.transl, fit.transl_gradient, fit.transl_mean, fit.transl_square, 3, rate, root_rate)
        if everything:
            betas = tile.betas.shape[0]
            adam_step(tile.betas, tile.gradient, tile.mean, tile.square, betas, rate, root_rate)
