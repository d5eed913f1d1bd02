"""Videos by the fused twins against the stages: rows in any order, gaps, cameras, layouts and options."""

import zlib
from functools import lru_cache

import backends
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kitro_np import KeypointLayout, Status, find_layout, load_body, refine
from kitro_np.camera import project
from kitro_np.posterior.facing import reflected
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.simulate import simulate_video

NEAR = {"float64": 1e-9, "float32": 1e-3}
"""Largest difference of rotations, betas and metres; of the others relative to what they usually are."""

USUAL = {"noise": 100.0, "reprojection_error": 100.0, "evidence": 100.0, "quality": 10.0}

LONG = 13
"""Frames of a track: not a multiple of the lanes."""


@lru_cache
def people():
    return simulate_video(tracks=3, frames=LONG, seed=11)


def make_video(case):
    """Arguments of a video in float64, and its options."""
    random = np.random.default_rng(zlib.crc32(case.encode()))
    video, body = people(), load_body("open")
    given = {name: getattr(video, name).astype(float) for name in ("pose", "betas", "transl", "intrinsics")}
    given |= {"keypoints_2d": video.keypoints_2d_noisy.copy(), "confidence": video.confidence.astype(float)}
    given |= {"tracks": video.track, "frames": video.frame, "uncertainty": True}
    count = len(video.pose)
    if case == "hands":
        return make_hands(random)
    if case in ("coco17", "no_sides"):
        layout = find_layout("coco17", body)
        if case == "no_sides":
            layout = KeypointLayout("plain", layout.names, layout.joints, layout.offsets, layout.by_betas)
        pose, betas = video.true_pose.astype(float), video.true_betas.astype(float)
        points = points_on(body.skeleton, layout, pose)
        placed = place_points(body.skeleton, points, pose, betas, video.true_transl.astype(float)).points
        camera = given["intrinsics"].copy()
        camera[:, 0, 0] = camera[:, 1, 1] = video.true_focal
        found = project(placed, camera)
        found += random.normal(0, 3, found.shape)
        confidence = random.uniform(0.3, 0.95, found.shape[:2])
        confidence[3, :9], confidence[5] = 0, np.nan
        found[8:11], found[LONG + 3] = np.nan, found[5]
        given |= {"keypoints_2d": found, "confidence": confidence, "keypoint_layout": layout}
    if case == "any_order":
        order = random.permutation(count)[: count - 7]
        names = ("pose", "betas", "transl", "intrinsics", "keypoints_2d", "confidence", "tracks", "frames")
        given |= {name: given[name][order] for name in names}
        given["frames"] = np.where(given["frames"] > 8, given["frames"] + 30, given["frames"]) - 4
        given["fps"] = 25
    if case == "extrinsics":
        steps = np.cumsum(random.normal(0, 0.02, (count, 6)), axis=0)
        camera = np.tile(np.eye(4), (count, 1, 1))
        camera[:, :3, :3], camera[:, :3, 3] = Rotation.from_rotvec(steps[:, :3]).as_matrix(), steps[:, 3:]
        given["extrinsics"] = camera
    if case == "image_size":
        middle = given["intrinsics"][:, :2, 2]
        given |= {"image_size": 2 * middle - random.uniform(0, 0.8, middle.shape) * middle}
    if case == "one_camera":
        given |= {"intrinsics": given["intrinsics"][0], "safe": False, "image_size": [1100, 900]}
        given["confidence"] = None
        given["keypoints_2d"][5] = np.nan
    if case == "landmarks":
        given["betas"][:LONG] = 0
    if case == "few_betas":
        given |= {"betas": given["betas"][:, :3], "motion_prior": False}
    if case == "no_betas":
        given |= {"betas": given["betas"][:, :0], "uncertainty": False}
    if case == "sides":  # one of all exchanged, one turned for four frames, six of somebody upside down
        mirror = list(find_layout("smpl24", body).mirror)
        given["keypoints_2d"][4] = given["keypoints_2d"][4][mirror]
        own = slice(LONG + 4, LONG + 8)
        given["pose"][own] = reflected(body.skeleton, given["pose"][own], given["transl"][own])
        upright = given["keypoints_2d"][2 * LONG + 4 : 2 * LONG + 10, :, 1]
        upright[:] = 2 * np.nanmean(upright, axis=1, keepdims=True) - upright
    if case == "wrong_bodies":
        given["pose"][3, 2] *= 1.1
        given["transl"][5, 2] *= -1
        given["betas"][7, 1], given["pose"][LONG, 3] = np.nan, np.inf
        given["intrinsics"][9, 0, 1] = 1
    return given


