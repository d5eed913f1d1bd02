"""Measures of motion: against plain loops, by hand, and `kitro-np eval` of a file with tracks."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from bodies import make_skeleton
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import BODY
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np import BodyModel, InputError, load_body
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.evaluation import motion
from kitro_np.evaluation.metrics import similarity_align
from kitro_np.evaluation.motion import find_runs, mean_of
from kitro_np.evaluation.video import VIDEO_TITLES, MovingBodies, evaluate_video
from kitro_np.formats.estimates import EstimateFile, Tracks
from kitro_np.keypoints.placing import place_points

FPS = 25.0


class Clip:
    """Two tracks, interleaved and shuffled, with gaps: their rows, and their frames in order."""

    def __init__(self, seed=0, joints=5):
        random = np.random.default_rng(seed)
        frames = {4: [*range(7), *range(9, 14), 20], 1: [*range(3, 12)]}
        rows = [(track, frame) for track, own in frames.items() for frame in own]
        rows = [rows[k] for k in random.permutation(len(rows))]
        self.track, self.frame = np.array(rows).T
        self.runs = find_runs(self.track, self.frame)
        self.truth = random.normal(0, 1, (len(rows), joints, 3))
        self.points = self.truth + random.normal(0, 0.1, self.truth.shape)
        self.row = {row: k for k, row in enumerate(rows)}

    def at(self, points, row, *steps):
        """Points of a row and of frames before or after it; None if there is no such frame."""
        track, frame = self.track[row], self.frame[row]
        rows = [self.row.get((track, frame + step)) for step in steps]
        return None if None in rows else [points[k] for k in rows]

    def in_order(self, track):
        return sorted(np.flatnonzero(self.track == track), key=lambda row: self.frame[row])


@pytest.fixture(scope="module")
def clip():
    return Clip()


def length(vector):
    return math.sqrt(sum(float(x) ** 2 for x in vector))


# ------------------------------------------------------------------------------------------------------- runs


def test_runs_are_consecutive_frames_of_a_track():
    runs = find_runs([2, 1, 2, 2, 1], [5, 0, 4, 7, 1])
    assert runs.order.tolist() == [1, 4, 2, 0, 3]
    assert runs.track.tolist() == [0, 0, 1, 1, 1]
    assert runs.run.tolist() == [0, 0, 1, 1, 2]


def test_rows_of_a_track_are_consecutive_where_no_frame_is_known():
    runs = find_runs([2, 1, 2, 2, 1])
    assert runs.order.tolist() == [1, 4, 0, 2, 3]
    assert runs.run.tolist() == runs.track.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_short_clips(count):
    points = np.ones((count, 4, 3))
    for found in (
        motion.acceleration_error(points, points),
        motion.mpjve(points, points, FPS),
        motion.jitter(points, FPS),
        motion.root_trajectory_error(points[:, 0], points[:, 0]),
        motion.wa_mpjpe(points, points),
        motion.bone_length_change(points, (-1, 0, 1, 2)),
    ):
        assert found.shape == (count,)
    assert len(find_runs(np.zeros(count, int)).run) == count
    assert math.isnan(mean_of(np.full(count, math.nan)))


# ------------------------------------------------------------------------------------------ against the truth


def test_velocity_and_acceleration_against_loops(clip):
    accel, root_accel, velocity = (np.full(len(clip.track), math.nan) for _ in range(3))
    error = clip.points - clip.truth
    for row in range(len(error)):
        if (three := clip.at(error, row, -1, 0, 1)) is not None:
            second = three[0] - 2 * three[1] + three[2]
            accel[row] = 1000 * np.mean([length(x - second[0]) for x in second])
            root_accel[row] = 1000 * length(second[0])
        if (two := clip.at(error, row, -1, 0)) is not None:
            first = two[1] - two[0]
            velocity[row] = FPS * np.mean([length(x - first[0]) for x in first])
    assert np.isfinite(accel).sum() == 5 + 3 + 7
    pair = clip.points, clip.truth
    np.testing.assert_allclose(motion.acceleration_error(*pair, clip.runs), accel)
    np.testing.assert_allclose(motion.mpjae(*pair, FPS, clip.runs), accel * FPS**2 / 1000)
    np.testing.assert_allclose(motion.mpjve(*pair, FPS, clip.runs), velocity)
    roots = clip.points[:, 0], clip.truth[:, 0]
    np.testing.assert_allclose(motion.root_acceleration_error(*roots, clip.runs), root_accel)


def test_acceleration_by_hand():
    """One of two joints is 3 mm off in one frame: it accelerates by 3, -6 and 3 mm/frame^2."""
    truth = np.zeros((5, 2, 3))
    joints = truth.copy()
    joints[2, 1, 0] = 0.003
    found = motion.acceleration_error(joints, truth)
    np.testing.assert_allclose(found, [math.nan, 1.5, 3, 1.5, math.nan])
    np.testing.assert_allclose(motion.mpjae(joints, truth, 30.0)[2], 2.7)
    assert mean_of(found) == pytest.approx(2)
    # About the joint that moves, it is the other that does.
    np.testing.assert_allclose(motion.acceleration_error(joints, truth, root=1), found)
    joints[2, 0, 0] = 0.003
    np.testing.assert_allclose(motion.acceleration_error(joints, truth)[2], 0, atol=1e-12)
    np.testing.assert_allclose(motion.acceleration_error(joints, truth, root=None)[2], 6)


def test_depth_of_another_focal_length():
    truth = np.array([[0, 0, 4.0], [0.1, 0, 4.1], [0.2, 0, 4.5], [0.3, 0, 4.2]])
    factor = np.array([0.8, 0.9, 0.8, 1.0])
    estimate = truth / np.stack([np.ones(4), np.ones(4), factor], axis=1)
    assert mean_of(motion.root_acceleration_error(estimate, truth)) > 100
    np.testing.assert_allclose(
        motion.root_acceleration_error(estimate, truth, depth_factor=factor)[1:3], 0, atol=1e-9
    )


def test_shape_by_hand():
    skeleton = make_skeleton("chain")
    betas = np.array([[1.0, 0, 0, 0], [0, 0.5, 0, 0]])
    rest = [skeleton.joint_template + skeleton.joint_shapedirs @ one for one in (*betas, np.zeros(4))]
    about = [joints - joints[0] for joints in rest]
    expected = [1000 * np.mean([length(x) for x in one - about[2]]) for one in about[:2]]
    np.testing.assert_allclose(motion.shape_error(skeleton, betas, np.zeros((2, 4))), expected)
    np.testing.assert_allclose(motion.shape_error(skeleton, betas[:, :2], np.zeros((2, 4))), expected)


def test_feet_slide_where_the_truth_stands():
    """At 25 fps a foot that moves less than 12 mm a frame stands."""
    truth = np.zeros((4, 2, 3))
    truth[:, 0, 0] = [0, 0.011, 0.022, 0.035]
    truth[:, 1, 0] = [0, 0.5, 0.5, 0.5]
    feet = truth + 0.0
    feet[:, :, 1] = [[0, 0], [0.004, 0], [0.004, 0], [0.004, 0.02]]
    contact = motion.foot_contact(truth, FPS)
    assert contact.tolist() == [[False, False], [True, False], [True, True], [False, True]]
    found = motion.foot_sliding(feet, contact)
    np.testing.assert_allclose(found[1, 0], 1000 * math.hypot(0.011, 0.004))
    np.testing.assert_allclose(found[2:, 1], [0, 20])
    assert np.isnan(found[~contact]).all()
    # Those of two tracks, not one that jumps.
    assert motion.foot_contact(truth, FPS, find_runs([0, 0, 1, 1])).tolist()[2] == [False, False]


def test_feet_are_vertices_of_known_meshes(open_body):
    numbers = [6077, 6314, 2764, 3010]  # of the open body: great toes and heels
    random = np.random.default_rng(1)
    pose = Rotation.from_rotvec(random.normal(0, 0.3, (72, 3))).as_matrix().reshape(3, 24, 3, 3)
    rest = random.normal(size=(3, 10)), random.normal(size=(3, 3))
    found = motion.foot_points(open_body, pose, *rest)
    np.testing.assert_allclose(found, open_body.forward(pose, *rest).vertices[:, numbers], atol=1e-12)
    assert motion.foot_points(load_body("open_hand"), np.zeros((1, 16, 3)), np.zeros((1, 10))) is None


def test_feet_are_joints_of_unknown_meshes(open_body):
    other = BodyModel.from_arrays(
        "other",
        *(
            getattr(open_body, name)
            for name in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
        ),
        open_body.faces[:, ::-1],
        open_body.skeleton.parents,
    )
    pose, betas = np.full((2, 72), 0.1), np.ones((2, 10))
    names = ["left_foot", "left_ankle", "right_foot", "right_ankle"]
    places = [kitro_np.find_layout("smpl24", other).names.index(name) for name in names]
    np.testing.assert_array_equal(
        motion.foot_points(other, pose, betas), other.joints(pose, betas)[:, places]
    )


# -------------------------------------------------------------------------------------- through the scene


def rigid(points, truth):
    """Best rotation and translation, by SciPy."""
    middle, true_middle = points.mean(axis=0), truth.mean(axis=0)
    turn, _ = Rotation.align_vectors(truth - true_middle, points - middle)
    return lambda these: turn.apply(these - middle) + true_middle


@pytest.mark.parametrize("frames", [4, 100])
def test_pieces_against_loops(clip, frames):
    whole, first, unscaled = (np.full(len(clip.track), math.nan) for _ in range(3))
    for track in np.unique(clip.track):
        rows = clip.in_order(track)
        for start in range(0, len(rows), frames):
            piece = rows[start : start + frames]
            points, truth = (part[piece].reshape(1, -1, 3) for part in (clip.points, clip.truth))
            aligned = similarity_align(points, truth).reshape(len(piece), -1, 3)
            beginning = np.s_[:, : 2 * clip.points.shape[1]]
            move = rigid(points[beginning][0], truth[beginning][0])
            # A similarity is found from the beginning alone, and is affine.
            scaled = similarity_align(points[beginning], truth[beginning])[0]
            x = np.concatenate([points[beginning][0], np.ones((len(scaled), 1))], axis=1)
            affine = np.linalg.lstsq(x, scaled, rcond=None)[0]
            moved = np.concatenate([points[0], np.ones((points.shape[1], 1))], axis=1) @ affine
            for k, row in enumerate(piece):
                own = np.s_[k * clip.points.shape[1] : (k + 1) * clip.points.shape[1]]
                true = clip.truth[row]
                whole[row] = 1000 * np.mean([length(x) for x in aligned[k] - true])
                first[row] = 1000 * np.mean([length(x) for x in moved[own] - true])
                unscaled[row] = 1000 * np.mean([length(x) for x in move(clip.points[row]) - true])
    pair = clip.points, clip.truth, clip.runs, frames
    np.testing.assert_allclose(motion.wa_mpjpe(*pair), whole)
    np.testing.assert_allclose(motion.w_mpjpe(*pair), first)
    np.testing.assert_allclose(motion.w_mpjpe(*pair, scale=False), unscaled)


def test_trajectory_against_loops(clip):
    roots, truth = clip.points[:, 0], clip.truth[:, 0]
    expected = np.full(len(roots), math.nan)
    for track in np.unique(clip.track):
        rows = clip.in_order(track)
        path = sum(length(truth[b] - truth[a]) for a, b in pairwise(rows))
        move = rigid(roots[rows], truth[rows])
        for row in rows:
            expected[row] = 100 * length(move(roots[row]) - truth[row]) / path
    np.testing.assert_allclose(motion.root_trajectory_error(roots, truth, clip.runs), expected)


def test_trajectory_by_hand():
    """A way of 4 m, found as long but 8 cm too far at its end: the middle of five is 1.6 cm off, 0.4%."""
    truth = np.zeros((5, 3))
    truth[:, 0] = range(5)
    roots = truth + np.array([5.0, -3, 1])
    roots[4, 0] += 0.08
    found = motion.root_trajectory_error(roots, truth)
    np.testing.assert_allclose(found, [0.4, 0.4, 0.4, 0.4, 1.6])
    assert np.isnan(motion.root_trajectory_error(roots, np.zeros((5, 3)))).all()


def test_what_is_moved_and_scaled_as_a_whole_is_right(clip):
    turn = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix()
    moved = 1.3 * clip.truth @ turn.T + [1.0, 2, 3]
    for measure in (motion.wa_mpjpe, motion.w_mpjpe):
        np.testing.assert_allclose(measure(moved, clip.truth, clip.runs), 0, atol=1e-9)
    assert mean_of(motion.w_mpjpe(moved, clip.truth, clip.runs, scale=False)) > 100


def test_rows_that_are_not_finite_are_left_out(clip):
    points = clip.points.copy()
    points[3, 2, 1], points[8] = math.nan, math.inf
    rest = np.setdiff1d(np.arange(len(points)), [3, 8])
    runs = find_runs(clip.track[rest], clip.frame[rest])
    for found, expected in (
        (
            motion.wa_mpjpe(points, clip.truth, clip.runs),
            motion.wa_mpjpe(points[rest], clip.truth[rest], runs),
        ),
        (
            motion.root_trajectory_error(points[:, 2], clip.truth[:, 2], clip.runs),
            motion.root_trajectory_error(points[rest, 2], clip.truth[rest, 2], runs),
        ),
        (
            motion.bone_length_change(points, (-1, 0, 1, 2, 3), clip.runs),
            motion.bone_length_change(points[rest], (-1, 0, 1, 2, 3), runs),
        ),
        (
            motion.acceleration_error(points, clip.truth, clip.runs),
            motion.acceleration_error(points[rest], clip.truth[rest], runs),
        ),
    ):
        assert np.isnan(found[[3, 8]]).all()
        np.testing.assert_allclose(found[rest], expected)


# ------------------------------------------------------------------------------------------ without the truth


def test_jitter_against_loops(clip):
    expected = np.full(len(clip.track), math.nan)
    for row in range(len(expected)):
        if (four := clip.at(clip.points, row, -2, -1, 0, 1)) is not None:
            third = four[3] - 3 * four[2] + 3 * four[1] - four[0]
            expected[row] = np.mean([length(x) for x in third]) * FPS**3 / 10
    np.testing.assert_allclose(motion.jitter(clip.points, FPS, clip.runs), expected)


def test_bones_against_loops(clip):
    parents = (-1, 0, 1, 1, 0)
    expected = np.empty(len(clip.track))
    for track in np.unique(clip.track):
        rows = clip.in_order(track)
        bones = [
            [1000 * length(clip.points[row, bone] - clip.points[row, parents[bone]]) for row in rows]
            for bone in range(1, 5)
        ]
        expected[rows] = np.mean([np.std(bone) for bone in bones])
    np.testing.assert_allclose(motion.bone_length_change(clip.points, parents, clip.runs), expected)


def test_residual_is_of_visible_keypoints():
    points = np.random.default_rng(0).normal([0, 0, 5], 0.3, (3, 4, 3))
    camera = np.array([[800.0, 0, 320], [0, 900, 240], [0, 0, 1]])
    keypoints = project(points, np.broadcast_to(camera, (3, 3, 3))) + np.array([3.0, 4])
    keypoints[0, 1:] += [3.0, 4]
    np.testing.assert_allclose(motion.keypoint_residual(points, keypoints, camera), [8.75, 5, 5])
    confidence = np.ones((3, 4))
    confidence[0, 1:3], confidence[2] = 0, 0
    keypoints[1, 2, 0] = math.nan
    found = motion.keypoint_residual(points, keypoints, np.stack([camera] * 3), confidence)
    np.testing.assert_allclose(found, [7.5, 5, math.nan])


# ------------------------------------------------------------------------------------------------- properties

MEASURES = {
    "accel": lambda a, b, runs: motion.acceleration_error(a, b, runs),
    "root": lambda a, b, runs: motion.root_acceleration_error(a[:, 0], b[:, 0], runs),
    "mpjve": lambda a, b, runs: motion.mpjve(a, b, FPS, runs),
    "jitter": lambda a, b, runs: motion.jitter(a, FPS, runs),
    "sliding": lambda a, b, runs: motion.foot_sliding(a, motion.foot_contact(b, FPS, runs), runs),
    "wa": lambda a, b, runs: motion.wa_mpjpe(a, b, runs, 5),
    "w": lambda a, b, runs: motion.w_mpjpe(a, b, runs, 5),
    "rte": lambda a, b, runs: motion.root_trajectory_error(a[:, 0], b[:, 0], runs),
    "bones": lambda a, b, runs: motion.bone_length_change(a, (-1, 0, 1, 2, 3), runs),
}


@pytest.mark.parametrize("name", MEASURES)
@given(seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(name, seed):
    clip = Clip(seed)
    clip.truth *= 0.01  # feet stand
    order = np.random.default_rng(seed).permutation(len(clip.track))
    runs = find_runs(clip.track[order], clip.frame[order])
    found = MEASURES[name](clip.points[order], clip.truth[order], runs)
    expected = MEASURES[name](clip.points, clip.truth, clip.runs)
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(found, expected[order], rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 99), fps=st.floats(5, 240))
def test_uniform_motion_has_no_acceleration(seed, fps):
    random = np.random.default_rng(seed)
    start, velocity, still = random.normal(size=(3, 4, 3))
    walk = start + np.arange(9)[:, None, None] * velocity
    rest = np.broadcast_to(still, walk.shape)
    np.testing.assert_allclose(motion.acceleration_error(walk, rest)[1:-1], 0, atol=1e-9)
    np.testing.assert_allclose(motion.root_acceleration_error(walk[:, 1], rest[:, 1])[1:-1], 0, atol=1e-9)
    np.testing.assert_allclose(motion.jitter(walk, fps)[2:-1], 0, atol=1e-5)
    expected = fps * np.mean([length(x) for x in velocity - velocity[0]])
    np.testing.assert_allclose(motion.mpjve(walk, rest, fps)[1:], expected)


def cameras(random, count):
    """Cameras (N, 4, 4) that are turned and moved anew in each frame."""
    found = np.tile(np.eye(4), (count, 1, 1))
    found[:, :3, :3] = Rotation.from_rotvec(random.normal(0, 1, (count, 3))).as_matrix()
    found[:, :3, 3] = random.normal(0, 2, (count, 3))
    return found


def seen(body, bodies, extrinsics):
    """Bodies of the world as each frame's camera sees them."""
    rest = body.skeleton.rest_joints(bodies.betas)[:, 0]
    pose = bodies.pose.copy()
    pose[:, 0] = extrinsics[:, :3, :3] @ pose[:, 0]
    root = np.einsum("nij,nj->ni", extrinsics[:, :3, :3], rest + bodies.transl) + extrinsics[:, :3, 3]
    return MovingBodies(pose, bodies.betas, root - rest)


