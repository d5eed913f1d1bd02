"""Every fused twin in kitro_np.kernels against its stage, on SMPL's tree and on others."""

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton
from steps import ArraySteps, KernelSteps, adam_rows, run_checks, run_shape, run_tree
from tiles import camera_rows, run_in_tiles

from kitro_np import camera as camera_stage
from kitro_np import refine
from kitro_np.arrays import rotations as geometry_stage
from kitro_np.body import kinematics as kinematics_stage
from kitro_np.evaluation.metrics import reprojection_error
from kitro_np.kernels import camera
from kitro_np.kernels import vector_math as geometry
from kitro_np.kernels.jit import uncached_entry
from kitro_np.kernels.kitro import rays, rotate, tree
from kitro_np.kernels.lanes import load, store
from kitro_np.kernels.tile import make_tree
from kitro_np.kitro import rays as rays_stage
from kitro_np.kitro import rotate as rotate_stage
from kitro_np.kitro import tree as tree_stage
from kitro_np.kitro.shape import bone_length_gradient, joint_gradient
from kitro_np.kitro.variants import VARIANTS, find_variant
from kitro_np.refinement.validity import estimate_status

TOLERANCE = {np.float64: 1e-9, np.float32: 1e-4}
COUNT = 21
"""Bodies: not a multiple of the lanes."""


@pytest.fixture(params=TOLERANCE, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


@pytest.fixture(params=TREES)
def skeleton(request):
    return make_skeleton(request.param)


UPDATES = {"camera_update": "hard", "shape_update": "joints_2d", "pose_update": "hard", "search": "greedy"}
"""All of the method's updates as the ablations have them."""


@pytest.fixture(params=[*VARIANTS, "ablated"])
def variant(request):
    if request.param == "ablated":
        return find_variant("released", **UPDATES)
    return VARIANTS[request.param]


def assert_near(found, expected, dtype=np.float64):
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype])


# ----------------------------------------------------------------------------------- the steps of a loop


@pytest.fixture
def both(skeleton, variant, dtype):
    """The same steps by the stages and by the kernels, and a body to take them from: another pose than
    the estimate, as after a loop."""
    batch = make_batch(skeleton, COUNT, seed=1).astype(dtype)
    # Estimates come in float32: as float64 they are rotations to seven digits only.
    batch = batch._replace(pose=batch.pose.astype(np.float32).astype(dtype))
    pose = make_batch(skeleton, COUNT, seed=2).pose.astype(np.float32).astype(dtype)
    steps = ArraySteps(skeleton, batch, variant), KernelSteps(skeleton, batch, variant)
    return *steps, (pose, batch.betas, batch.transl)


def test_camera(both, dtype):
    stages, kernels, body = both
    assert_near(kernels.translation(*body), stages.translation(*body), dtype)


def test_shape(both, dtype):
    stages, kernels, body = both
    assert_near(kernels.betas(*body, 0.1), stages.betas(*body, 0.1), dtype)


def test_tree(both, dtype):
    (selection, score), (wanted_selection, wanted_score) = (steps.select(*both[2]) for steps in both[:2])
    np.testing.assert_allclose(score, wanted_score, rtol=TOLERANCE[dtype], atol=0)
    np.testing.assert_array_equal(selection, wanted_selection)
    assert set(selection.ravel()) == {-1, 0, 1}


def test_rotate(both, dtype):
    stages, kernels, body = both
    assert_near(kernels.rotate(*body), stages.rotate(*body), dtype)


def test_two_loops(skeleton, variant, dtype):
    if variant.shape_update == "joints_2d" and dtype == np.float32:
        dtype = np.float64  # near its minimum Eq. 3 gives Adam gradients that are rounding alone
    batch = make_batch(skeleton, 8, seed=3).astype(dtype)
    how = {"variant": variant.name, **{update: getattr(variant, update) for update in UPDATES}}
    fused, expected = (
        refine(*batch, body=skeleton, method="kitro", **how, iterations=2, shape_steps=3, engine=engine)
        for engine in ("numba", "array")
    )
    np.testing.assert_array_equal(fused.status, 0)
    np.testing.assert_array_equal(fused.selection, expected.selection)
    for name in ("pose", "betas", "transl", "path_score"):
        assert_near(getattr(fused, name), getattr(expected, name), dtype)


