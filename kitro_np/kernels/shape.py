"""Shape of a tile (Eq. 7-10)."""

from __future__ import annotations

import math

from ..shape import DECAY_MEAN, DECAY_SQUARE, EPSILON, LEARNING_RATE
from .camera import project
from .geometry import load2, load3
from .jit import kernel
from .kinematics import affine_joints
from .lanes import full, load, sqrt, store, where


@kernel
def keypoint_lengths(tree, tile):
    """Length of every bone between its keypoints, in pixels."""
    for j in range(1, tree.parents.size):
        u, v = load2(tile.keypoints, j)
        parent_u, parent_v = load2(tile.keypoints, tree.parents[j])
        u, v = u - parent_u, v - parent_v
        store(tile.wanted_length, j, sqrt(u * u + v * v))


@kernel
def bone_length_gradient(tree, tile, loss_scale):
    """Fused twin of kitro_np.shape.bone_length_gradient, from tile.betas to tile.gradient."""
    betas = tree.shapedirs.shape[2]
    _draw_joints(tree, tile, betas)
    for row in range(2 * tree.parents.size):
        store(tile.pull, row, 0.0)
    for j in range(1, tree.parents.size):
        p = tree.parents[j]
        u, v = load2(tile.drawn, j)
        parent_u, parent_v = load2(tile.drawn, p)
        u, v = u - parent_u, v - parent_v
        squared = u * u + v * v
        visible = squared > 0.0
        inverse = 1.0 / sqrt(where(visible, squared, 1.0))
        gap = squared * inverse - load(tile.wanted_length, j)
        sign = where(gap > 0.0, loss_scale, where(gap < 0.0, -loss_scale, 0.0 * gap))
        sign = where(visible, sign * inverse, 0.0 * gap)
        store(tile.pull, 2 * j, load(tile.pull, 2 * j) + sign * u)
        store(tile.pull, 2 * j + 1, load(tile.pull, 2 * j + 1) + sign * v)
        store(tile.pull, 2 * p, load(tile.pull, 2 * p) - sign * u)
        store(tile.pull, 2 * p + 1, load(tile.pull, 2 * p + 1) - sign * v)
    _pull_betas(tree, tile, betas)


@kernel
def _draw_joints(tree, tile, betas):
    """Project A + B betas; the place in camera space stays in tile.joints."""
    for j in range(tree.parents.size):
        for k in range(3):
            value = load(tile.constant, 3 * j + k) + load(tile.transl, k)
            for s in range(betas):
                value = value + load(tile.by_beta, (3 * j + k) * betas + s) * load(tile.betas, s)
            store(tile.joints, 3 * j + k, value)
        u, v = project(load3(tile.joints, j), tile)
        store(tile.drawn, 2 * j, u)
        store(tile.drawn, 2 * j + 1, v)


@kernel
def _pull_betas(tree, tile, betas):
    """Chain rule from projected joints to betas."""
    fx, fy = load(tile.camera, 0), load(tile.camera, 1)
    for s in range(betas):
        store(tile.gradient, s, 0.0)
    for j in range(tree.parents.size):
        x, y, z = load3(tile.joints, j)
        inverse = 1.0 / z
        by_x = load(tile.pull, 2 * j) * fx * inverse
        by_y = load(tile.pull, 2 * j + 1) * fy * inverse
        by_z = -(by_x * x + by_y * y) * inverse
        row = 3 * j * betas
        for s in range(betas):
            own = (
                by_x * load(tile.by_beta, row + s)
                + by_y * load(tile.by_beta, row + betas + s)
                + by_z * load(tile.by_beta, row + 2 * betas + s)
            )
            store(tile.gradient, s, load(tile.gradient, s) + own)


@kernel
def fit_shape(tree, tile, steps, loss_scale):
    """Fused twin of kitro_np.shape.fit_shape."""
    affine_joints(tree, tile)
    betas = tree.shapedirs.shape[2]
    for s in range(betas):
        store(tile.mean, s, 0.0)
        store(tile.square, s, 0.0)
    scale = full(tile.betas, loss_scale)
    for step in range(1, steps + 1):
        bone_length_gradient(tree, tile, scale)
        rate = LEARNING_RATE / (1 - DECAY_MEAN**step)
        spread_rate = 1 / math.sqrt(1 - DECAY_SQUARE**step)
        for s in range(betas):
            gradient = load(tile.gradient, s)
            mean = DECAY_MEAN * load(tile.mean, s) + (1 - DECAY_MEAN) * gradient
            square = DECAY_SQUARE * load(tile.square, s) + (1 - DECAY_SQUARE) * gradient * gradient
            store(tile.mean, s, mean)
            store(tile.square, s, square)
            spread = sqrt(square) * spread_rate + EPSILON
            store(tile.betas, s, load(tile.betas, s) - rate * mean / spread)