@settings(max_examples=10)
@given(seed=st.integers(0, 999))
def test_a_shaken_camera_whose_extrinsics_are_known_changes_nothing(open_body, seed):
    random = np.random.default_rng(seed)
    truth, *others = (
        MovingBodies(
            Rotation.from_rotvec(random.normal(0, 0.002, (14 * 24, 3))).as_matrix().reshape(14, 24, 3, 3),
            random.normal(0, 0.05, (14, 10)),
            random.normal(0, 0.003, (14, 3)),
        )
        for _ in range(3)
    )
    track, frame = np.repeat([3, 8], 7), np.tile([0, 1, 2, 3, 4, 5, 9], 2)
    still, shaken = np.repeat(cameras(random, 1), 14, axis=0), cameras(random, 14)

    def measured(camera, extrinsics):
        bodies = [seen(open_body, part, camera) for part in (*others, truth)]
        return evaluate_video(open_body, *bodies, Tracks(track, frame, FPS, extrinsics))

    expected, found = measured(still, None), measured(shaken, shaken[:, :3])
    assert found.world and not expected.world
    ignored = measured(shaken, None).before
    for name in VIDEO_TITLES:
        assert math.isfinite(expected.before[name])
        assert (name in ("shape", "bone_change")) == (ignored[name] == pytest.approx(expected.before[name]))
    for side in ("before", "after"):
        assert getattr(found, side) == pytest.approx(getattr(expected, side), rel=1e-6)
        assert getattr(measured(still, still), side) == pytest.approx(getattr(expected, side), rel=1e-6)