def make_hands(random):
    """A hand that closes, seen by a camera, with estimates that tremble."""
    body, count = load_body("open_hand"), LONG
    closing = np.linspace(0, 1, count)[:, None, None] * random.normal(0, 0.4, (1, body.num_joints, 3))
    closing[:, 0] = closing[:, 0] + [2.5, 0.3, 0.2]
    pose = Rotation.from_rotvec(closing.reshape(-1, 3)).as_matrix().reshape(count, -1, 3, 3)
    betas, transl = np.zeros((count, body.skeleton.num_betas)), np.tile([0.02, 0.01, 0.6], (count, 1))
    camera = np.array([[800.0, 0, 300], [0, 800, 300], [0, 0, 1]])
    joints = body.joints(pose, betas, transl)
    turned = Rotation.from_rotvec(random.normal(0, 0.1, (pose[..., 0, 0].size, 3))).as_matrix()
    keypoints_2d = project(joints, np.tile(camera, (count, 1, 1)))
    return {
        "pose": pose @ turned.reshape(pose.shape), "betas": betas, "transl": transl, "intrinsics": camera,
        "keypoints_2d": keypoints_2d + random.normal(0, 2, keypoints_2d.shape),
        "body": body, "video": True, "uncertainty": True,
    }  # fmt: skip


CASES = (
    "plain", "coco17", "no_sides", "any_order", "extrinsics", "image_size", "one_camera", "landmarks",
    "few_betas", "no_betas", "sides", "wrong_bodies", "hands",
)  # fmt: skip


def cast(given, dtype):
    """In float32 all that a pose's dtype stands for."""
    return {
        name: value.astype(dtype) if getattr(value, "dtype", None) == np.float64 else value
        for name, value in given.items()
    }


@lru_cache
def by_stages(case):
    """In float64: rounding is the kernels' alone."""
    return refine(**make_video(case), engine="array")


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("case", CASES)
def test_twins(case, dtype):
    expected = by_stages(case)
    found = refine(**cast(make_video(case), dtype), engine="numba")
    assert [*found.arrays()] == [*expected.arrays()]
    np.testing.assert_array_equal(found.status, expected.status)
    for name, theirs in expected.arrays().items():
        ours, tolerance = getattr(found, name), NEAR[dtype] * USUAL.get(name, 1)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=name)
    if case != "no_betas":
        assert np.any(found.pose != expected.pose)  # not the same code


def test_cases_are_what_they_are_for():
    """What a case is to show happens in it."""
    assert set(by_stages("plain").status) <= {Status.REFINED, Status.FILLED}
    coco = by_stages("coco17").status
    assert np.all(coco[[5, 8, 9, 10]] == Status.FILLED)
    assert np.sum(by_stages("one_camera").status == Status.FILLED) == 1
    sides = by_stages("sides")
    assert sides.swapped[4] == 1
    np.testing.assert_array_equal(np.flatnonzero(sides.turned), LONG + 4 + np.arange(4))
    np.testing.assert_array_equal(sides.status[2 * LONG + 4 : 2 * LONG + 10], Status.FILLED)
    wrong = by_stages("wrong_bodies").status
    expected = {
        3: Status.NOT_A_ROTATION, 5: Status.BEHIND_CAMERA, 7: Status.NOT_FINITE, 9: Status.BAD_INTRINSICS,
        LONG: Status.NOT_FINITE,
    }  # fmt: skip
    assert {k: wrong[k] for k in expected} == expected
    rest = np.delete(wrong, [*expected])
    assert set(rest) <= {Status.REFINED, Status.FILLED}
    moved = by_stages("extrinsics")
    assert np.any(moved.pose != by_stages("plain").pose)
    assert np.all(by_stages("hands").accepted)


@pytest.mark.parametrize("name", ["array_api_strict", "array_api_strict_elsewhere"])
def test_stages_in_arrays_of_another_library(name):
    """With what is given in arrays beside the pose: confidence, extrinsics and sizes."""
    backend = backends.load_or_skip(name)
    given = make_video("sides") | {"image_size": [1500, 1500]}
    given["extrinsics"] = np.tile(np.eye(4), (len(given["pose"]), 1, 1))
    own = np.concatenate([np.arange(2, 7), LONG + np.arange(1, 8)])
    few = {k: v[own] if isinstance(v, np.ndarray) else v for k, v in given.items()}
    expected = refine(**few, engine="array")
    arrays = {
        k: backend.array(v) if isinstance(v, np.ndarray) and v.dtype == np.float64 else v
        for k, v in few.items()
    }
    found = refine(**arrays, engine="array")
    backends.assert_near(backend, [*found.arrays().values()], [*expected.arrays().values()], "float64")
