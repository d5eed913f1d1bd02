"""Each stage of one iteration of Algorithm 1: with arrays, and as its fused twin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import twins
from samples import Batch, make_batch

from kitro_np import load_body
from kitro_np.body.kinematics import PosedSkeleton, forward_kinematics
from kitro_np.body.skeleton import Skeleton
from kitro_np.kernels.lanes import lane_count
from kitro_np.kitro.rays import intersect, signed_distance
from kitro_np.kitro.rotate import rotate_joints
from kitro_np.kitro.shape import fit_shape
from kitro_np.kitro.translation import solve_translation, update_translation
from kitro_np.kitro.tree import Branches, all_bone_rays, gather_parents, select_branches
from kitro_np.kitro.variants import find_variant

RELEASED = find_variant("released")
STAGES = ("kinematics", "camera", "shape", "rays", "tree", "rotate")
REPEATS = 200
TOLERANCE = {"float64": 1e-7, "float32": 2e-3}


class Setting(NamedTuple):
    """Everything that the array stages take."""

    skeleton: Skeleton
    bodies: Batch
    posed: PosedSkeleton
    branches: Branches


def make_setting(count: int, dtype: str) -> Setting:
    bodies = make_batch(count, dtype)
    skeleton = load_body().skeleton.like(bodies.pose)
    posed = forward_kinematics(skeleton, bodies.pose, bodies.betas)
    joints = posed.joints + bodies.transl[:, None, :]
    branches = select_branches(
        skeleton, bodies.pose, bodies.betas, joints, bodies.keypoints_2d, bodies.intrinsics, RELEASED
    )
    return Setting(skeleton, bodies, posed, branches)


def run_arrays(stage: str, setting: Setting) -> np.ndarray:
    """Run a stage of the array engine; return its result."""
    skeleton, (pose, betas, transl, keypoints, k), posed, branches = setting
    joints = posed.joints + transl[:, None, :]
    match stage:
        case "kinematics":
            return forward_kinematics(skeleton, pose, betas).joints
        case "camera":
            return update_translation(transl, solve_translation(posed.joints, keypoints, k))
        case "shape":
            return fit_shape(skeleton, posed.global_rotations, betas, transl, keypoints, k)
        case "rays":
            rays = all_bone_rays(skeleton, joints, keypoints, k, shift=True)
            return intersect(rays, signed_distance(gather_parents(skeleton, joints)))[0]
        case "tree":
            return select_branches(skeleton, pose, betas, joints, keypoints, k, RELEASED).selection
        case _:
            return rotate_joints(skeleton, pose, pose, betas, transl, keypoints, k, branches, RELEASED)


def check_against_reference(stage: str, dtype: str, found: np.ndarray) -> None:
    """Compare with the array stage in float64; float32 may decide a close call the other way."""
    expected = run_arrays(stage, make_setting(len(found), "float64")).reshape(len(found), -1)
    found = found.reshape(len(found), -1)
    if stage == "rays":  # the root has no bone
        expected, found = expected[:, 6:], found[:, 6:]
    miss = np.abs(found - expected)
    assert np.quantile(miss, 1.0 if dtype == "float64" else 0.95) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("stage", STAGES)
def test_array_stage(measure, stage, batch, dtype):
    setting = make_setting(batch, dtype)
    measure(
        lambda: run_arrays(stage, setting), batch, lambda found: check_against_reference(stage, dtype, found)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stage", STAGES)
def test_twin_stage(measure, stage, dtype):
    lanes = lane_count(dtype)
    setting = make_setting(lanes, dtype)
    layout, tile = twins.start_tile(setting.skeleton, setting.bodies, setting.branches.selection)
    start = twins.start_of(stage, tile)
    measure(
        lambda: twins.run(stage, layout, tile, start, REPEATS),
        lanes * REPEATS,
        lambda found: check_against_reference(stage, dtype, found),
    )
