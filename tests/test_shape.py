"""Betas from projected bone lengths: the gradient, Adam, and what they do (Eq. 7-10)."""

import math

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton

from kitro_np.body.kinematics import affine_joints, forward_kinematics
from kitro_np.camera import project
from kitro_np.kitro.shape import bone_length_gradient, bone_length_loss, fit_shape, joint_gradient, joint_loss

COUNT = 5


@pytest.fixture(params=TREES)
def scene(request):
    """Skeleton, batch, and loss and gradient as functions of betas."""
    skeleton = make_skeleton(request.param)
    batch = make_batch(skeleton, COUNT, seed=12)
    rotations = forward_kinematics(skeleton, batch.pose, batch.betas).global_rotations
    constant, by_beta = affine_joints(skeleton, rotations)

    def joints(betas):
        return constant + np.einsum("njks,ns->njk", by_beta, betas) + batch.transl[:, None, :]

    def loss(betas):
        return bone_length_loss(skeleton, joints(betas), *batch[3:])

    def gradient(betas):
        return bone_length_gradient(skeleton, joints(betas), by_beta, *batch[3:])

    return skeleton, batch, rotations, loss, gradient


@pytest.fixture
def scene_of_joints(scene):
    """As scene, with the loss of Eq. 3."""
    skeleton, batch, rotations, *_ = scene
    constant, by_beta = affine_joints(skeleton, rotations)

    def joints(betas):
        return constant + np.einsum("njks,ns->njk", by_beta, betas) + batch.transl[:, None, :]

    def loss(betas):
        return joint_loss(joints(betas), *batch[3:])

    def gradient(betas):
        return joint_gradient(joints(betas), by_beta, *batch[3:])

    return skeleton, batch, rotations, loss, gradient


def test_joints_are_affine_in_betas(scene):
    skeleton, batch, rotations, _, _ = scene
    constant, by_beta = affine_joints(skeleton, rotations)
    joints = constant + np.einsum("njks,ns->njk", by_beta, batch.betas)
    expected = forward_kinematics(skeleton, batch.pose, batch.betas).joints
    np.testing.assert_allclose(joints, expected, atol=1e-12)


def test_loss_of_hand_computed_bones():
    skeleton = make_skeleton("two_children", num_betas=1)
    joints = np.array([[[0.0, 0, 2], [3, 4, 1], [0, 1, 1], [3, 4, 0.5], [0, 1, 1]]])
    keypoints = np.array([[[0.0, 0], [0, 1], [0, 0], [0, 1], [7, 0]]])
    # Drawn at (0, 0), (3, 4), (0, 1), (6, 8), (0, 1): bones of 5, 1, 5 and 0 pixels; 1, 0, 0 and 7 wanted.
    np.testing.assert_allclose(bone_length_loss(skeleton, joints, keypoints, np.eye(3)[None]), [17])


def assert_agrees_with_finite_differences(betas, loss, gradient):
    found = gradient(betas)
    for s in range(found.shape[1]):
        step = np.zeros_like(betas)
        step[:, s] = 1e-6
        slope = (loss(betas + step) - loss(betas - step)) / 2e-6
        np.testing.assert_allclose(found[:, s], slope, rtol=1e-5, atol=1e-5)


def test_gradient_of_lengths(scene):
    assert_agrees_with_finite_differences(scene[1].betas, *scene[3:])


def test_gradient_of_distances_to_keypoints(scene_of_joints):
    assert_agrees_with_finite_differences(scene_of_joints[1].betas, *scene_of_joints[3:])


def test_gradient_of_a_bone_that_points_at_the_camera():
    """It has no direction in the image, and must not divide by its length."""
    skeleton = make_skeleton("chain", num_betas=2)
    joints = np.linspace(1, 2, 6)[None, :, None] * np.array([0.1, 0.2, 1.0])
    by_beta = np.ones((1, 6, 3, 2))
    keypoints = np.random.default_rng(0).normal(0, 10, (1, 6, 2))
    found = bone_length_gradient(skeleton, joints, by_beta, keypoints, np.diag([100.0, 100.0, 1])[None])
    assert np.all(np.isfinite(found))


def adam(gradient, betas, steps, scale):
    """Adam as Kingma and Ba write it: one number after the other."""
    betas = betas.copy()
    mean, square = np.zeros_like(betas), np.zeros_like(betas)
    for step in range(1, steps + 1):
        slopes = gradient(betas)
        for place in np.ndindex(betas.shape):
            slope = scale * slopes[place]
            mean[place] = 0.9 * mean[place] + 0.1 * slope
            square[place] = 0.999 * square[place] + 0.001 * slope**2
            unbiased = mean[place] / (1 - 0.9**step)
            spread = math.sqrt(square[place] / (1 - 0.999**step))
            betas[place] -= 0.1 * unbiased / (spread + 1e-8)
    return betas


@pytest.mark.parametrize("scale", [None, 1.0, 1e-6])
def test_fit_shape_is_adam(scene, scale):
    skeleton, batch, rotations, _, gradient = scene
    found = fit_shape(skeleton, rotations, batch.betas, *batch[2:], steps=10, loss_scale=scale)
    expected = adam(gradient, batch.betas, 10, 1 / (skeleton.num_joints - 1) if scale is None else scale)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_fit_shape_from_joints_is_adam(scene_of_joints):
    skeleton, batch, rotations, _, gradient = scene_of_joints
    options = {"steps": 10, "loss_scale": 0.1, "from_joints": True}
    found = fit_shape(skeleton, rotations, batch.betas, *batch[2:], **options)
    np.testing.assert_allclose(found, adam(gradient, batch.betas, 10, 0.1), atol=1e-9)


def test_joint_loss_of_hand_computed_joints():
    joints = np.array([[[0.0, 0, 2], [6, 8, 2], [0, 1, 1]]])
    keypoints = np.array([[[0.0, 0], [0, 0], [2, 1]]])
    np.testing.assert_allclose(joint_loss(joints, keypoints, np.eye(3)[None]), [0 + 5 + 2])
    by_beta = np.ones((1, 3, 3, 1))
    # At the keypoint the loss has a kink: it pulls nowhere. The others: (u - x) / |u - x| times the Jacobian.
    expected = (0.6 * (1 - 3) + 0.8 * (1 - 4)) / 2 + -1.0
    np.testing.assert_allclose(joint_gradient(joints, by_beta, keypoints, np.eye(3)[None]), [[expected]])


def test_no_steps_leave_betas_as_they_are(scene):
    skeleton, batch, rotations, _, _ = scene
    found = fit_shape(skeleton, rotations, batch.betas, *batch[2:], steps=0)
    np.testing.assert_array_equal(found, batch.betas)


def test_bodies_do_not_depend_on_one_another(scene):
    skeleton, batch, rotations, _, _ = scene
    together = fit_shape(skeleton, rotations, batch.betas, *batch[2:])
    alone = [
        fit_shape(skeleton, rotations[n : n + 1], *(part[n : n + 1] for part in batch[1:]))[0]
        for n in range(COUNT)
    ]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_betas_of_a_bigger_body_are_found():
    """Keypoints drawn with other betas at the same pose: many steps bring the loss down to a few pixels."""
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, COUNT, seed=13)
    posed = forward_kinematics(skeleton, batch.pose, batch.betas + 1)
    keypoints = project(posed.joints + batch.transl[:, None, :], batch.intrinsics)
    arguments = skeleton, posed.global_rotations, batch.betas, batch.transl, keypoints, batch.intrinsics
    found = fit_shape(*arguments, steps=200)
    np.testing.assert_allclose(found, batch.betas + 1, atol=0.15)
