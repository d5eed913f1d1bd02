"""Fused stages in a loop over one tile: a call from Python would cost more than a stage.

Compiled anew in every run: Numba's cache would not see that a kernel in another file has changed.
"""

from __future__ import annotations

import numpy as np
from samples import Batch

from kitro_np.adam import adam_rates
from kitro_np.body.skeleton import Skeleton
from kitro_np.kernels.body import kinematics
from kitro_np.kernels.camera import in_camera
from kitro_np.kernels.jit import kernel, uncached_entry
from kitro_np.kernels.kitro import rays, rotate, shape, tree
from kitro_np.kernels.kitro.translation import solve_translation, update_translation
from kitro_np.kernels.lanes import load, store
from kitro_np.kernels.records import refer, refer_tile
from kitro_np.kernels.tile import Tile, Tree, aligned_rows, make_tile, make_tree
from kitro_np.kernels.vector_math import add, dot, scale, store_all, subtract
from kitro_np.kitro.shape import LEARNING_RATE


def start_tile(skeleton: Skeleton, bodies: Batch, selection: np.ndarray) -> tuple[Tree, Tile]:
    """A tile of bodies as an iteration of Algorithm 1 finds it."""
    dtype, lanes = bodies.pose.dtype, len(bodies.pose)
    layout = make_tree(skeleton, dtype)
    tile = make_tile(layout, dtype)
    k = bodies.intrinsics
    camera = np.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], axis=1)
    for rows, values in (
        (tile.pose, bodies.pose), (tile.initial_pose, bodies.pose), (tile.betas, bodies.betas),
        (tile.transl, bodies.transl), (tile.keypoints, bodies.keypoints_2d), (tile.camera, camera),
        (tile.selection, selection),
    ):  # fmt: skip
        rows[...] = values.reshape(lanes, -1).T
    _start(refer(layout), refer_tile(tile))
    return layout, tile


@uncached_entry
def _start(layout, tile):
    kinematics.forward_kinematics(layout, tile)
    kinematics.global_rotations(layout, tile.initial_pose, tile.initial_rotations)
    shape.keypoint_lengths(layout, tile)


RATES = np.array(adam_rates(LEARNING_RATE, 10))

# Each loop puts back what its stage changes, so that every repetition does the same work.


@uncached_entry
def repeat_kinematics(layout, tile, start, repeats):
    for _ in range(repeats):
        kinematics.forward_kinematics(layout, tile)


@uncached_entry
def repeat_camera(layout, tile, start, repeats):
    for _ in range(repeats):
        _put_back(tile.transl, start)
        update_translation(tile, solve_translation(layout, tile), False)


@uncached_entry
def repeat_shape(layout, tile, start, repeats):
    for _ in range(repeats):
        _put_back(tile.betas, start)
        shape.fit_shape(layout, tile, RATES, 1 / (layout.parents.size - 1), False)


@uncached_entry
def repeat_rays(layout, tile, solutions, repeats):
    for _ in range(repeats):
        for c in range(1, layout.parents.size):
            p = layout.parents[c]
            place = in_camera(tile, p)
            bone = subtract(in_camera(tile, c), place)
            a, b, cosine, sine = rays.bone_rays(tile, place, p, c, True)
            distance = rays.signed_distance(place)
            chord, _ = rays.half_chord(distance, sine, dot(bone, bone))
            perpendicular = scale(distance, rays.perpendicular_to_ray(a, b, cosine))
            store_all(solutions, 6 * c, add(perpendicular, scale(chord, b)))
            store_all(solutions, 6 * c + 3, subtract(perpendicular, scale(chord, b)))


@uncached_entry
def repeat_tree(layout, tile, start, repeats):
    for _ in range(repeats):
        tree.select_branches(layout, tile, False, True, True, False)


@uncached_entry
def repeat_rotate(layout, tile, start, repeats):
    for _ in range(repeats):
        _put_back(tile.pose, start)
        rotate.rotate_joints(layout, tile, True, False, False, False)


@kernel
def _put_back(rows, start):
    for row in range(rows.shape[0]):
        store(rows, row, load(start, row))


LOOPS = {
    "kinematics": (repeat_kinematics, "joints"),
    "camera": (repeat_camera, "transl"),
    "shape": (repeat_shape, "betas"),
    "rays": (repeat_rays, None),
    "tree": (repeat_tree, "selection"),
    "rotate": (repeat_rotate, "pose"),
}
"""Each stage's loop, and the member of the tile that holds its result."""


def run(stage: str, layout: Tree, tile: Tile, start: np.ndarray, repeats: int) -> np.ndarray:
    """Run a stage over and over; return its result, one row a body."""
    loop, result = LOOPS[stage]
    loop(refer(layout), refer_tile(tile), start, repeats)
    return (start if result is None else getattr(tile, result)).T


def start_of(stage: str, tile: Tile) -> np.ndarray:
    """What the loop of a stage puts back; room for the result where that is in no tile."""
    result = LOOPS[stage][1]
    if result is None:
        return aligned_rows(2 * tile.joints.shape[0], tile.joints.dtype)
    start = aligned_rows(getattr(tile, result).shape[0], tile.joints.dtype)
    start[...] = getattr(tile, result)
    return start
