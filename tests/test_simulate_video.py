"""Simulated videos: how errors change over time, what the detector does, and that a seed means something."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from bodies import SMPL_PARENTS
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np import InputError, Skeleton
from kitro_np.body.kinematics import forward_kinematics, global_rotations
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.evaluation.motion import to_world
from kitro_np.formats.estimates import EstimateFile
from kitro_np.keypoints.layouts import find_layout
from kitro_np.simulate import (
    LEVELS,
    DetectionErrors,
    Motion,
    OverTime,
    SimulatedVideo,
    Spells,
    Sway,
    VideoErrors,
    read_motion,
    simulate_video,
)
from kitro_np.simulate.draws import Draws
from kitro_np.simulate.motion import cmu_poses, cmu_recordings

NEVER = Spells(0, 0, 0)

CLEAN = DetectionErrors(
    factors=(1.0,) * 24, occlusions=NEVER, confidence_noise=0, exchanges=NEVER, gaps=NEVER
)
"""A detector that errs over time, but in no other way."""

STANDING = Sway(share=0)

LEGS, ARMS = [1, 2, 4, 5, 7, 8, 10, 11], list(range(16, 24))


@pytest.fixture(scope="module")
def video():
    return simulate_video(tracks=6)


@pytest.fixture(scope="module")
def long():
    """Twenty seconds of one pose, seen by each of 40 cameras that stand, at 10 frames a second."""
    still = Motion(np.zeros((200, 72)), fps=10.0)
    errors = VideoErrors(detections=CLEAN, sway=STANDING, factor=OverTime(0, (), 0))
    return simulate_video(still, tracks=40, frames=200, fps=10, errors=errors)


def by_track(values: np.ndarray, video: SimulatedVideo) -> np.ndarray:
    """Values of tracks that are alike long, (tracks, frames, ...)."""
    return values.reshape(video.track[-1] + 1, -1, *values.shape[1:])


def heights(video: SimulatedVideo, body) -> np.ndarray:
    """Heights of the people in the image, (N,), in pixels."""
    rest = body.skeleton.rest_joints(video.true_betas.astype(float))
    return np.ptp(rest[..., 1], axis=1) * video.true_focal / (rest[:, 0] + video.true_transl)[:, 2]


def check_parts(errors: np.ndarray, over_time: OverTime, fps: float, rtol: float = 0.06) -> None:
    """Compare errors (tracks, frames, ...) of standard deviation 1 with their parts."""
    drifts = np.array(over_time.drifts)
    for lag in (1, 4, 40):
        moved = np.exp(-((lag / fps / (2 * drifts[:, 1])) ** 2))
        step = np.mean((errors[:, lag:] - errors[:, :-lag]) ** 2)
        expected = 2 * over_time.white**2 + 2 * np.sum(drifts[:, 0] ** 2 * (1 - moved))
        np.testing.assert_allclose(step, expected, rtol=2 * rtol, atol=0, err_msg=str(lag))
    apart = np.mean(errors[:, :20] * errors[:, -20:])
    np.testing.assert_allclose(apart, over_time.constant**2, rtol=0, atol=rtol)


def test_a_seed_gives_the_same_tracks_again(video):
    again = simulate_video(tracks=6)
    for field in fields(SimulatedVideo):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(video, field.name))
    assert not np.array_equal(simulate_video(tracks=1, seed=1).true_focal[0], video.true_focal[0])


def test_a_track_does_not_depend_on_how_many_there_are(video):
    few = simulate_video(tracks=3)
    for name, value in few.arrays().items():
        expected = video.arrays()[name]
        if name not in ("LICENSE", "body", "fps"):
            expected = expected[: len(few.track)]
        if value.dtype.kind == "f":  # a matrix product of fewer rows may round otherwise
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(value, expected, err_msg=name)


def test_keypoints_are_projections_of_the_truth(video, open_body):
    camera = video.intrinsics.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = video.true_focal
    truth = (part.astype(float) for part in (video.true_pose, video.true_betas))
    joints = forward_kinematics(open_body.skeleton, *truth).joints + video.true_transl[:, None].astype(float)
    np.testing.assert_allclose(project(joints, camera), video.keypoints_2d, rtol=0, atol=1e-8)
    assert joints[..., 2].min() > 1.4
    inside = (video.keypoints_2d > 0) & (video.keypoints_2d < 2 * video.intrinsics[:, None, :2, 2])
    assert inside.all(axis=-1).mean() > 0.9


def test_a_track_is_one_person_in_consecutive_frames(video):
    for track in range(6):
        mine = video.track == track
        np.testing.assert_array_equal(video.frame[mine], np.arange(mine.sum()))
        assert len(set(video.clip[mine])) == 1
        assert np.ptp(video.true_betas[mine], axis=0).max() == np.ptp(video.true_focal[mine]) == 0
        steps = video.true_pose[mine][1:] @ np.swapaxes(video.true_pose[mine][:-1], -1, -2)
        angles = Rotation.from_matrix(steps.reshape(-1, 3, 3)).magnitude()
        assert 0 < np.degrees(angles).mean() < 6
        walked = np.linalg.norm(np.diff(video.true_transl[mine], axis=0), axis=1)
        assert walked.max() < 0.2
    assert sorted(set(video.track.tolist())) == list(range(6))


def test_every_recording_is_used_once_before_one_is_used_again():
    motion = cmu_recordings()
    slow = simulate_video(tracks=len(motion.lengths), fps=2, frames=1000)
    assert sorted(np.bincount(slow.track)) == sorted((motion.lengths - 1) // 15 + 1)
    assert set(slow.clip) == set(motion.clips)
    assert slow.notice == motion.notice
    assert "mocap.cs.cmu.edu" in motion.notice


def test_recordings_are_people_who_stand_upright_and_move_smoothly():
    motion = cmu_recordings()
    assert (motion.fps, len(motion.poses), len(motion.recordings())) == (30, 2069, 18)
    root = Rotation.from_rotvec(motion.poses[:, :3])
    walking = motion.categories == "walk"
    assert root.apply([0, 1, 0])[walking, 1].min() > 0.9
    poses = cmu_poses()
    for clip in set(motion.clips):
        joints = motion.poses[motion.clips == clip][:, None, 3:]
        known = poses.poses[poses.clips == clip].astype(float)[None, :, 1:].reshape(1, -1, 69)
        apart = np.abs(joints - known).mean(axis=2)
        frame, pose = np.unravel_index(apart.argmin(), apart.shape)
        turned = root[motion.clips == clip][frame].inv() * Rotation.from_rotvec(
            poses.poses[poses.clips == clip][pose, 0].astype(float)
        )
        assert np.degrees(turned.magnitude()) < 1.5, clip
        assert apart.min() < 0.013
    for rows in motion.recordings():
        assert np.linalg.norm(np.diff(motion.path[rows], axis=0), axis=1).max() < 0.16


def test_poses_err_as_the_parts_say(long, open_body):
    pose = long.true_pose.astype(float)
    above = global_rotations(open_body.skeleton, pose)[:, np.maximum(open_body.skeleton.parents, 0)]
    above[:, 0] = np.eye(3)
    turns = above @ long.pose @ np.swapaxes(above @ pose, -1, -2)
    vectors = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec(degrees=True).reshape(-1, 24, 3)
    sizes = LEVELS["cliff"]
    errors = vectors / np.array(sizes.degrees)[:, None] / [1, 1, sizes.in_plane]
    check_parts(by_track(errors, long), VideoErrors().pose, 10)


def test_betas_and_distance_err_as_the_parts_say(long):
    sizes, errors = LEVELS["cliff"], VideoErrors()
    betas = (long.betas - sizes.shape_slope * long.true_betas) / sizes.shape_noise
    check_parts(by_track(betas, long), errors.betas, 10, rtol=0.12)
    depth = long.transl[:, 2] / long.true_transl[:, 2] * long.true_focal / long.intrinsics[:, 0, 0]
    steps = np.diff(by_track(np.log(depth), long), axis=1) / sizes.depth
    assert 0.08 < np.sqrt(np.mean(steps**2) / 2) < 0.2


def test_detections_err_as_the_parts_say_in_heights_of_the_person(long, open_body):
    errors = (long.keypoints_2d_noisy - long.keypoints_2d) / heights(long, open_body)[:, None, None]
    check_parts(by_track(errors / LEVELS["cliff"].keypoint_noise, long), CLEAN.over_time, 10)
    lengths = np.linalg.norm(errors, axis=-1)
    expected = np.clip(CLEAN.confidence - CLEAN.confidence_slope * lengths, 0.03, 1)
    np.testing.assert_allclose(long.confidence, expected, rtol=0, atol=1e-6)


def test_drift_is_in_seconds():
    """Ten frames at 30 fps drift as twenty at 60."""
    drift = OverTime(0, ((1, 0.2),), 0)
    slow, fast = (drift.draw(Draws(0, 1500), "drift", n, fps) for n, fps in ((40, 30), (80, 60)))
    for lag in (2, 6, 12):
        expected = np.exp(-((lag / 30 / 0.4) ** 2))
        for errors, step in ((slow, lag), (fast, 2 * lag)):
            assert abs(np.mean(errors[:, step:] * errors[:, :-step]) - expected) < 0.06


def test_frames_without_detection_are_nan_with_confidence_0(video):
    missing = np.isnan(video.keypoints_2d_noisy)
    np.testing.assert_array_equal(missing.any(axis=-1), video.confidence == 0)
    np.testing.assert_array_equal(missing.any(axis=(1, 2)), missing.all(axis=(1, 2)))
    assert 0 < missing[:, 0, 0].mean() < 0.12


def test_exchanges_exchange_legs_arms_or_both(open_body):
    errors = VideoErrors(
        LEVELS["cliff"], detections=replace(CLEAN, exchanges=Spells(6, 2 / 30, 4 / 30)), sway=STANDING
    )
    made = simulate_video(tracks=8, errors=replace(errors, sizes=replace(errors.sizes, keypoint_noise=0)))
    twins = np.array(find_layout("smpl24", open_body.skeleton).mirror)
    there = np.all(made.keypoints_2d_noisy == made.keypoints_2d, axis=-1)
    at_twin = np.all(made.keypoints_2d_noisy == made.keypoints_2d[:, twins], axis=-1)
    others = [joint for joint in range(24) if joint not in LEGS + ARMS]
    assert np.all(there[:, others])
    exchanged = []
    for limb in (LEGS, ARMS):
        whole = at_twin[:, limb].all(axis=1)
        np.testing.assert_array_equal(whole, ~there[:, limb].any(axis=1))
        np.testing.assert_array_equal(~whole, there[:, limb].all(axis=1))
        exchanged.append(whole)
    for kinds in (exchanged[0] & ~exchanged[1], exchanged[1] & ~exchanged[0], exchanged[0] & exchanged[1]):
        assert kinds.mean() > 0.03
    assert np.all(made.confidence > 0.9)


def test_occluded_limbs_err_more_and_are_less_certain(open_body):
    detections = replace(CLEAN, occlusions=Spells(1.5, 0.5, 1))
    errors = VideoErrors(detections=detections, sway=STANDING)
    made, plain = (simulate_video(tracks=8, errors=e) for e in (errors, replace(errors, detections=CLEAN)))
    ratio = (made.keypoints_2d_noisy - made.keypoints_2d) / (plain.keypoints_2d_noisy - plain.keypoints_2d)
    occluded = made.confidence < plain.confidence
    np.testing.assert_allclose(ratio[occluded], 5, rtol=1e-6, atol=0)
    np.testing.assert_allclose(ratio[~occluded], 1, rtol=1e-6, atol=0)
    assert 0.05 < occluded[:, 4].mean() < 0.5
    for limb in ([4, 7, 10], [5, 8, 11], [18, 20, 22], [19, 21, 23]):
        np.testing.assert_array_equal(occluded[:, limb[:1]] & occluded[:, limb], occluded[:, limb])
    assert np.all(occluded[:, 1] <= occluded[:, 4])
    assert not occluded[:, [0, 3, 12, 15, 16, 17]].any()


def test_spells_are_as_often_and_as_long_as_asked():
    spells = Spells(0.4, 2 / 30, 8 / 30).draw(Draws(0, 300), "spells", 300, 30.0)[..., 0]
    np.testing.assert_allclose(spells.mean(), 0.4 / 30 * 5, rtol=0.1)
    np.testing.assert_allclose(spells[:, 0].mean(), spells.mean(), rtol=0.6)
    begins = np.count_nonzero(spells[:, 1:] & ~spells[:, :-1])
    assert abs(begins / (0.4 * 300 * 299 / 30) - 1) < 0.12
    kinds = Spells(5, 0.1, 0.2).draw(Draws(0, 50), "spells", 100, 30.0, 3).mean(axis=(0, 1))
    assert np.ptp(kinds) < 0.1 * kinds.mean() * 3


def test_a_third_of_the_cameras_sways():
    still = Motion(np.zeros((60, 72)), fps=30.0)
    made = simulate_video(still, tracks=30, frames=60)
    moved = np.ptp(by_track(made.keypoints_2d, made), axis=1).max(axis=(1, 2))
    assert np.count_nonzero(moved > 0.01) in (9, 10, 11)
    truth = made.true_pose.astype(float), made.true_transl.astype(float)
    pose, place = (by_track(part, made)[moved > 0.01] for part in truth)
    turns = pose[:, :, 0] @ np.swapaxes(pose[:, :1, 0], -1, -2)
    degrees = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec(degrees=True)
    assert 0.5 < np.abs(degrees).max() < 20
    # It turns about itself, so that the person stays as far away.
    assert np.ptp(np.linalg.norm(place, axis=-1), axis=1).max() < 0.06


def test_no_errors_give_the_truth():
    none = OverTime(0, (), 0)
    clean = replace(CLEAN, over_time=none)
    errors = VideoErrors(pose=none, betas=none, depth=none, shift=none, detections=clean)
    sizes = replace(LEVELS["cliff"], shape_slope=1, focal_ratio=(1, 1))
    made = simulate_video(tracks=3, errors=replace(errors, sizes=sizes))
    np.testing.assert_allclose(made.pose, made.true_pose, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(made.betas, made.true_betas)
    np.testing.assert_allclose(made.transl, made.true_transl, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(made.keypoints_2d_noisy, made.keypoints_2d)
    known = simulate_video(tracks=2, errors=replace(LEVELS["cliff"], camera_known=True))
    np.testing.assert_array_equal(known.transl, known.true_transl)
    np.testing.assert_array_equal(known.intrinsics[:, 0, 0], known.true_focal)


def test_motion_is_interpolated_between_its_frames():
    """A body that turns evenly and walks on does so at any rate."""
    times = np.arange(41) / 20
    poses = np.zeros((41, 24, 3))
    poses[:, 0, 1] = times
    path = np.stack([times, 0 * times, 0 * times], axis=1)
    motion = Motion(poses, fps=20.0, path=path)
    made = simulate_video(motion, tracks=2, frames=500, fps=50, errors=VideoErrors(sway=STANDING))
    assert np.bincount(made.track).tolist() == [101, 101]
    root = by_track(made.true_pose[:, 0].astype(float), made)
    turns = Rotation.from_matrix((root[:, 1:] @ np.swapaxes(root[:, :-1], -1, -2)).reshape(-1, 3, 3))
    np.testing.assert_allclose(turns.magnitude(), 0.02, rtol=1e-3, atol=0)
    steps = np.linalg.norm(np.diff(by_track(made.true_transl, made), axis=1), axis=-1)
    np.testing.assert_allclose(steps, 0.02, rtol=1e-3, atol=0)


def test_a_long_recording_is_begun_anywhere():
    poses = np.zeros((1000, 24, 3))
    poses[:, 18, 2] = np.linspace(0, 1, 1000)
    made = simulate_video(Motion(poses, fps=30.0), tracks=40, frames=20)
    first = np.arcsin(made.true_pose[made.frame == 0, 18, 1, 0])
    assert first.min() < 0.15
    assert first.max() > 0.85


def test_bodies_with_more_joints_err_in_the_body_only():
    parents = (*SMPL_PARENTS[:22], *range(21, 29))
    rng = np.random.default_rng(0)
    skeleton = Skeleton(parents, rng.normal(0, 0.1, (30, 3)), np.zeros((30, 3, 10)))
    more = SimpleNamespace(skeleton=skeleton, num_joints=30, name="more")
    made = simulate_video(body=more, tracks=2, frames=8)
    for pose in (made.true_pose, made.pose):
        expected = np.broadcast_to(np.eye(3), (16, 8, 3, 3))
        np.testing.assert_allclose(pose[:, 22:], expected, rtol=0, atol=1e-6)
    assert made.arrays()["GT_pose"].shape == (16, 90)


@pytest.mark.parametrize("joints", [24, 52])
@pytest.mark.parametrize("rate", ["mocap_framerate", "mocap_frame_rate", "fps"])
def test_motion_of_amass_is_turned_upright(tmp_path, rate, joints):
    poses, path = np.zeros((30, 3 * joints)), np.zeros((30, 3))
    path[:, 2] = np.linspace(0, 1, 30)
    poses[:, 0] = np.pi / 2
    np.savez(tmp_path / "motion.npz", **{rate: 30.0}, poses=poses, trans=path)
    motion = read_motion(tmp_path / "motion.npz")
    up = Rotation.from_rotvec(motion.poses[:, :3]).apply([0, 1, 0])
    turned = rate != "fps"
    np.testing.assert_allclose(up, np.tile([0, 1, 0] if turned else [0, 0, 1], (30, 1)), rtol=0, atol=1e-9)
    np.testing.assert_allclose(motion.path[-1], [0, 1, 0] if turned else [0, 0, 1], rtol=0, atol=1e-9)
    assert simulate_video(motion, tracks=1).true_pose.shape == (30, 24, 3, 3)


def test_the_command_writes_what_eval_reads(tmp_path, capsys):
    path = tmp_path / "video.npz"
    options = ["--tracks", "3", "--frames", "20", "--fps", "15", "--seed", "2", "--level", "spin"]
    assert main(["simulate", "-o", str(path), "--video", *options]) == 0
    assert "3 simulated tracks, 60 frames" in capsys.readouterr().out
    with np.load(path) as data:
        assert set(data) >= {
            "pred_theta", "pred_beta", "pred_cam", "intrinsics", "keypoints_2d", "keypoints_2d_noisy",
            "confidence", "GT_pose", "GT_beta", "GT_cam", "GT_focal", "track", "frame", "clip", "fps",
            "LICENSE", "body",
        }  # fmt: skip
        assert data["fps"] == 15
        expected = simulate_video(tracks=3, frames=20, fps=15, seed=2, errors="spin")
        np.testing.assert_array_equal(data["pred_theta"], expected.pose)
        matrices = Rotation.from_rotvec(data["GT_pose"].reshape(-1, 3)).as_matrix()
        np.testing.assert_allclose(matrices, expected.true_pose.reshape(-1, 3, 3), rtol=0, atol=1e-6)
    file, body = EstimateFile(path), kitro_np.load_body("open")
    assert file.body_name == "open_v2"
    assert file.estimates("keypoints_2d_noisy").keypoints_2d.shape == (60, 24, 2)
    assert file.truth(body, (60,)).pose.shape == (60, 72)
    assert file.integers("track").tolist() == np.repeat([0, 1, 2], 20).tolist()


def in_world(video, body):
    """True joints of a video in its tracks' world."""
    truth = (part.astype(float) for part in (video.true_pose, video.true_betas))
    joints = forward_kinematics(body.skeleton, *truth).joints + video.true_transl[:, None].astype(float)
    return to_world(joints, video.extrinsics)


