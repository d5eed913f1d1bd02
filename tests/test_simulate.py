"""The simulated benchmark: what it holds, how its estimates err, and that a seed means something."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from bodies import SMPL_PARENTS, TREES
from scipy.spatial.transform import Rotation
from scipy.stats import kurtosis

import kitro_np
from kitro_np import InputError, Skeleton
from kitro_np.body.kinematics import forward_kinematics, global_rotations
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.evaluation.metrics import Protocol, body_errors, mpjpe, pa_mpjpe
from kitro_np.formats.estimates import EstimateFile
from kitro_np.simulate import (
    HAND,
    LEVELS,
    EstimateErrors,
    Motion,
    Simulated,
    read_motion,
    simulate,
    usual_errors,
)
from kitro_np.simulate.draws import Draws
from kitro_np.simulate.fingers import bending_axes, draw_hands, palm_normal, split_fingers
from kitro_np.simulate.motion import cmu_poses

EXACT = EstimateErrors(
    degrees=(0.0,) * 24, shape_slope=1, shape_noise=0, depth=0, shift=0, focal_ratio=(1, 1), keypoint_noise=0
)
"""Estimates that are the truth."""

RECORDED = {
    "clip": ["cmu_basketball_4", "cmu_01_08"],
    "true_focal": [1780.2573966107234, 1959.958517221868],
    "head": [[323.2399, 984.409], [278.4635, 588.6168]],
    "elbow": [[0.700374, -0.363706, -0.614161], [0.152369, -0.664191, -0.73187]],
    "transl": [[-0.621001, 0.734294, 7.990263], [-0.479826, 0.075536, 2.867541]],
}
"""Of the first two bodies of seed 0."""

RIGHT_HAND = np.array([
    [106, 0, 0], [-1, -4, 27], [-27, -5, 31], [-51, -6, 34], [0, 0, 0], [-34, -2, -5], [-63, -3, -9],
    [16, -5, -39], [-4, -6, -48], [-19, -7, -55], [6, 0, -20], [-23, -1, -30], [-47, -2, -38],
    [67, -4, 25], [55, -25, 46], [29, -43, 65],
]) / 1000  # fmt: skip
"""Rest joints of a right hand, palm down: the open hand's, to a millimetre."""


@pytest.fixture(scope="module")
def default_set():
    return simulate()


def hand_like(joints) -> SimpleNamespace:
    skeleton = Skeleton(TREES["hand"], joints, np.zeros((16, 3, 10)))
    return SimpleNamespace(skeleton=skeleton, num_joints=16, name="hand")


def true_camera(simulated: Simulated) -> np.ndarray:
    camera = simulated.intrinsics.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = simulated.true_focal
    return camera


def turns_in_camera(skeleton, truth, estimate) -> np.ndarray:
    """Error of each joint's local rotation as a rotation vector in the camera's frame, (N, J, 3)."""
    parents = global_rotations(skeleton, truth)[:, np.maximum(skeleton.parents, 0)]
    parents[:, 0] = np.eye(3)
    turns = parents @ estimate @ np.swapaxes(parents @ truth, -1, -2)
    return Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec().reshape(*truth.shape[:2], 3)


def same(one: Simulated, other: Simulated) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Simulated))


def test_a_seed_gives_the_same_bodies_again(default_set):
    assert same(simulate(), default_set)
    assert not np.array_equal(simulate(seed=1).pose, default_set.pose)