@pytest.mark.parametrize(("name", "times"), [("accel", 2), ("mpjve", 1), ("jitter", 3)])
def test_a_gap_splits(name, times):
    clip = np.random.default_rng(3).normal(size=(2, 12, 5, 3))
    whole = MEASURES[name](*clip, None)
    assert np.isnan(whole).sum() == times
    frame = np.arange(12) + 5 * (np.arange(12) >= 6)
    split = MEASURES[name](*clip, find_runs(np.zeros(12, int), frame))
    assert np.isnan(split).sum() == 2 * times
    kept = np.isfinite(split)
    np.testing.assert_allclose(split[kept], whole[kept])
    apart = [MEASURES[name](*clip[:, half], None) for half in (slice(6), slice(6, None))]
    np.testing.assert_allclose(split, np.concatenate(apart))


@given(fps=st.floats(10, 240))
def test_the_same_motion_at_any_rate(fps):
    """Rates of m/s, m/s^2 and m/s^3 do not change where a motion is filmed faster."""

    def filmed(rate):
        t = np.arange(8)[:, None, None] / rate
        return (np.array([[[0.3, 0, 0], [0, 0.5, 0]]]) * t**power for power in (1, 2, 3))

    for speed, parabola, cubic in (filmed(30), filmed(fps)):
        rate = 30 if speed[1, 0, 0] == 0.01 else fps
        rest = np.zeros_like(speed)
        assert mean_of(motion.mpjve(speed, rest, rate, root=None)) == pytest.approx(0.4)
        assert mean_of(motion.mpjae(parabola, rest, rate, root=None)) == pytest.approx(0.8)
        assert mean_of(motion.jitter(cubic, rate)) == pytest.approx(0.24)
        still, fast = motion.foot_contact(0.99 * speed, rate)[1:].T
        assert still.all() and not fast.any()


