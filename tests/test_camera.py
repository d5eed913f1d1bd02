"""Projection, its inverse, and the translation that fits keypoints best (Eq. 4-6)."""

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton

from kitro_np import default_intrinsics
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import backproject, project
from kitro_np.kitro.translation import solve_translation, update_translation


@pytest.fixture(params=TREES)
def posed(request):
    skeleton = make_skeleton(request.param)
    batch = make_batch(skeleton, 12, seed=11)
    return batch, forward_kinematics(skeleton, batch.pose, batch.betas).joints


def test_project_is_k_times_the_point(posed):
    batch, joints = posed
    points = joints + batch.transl[:, None, :]
    homogeneous = points @ np.swapaxes(batch.intrinsics, 1, 2)
    expected = homogeneous[..., :2] / homogeneous[..., 2:]
    np.testing.assert_allclose(project(points, batch.intrinsics), expected, rtol=1e-12)


def test_backproject_is_the_inverse_of_project(posed):
    batch, joints = posed
    points = joints + batch.transl[:, None, :]
    rays = backproject(project(points, batch.intrinsics), batch.intrinsics)
    np.testing.assert_allclose(rays * points[..., 2:], points, atol=1e-12)
    expected = (
        np.linalg.inv(batch.intrinsics)[:, None]
        @ np.append(batch.keypoints_2d, np.ones_like(rays[..., :1]), 2)[..., None]
    )
    np.testing.assert_allclose(
        backproject(batch.keypoints_2d, batch.intrinsics), expected[..., 0], atol=1e-12
    )


def test_translation_solves_the_stated_equations(posed):
    """f t_xy - (u - c) t_z = (u - c) Z - f XY, by least squares over all joints and both axes."""
    batch, joints = posed
    found = solve_translation(joints, batch.keypoints_2d, batch.intrinsics)
    for body in range(len(found)):
        left, right = [], []
        for (x, y, z), (u, v) in zip(joints[body], batch.keypoints_2d[body], strict=True):
            (fx, _, cx), (_, fy, cy), _ = batch.intrinsics[body]
            left += [[fx, 0, cx - u], [0, fy, cy - v]]
            right += [(u - cx) * z - fx * x, (v - cy) * z - fy * y]
        expected, *_ = np.linalg.lstsq(np.array(left), np.array(right), rcond=None)
        np.testing.assert_allclose(found[body], expected, atol=1e-9)


def test_translation_of_exact_keypoints(posed):
    batch, joints = posed
    keypoints = project(joints + batch.transl[:, None, :], batch.intrinsics)
    np.testing.assert_allclose(
        solve_translation(joints, keypoints, batch.intrinsics), batch.transl, atol=1e-9
    )


def test_translation_of_a_small_person_far_from_the_centre_in_float32(posed):
    """Single precision is lost to the keypoints' own rounding, not to differences of large sums."""
    batch, joints = posed
    there = joints + np.array([20.0, 10.0, 40.0])
    keypoints = project(there, batch.intrinsics).astype(np.float32)
    exact = solve_translation(joints, keypoints.astype(np.float64), batch.intrinsics)
    single = (joints.astype(np.float32), keypoints, batch.intrinsics.astype(np.float32))
    np.testing.assert_allclose(solve_translation(*single), exact, rtol=2e-5)


def test_translation_moves_half_way():
    np.testing.assert_array_equal(update_translation(np.array([1.0, 2, 3]), np.array([3.0, 2, 9])), [2, 2, 6])


def test_default_intrinsics():
    expected = [[500, 0, 150], [0, 500, 200], [0, 0, 1]]
    np.testing.assert_array_equal(default_intrinsics((300, 400)), expected)
    both = default_intrinsics([[300, 400], [1920, 1080]])
    np.testing.assert_array_equal(both[0], expected)
    np.testing.assert_allclose(both[1, 0, 0], np.hypot(1920, 1080))
    np.testing.assert_array_equal(both[1, :2, 2], [960, 540])