def test_extrinsics_are_of_cameras_in_the_hand(video, open_body):
    """Where they turn, motion in the world is that in front of cameras that stand."""
    still = simulate_video(tracks=6, errors=VideoErrors(sway=STANDING))
    np.testing.assert_allclose(in_world(video, open_body), in_world(still, open_body), rtol=0, atol=1e-5)
    turns = video.extrinsics @ np.linalg.inv(still.extrinsics)
    np.testing.assert_allclose(turns[:, :3, 3], 0, atol=1e-12)
    assert np.ptp(still.extrinsics[still.track == 3], axis=0).max() == 0
    sways = [np.ptp(turns[video.track == track], axis=0).max() > 0.01 for track in range(6)]
    assert sum(sways) == 2
    np.testing.assert_allclose(video.extrinsics[:, 3], np.tile([0, 0, 0, 1.0], (len(turns), 1)))
    # y is up: walkers' heads are above their feet.
    joints = in_world(video, open_body)[video.category == "walk"]
    assert (joints[:, 15, 1] - joints[:, [7, 8], 1].max(axis=1)).min() > 0.8


def test_the_command_writes_extrinsics_if_asked(tmp_path):
    options = ["--video", "--tracks", "2", "--frames", "5"]
    with_them, without = (tmp_path / f"{name}.npz" for name in ("with", "without"))
    assert main(["simulate", "-o", str(with_them), *options, "--extrinsics"]) == 0
    assert main(["simulate", "-o", str(without), *options]) == 0
    with np.load(with_them) as known, np.load(without) as usual:
        assert set(known) - set(usual) == {"extrinsics"}
        for key in usual:
            np.testing.assert_array_equal(known[key], usual[key], err_msg=key)
        np.testing.assert_array_equal(known["extrinsics"], simulate_video(tracks=2, frames=5).extrinsics)