# ----------------------------------------------------------------------------------------------------- a file


def test_tracks_of_a_file(tmp_path):
    path = tmp_path / "in.npz"

    def read(lead=(4,), **arrays):
        np.savez(path, **arrays)
        return EstimateFile(path).tracks(lead)

    assert read(frame=np.arange(4)) is None
    found = read(track=np.array([3, 1, 3, 1], np.uint8), frame=np.array([9, 0, 8, 1]), fps=np.float32(25))
    assert found.track.tolist() == [3, 1, 3, 1] and found.frame.tolist() == [9, 0, 8, 1]
    assert found.track.dtype == found.frame.dtype == np.int64 and found.fps == 25.0
    found = read(person=np.array([[3, 1], [3, 1]]), lead=(2, 2))
    assert found.track.tolist() == [3, 1, 3, 1] and found.frame.tolist() == [0, 0, 1, 1] and found.fps is None
    assert read(track=np.zeros(4, int), person=np.arange(4)).track.tolist() == [0, 0, 0, 0]

    assert read(track=np.array(["b", "a", "b", "a"])).track.tolist() == [2, 1, 2, 1]
    four = np.zeros(4, int)
    for arrays, sentence in (
        ({"track": np.zeros(4)}, "track: expected integers or texts, got dtype float64."),
        ({"track": np.zeros(3, int)}, "track: expected shape (4,), got (3,)."),
        ({"frame": np.array(["1"] * 4), "track": four}, "frame: expected integers, got dtype <U1."),
        (
            {"track": np.array(list("abab")), "frame": four},
            "frame: expected each frame once in a track, got 0 twice in track a.",
        ),
        ({"track": four, "frame": np.zeros((2, 2), int)}, "frame: expected shape (4,), got (2, 2)."),
        ({"track": four, "frame": np.arange(4.0)}, "frame: expected integers, got dtype float64."),
        (
            {"person": four + 7, "frame": np.array([1, 5, 2, 5])},
            "frame: expected each frame once in a track, got 5 twice in person 7.",
        ),
        ({"track": four, "fps": 0.0}, "fps: expected a positive number, got 0."),
        ({"track": four, "fps": math.nan}, "fps: expected a positive number, got nan."),
        ({"track": four, "fps": np.ones(4)}, "fps: expected a positive number, got shape (4,)."),
    ):
        with pytest.raises(InputError) as caught:
            read(**arrays)
        assert str(caught.value) == f"{path}: {sentence}"