# ------------------------------------------------------------------------------------- parts of the steps


@pytest.fixture
def batch(skeleton):
    return make_batch(skeleton, COUNT, seed=4)


@pytest.fixture
def posed(skeleton, batch):
    return kinematics_stage.forward_kinematics(skeleton, batch.pose, batch.betas)


def test_kinematics(skeleton, batch, posed):
    kernels = KernelSteps(skeleton, batch, VARIANTS["released"])
    rotations, joints = kernels.run(*batch[:3], [run_checks], "rotations", "joints")
    assert_near(rotations, posed.global_rotations.reshape(COUNT, -1))
    assert_near(joints, posed.joints.reshape(COUNT, -1))


def test_gradient(skeleton, batch, posed):
    _, by_beta = kinematics_stage.affine_joints(skeleton, posed.global_rotations)
    joints = posed.joints + batch.transl[:, None, :]
    expected = 0.25 * bone_length_gradient(skeleton, joints, by_beta, *batch[3:])
    kernels = KernelSteps(skeleton, batch, VARIANTS["released"])
    (found,) = kernels.run(*batch[:3], [(run_shape, adam_rows(1), 0.25, False)], "gradient")
    assert_near(found, expected)
    expected = 0.25 * joint_gradient(joints, by_beta, *batch[3:])
    (found,) = kernels.run(*batch[:3], [(run_shape, adam_rows(1), 0.25, True)], "gradient")
    assert_near(found, expected)


def test_hypotheses(skeleton, batch, posed, variant):
    """Each score of each bone, not only those on the path that was taken."""
    joints = posed.joints + batch.transl[:, None, :]
    grown = tree_stage.grow_tree(
        skeleton,
        tree_stage.all_bone_rays(skeleton, joints, *batch[3:], shift=variant.shift_keypoints),
        tree_stage.reference_bones(skeleton, batch.pose, batch.betas),
        rays_stage.signed_distance(joints[:, 0, :]),
        variant,
    )
    switches = variant.softmax_scores, variant.trunk_in_every_limb, variant.shift_keypoints, False
    kernels = KernelSteps(skeleton, batch, variant)
    (scores,) = kernels.run(*batch[:3], [(run_tree, *switches)], "edge_score")
    first_pair = make_tree(skeleton, np.float64).first_pair
    for child in range(1, skeleton.num_joints):
        first = 2 * first_pair[child]
        own = scores[:, first : first + 2 ** skeleton.depths[child]]
        assert_near(own, grown[child - 1].edge_score)


def test_status_and_error(skeleton, batch, posed):
    batch.pose[2, 1] *= 1.1
    batch.pose[3, 0] *= -1
    batch.transl[5, 2] *= -1
    batch.transl[7, 0] = np.nan
    batch.keypoints_2d[11] = 3.0
    kernels = KernelSteps(skeleton, batch, VARIANTS["released"])
    status, error = kernels.run(*batch[:3], [run_checks], "status", "error")
    np.testing.assert_array_equal(status[:, 0], estimate_status(skeleton, *batch))
    assert sorted(status[status > 0]) == [1, 3, 3, 4, 5]
    expected = reprojection_error(posed.joints + batch.transl[:, None, :], *batch[3:])
    fine = np.isin(status[:, 0], [0, 5])
    assert_near(error[fine, 0], expected[fine])


# ------------------------------------------------------------------------------- single formulas over lanes


