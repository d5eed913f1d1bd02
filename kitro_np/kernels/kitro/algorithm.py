"""Algorithm 1, tile by tile."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..body.kinematics import global_rotations
from ..camera import reprojection_error
from ..jit import entry, kernel
from ..lanes import own_tiles, store
from ..refinement.chunks import open_tile, write_tile
from ..refinement.validity import outcome_status
from .rotate import rotate_joints
from .shape import fit_shape, keypoint_lengths
from .translation import solve_translation, update_translation
from .tree import select_branches


class Settings(NamedTuple):
    """Settings of a run; the switches are those of kitro_np.kitro.variants.Variant."""

    iterations: int
    adam_rates: Any  # (steps, 2)
    loss_scale: float
    softmax_scores: bool
    trunk_in_every_limb: bool
    tree_targets: bool
    rewind: bool
    shift_keypoints: bool
    move_camera: bool
    hard_camera: bool
    shape_from_joints: bool
    rotate_joints: bool
    hard_pose: bool
    greedy: bool


@entry
def refine_bodies(tree, tile, bodies, refined, settings, first, last):
    """Fused twin of kitro_np.kitro.algorithm.refine_arrays, for bodies `first` to `last` - 1."""
    for start in own_tiles(tile.status, first, last):
        open_tile(tree, tile, bodies, refined, start, last)
        _refine_tile(tree, tile, settings)
        reprojection_error(tree, tile)
        outcome_status(tree, tile)
        write_tile(tile, bodies, refined, start, last)


@kernel
def _refine_tile(tree, tile, settings):
    keypoint_lengths(tree, tile)
    global_rotations(tree, tile.initial_pose, tile.initial_rotations)
    store(tile.path_score, 0, 1.0)
    for j in range(tree.parents.size):
        store(tile.selection, j, -1.0)
    for _ in range(settings.iterations):
        if settings.move_camera:
            update_translation(tile, solve_translation(tree, tile), settings.hard_camera)
        fit_shape(tree, tile, settings.adam_rates, settings.loss_scale, settings.shape_from_joints)
        select_branches(
            tree, tile, settings.softmax_scores, settings.trunk_in_every_limb, settings.shift_keypoints,
            settings.greedy,
        )  # fmt: skip
        if settings.rotate_joints:
            rotate_joints(
                tree,
                tile,
                settings.rewind,
                settings.tree_targets,
                settings.softmax_scores,
                settings.hard_pose,
            )
