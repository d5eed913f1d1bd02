"""The fused twins of the SMPLify baseline against its stages."""

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton
from scipy.spatial.transform import Rotation
from tiles import camera_rows, run_in_tiles

from kitro_np.arrays.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from kitro_np.kernels.body.kinematics import forward_kinematics
from kitro_np.kernels.jit import uncached_entry
from kitro_np.kernels.lanes import load, store
from kitro_np.kernels.records import refer, refer_tile
from kitro_np.kernels.smplify import descent as smplify
from kitro_np.kernels.smplify import energy, rotation_vectors
from kitro_np.kernels.smplify.run import make_fit_settings, run_smplify
from kitro_np.kernels.tile import make_tree
from kitro_np.refinement.request import Arguments, read_request
from kitro_np.smplify.descent import smplify_arrays
from kitro_np.smplify.energy import WEIGHTS, Parameters, energy_terms, gradient, make_problem

COUNT = 21


@uncached_entry
def run_gradient(tree, tile, fit, settings):
    """Gradient at a pose of a problem whose estimate has another, to rows that it does not read."""
    forward_kinematics(tree, tile)
    smplify.make_problem(tree, tile, fit)
    rotation_vectors.axis_angles(tree, tile.initial_pose, fit.start_vectors)
    energy.gradient(tree, tile, fit, settings)
    for row in range(fit.pose_gradient.shape[0]):
        store(tile.rotations, row, load(fit.pose_gradient, row))
    for row in range(3):
        store(tile.joint_gradient, row, load(fit.transl_gradient, row))
    store(tile.error, 0, load(fit.size, 0))


@pytest.mark.parametrize("tree", TREES)
def test_gradient(tree):
    skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, COUNT, seed=1)
    pose = make_batch(skeleton, COUNT, seed=2).pose
    settings = refer(make_fit_settings(energy_terms(skeleton), np.dtype(np.float64)))
    fit = refer_tile(smplify.make_fit(make_tree(skeleton, np.float64), np.float64))
    given = {
        "initial_pose": batch.pose, "pose": pose, "betas": batch.betas, "transl": batch.transl,
        "keypoints": batch.keypoints_2d, "camera": camera_rows(batch.intrinsics),
    }  # fmt: skip

    def work(tree, tile):
        run_gradient(tree, tile, fit, settings)

    found = run_in_tiles(skeleton, work, given, ["rotations", "gradient", "joint_gradient", "error"])
    problem = make_problem(skeleton, *batch)
    # The kernel takes the size of the body as it stands when it begins.
    size = make_problem(skeleton, pose, *batch[1:]).size
    at = Parameters(axis_angle_from_matrix(pose), batch.betas, batch.transl)
    expected = gradient(problem._replace(size=size), at)
    np.testing.assert_allclose(found["error"][:, 0], size[:, 0, 0], rtol=1e-12)
    rows = 3 * skeleton.num_joints
    for ours, theirs in zip(
        (found["rotations"][:, :rows], found["gradient"], found["joint_gradient"][:, :3]),
        expected,
        strict=True,
    ):
        theirs = theirs.reshape(COUNT, -1)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11 * np.max(np.abs(theirs)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("tree", TREES)
def test_a_few_steps(tree, dtype):
    skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, COUNT, seed=3).astype(dtype)
    expected = smplify_arrays(skeleton.like(batch.pose), *batch, WEIGHTS, (3, 5))
    request = read_request(Arguments(*batch), skeleton)
    found = run_smplify(request, energy_terms(skeleton), None, None, threads=1, steps=(3, 5))
    np.testing.assert_array_equal(found.status, expected.status)
    np.testing.assert_array_equal(found.selection, expected.selection)
    for name in ("pose", "betas", "transl"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 if dtype == np.float64 else 2e-3)


@uncached_entry
def to_vectors_and_back(tree, tile):
    rotation_vectors.axis_angles(tree, tile.initial_pose, tile.joints)
    rotation_vectors.exponentials(tree, tile.offsets, tile.pose, tile.projected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_vectors(dtype):
    """Of every angle up to 180 degrees, about every axis; and to matrices up to 360 degrees."""
    skeleton = make_skeleton("smpl")
    random = np.random.default_rng(4)
    axes = random.normal(0, 1, (40, 24, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    axes[:3, 0] = np.eye(3)
    angles = random.uniform(0, 1, (40, 24, 1))
    angles[3, 0], angles[4, 0], angles[5, 0] = 0, 1e-8, 1e-2
    angles[:3, 0] = 0.999
    shorter = axes * np.pi * angles
    pose = Rotation.from_rotvec(shorter.reshape(-1, 3)).as_matrix().reshape(40, 24, 3, 3)
    given = {"initial_pose": pose, "offsets": 2 * shorter}
    expected = ["joints", "pose", "projected"]
    found = run_in_tiles(skeleton, to_vectors_and_back, given, expected, dtype)
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(found["joints"], shorter.reshape(40, -1), rtol=0, atol=50 * tolerance)
    matrices = matrix_from_axis_angle(2 * shorter).reshape(40, -1)
    np.testing.assert_allclose(found["pose"], matrices, rtol=0, atol=tolerance)
    angle = 2 * np.pi * angles[..., 0]
    versine = np.where(angle > 1e-4, (1 - np.cos(angle)) / np.maximum(angle, 1e-4) ** 2, 0.5)
    rest = np.where(
        angle > 1e-1, (angle - np.sin(angle)) / np.maximum(angle, 1e-1) ** 3, 1 / 6 - angle**2 / 120
    )
    projected = found["projected"].reshape(40, 24, 2)
    np.testing.assert_allclose(projected[..., 0], versine, rtol=0, atol=1e-7 if dtype == np.float64 else 1e-5)
    np.testing.assert_allclose(projected[..., 1], rest, rtol=0, atol=1e-7 if dtype == np.float64 else 2e-4)


def test_a_tree_lays_out_a_fit():
    tree = make_tree(make_skeleton("hand"), np.float32)
    rows = {name: part.shape for name, part in smplify.make_fit(tree, np.float32)._asdict().items()}
    assert rows["vectors"] == (48, 16)
    assert rows["start_betas"] == (4, 16)
    assert rows["jacobian"] == (32, 16)