@pytest.fixture(scope="module")
def video(sim):
    """One body that moves slowly, as two tracks, interleaved; the second has a gap. Estimates jitter."""
    random = np.random.default_rng(0)
    keys = [key for key in sim if key.startswith(("pred", "GT_", "intr", "key"))]
    found = {key: np.repeat(sim[key][:1], 12, axis=0) for key in keys}
    frame = np.array([0, 0, 1, 1, 2, 2, 3, 13, 4, 14, 5, 15])
    turns = Rotation.from_rotvec(random.normal(0, 0.05, (12 * 24, 3))).as_matrix().reshape(12, 24, 3, 3)
    found["GT_cam"] = found["GT_cam"] + 0.004 * frame[:, None]
    found["GT_focal"] = found["GT_focal"] * random.uniform(0.98, 1.02, 12)
    found["pred_theta"] = (found["pred_theta"] @ turns).astype(np.float32)
    for key in ("pred_beta", "pred_cam"):
        found[key] += random.normal(0, 0.03, found[key].shape).astype(np.float32)
    return {**found, "track": np.array([0, 1] * 6), "frame": frame, "fps": np.float32(25)}


@pytest.fixture
def run(tmp_path, capsys, video):
    """Write the video with other keys, run eval on it and return what it prints."""

    def run(*options, without=(), status=0, **changes):
        arrays = {key: value for key, value in {**video, **changes}.items() if key not in without}
        np.savez(tmp_path / "in.npz", **arrays)
        assert main(["eval", str(tmp_path / "in.npz"), "--body", BODY, *map(str, options)]) == status
        out, err = capsys.readouterr()
        return err if status else json.loads(out) if "--json" in options else out

    return run


