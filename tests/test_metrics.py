"""Metrics against cases computed by hand and against an independent Procrustes."""

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from kitro_np.metrics import (
    HIPS,
    LSP_JOINTS,
    body_errors,
    mean_distance,
    mpjpe,
    pa_mpjpe,
    pve,
    reprojection_error,
    similarity_align,
)


@pytest.fixture
def shapes():
    random = np.random.default_rng(15)
    truth = random.normal(0, 0.4, (6, 24, 3))
    return truth + random.normal(0, 0.05, truth.shape), truth


def moved(points, scale=1.7, mirror=False):
    turn = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix()
    return scale * (points * ([-1, 1, 1] if mirror else 1)) @ turn.T + [3.0, -2.0, 9.0]


def test_mean_distance():
    points = np.array([[[0.0, 0, 0], [3, 4, 0]], [[1, 1, 1], [1, 1, 1]]])
    np.testing.assert_allclose(mean_distance(points, np.zeros_like(points)), [2.5, np.sqrt(3)])


def test_mpjpe_by_hand():
    """One wrist 14 cm off and everything shifted: 1 cm on average over 14 joints."""
    truth = np.random.default_rng(0).normal(size=(1, 24, 3))
    joints = truth + 5
    joints[0, 21] += [0.14, 0, 0]
    np.testing.assert_allclose(mpjpe(joints, truth), [0.01])
    # Joints outside the 14 do not count; a hip does, in the pelvis too.
    joints[0, 23] += 1
    np.testing.assert_allclose(mpjpe(joints, truth), [0.01])
    joints[0, 21] -= [0.14, 0, 0]
    joints[0, HIPS[0]] += [0.28, 0, 0]
    np.testing.assert_allclose(mpjpe(joints, truth), [0.14])


def test_lsp_joints():
    assert len(set(LSP_JOINTS)) == 14
    assert set(HIPS) < set(LSP_JOINTS)


def test_similarity_align_undoes_a_similarity(shapes):
    _, truth = shapes
    np.testing.assert_allclose(similarity_align(moved(truth), truth), truth, atol=1e-12)
    np.testing.assert_allclose(pa_mpjpe(moved(truth), truth), 0, atol=1e-12)


def test_similarity_align_agrees_with_scipy(shapes):
    points, truth = shapes
    found = similarity_align(moved(points), truth)
    for body in range(len(truth)):
        wanted, turned, disparity = procrustes(truth[body], moved(points)[body])
        # SciPy's shapes are centred and of size 1.
        centre = truth[body].mean(axis=0)
        size = np.linalg.norm(truth[body] - centre)
        np.testing.assert_allclose(found[body], turned * size + centre, atol=1e-9)
        np.testing.assert_allclose(np.sum((found[body] - truth[body]) ** 2) / size**2, disparity)
        np.testing.assert_allclose(wanted * size + centre, truth[body], atol=1e-9)


def test_similarity_align_does_not_mirror(shapes):
    """As good as the best rotation and scale that SciPy and a closed formula find, and no better."""
    _, truth = shapes
    mirrored = moved(truth, mirror=True)
    found = similarity_align(mirrored, truth)
    for body in range(len(truth)):
        points = mirrored[body] - mirrored[body].mean(axis=0)
        wanted = truth[body] - truth[body].mean(axis=0)
        turn, _ = Rotation.align_vectors(wanted, points)
        turned = turn.apply(points)
        turned = turned * np.sum(turned * wanted) / np.sum(turned * turned)
        np.testing.assert_allclose(found[body] - truth[body].mean(axis=0), turned, atol=1e-9)
        assert np.linalg.norm(turned - wanted) > 0.1


@pytest.mark.parametrize("points", [np.zeros((1, 24, 3)), np.full((1, 24, 3), 2.0)])
def test_points_that_coincide_move_to_the_mean(shapes, points):
    truth = shapes[1][:1]
    wanted = np.broadcast_to(truth.mean(axis=1, keepdims=True), truth.shape)
    np.testing.assert_allclose(similarity_align(points, truth), wanted, atol=1e-12)


def test_flat_and_straight_shapes(shapes):
    _, truth = shapes
    for directions in (2, 1):
        flat = truth * (np.arange(3) < directions)
        np.testing.assert_allclose(similarity_align(moved(flat), flat), flat, atol=1e-9)


def test_pve_aligns_the_roots():
    vertices = np.random.default_rng(1).normal(size=(2, 30, 3))
    root = np.array([[1.0, 2, 3], [0, 0, 0]])
    other = vertices.copy()
    other[0] += [9.0, 9, 9]
    other[1] += [0, 0.02, 0]
    found = pve(other, vertices, root + np.array([[9], [0]]), root)
    np.testing.assert_allclose(found, [0, 0.02], atol=1e-12)


def test_reprojection_error_by_hand():
    joints = np.array([[[0.0, 0, 2], [1, 0, 2]]])
    intrinsics = np.array([[[10.0, 0, 5], [0, 10, 5], [0, 0, 1]]])
    # Drawn at (5, 5) and (10, 5): 5 and 0 pixels off.
    np.testing.assert_allclose(reprojection_error(joints, np.array([[[8.0, 9], [10, 5]]]), intrinsics), [2.5])


def test_body_errors_are_the_three_metrics(open_body, sim):
    pose, betas, true_pose, true_betas = (
        sim[k][:4].astype(float) for k in ("pred_theta", "pred_beta", "GT_theta", "GT_beta")
    )
    found = body_errors(open_body, pose, betas, true_pose, true_betas)
    posed, truth = open_body.forward(pose, betas), open_body.forward(true_pose, true_betas)
    np.testing.assert_allclose(found.mpjpe, mpjpe(posed.joints, truth.joints))
    np.testing.assert_allclose(found.pa_mpjpe, pa_mpjpe(posed.joints, truth.joints))
    gap = (posed.vertices - posed.joints[:, :1]) - (truth.vertices - truth.joints[:, :1])
    np.testing.assert_allclose(found.pve, np.linalg.norm(gap, axis=-1).mean(axis=1))
    same = body_errors(open_body, pose, betas, pose, betas)
    np.testing.assert_allclose(np.stack(same), 0, atol=1e-12)