def test_a_seed_gives_these_bodies_on_any_machine():
    """Recorded once: whoever changes them changes everybody's benchmark, and says so in the changelog."""
    few = simulate(count=2)
    assert few.clip.tolist() == RECORDED["clip"]
    np.testing.assert_allclose(few.true_focal, RECORDED["true_focal"], rtol=1e-12)
    np.testing.assert_allclose(few.keypoints_2d[:, 15], RECORDED["head"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(few.pose[:, 18, 0], RECORDED["elbow"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(few.transl, RECORDED["transl"], rtol=0, atol=1e-5)


def test_a_body_does_not_depend_on_how_many_there_are(default_set):
    few = simulate(count=7)
    for name, value in few.arrays().items():
        expected = default_set.arrays()[name]
        if value.dtype.kind == "f":  # a matrix product of fewer rows may round otherwise
            np.testing.assert_allclose(value, expected[:7], rtol=1e-6, atol=1e-9, err_msg=name)
        elif name not in ("LICENSE", "body"):
            np.testing.assert_array_equal(value, expected[:7], err_msg=name)


def test_one_kind_of_error_leaves_the_others_alone(default_set):
    other = simulate(errors=replace(LEVELS["cliff"], rotation=0.0, keypoint_noise=0.0))
    np.testing.assert_allclose(other.pose, default_set.true_pose, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(other.keypoints_2d_noisy, default_set.keypoints_2d)
    np.testing.assert_array_equal(other.betas, default_set.betas)
    np.testing.assert_array_equal(other.true_transl, default_set.true_transl)


def test_no_errors_give_the_truth():
    exact = simulate(count=20, errors=EXACT)
    np.testing.assert_allclose(exact.pose, exact.true_pose, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(exact.betas, exact.true_betas)
    np.testing.assert_allclose(exact.transl, exact.true_transl, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(exact.intrinsics[:, 0, 0], exact.true_focal)
    np.testing.assert_array_equal(exact.keypoints_2d_noisy, exact.keypoints_2d)


def test_keypoints_are_projections_of_the_truth_through_the_true_camera(default_set, open_body):
    joints = open_body.joints(
        *(part.astype(float) for part in (*default_set.truth, default_set.true_transl)), engine="array"
    )
    assert joints[..., 2].min() > 0.5
    there = project(joints, true_camera(default_set))
    np.testing.assert_allclose(default_set.keypoints_2d, there, rtol=0, atol=1e-9)


@pytest.mark.parametrize("which", ["simulated", "recorded"])
def test_intrinsics_are_the_assumed_camera(which, default_set, sim):
    """In the development set as well, from which the meaning of the keys comes."""
    arrays = default_set.arrays() if which == "simulated" else sim
    intrinsics = arrays["intrinsics"]
    np.testing.assert_allclose(
        intrinsics[:, 0, 0], np.hypot(*(2 * intrinsics[:, :2, 2].T)), rtol=1e-12, atol=0
    )
    ratio = arrays["GT_focal"] / intrinsics[:, 0, 0]
    assert 0.8 <= ratio.min() < 0.85
    assert 1.0 < ratio.max() <= 1.05
    sizes = {tuple(size) for size in (2 * intrinsics[:, :2, 2]).tolist()}
    assert sizes == {(1920.0, 1080.0), (1080.0, 1920.0)}


@pytest.mark.parametrize("which", ["simulated", "recorded"])
def test_rotations_err_in_depth_and_bodies_differ(which, default_set, sim, open_body):
    arrays = default_set.arrays() if which == "simulated" else sim
    truth, estimate = (arrays[key].astype(float) for key in ("GT_theta", "pred_theta"))
    # The joints of the trunk and the legs: their turns are small enough to be read back from matrices.
    turns = turns_in_camera(open_body.skeleton, truth, estimate)[:, :7]
    spread = turns.std(axis=0)
    assert abs((spread[:, 2] / spread[:, :2].mean(axis=1)).mean() - 0.2) < 0.03
    in_parts = turns / spread
    body = np.sqrt((in_parts**2).mean(axis=(1, 2)))
    assert 0.55 < np.log(body).std() < 0.85
    assert kurtosis(in_parts, axis=None) > 3
    assert abs(kurtosis(in_parts / body[:, None, None], axis=None)) < 0.6


def test_betas_are_shrunk(default_set):
    truth, found = default_set.true_betas.ravel(), default_set.betas.ravel()
    assert abs(truth.std() - 1) < 0.03
    slope = np.polyfit(truth, found, 1)[0]
    assert abs(slope - 0.2) < 0.04
    assert abs((found - slope * truth).std() - 0.6) < 0.02


def test_translation_is_that_of_the_assumed_camera(default_set, open_body):
    assumed = default_set.intrinsics[:, 0, 0]
    # As large in the image as the truth, to 6%.
    size = default_set.transl[:, 2] / assumed * default_set.true_focal / default_set.true_transl[:, 2]
    assert abs(np.log(size).mean()) < 0.01
    assert abs(np.log(size).std() - 0.062) < 0.006
    joints = open_body.joints(
        default_set.pose.astype(float), default_set.betas.astype(float), default_set.transl.astype(float)
    )
    off = (project(joints, default_set.intrinsics) - default_set.keypoints_2d).mean(axis=1)
    metres = off / assumed[:, None] * default_set.transl[:, 2:]
    assert np.abs(metres).max() < 0.1
    assert 0.01 < metres.std() < 0.025


def test_noise_is_a_part_of_the_height(default_set):
    noise = default_set.keypoints_2d_noisy - default_set.keypoints_2d
    height = np.ptp(default_set.keypoints_2d[..., 1], axis=1)
    assert abs((noise / height[:, None, None]).std() - 0.012) < 3e-4


def test_people_stand_in_the_image(default_set, open_body):
    inside = (default_set.keypoints_2d > 0) & (
        default_set.keypoints_2d < 2 * default_set.intrinsics[:, None, :2, 2]
    )
    assert inside.all(axis=-1).mean() > 0.95
    up = default_set.true_pose[default_set.category == "walk", 0, :, 1]
    assert np.all(up[:, 1] < -0.7)
    facing = default_set.true_pose[:, 0, :, 2]
    # From every side alike.
    assert np.all(np.abs(facing[:, [0, 2]].mean(axis=0)) < 0.12)


def test_poses_are_real_and_each_is_drawn_before_one_is_drawn_again():
    motion = cmu_poses()
    total = len(motion.poses)
    assert total == 989
    assert "mocap.cs.cmu.edu" in motion.notice
    twice = simulate(count=2 * total, errors=EXACT)
    own = Rotation.from_rotvec(motion.poses[:, 5].astype(float)).as_matrix().astype(np.float32)
    for half in (slice(None, total), slice(total, None)):
        np.testing.assert_array_equal(np.sort(twice.true_pose[half, 5, 2, 1]), np.sort(own[:, 2, 1]))
    assert not np.array_equal(twice.clip[:total], twice.clip[total:])
    assert set(twice.clip) == set(motion.clips)
    assert twice.arrays()["LICENSE"] == motion.notice


@pytest.mark.parametrize(
    ("level", "figure"), [("cliff", 73.67), ("spin", 102.12), ("eft", 94.02), ("prom", 67.6)]
)
def test_level_errs_like_its_network_on_3dpw(level, figure, open_body):
    made = simulate(errors=level)
    joints = [open_body.joints(*pair) for pair in (made.estimates[:2], made.truth)]
    assert abs(1000 * mpjpe(*joints).mean() - figure) < 1.5


def test_calibration_and_what_refinement_makes_of_it(default_set, open_body):
    """The paper's CLIFF on 3DPW: 73.67 / 43.76 / 91.58, refined 43.53 / 27.67 / 53.44, 88% improved."""
    before = body_errors(open_body, *default_set.estimates[:2], *default_set.truth)
    np.testing.assert_allclose([1000 * e.mean() for e in before], [73.67, 43.76, 91.58], rtol=0, atol=1.5)
    refined = kitro_np.refine(*default_set.estimates, method="kitro")
    pose, betas = refined.pose.astype(np.float32), refined.betas.astype(np.float32)
    after = body_errors(open_body, pose, betas, *default_set.truth)
    np.testing.assert_allclose([1000 * e.mean() for e in after], [43.53, 27.67, 53.44], rtol=0, atol=3)
    assert 0.85 < (after.mpjpe < before.mpjpe).mean() < 0.92
    noisy = default_set.estimates._replace(keypoints_2d=default_set.keypoints_2d_noisy)
    worse = kitro_np.refine(*noisy, method="kitro")
    assert (
        mpjpe(open_body.joints(worse.pose, worse.betas), open_body.joints(*default_set.truth)).mean() > 0.09
    )


@pytest.mark.parametrize("level", ["cliff", "mediapipe"])
def test_bodies_with_more_joints_take_the_poses_of_the_body_and_do_not_err_elsewhere(level):
    parents = (*SMPL_PARENTS[:22], *range(21, 29))
    rng = np.random.default_rng(0)
    skeleton = Skeleton(parents, rng.normal(0, 0.1, (30, 3)), np.zeros((30, 3, 10)))
    made = simulate(
        body=SimpleNamespace(skeleton=skeleton, num_joints=30, name="more"), count=4, errors=level
    )
    usual = simulate(count=4)
    np.testing.assert_array_equal(made.true_pose[:, :22], usual.true_pose[:, :22])
    for pose in (made.true_pose, made.pose):
        np.testing.assert_allclose(pose[:, 22:], np.broadcast_to(np.eye(3), (4, 8, 3, 3)), atol=1e-6)


@pytest.mark.parametrize("form", ["axis-angle", "flat", "matrices", "motion"])
def test_poses_of_ones_own(form):
    vectors = np.random.default_rng(0).normal(0, 0.3, (3, 24, 3))
    poses = {
        "axis-angle": vectors,
        "flat": vectors.reshape(3, 72),
        "matrices": Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(3, 24, 3, 3),
        "motion": Motion(vectors, clips=np.array(["a", "b", "c"])),
    }[form]
    made = simulate(poses, count=3)
    expected = Rotation.from_rotvec(vectors[:, 9]).as_matrix()[:, 0]
    order = np.lexsort(made.true_pose[:, 9, 0].T)
    np.testing.assert_allclose(
        made.true_pose[order, 9, 0], expected[np.lexsort(expected.T)], rtol=0, atol=1e-6
    )
    assert sorted(made.clip) == (["a", "b", "c"] if form == "motion" else ["", "", ""])
    assert "LICENSE" not in made.arrays()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count: expected at least 1, got 0"),
        ({"count": 2.5}, "count: expected an integer"),
        ({"count": 10**11}, "count: expected at most 1000000, got 100000000000"),
        ({"errors": replace(LEVELS["cliff"], depth=1e30)}, "errors: expected estimates that are finite"),
        ({"errors": replace(LEVELS["cliff"], rotation=1e300)}, "errors: expected estimates that are finite"),
        ({"errors": replace(LEVELS["cliff"], shape_noise=1e50)}, "errors: expected estimates that are"),
        ({"errors": replace(LEVELS["cliff"], keypoint_noise=1e308)}, "errors: expected estimates that are"),
        ({"errors": replace(LEVELS["cliff"], focal_ratio=(1, 1e308))}, "errors: expected estimates that are"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"errors": "hmr"}, "level: expected one of cliff, spin, eft, prom, halfway, mediapipe, got 'hmr'"),
        ({"errors": HAND}, "errors: expected degrees of 24 joints, got 16"),
        ({"poses": np.zeros((3, 23, 3))}, "poses: expected shape (M, 24, 3)"),
        ({"poses": np.zeros((0, 24, 3))}, "poses: expected shape (M, 24, 3)"),
        ({"poses": np.zeros(72)}, "poses: expected shape (M, 24, 3)"),
        ({"poses": np.full((1, 72), np.nan)}, "poses: expected finite numbers"),
        ({"poses": np.zeros((2, 24, 3, 3))}, "poses: expected rotation matrices"),
        ({"poses": -np.tile(np.eye(3), (2, 24, 1, 1))}, "poses: expected rotation matrices"),
        ({"poses": np.full((1, 72), "a")}, "poses: expected an array of real numbers"),
        ({"poses": np.zeros((1, 48)), "body": hand_like(RIGHT_HAND)}, "poses: expected None for a hand"),
        ({"errors": "cliff", "body": hand_like(RIGHT_HAND)}, "level: expected None for a hand, got 'cliff'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError) as problem:
        simulate(**arguments)
    assert str(problem.value).startswith(message)


def test_a_body_with_another_tree_is_refused():
    skeleton = Skeleton(TREES["nested"], np.zeros((10, 3)), np.zeros((10, 3, 4)))
    with pytest.raises(
        InputError, match="body: expected SMPL's kinematic tree or a hand's 16 joints, got another"
    ):
        simulate(body=SimpleNamespace(skeleton=skeleton, num_joints=10))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"rotation": -1}, "rotation: expected a number of at least 0, got -1"),
        ({"spread": np.nan}, "spread: expected a number of at least 0, got nan"),
        ({"degrees": (np.inf,) * 24}, "degrees: expected a number of at least 0, got inf"),
        ({"focal_ratio": (1.2, 1)}, "focal_ratio: expected 0 < low <= high, got 1.2 and 1"),
        ({"focal_ratio": (0, 1)}, "focal_ratio: expected 0 < low <= high, got 0 and 1"),
    ],
)
def test_wrong_errors_are_named(error, message):
    with pytest.raises(InputError) as problem:
        replace(LEVELS["cliff"], **error)
    assert str(problem.value).startswith(message)


# Hands


@pytest.mark.parametrize("mirror", [1, -1])
def test_fingers_close_towards_the_palm(mirror):
    """Of a right hand and of its mirror image, turned anywhere: axes come from the rest joints."""
    turn = Rotation.from_rotvec([0.3, -1.2, 0.8]).as_matrix()
    skeleton = hand_like(RIGHT_HAND * [1, 1, mirror] @ turn.T).skeleton
    down = turn @ [0, -1, 0]
    assert palm_normal(skeleton) @ down > 0.99
    thumb, fingers = split_fingers(skeleton)
    assert (thumb, fingers) == ((13, 14, 15), [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)])
    flexion, abduction = bending_axes(skeleton)
    np.testing.assert_allclose(np.linalg.norm(flexion[1:], axis=1), 1)
    np.testing.assert_allclose((flexion * abduction).sum(axis=1), 0, atol=1e-12)
    bent = Rotation.from_rotvec(np.radians(60) * flexion).as_matrix()[None]
    joints = forward_kinematics(skeleton, bent, np.zeros((1, 10))).joints[0]
    rest = skeleton.joint_template
    for first, middle, last in fingers:
        assert (joints[last] - rest[last]) @ down > 0.02
        assert np.linalg.norm(joints[last] - rest[0]) < np.linalg.norm(rest[last] - rest[0])
        bone = joints[middle] - joints[first]
        assert bone @ down > 0.8 * np.linalg.norm(bone)
    assert np.linalg.norm(joints[15] - rest[7]) < np.linalg.norm(rest[15] - rest[7])
    lifted = np.tile(np.eye(3), (1, 16, 1, 1))
    lifted[0, 13] = Rotation.from_rotvec(np.radians(20) * abduction[13]).as_matrix()
    tip = forward_kinematics(skeleton, lifted, np.zeros((1, 10))).joints[0, 15]
    assert (tip - rest[15]) @ down > 0.01


def test_hands_keep_within_the_limits_of_their_joints():
    skeleton = hand_like(RIGHT_HAND).skeleton
    pose, grip = draw_hands(skeleton, Draws(0, 2000))
    flexion, abduction = bending_axes(skeleton)
    thumb, fingers = split_fingers(skeleton)
    np.testing.assert_array_equal(pose[:, 0], np.broadcast_to(np.eye(3), (2000, 3, 3)))
    bends = {}
    for chain in (thumb, *fingers):
        for joint in chain:
            frame = np.stack([abduction[joint], flexion[joint], np.cross(abduction[joint], flexion[joint])])
            turns = Rotation.from_matrix(frame @ pose[:, joint] @ frame.T)
            aside, twist, bends[joint] = turns.as_euler("XZY", degrees=True).T
            assert np.abs(twist).max() < 1e-6
            assert np.abs(aside).max() < (30 if joint == thumb[0] else 15) + 1e-6
            if joint not in (thumb[0], *(finger[0] for finger in fingers)):
                assert np.abs(aside).max() < 1e-6
    for first, middle, last in fingers:
        assert bends[first].min() >= -10 - 1e-6
        assert bends[first].max() <= 80 + 1e-6
        assert -1e-6 <= bends[middle].min() < bends[middle].max() < 100.1
        assert -1e-6 <= bends[last].min() < bends[last].max() < 75.1
        assert np.corrcoef(bends[middle], bends[last])[0, 1] > 0.9
        assert np.corrcoef(bends[first], grip)[0, 1] > 0.6
    # Neighbours close together more than not, but not as one.
    assert 0.5 < np.corrcoef(bends[2], bends[5])[0, 1] < 0.95


def test_a_hand_is_seen_in_a_crop_and_its_camera_is_known():
    made = simulate(body=hand_like(RIGHT_HAND), count=300)
    np.testing.assert_array_equal(made.transl, made.true_transl)
    np.testing.assert_array_equal(made.intrinsics, true_camera(made))
    joints = forward_kinematics(
        hand_like(RIGHT_HAND).skeleton, made.true_pose.astype(float), made.true_betas.astype(float)
    ).joints
    joints += made.true_transl[:, None, :]
    depth = joints.mean(axis=1)[:, 2]
    assert 0.4 <= depth.min() < 0.45
    assert 0.75 < depth.max() <= 0.8
    np.testing.assert_allclose(project(joints, made.intrinsics), made.keypoints_2d, rtol=0, atol=1e-9)
    assert np.all(made.intrinsics[:, :2, 2] == 112)
    assert ((made.keypoints_2d > 0) & (made.keypoints_2d < 224)).all(axis=(1, 2)).mean() > 0.95
    # From every side alike.
    assert np.abs(made.true_pose[:, 0].mean(axis=0)).max() < 0.12
    assert set(made.category) == {"open", "half closed", "closed"}


@pytest.mark.parametrize("side", ["right", "left"])
def test_hands_err_as_those_of_the_paper_before_refinement(side):
    """Table 5: 7.82 mm of PA-MPJPE."""
    body = kitro_np.load_body("open_hand", gender=side)
    made = simulate(body=body)
    protocol = Protocol("hand, 16 joints", tuple(range(16)), (0,))
    joints = [body.joints(*pair) for pair in (made.estimates[:2], made.truth)]
    assert abs(1000 * pa_mpjpe(*joints, protocol).mean() - 7.82) < 0.3
    refined = kitro_np.refine(*made.estimates, body=body, method="kitro")
    joints[0] = body.joints(refined.pose, refined.betas).astype(np.float32)
    assert 1000 * pa_mpjpe(*joints, protocol).mean() < 5


# Command line


def fails(capsys, *arguments) -> str:
    assert main(["simulate", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_the_command_writes_what_eval_reads(tmp_path, capsys):
    path = tmp_path / "made.npz"
    options = [
        "--count",
        "12",
        "--seed",
        "3",
        "--level",
        "spin",
        "--depth",
        "0.1",
        "--focal-ratio",
        "0.9",
        "1",
    ]
    assert main(["simulate", "-o", str(path), *options]) == 0
    assert "12 simulated bodies" in capsys.readouterr().out
    errors = replace(usual_errors(kitro_np.load_body(), "spin"), depth=0.1, focal_ratio=(0.9, 1.0))
    expected = simulate(count=12, seed=3, errors=errors)
    with np.load(path) as written:
        assert set(written.files) == {
            "pred_theta", "pred_beta", "pred_cam", "intrinsics", "keypoints_2d", "keypoints_2d_noisy",
            "GT_theta", "GT_beta", "GT_cam", "GT_focal", "clip", "category", "person", "LICENSE",
            "body",
        }  # fmt: skip
        for key, value in expected.arrays().items():
            np.testing.assert_array_equal(written[key], value)
    np.testing.assert_array_equal(EstimateFile(path).estimates().pose, expected.pose)
    assert EstimateFile(path).body_name == "open_v2"
    assert main(["eval", str(path), "--keypoints-key", "keypoints_2d_noisy"]) == 0
    assert "12 bodies" in capsys.readouterr().out


def test_the_command_reads_poses(tmp_path, capsys):
    poses = tmp_path / "poses.npz"
    np.savez(poses, poses=np.zeros((2, 72)), clips=np.array(["a", "a"]), LICENSE=np.array("Ask first."))
    assert main(["simulate", "-o", str(tmp_path / "x.npz"), "--count", "2", "--poses", str(poses)]) == 0
    with np.load(tmp_path / "x.npz") as written:
        assert written["clip"].tolist() == ["a", "a"]
        assert str(written["LICENSE"]) == "Ask first."
    assert read_motion(poses).categories is None


def test_wrong_poses_and_outputs_give_one_sentence_and_no_file(tmp_path, capsys):
    out = tmp_path / "out.npz"
    for name, arrays, message in [
        ("empty", {"pose": np.zeros(3)}, "expected the key poses, got pose"),
        (
            "labels",
            {"poses": np.zeros((2, 72)), "clips": np.array(["a"])},
            "clips: expected shape (2,), got (1,)",
        ),
        ("shape", {"poses": np.zeros((2, 71))}, "poses: expected shape"),
    ]:
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert message in fails(capsys, "-o", out, "--poses", tmp_path / f"{name}.npz")
    assert "expected an .npz file of poses, got none." in fails(
        capsys, "-o", out, "--poses", tmp_path / "no.npz"
    )
    assert "count: expected at least 1" in fails(capsys, "-o", out, "--count", 0)
    assert "rotation: expected a number" in fails(capsys, "-o", out, "--rotation", -1)
    assert not out.exists()
    out.write_text("mine")
    assert "pass --force" in fails(capsys, "-o", out)
    assert out.read_text() == "mine"
    assert list(tmp_path.glob(".*")) == []