def numbers(means):
    return {name: math.nan if mean is None else mean for name, mean in means.items()}


@pytest.mark.parametrize("options", [[], ["--each-frame"]])
def test_eval_measures_the_motion_of_tracks(run, recorded_body, video, options):
    body = recorded_body
    found = run("--json", *options)["video"]
    assert [found[key] for key in ("tracks", "frames", "fps")] == [2, 12, 25.0]
    assert list(found["before"]) == list(found["after"]) == list(VIDEO_TITLES)
    result = kitro_np.refine(
        *(video[key] for key in ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d", "intrinsics")),
        body=BODY,
        **({} if options else {"tracks": video["track"], "frames": video["frame"], "fps": 25.0}),
    )
    runs = find_runs(video["track"], video["frame"])
    factor = video["GT_focal"] / video["intrinsics"][:, 0, 0]
    assert np.ptp(factor) > 0
    truth = [video[key] for key in ("GT_theta", "GT_beta", "GT_cam")]
    true, true_feet = (
        np.asarray(points, float) for points in (body.joints(*truth), motion.foot_points(body, *truth))
    )
    contact = motion.foot_contact(true_feet, 25.0, runs)
    for side, bodies in (
        ("before", [video[key] for key in ("pred_theta", "pred_beta", "pred_cam")]),
        ("after", [result.pose, result.betas, result.transl]),
    ):
        joints = np.asarray(body.joints(*bodies), float)
        feet = np.asarray(motion.foot_points(body, *bodies), float)
        move = motion.scale_depth(joints[:, 0], factor) - joints[:, 0]
        placed, feet = joints + move[:, None], feet + move[:, None]
        expected = {
            "accel": motion.acceleration_error(joints, true, runs),
            "root_accel": motion.root_acceleration_error(joints[:, 0], true[:, 0], runs, factor),
            "mpjve": motion.mpjve(joints, true, 25.0, runs),
            "mpjae": motion.mpjae(joints, true, 25.0, runs),
            "jitter": motion.jitter(placed, 25.0, runs),
            "sliding": motion.foot_sliding(feet, contact, runs),
            "shape": motion.shape_error(body.skeleton, bodies[1], truth[1]),
            "bone_change": motion.bone_length_change(joints, body.skeleton.parents, runs),
            "wa_mpjpe": motion.wa_mpjpe(placed, true, runs),
            "w_mpjpe": motion.w_mpjpe(placed, true, runs),
            "rte": motion.root_trajectory_error(placed[:, 0], true[:, 0], runs),
        }
        means = {name: mean_of(values) for name, values in expected.items()}
        # Bones of one shape do not change, but for rounding in float32.
        assert found[side] == pytest.approx(means, rel=1e-4, abs=1e-3)


def test_eval_prints_a_table_of_the_video(run, video):
    table = run("--each-frame")
    assert all(len(line) <= 80 for line in table.splitlines()[:-1])
    first, second = table.split("\n\n")
    assert first.splitlines() == run(without=("track",)).splitlines()[:-1]
    lines = second.splitlines()
    assert lines[0].split() == ["video", "before", "after"]
    assert [line[:36].rstrip() for line in lines[1:12]] == list(VIDEO_TITLES.values())
    assert lines[12] == "2 tracks, 12 frames at 25 fps"
    assert "refined by map" in lines[13] and len(lines) == 14
    lines = run("--fps", 50).splitlines()
    assert {"2 tracks, 12 frames at 50 fps", "as videos: 2 tracks at 50 fps"} <= {*lines[-4:]}


def test_eval_of_a_video_that_says_less(run):
    table = run(without=("fps", "frame", "GT_cam", "GT_focal"), track=np.zeros(12, int))
    assert "1 track, 12 frames at 30 fps, which the file does not say" in table
    assert "shape, mm" in table and "RTE" not in table and "sliding" not in table
    alone = run("--json", track=np.arange(12))["video"]
    assert alone["before"]["accel"] is alone["after"]["rte"] is None
    assert " -        -" in run(track=np.arange(12))


def test_eval_of_a_camera_that_moves(run, video):
    random = np.random.default_rng(4)
    names = ("--metrics", "jitter,sliding,accel,shape", "--json", "--each-frame")
    rest = run(*names)["video"]
    assert rest["world"] is False
    still = run(*names, extrinsics=np.repeat(cameras(random, 1), 12, axis=0))["video"]
    assert still["world"] is True
    shaken = cameras(random, 12)
    found = run(*names, extrinsics=shaken)["video"]
    for side in ("before", "after"):
        assert numbers(still[side]) == pytest.approx(numbers(rest[side]), rel=1e-5)
        assert found[side]["jitter"] > 10 * rest[side]["jitter"]
        assert found[side]["shape"] == rest[side]["shape"]
    assert "at 25 fps, in world space by the extrinsics" in run(extrinsics=shaken)
    for broken in (2 * shaken, np.where(video["frame"][:, None, None] == 3, math.nan, shaken), shaken[0]):
        assert run(*names, extrinsics=broken)["video"] == rest
    expected = "extrinsics: expected shape (12, 4, 4) or (12, 3, 4), got (11, 4, 4)."
    assert expected in run(*names, extrinsics=shaken[:11], status=2)


def test_eval_of_tracks_with_names(run, video):
    names = np.array(["Ann", "Bea"])[video["track"]]
    assert run("--json", track=names) == run("--json")
    assert run("--json", without=("track",), person=names) == run(
        "--json", without=("track",), person=video["track"]
    )


def test_eval_leaves_bodies_that_are_not_finite_out(run, video):
    pose = video["pred_theta"].copy()
    pose[4] = math.nan
    found = run("--json", pred_theta=pose)["video"]
    without = {key: value[np.arange(12) != 4] for key, value in video.items() if np.ndim(value)}
    expected = run("--json", **without)["video"]
    for side in ("before", "after"):
        assert numbers(found[side]) == pytest.approx(numbers(expected[side]), rel=1e-6, nan_ok=True)


def test_eval_measures_what_is_asked_for(run):
    assert "video" not in run("--json", "--metrics", "mpjpe")
    found = run("--json", "--metrics", "rte,mpjpe", "--metrics", "ACCEL,accel")
    assert list(found["before"]) == ["mpjpe"] and list(found["video"]["after"]) == ["rte", "accel"]
    assert list(run("--json", "--metrics", "jitter")["before"]) == ["mpjpe", "pa_mpjpe", "pve"]
    expected = "metrics: expected a file with the key track for jitter, got none."
    assert expected in run("--metrics", "jitter", without=("track",), status=2)
    expected = "metrics: expected a file with the key GT_cam for rte, got none."
    assert expected in run("--metrics", "rte", without=("GT_cam",), status=2)
    expected = "GT_cam: expected shape (12, 3), got (12, 2)."
    assert expected in run(GT_cam=np.zeros((12, 2)), status=2)
    expected = "GT_focal: expected shape () or (12,), got (2,)."
    assert expected in run(GT_focal=np.ones(2), status=2)


NO_TRUTH = ("GT_theta", "GT_pose", "GT_beta", "GT_cam", "GT_focal")


@pytest.mark.parametrize("moves", [False, True])
def test_eval_without_truth_measures_what_users_can(run, recorded_body, video, moves):
    body, shaken = recorded_body, cameras(np.random.default_rng(4), 12)
    confidence = np.ones((12, 24), np.float32)
    confidence[2, 5:], confidence[7, 3] = 0, 0
    keys = {"confidence": confidence, **({"extrinsics": shaken} if moves else {})}
    found = run("--json", without=NO_TRUTH, **keys)
    assert list(found) == ["method", "options", "body", "truth", "video"] and found["truth"] is None
    found = found["video"]
    assert [found[key] for key in ("tracks", "frames", "fps", "world")] == [2, 12, 25.0, moves]
    assert found["units"] == {"residual": "px", "jitter": "10 m/s^3", "sliding": "mm", "bone_change": "mm"}
    inputs = [video[key] for key in ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d", "intrinsics")]
    times = {"tracks": video["track"], "frames": video["frame"], "fps": 25.0}
    result = kitro_np.refine(*inputs, body=BODY, **keys, **times)
    runs, sides = find_runs(video["track"], video["frame"]), {}
    move = (lambda points: motion.to_world(points, shaken)) if moves else (lambda points: points)
    after = [result.pose, result.betas, result.transl]
    contact = motion.foot_contact(move(motion.foot_points(body, *after)), 25.0, runs)
    for side, bodies in (("before", inputs[:3]), ("after", after)):
        joints = body.joints(*bodies).astype(float)
        sides[side] = {
            "residual": motion.keypoint_residual(joints, inputs[3], inputs[4], confidence),
            "jitter": motion.jitter(move(joints), 25.0, runs),
            "sliding": motion.foot_sliding(move(motion.foot_points(body, *bodies)), contact, runs),
            "bone_change": motion.bone_length_change(joints, body.skeleton.parents, runs),
        }
        means = {name: mean_of(values) for name, values in sides[side].items()}
        assert numbers(found[side]) == pytest.approx(means, rel=1e-3, abs=1e-3, nan_ok=True)
        assert list(found[side]) == list(means)
    if not moves:  # else the camera shakes as no camera does
        assert found["after"]["residual"] < found["before"]["residual"]
        assert found["after"]["jitter"] < found["before"]["jitter"]


def test_eval_without_truth_prints_a_table(run, video):
    lines = run(without=NO_TRUTH).splitlines()
    assert lines[0].split() == ["video", "before", "after"]
    assert [line[:36].rstrip() for line in lines[1:5]] == [
        "distance from keypoints, px",
        "jitter, 10 m/s^3",
        "sliding of feet, mm",
        "change of bones' lengths, mm",
    ]
    assert lines[5] == "2 tracks, 12 frames at 25 fps"
    assert lines[6] == "without ground truth; contacts of feet are the refined motion's own"
    assert "refined by map" in lines[7] and lines[8] == "as videos: 2 tracks at 25 fps"
    found = run("--json", "--metrics", "jitter,residual", "--fps", 50, without=NO_TRUTH)["video"]
    assert list(found["before"]) == ["jitter", "residual"] and found["fps"] == 50
    tracked = run("--json", without=NO_TRUTH)["video"]
    person = run("--json", without=(*NO_TRUTH, "track"), person=video["track"])["video"]
    assert person == tracked
    assert run("--json", "--method", "kitro", without=NO_TRUTH)["method"] == "kitro"


def test_eval_without_truth_of_a_detectors_layout(run, recorded_body, video):
    """Points of the layout are compared, and frames without detection are measured, but for the image."""
    skeleton, coco = recorded_body.skeleton, kitro_np.find_layout("coco17", recorded_body)
    placed = place_points(skeleton, coco, video["GT_theta"], video["GT_beta"])
    camera = video["intrinsics"].copy()
    camera[:, 0, 0] = camera[:, 1, 1] = video["GT_focal"]
    keypoints, scores = project(placed + video["GT_cam"][:, None], camera), np.ones((12, 17))
    keypoints[3], scores[3] = math.nan, 0
    found = run("--json", "--layout", "coco17", without=NO_TRUTH, keypoints_2d=keypoints, confidence=scores)
    assert 4 * found["video"]["after"]["residual"] < found["video"]["before"]["residual"] < 100
    pose = video["pred_theta"].copy()
    pose[4] = math.nan
    found = run("--json", without=NO_TRUTH, pred_theta=pose)["video"]
    rest = {key: value[np.arange(12) != 4] for key, value in video.items() if np.ndim(value)}
    expected = run("--json", without=NO_TRUTH, **rest)["video"]
    assert numbers(found["before"]) == pytest.approx(numbers(expected["before"]), rel=1e-6, nan_ok=True)


def test_eval_still_needs_the_truth_for_its_measures(run, video):
    expected = "expected ground truth GT_theta or GT_pose, and GT_beta, got "
    assert expected in run(without=(*NO_TRUTH, "track"), status=2)
    assert expected in run(without=("GT_beta",), status=2)
    assert expected in run(without=(*NO_TRUTH, "track", "frame"), status=2, person=video["track"])
    for option in ("--metrics mpjpe,jitter", "--metrics rte", "--per-joint", "--protocol lsp14"):
        assert expected in run(*option.split(), without=NO_TRUTH, status=2)
    expected = "metrics: expected a file without ground truth for residual, got one with it."
    assert expected in run("--metrics", "residual", status=2)


def test_eval_of_the_keys_person_and_frame_refines_videos_but_measures_bodies(run, video):
    with_person = run("--json", without=("track",), person=video["track"])
    tracks = run("--json")
    assert "video" not in with_person and with_person["after"] == tracks["after"]
    alone = run("--json", "--each-frame", without=("track",), person=video["track"])
    assert alone == run("--json", without=("track", "frame"))
    assert alone == run("--json", without=("track", "frame"), person=video["track"])
    several = run("--json", without=("track",), person=video["track"], frame=np.zeros(12, int))
    assert several == alone