def test_refine_and_eval_know_how_a_simulated_camera_shakes(tmp_path, capsys):
    shaken = VideoErrors(sway=Sway(share=1, seconds=0.1))
    arrays = simulate_video(tracks=3, frames=30, errors=shaken).arrays(extrinsics=True)
    arrays["keypoints_2d"] = arrays["keypoints_2d_noisy"]
    known, unknown, out = (tmp_path / f"{name}.npz" for name in ("known", "unknown", "out"))
    extrinsics = arrays["extrinsics"]
    np.savez(known, **arrays)
    np.savez(unknown, **{key: value for key, value in arrays.items() if key != "extrinsics"})

    def measured(path, *options):
        capsys.readouterr()
        assert main(["eval", str(path), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)["video"]

    found = []
    for path in (unknown, known):
        assert main(["refine", str(path), "-o", str(out), "--force"]) == 0
        result = kitro_np.RefineResult.load(out)
        refined = {"pred_theta": result.pose, "pred_beta": result.betas, "pred_cam": result.transl}
        np.savez(tmp_path / "refined.npz", **{**arrays, **refined})
        # In the world, whether or not that was known when they were refined.
        found.append(measured(tmp_path / "refined.npz", "--each-frame")["before"])
    assert measured(known)["after"] == pytest.approx(found[1]) and measured(known) == measured(out)
    assert found[1]["root_accel"] < 0.6 * found[0]["root_accel"]
    assert found[1]["jitter"] < 0.6 * found[0]["jitter"]
    assert measured(known)["world"] and not measured(unknown)["world"]
    np.testing.assert_array_equal(np.load(out)["extrinsics"], extrinsics)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--extrinsics"], "extrinsics: expected none without --video, got it."),
        (["--tracks", "5"], "tracks: expected none without --video, got 5."),
        (["--fps", "25"], "fps: expected none without --video, got 25."),
        (["--video", "--count", "5"], "count: expected none with --video, got 5."),
        (["--video", "--swapped", "0.2"], "swapped: expected none with --video, got 0.2."),
        (["--video", "--tracks", "0"], "tracks: expected at least 1, got 0."),
        (["--video", "--fps", "0.5"], "fps: expected a finite number of at least 1, got 0.5."),
        (["--video", "--frames", "1000000"], "frames: expected at most 1000000 in all tracks, got 25000000."),
        (
            ["--video", "--level", "mediapipe"],
            "errors: expected none of the whole body in a video, got turn, flatten, agreement or swapped.",
        ),
        (
            ["--video", "--body", "open_hand"],
            "body: expected SMPL's kinematic tree for a video, got another tree of 16 joints.",
        ),
    ],
)
def test_options_that_do_not_go_together(options, sentence, tmp_path, capsys):
    assert main(["simulate", "-o", str(tmp_path / "x.npz"), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: OverTime(-1, (), 0), "constant: expected a number of at least 0, got -1."),
        (lambda: OverTime(1, ((1,),), 0), r"drifts: expected pairs of a part and its seconds, got \(1,\)."),
        (lambda: Spells(1, 0.2, 0.1), "longest: expected at least shortest, 0.2, got 0.1."),
        (lambda: Sway(share=2), "share: expected a number from 0 to 1, got 2."),
        (lambda: DetectionErrors(factors=(1, np.nan)), "factors: expected a number of at least 0, got nan."),
        (lambda: Motion(np.zeros((2, 72)), fps=0), "fps: expected a positive number, got 0."),
        (lambda: Motion(np.zeros((2, 72)), path=np.zeros(3)), r"path: expected shape \(2, 3\), got \(3,\)."),
        (lambda: Motion(np.zeros((2, 72)), lengths=[1]), "lengths: expected 2 frames in all, got 1."),
        (
            lambda: simulate_video(cmu_poses()),
            "motion: expected consecutive frames with their rate, fps, got isolated poses.",
        ),
        (lambda: simulate_video(tracks=20_000, frames=1), "tracks: expected at most 10000, got 20000"),
        (lambda: simulate_video(fps=2000), "fps: expected at most 1000, got 2000."),
        (
            lambda: simulate_video(tracks=1, frames=2, errors=replace(LEVELS["cliff"], shape_noise=1e300)),
            "errors: expected estimates that are finite, got an overflow; the errors are too large.",
        ),
    ],
)
def test_what_is_invalid_is_said_in_one_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
