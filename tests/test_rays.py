"""Where a child can be: on its ray, and a bone's length from its parent (Eq. 11-13)."""

import numpy as np
import pytest
from bodies import make_batch, make_skeleton

from kitro_np.arrays.rotations import norm, unit
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import backproject, project
from kitro_np.kitro.rays import AWAY, TOWARDS, bone_rays, intersect, signed_distance

COUNT = 60


@pytest.fixture(scope="module")
def scene():
    """Parents in front of a camera, keypoints near them, and bones long enough or too short."""
    random = np.random.default_rng(7)
    intrinsics = make_batch(make_skeleton("chain"), COUNT, seed=7).intrinsics
    parents = random.uniform((-1, -1, 3), (1, 1, 6), (COUNT, 4, 3))
    parent_keypoints = project(parents, intrinsics) + random.normal(0, 5, (COUNT, 4, 2))
    child_keypoints = parent_keypoints + random.normal(0, 60, (COUNT, 4, 2))
    return parents, random.uniform(0.05, 0.5, (COUNT, 4, 1)), parent_keypoints, child_keypoints, intrinsics


@pytest.fixture(scope="module", params=[True, False], ids=["shift", "no shift"])
def solved(request, scene):
    rays = bone_rays(*scene, shift=request.param)
    distance = signed_distance(scene[0])
    return rays, distance, *intersect(rays, distance)


def test_children_lie_on_their_ray(solved):
    rays, distance, solutions, child_distance = solved
    children = (distance * rays.parent_ray)[:, :, None, :] + solutions
    np.testing.assert_allclose(children, child_distance * rays.child_ray[:, :, None, :], atol=1e-12)


def test_child_distance_is_the_childs_distance(solved):
    rays, distance, solutions, child_distance = solved
    children = (distance * rays.parent_ray)[:, :, None, :] + solutions
    np.testing.assert_allclose(signed_distance(children), child_distance, atol=1e-12)


def test_solutions_have_the_bones_length_where_the_ray_meets_the_sphere(solved):
    rays, distance, solutions, _ = solved
    gap = distance * rays.sine
    meets = (gap < rays.bone_length)[..., 0]
    assert 0.2 < np.mean(meets) < 0.95
    expected = np.broadcast_to(rays.bone_length[:, :, None, :], (*solutions.shape[:3], 1))
    np.testing.assert_allclose(norm(solutions)[meets], expected[meets], rtol=1e-9)


def test_nearest_point_of_the_ray_where_it_misses(solved):
    rays, distance, solutions, _ = solved
    misses = (distance * rays.sine > rays.bone_length)[..., 0]
    assert np.any(misses)
    np.testing.assert_array_equal(solutions[misses][:, AWAY], solutions[misses][:, TOWARDS])
    across = np.sum(solutions[misses][:, 0] * rays.child_ray[misses], axis=-1)
    np.testing.assert_allclose(across, 0, atol=1e-12)


def test_branch_0_points_away_from_the_camera(solved):
    rays, distance, _, child_distance = solved
    meets = (distance * rays.sine < rays.bone_length)[..., 0]
    assert np.all(child_distance[:, :, AWAY] >= child_distance[:, :, TOWARDS])
    assert np.all(child_distance[meets][:, AWAY] > child_distance[meets][:, TOWARDS])


def test_shifted_keypoints_start_at_the_parents_projection(scene):
    parents, _, parent_keypoints, child_keypoints, intrinsics = scene
    rays = bone_rays(*scene)
    np.testing.assert_allclose(rays.parent_ray, unit(parents), atol=1e-12)
    moved = child_keypoints + project(parents, intrinsics) - parent_keypoints
    np.testing.assert_allclose(rays.child_ray, unit(backproject(moved, intrinsics)), atol=1e-12)


def test_rays_through_the_keypoints_as_they_are(scene):
    _, _, parent_keypoints, child_keypoints, intrinsics = scene
    rays = bone_rays(*scene, shift=False)
    np.testing.assert_allclose(rays.parent_ray, unit(backproject(parent_keypoints, intrinsics)), atol=1e-12)
    np.testing.assert_allclose(rays.child_ray, unit(backproject(child_keypoints, intrinsics)), atol=1e-12)


def test_the_true_bone_is_one_of_the_two_solutions():
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 20, seed=8)
    joints = forward_kinematics(skeleton, batch.pose, batch.betas).joints + batch.transl[:, None, :]
    parents, children = joints[:, list(skeleton.parents[1:])], joints[:, 1:]
    bones = children - parents
    visible = project(parents, batch.intrinsics), project(children, batch.intrinsics)
    rays = bone_rays(parents, norm(bones), *visible, batch.intrinsics)
    solutions, _ = intersect(rays, signed_distance(parents))
    miss = np.min(norm(solutions - bones[:, :, None, :])[..., 0], axis=2)
    # A bone across its ray is a double root, and half the digits are lost there.
    assert np.max(miss) < 1e-6
    assert np.median(miss) < 1e-12


def test_signed_distance():
    points = np.array([[[3.0, 0, 4]], [[0, -3, -4]], [[0, 0, 2]]])
    np.testing.assert_allclose(signed_distance(points)[:, 0, 0], [5, -5, 2])