@uncached_entry
def formulas(tree_, tile):
    """Write what formulas over lanes return, for the bone from joint 0 to joint 1, to rows of tile.turned."""
    start, end = geometry.load3(tile.joints, 0), geometry.load3(tile.joints, 1)
    turn = geometry.swing(geometry.unit(start), geometry.unit(end))
    geometry.store_all(tile.rotations, 0, geometry.matrix(turn))
    geometry.store_all(tile.rotations, 9, geometry.orthonormalise(geometry.load9(tile.pose, 0)))
    pairs = geometry.scale(0.0, start)
    pairs = (pairs[0], pairs[0], pairs[0], pairs[0], pairs[0], pairs[0], pairs[0], pairs[0], pairs[0])
    for j in range(3):
        pairs = geometry.add_outer(pairs, geometry.load3(tile.joints, j), geometry.load3(tile.joints, j + 1))
    geometry.store_all(tile.rotations, 18, geometry.matrix(geometry.align(pairs)))
    place = camera.in_camera(tile, 0)
    u, v = camera.project(place, tile)
    geometry.store_all(tile.rotations, 27, (u, v))
    geometry.store_all(tile.rotations, 29, camera.backproject(u, v, tile))
    a, b, cosine, sine = rays.bone_rays(tile, place, 0, 1, True)
    geometry.store_all(tile.rotations, 32, a)
    geometry.store_all(tile.rotations, 35, b)
    distance = rays.signed_distance(place)
    chord, length = rays.half_chord(distance, sine, load(tile.betas, 0))
    perpendicular = geometry.scale(distance, rays.perpendicular_to_ray(a, b, cosine))
    geometry.store_all(tile.rotations, 38, (cosine, sine, distance))
    geometry.store_all(tile.rotations, 41, geometry.add(perpendicular, geometry.scale(chord, b)))
    geometry.store_all(tile.rotations, 44, geometry.subtract(perpendicular, geometry.scale(chord, b)))
    store(tile.rotations, 47, length)
    store(tile.rotations, 48, tree.edge_weight(cosine, sine))
    solution, weight = rotate.solve_again(tile, place, start, end, 0, 1)
    geometry.store_all(tile.rotations, 49, solution)
    store(tile.rotations, 52, weight)
    store(tile.rotations, 53, rotate.aligned_error(tile, place, end, 0, 1))


@uncached_entry
def exponentials(tree_, tile):
    geometry.store_all(tile.betas, 0, (geometry.exp_of_few(load(tile.betas, 0)),))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_of_few(dtype):
    skeleton = make_skeleton("chain")
    x = np.zeros((4001, skeleton.num_betas), dtype)
    x[:, 0] = np.linspace(-2, 2, 4001)
    found = run_in_tiles(skeleton, exponentials, {"betas": x}, ["betas"], dtype)["betas"][:, 0]
    expected = np.exp(x[:, 0].astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=12 * np.finfo(dtype).eps)


@uncached_entry
def align_only(tree_, tile):
    """Align by the covariance in the first rows of tile.pose."""
    geometry.store_all(tile.rotations, 0, geometry.matrix(geometry.align(geometry.load9(tile.pose, 0))))


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_alignment_near_two_equal_singular_values(gap):
    """With a reflection the rotation hangs on the gap between the two smallest, and is sharp."""
    random = np.random.default_rng(7)
    left, right = (np.linalg.qr(random.normal(0, 1, (16, 3, 3)))[0] for _ in range(2))
    left[np.linalg.det(left) < 0, :, 2] *= -1
    right[np.linalg.det(right) < 0, :, 2] *= -1
    sizes = np.array([1.0, 0.6 * (1 + gap), -0.6])
    covariance = left * sizes @ right.transpose(0, 2, 1)
    pose = np.repeat(covariance[:, None], 24, axis=1)
    found = run_in_tiles(make_skeleton("smpl"), align_only, {"pose": pose}, ["rotations"])["rotations"][:, :9]
    np.testing.assert_allclose(
        found.reshape(-1, 3, 3), left @ right.transpose(0, 2, 1), rtol=0, atol=1e-13 / gap
    )


