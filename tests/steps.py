"""The four steps of a loop of Algorithm 1, each alone, by the array stages and by the fused kernels.

Both classes have the same methods, so that a test can hold either against a record, or one against the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bodies import Batch
from tiles import camera_rows, run_in_tiles

from kitro_np import Skeleton
from kitro_np.adam import adam_rates
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.kernels import camera
from kitro_np.kernels.body import kinematics
from kitro_np.kernels.jit import uncached_entry
from kitro_np.kernels.kitro import rotate, shape, translation
from kitro_np.kernels.kitro import tree as branches
from kitro_np.kernels.refinement import validity as checks
from kitro_np.kernels.tile import Tile, Tree
from kitro_np.kitro.rotate import rotate_joints
from kitro_np.kitro.shape import LEARNING_RATE, fit_shape
from kitro_np.kitro.translation import solve_translation, update_translation
from kitro_np.kitro.tree import select_branches
from kitro_np.kitro.variants import Variant


class ArraySteps:
    """Steps by the stages: kitro_np.camera, .shape, .tree, .rotate."""

    def __init__(self, skeleton: Skeleton, batch: Batch, variant: Variant) -> None:
        self.skeleton = skeleton.like(np.zeros(1, batch.pose.dtype))
        self.batch, self.variant = batch, variant

    def translation(self, pose: Any, betas: Any, transl: Any) -> Any:
        joints = forward_kinematics(self.skeleton, pose, betas).joints
        best = solve_translation(joints, self.batch.keypoints_2d, self.batch.intrinsics)
        return update_translation(transl, best, hard=self.variant.camera_update == "hard")

    def betas(self, pose: Any, betas: Any, transl: Any, loss_scale: float) -> Any:
        rotations = forward_kinematics(self.skeleton, pose, betas).global_rotations
        given = self.batch.keypoints_2d, self.batch.intrinsics
        from_joints = self.variant.shape_update == "joints_2d"
        return fit_shape(
            self.skeleton, rotations, betas, transl, *given, loss_scale=loss_scale, from_joints=from_joints
        )

    def select(self, pose: Any, betas: Any, transl: Any) -> tuple[Any, Any]:
        found = self._select(pose, betas, transl)
        return found.selection, found.path_score

    def rotate(self, pose: Any, betas: Any, transl: Any, selection: Any = None) -> Any:
        found = self._select(pose, betas, transl)
        if selection is not None:
            found = found._replace(selection=selection)
        given = self.batch.keypoints_2d, self.batch.intrinsics
        return rotate_joints(self.skeleton, pose, self.batch.pose, betas, transl, *given, found, self.variant)

    def _select(self, pose: Any, betas: Any, transl: Any) -> Any:
        joints = forward_kinematics(self.skeleton, pose, betas).joints + transl[:, None, :]
        given = self.batch.keypoints_2d, self.batch.intrinsics
        return select_branches(self.skeleton, self.batch.pose, betas, joints, *given, self.variant)


def adam_rows(steps: int, dtype: Any = np.float64) -> np.ndarray:
    """The rates of Adam's steps as a kernel reads them."""
    return np.array(adam_rates(LEARNING_RATE, steps), dtype)


class KernelSteps:
    """Steps by the fused twins in kitro_np.kernels."""

    def __init__(self, skeleton: Skeleton, batch: Batch, variant: Variant) -> None:
        self.skeleton, self.batch = skeleton, batch
        v = variant
        greedy, hard = v.search == "greedy", v.pose_update == "hard"
        self._tree_switches = v.softmax_scores, v.trunk_in_every_limb, v.shift_keypoints, greedy
        self._rotate_switches = v.rewind, v.tree_targets, v.softmax_scores, hard
        self._hard_camera, self._from_joints = v.camera_update == "hard", v.shape_update == "joints_2d"

    def translation(self, pose: Any, betas: Any, transl: Any) -> Any:
        return self.run(pose, betas, transl, [(run_camera, self._hard_camera)], "transl")[0]

    def betas(self, pose: Any, betas: Any, transl: Any, loss_scale: float) -> Any:
        rates = adam_rows(10, self.batch.pose.dtype)
        return self.run(pose, betas, transl, [(run_shape, rates, loss_scale, self._from_joints)], "betas")[0]

    def select(self, pose: Any, betas: Any, transl: Any) -> tuple[Any, Any]:
        entry = (run_tree, *self._tree_switches)
        selection, score = self.run(pose, betas, transl, [entry], "selection", "path_score")
        return selection.astype(int), score[:, 0]

    def rotate(self, pose: Any, betas: Any, transl: Any, selection: Any = None) -> Any:
        place = (run_tree, *self._tree_switches) if selection is None else run_checks
        entries = [place, (run_rotate, *self._rotate_switches)]
        more = {} if selection is None else {"selection": selection}
        return self.run(pose, betas, transl, entries, "pose", **more)[0].reshape(pose.shape)

    def run(
        self, pose: Any, betas: Any, transl: Any, entries: list[Any], *expected: str, **more: Any
    ) -> list[Any]:
        """Run entries, each with the arguments that follow it, and return members of the tiles."""
        given = {
            "initial_pose": self.batch.pose, "pose": pose, "betas": betas, "transl": transl,
            "keypoints": self.batch.keypoints_2d, "camera": camera_rows(self.batch.intrinsics), **more,
        }  # fmt: skip

        def work(tree: Tree, tile: Tile) -> None:
            for entry in entries:
                function, *arguments = entry if isinstance(entry, tuple) else (entry,)
                function(tree, tile, *arguments)

        found = run_in_tiles(self.skeleton, work, given, expected, self.batch.pose.dtype)
        return [found[name] for name in expected]


# Kernels have no wrapper that Python could call: these do. Each costs seconds to compile, so they are few.
entry: Callable[..., Any] = uncached_entry


@entry
def run_camera(tree, tile, hard):
    kinematics.forward_kinematics(tree, tile)
    translation.update_translation(tile, translation.solve_translation(tree, tile), hard)


@entry
def run_shape(tree, tile, rates, loss_scale, from_joints):
    shape.keypoint_lengths(tree, tile)
    kinematics.forward_kinematics(tree, tile)
    shape.fit_shape(tree, tile, rates, loss_scale, from_joints)


@entry
def run_tree(tree, tile, softmax_scores, trunk_in_every_limb, shift, greedy):
    kinematics.forward_kinematics(tree, tile)
    kinematics.global_rotations(tree, tile.initial_pose, tile.initial_rotations)
    branches.select_branches(tree, tile, softmax_scores, trunk_in_every_limb, shift, greedy)


@entry
def run_rotate(tree, tile, rewind, tree_targets, softmax_scores, hard):
    rotate.rotate_joints(tree, tile, rewind, tree_targets, softmax_scores, hard)


@entry
def run_checks(tree, tile):
    kinematics.forward_kinematics(tree, tile)
    checks.estimate_status(tree, tile)
    camera.reprojection_error(tree, tile)
