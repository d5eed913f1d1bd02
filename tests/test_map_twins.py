"""The fused twins of kitro_np.posterior against its stages: bodies, points and keypoints of every kind."""

from dataclasses import replace

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton
from numba import config
from scipy.spatial.transform import Rotation

from kitro_np import KeypointLayout, Skeleton, Status, find_layout
from kitro_np.camera import project
from kitro_np.kernels.posterior.algorithm import fit_bodies_with_spread
from kitro_np.posterior.facing import reflected
from kitro_np.posterior.most_probable import most_probable
from kitro_np.posterior.priors import cmu_motion_prior, flat_motion_prior
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.posterior.swaps import assignments
from kitro_np.refinement.method import Execution
from kitro_np.refinement.request import Arguments, read_request

COUNT = 23
"""Bodies: not a multiple of the lanes."""

NEAR = {np.float64: 1e-9, np.float32: 3e-4}
"""Largest difference of rotations, betas and metres; of the others relative to what they usually are."""

USUAL = {"noise": 100.0, "reprojection_error": 100.0, "evidence": 100.0, "quality": 10.0}


@pytest.fixture(params=NEAR, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def own_layout(skeleton):
    """Points beside joints, which betas move; twins by number; loose ones; and one that is nowhere."""
    random = np.random.default_rng(0)
    own = skeleton.num_joints
    joints = [*range(own), *range(1, own), -1]
    count = len(joints)
    offsets = random.normal(0, 0.05, (count, 3))
    by_betas = random.normal(0, 0.005, (count, 3, skeleton.num_betas))
    offsets[:own:2], by_betas[:own:2] = 0, 0
    mirror = [k ^ 1 if k < count - count % 2 else k for k in range(count)]
    words = ("knee", "elbow", "ankle", "wrist")  # of legs, arms, feet and hands
    names = [f"{words[k // 2 % 4]} {k}" for k in range(count)]
    return KeypointLayout("own", names, joints, offsets, by_betas, mirror, random.uniform(1, 2, count))


def make_request(body, layout, dtype, seed=1):
    """Draw bodies, and keypoints with all that can be wrong with them, each body's in a way of its own."""
    skeleton = body if isinstance(body, Skeleton) else body.skeleton
    layout = find_layout(layout, body)
    random = np.random.default_rng(seed)
    batch = make_batch(skeleton, COUNT, seed)
    turn = Rotation.from_rotvec(random.normal(0, 0.08, (batch.pose[..., 0, 0].size, 3))).as_matrix()
    true = batch.pose @ turn.reshape(batch.pose.shape)
    places = place_points(skeleton, points_on(skeleton, layout, true), true, *batch[1:3])
    visible = project(places.points, batch.intrinsics)
    visible = visible + random.normal(0, 3, visible.shape)
    confidence = random.uniform(0.2, 1, visible.shape[:2])
    confidence[1, ::3], confidence[2, 1::2] = 0, np.nan
    confidence[3] *= 70
    confidence[4, 4:] *= -1
    confidence[5, :3] = np.inf
    visible[6, 1::3], visible[7, -1, 0], visible[8, 2:4] = np.nan, np.inf, 1e12
    for own, count in ((9, 0), (10, 1), (11, 2), (12, 4)):
        confidence[own, count:] = 0
    for own in (13, 14):  # left and right the other way round
        visible[own] = visible[own][list(layout.mirror)]
    visible[15], visible[16] = visible[17], random.uniform(0, 1000, visible[16].shape)
    batch.betas[[8, 17]] = 0  # as estimates of landmarks have them
    visible[18] = 7
    batch.pose[19, 1] *= 1.1
    batch.transl[20, 2] *= -1
    batch.pose[21, 0, 0, 0] = np.nan
    batch.intrinsics[22, 0, 1] = 1
    given = (*batch[:3], visible, batch.intrinsics)
    with np.errstate(over="ignore"):
        given = [part.astype(dtype) for part in given]
    return read_request(Arguments(*given, confidence=confidence.astype(dtype)), body, layout)


def by_both(request, *, motion_prior=True, **how):
    """By the kernels in the request's dtype; by the stages in float64: rounding is the kernels' alone.

    In float32 the stages round as much as the kernels do: where keypoints are somebody else's the steps carry
    a rounding of 1.2e-7 on to 3e-4 of a rotation, which would leave nothing of NEAR for the kernels.
    """
    motion = (cmu_motion_prior if motion_prior else flat_motion_prior)(request.skeleton.host)
    how = {"safe": True, "uncertainty": True, **how}
    with np.errstate(all="ignore"):  # in the interpreter lanes are NumPy vectors
        fused = most_probable(request, Execution("numba", threads=1), motion, **how)
    exact = replace(request, dtype=np.dtype(np.float64))
    stages = most_probable(exact, Execution("array"), motion, **how)
    return fused, tuple(type(part)(*(cast(array, request.dtype) for array in part)) for part in stages)


def cast(array, dtype):
    return array.astype(dtype) if array is not None and array.dtype == np.float64 else array


def assert_twins(found, expected, dtype, bodies=slice(None)):
    for ours, theirs in zip(found, expected, strict=True):
        for name, one, other in zip(ours._fields, ours, theirs, strict=True):
            assert one.dtype == other.dtype, name
            tolerance = NEAR[dtype] * USUAL.get(name, 1.0)
            np.testing.assert_allclose(one[bodies], other[bodies], rtol=0, atol=tolerance, err_msg=name)


@pytest.fixture(params=TREES)
def skeleton(request):
    return make_skeleton(request.param)


@pytest.mark.parametrize("safe", [True, False])
def test_any_tree(skeleton, dtype, safe):
    """With points beside its joints, as a layout of the caller's may have."""
    request = make_request(skeleton, own_layout(skeleton), dtype)
    fused, expected = by_both(request, safe=safe)
    assert_twins(fused, expected, dtype)
    refined, diagnostics = expected
    broken = {
        19: Status.NOT_A_ROTATION,
        20: Status.BEHIND_CAMERA,
        21: Status.NOT_FINITE,
        22: Status.BAD_INTRINSICS,
    }
    few = [9, 10, 11] if safe else [9]
    assert {k: refined.status[k] for k in broken} == broken
    assert np.all(refined.status[few] == Status.TOO_FEW_KEYPOINTS)
    assert np.all(np.isnan(diagnostics.quality[[*broken, *few]]))
    if safe:
        assert {Status.REFINED, Status.UNLIKELY} <= set(refined.status[:19])
    else:
        assert np.all(np.delete(refined.status, [9, *broken]) == Status.REFINED)
    assert np.any(diagnostics.swapped)
    assert not np.any(diagnostics.turned)


@pytest.mark.parametrize("name", ["body25", "mediapipe33"])
def test_layouts(open_body, dtype, name):
    request = make_request(open_body, name, dtype, seed=3)
    fused, expected = by_both(request)
    assert_twins(fused, expected, dtype)
    refined, diagnostics = expected
    put_right = (diagnostics.swapped | diagnostics.turned) == 1  # the scores of a face may tell either
    assert np.all(put_right[[13, 14]])
    assert np.all(refined.status[[13, 14]] == Status.REFINED)


@pytest.mark.parametrize("number", range(5))
def test_each_exchange_of_left_and_right(open_body, dtype, number):
    request = make_clean(open_body, "body25", dtype, facing=True)
    order = assignments(request.layout)[number]
    swapped = replace(request, keypoints_2d=request.keypoints_2d[:, order])
    fused, expected = by_both(swapped)
    assert_twins(fused, expected, dtype)
    assert np.mean(expected[1].swapped) > 0.8


@pytest.mark.parametrize("landmarks", [None, True, False])
def test_estimates_of_landmarks(open_body, dtype, landmarks):
    request = make_clean(open_body, "coco17", dtype)
    request.betas[::2] = 0
    fused, expected = by_both(request, landmarks=landmarks)
    assert_twins(fused, expected, dtype)
    other = by_both(request, landmarks=landmarks is False)[1]
    differs = np.any(other[1].joint_spread != expected[1].joint_spread, axis=1)
    good = (expected[0].status == 0) & (other[0].status == 0)
    assert good.sum() > COUNT // 2
    as_expected = np.arange(COUNT) % 2 == 0 if landmarks is None else np.ones(COUNT, bool)
    np.testing.assert_array_equal(differs[good], as_expected[good])


@pytest.mark.parametrize("name", ["coco17", "wholebody133"])
def test_estimates_that_face_the_wrong_way(open_body, dtype, name):
    """Half of them do, and some are of landmarks; scores tell of some whether the face is seen."""
    request = make_clean(open_body, name, dtype, facing=True)
    mirrored = reflected(request.skeleton, request.pose, request.transl)
    request.pose[::2], request.betas[::6] = mirrored[::2], 0
    request.confidence[4::8] = 1  # tells nothing
    # Nor do scores of points that are not on the body.
    request.confidence[4, np.array(request.layout.joints) < 0] = 0.3
    fused, expected = by_both(request)
    assert_twins(fused, expected, dtype)
    turned = expected[1].turned == 1
    assert not np.any(turned[1::2])
    assert not np.any(turned[4::8])
    told = [n for n in range(0, COUNT, 2) if n % 8 != 4]
    assert np.mean(turned[told]) > 0.8


def make_clean(body, layout, dtype, *, facing=False):
    """Draw people, on request facing the camera with a face that is seen, with keypoints of their own."""
    skeleton, layout = body.skeleton, find_layout(layout, body)
    random = np.random.default_rng(9)
    count, joints = COUNT, skeleton.num_joints
    pose = Rotation.from_rotvec(random.normal(0, 0.2, (count * joints, 3))).as_matrix()
    pose = pose.reshape(count, joints, 3, 3)
    angle = random.uniform(0, 0.5, count) if facing else random.uniform(0, 2 * np.pi, count)
    upright = Rotation.from_euler("x", np.pi) * Rotation.from_euler("y", angle[:, None])
    pose[:, 0] = upright.as_matrix() @ pose[:, 0]
    turn = Rotation.from_rotvec(random.normal(0, 0.06, (count * joints, 3))).as_matrix()
    betas = random.normal(0, 1, (count, skeleton.num_betas))
    transl = random.uniform((-1, -1, 4), (1, 1, 8), (count, 3))
    camera = np.tile([[1500.0, 0, 500], [0, 1500, 500], [0, 0, 1]], (count, 1, 1))
    true = pose @ turn.reshape(pose.shape)
    places = place_points(skeleton, points_on(skeleton, layout, true), true, betas, transl)
    keypoints = project(places.points, camera) + random.normal(0, 3, (count, layout.num_points, 2))
    confidence = random.uniform(0.6, 0.9, keypoints.shape[:2])
    given = [part.astype(dtype) for part in (pose, betas, transl, keypoints, camera)]
    return read_request(Arguments(*given, confidence=confidence.astype(dtype)), body, layout)


def test_without_betas_motion_and_spread(dtype):
    skeleton = make_skeleton("smpl")
    bare = Skeleton(skeleton.parents, skeleton.joint_template, skeleton.joint_shapedirs[:, :, :0])
    request = make_request(bare, "smpl24", dtype, seed=3)
    fused, expected = by_both(request, motion_prior=False, uncertainty=False)
    assert fused[1].joint_spread is None
    assert expected[1].joint_spread is None
    pairs = [
        (refined, diagnostics._replace(joint_spread=diagnostics.noise))
        for refined, diagnostics in (fused, expected)
    ]
    assert_twins(*pairs, dtype)


@pytest.mark.parametrize("tree", ["smpl", "nested"])
def test_from_another_pose(tree, dtype):
    """As hypotheses begin: the estimate stays what it is, the steps start elsewhere."""
    skeleton = make_skeleton(tree)
    request = make_request(skeleton, "smpl24", dtype, seed=4)
    turn = Rotation.from_rotvec(np.random.default_rng(5).normal(0, 0.3, (COUNT * skeleton.num_joints, 3)))
    start = request.pose @ turn.as_matrix().reshape(request.pose.shape).astype(dtype)
    fused, expected = by_both(request, safe=False, start_pose=start)
    assert_twins(fused, expected, dtype)
    motion = cmu_motion_prior(request.skeleton.host)
    from_estimate = most_probable(request, Execution("array"), motion, safe=False, uncertainty=True)
    good = expected[0].status == 0
    assert np.mean(expected[1].evidence[good] != from_estimate[1].evidence[good]) > 0.8


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_one_compilation_for_each_dtype(open_body, dtype):
    """No betas, one beta, one point, arrays that cannot be written to: all have the same machine code."""
    skeleton = make_skeleton("smpl")
    by_both(make_request(skeleton, "smpl24", dtype))
    before = len(fit_bodies_with_spread.signatures)
    for shapes in (0, 1):
        few = Skeleton(skeleton.parents, skeleton.joint_template, skeleton.joint_shapedirs[:, :, :shapes])
        by_both(make_request(few, "smpl24", dtype))
        by_both(make_request(few, own_layout(few), dtype), safe=False, motion_prior=False)
    request = make_request(open_body, find_layout("coco17", open_body).pick([9]), dtype)
    for part in (request.pose, request.keypoints_2d, request.confidence):
        part.flags.writeable = False
    by_both(request, start_pose=request.pose)
    assert len(fit_bodies_with_spread.signatures) == before