@pytest.fixture(scope="module")
def lanes():
    """What the formulas take and what they return."""
    skeleton = make_skeleton("smpl")
    random = np.random.default_rng(5)
    batch = make_batch(skeleton, 40, seed=5)
    batch = batch._replace(pose=batch.pose + random.normal(0, 0.1, batch.pose.shape))
    # Behind the camera too; and bones that reach their ray as well as bones that do not.
    batch.transl[::5, 2] *= -1
    batch.betas[:, 0] = random.uniform(0.0001, 0.2, 40)
    joints = random.normal(0, 0.3, (40, 24, 3))
    joints[0, 1], joints[1, 1] = joints[0, 0], -2 * joints[1, 0]
    selection = random.integers(0, 2, (40, 24))
    given = {
        "pose": batch.pose, "betas": batch.betas, "transl": batch.transl, "keypoints": batch.keypoints_2d,
        "camera": camera_rows(batch.intrinsics), "joints": joints, "selection": selection,
    }  # fmt: skip
    found = run_in_tiles(skeleton, formulas, given, ["rotations"])["rotations"]
    return batch, joints, selection, found


def test_rotations_over_lanes(lanes):
    batch, joints, _, found = lanes
    start, end = joints[:, 0], joints[:, 1]
    turn = found[:, :9].reshape(-1, 3, 3)
    # Opposite directions turn about any axis at right angles.
    direct = np.arange(40) != 1
    assert_near(turn[direct], geometry_stage.swing(start, end)[direct])
    assert_near(geometry_stage.rotate(turn, geometry_stage.unit(start)), geometry_stage.unit(end))
    expected = geometry_stage.orthonormalise(batch.pose[:, 0])
    assert_near(found[:, 9:18].reshape(-1, 3, 3), expected)
    assert_near(found[:, 18:27].reshape(-1, 3, 3), geometry_stage.align(joints[:, :3], joints[:, 1:4]))


def test_rays_over_lanes(lanes):
    batch, joints, _, found = lanes
    place = joints[:, :1] + batch.transl[:, None, :]
    pixel = camera_stage.project(place, batch.intrinsics)
    assert_near(found[:, 27:29], pixel[:, 0])
    assert_near(found[:, 29:32], camera_stage.backproject(pixel, batch.intrinsics)[:, 0])
    bone_length = np.sqrt(batch.betas[:, None, :1])
    keypoints = batch.keypoints_2d[:, :1], batch.keypoints_2d[:, 1:2]
    ray = rays_stage.bone_rays(place, bone_length, *keypoints, batch.intrinsics)
    expected = np.concatenate([ray.parent_ray, ray.child_ray, ray.cosine, ray.sine], axis=-1)[:, 0]
    assert_near(found[:, 32:40], expected)
    distance = rays_stage.signed_distance(place)
    assert_near(found[:, 40:41], distance[:, 0])
    solutions, _ = rays_stage.intersect(ray, distance)
    assert_near(found[:, 41:47], solutions.reshape(40, 6))
    lengths = np.linalg.norm(solutions, axis=-1)[:, 0]
    assert_near(found[:, 47], lengths[:, 0])
    assert_near(found[:, 47], lengths[:, 1])
    assert {True, False} == set(lengths[:, 0] > bone_length[:, 0, 0] + 1e-6)


def test_weights_over_lanes(lanes):
    batch, joints, selection, found = lanes
    weights = tree_stage.edge_weights(found[:, 38:40])
    assert_near(found[:, 48], weights[:, 0])
    place = joints[:, :1] + batch.transl[:, None, :]
    keypoints = batch.keypoints_2d[:, :1], batch.keypoints_2d[:, 1:2]
    start, end = joints[:, :1], joints[:, 1:2]
    solutions, weights = rotate_stage.solve_again(
        place, geometry_stage.norm(start), end, *keypoints, batch.intrinsics, selection[:, 1:2]
    )
    assert_near(found[:, 49:52], solutions[:, 0])
    assert_near(found[:, 52], weights[:, 0])
    error = rotate_stage.aligned_error(place, end, *keypoints, batch.intrinsics)
    np.testing.assert_allclose(found[:, 53], error, rtol=1e-9)
