"""Simulated errors of the whole body: what they do one by one, and that they are like a real network's."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np import InputError
from kitro_np.arrays.rotations import align, matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.evaluation.metrics import LSP14, mpjpe, pa_mpjpe
from kitro_np.formats.estimates import EstimateFile
from kitro_np.keypoints.layouts import find_layout
from kitro_np.simulate import LEVELS, EstimateErrors, network_errors, simulate, usual_errors
from kitro_np.simulate.draws import Draws
from kitro_np.simulate.run import draw_estimates
from kitro_np.simulate.whole_body import reach

EXACT = EstimateErrors(
    degrees=(0.0,) * 24, spread=0, shape_slope=1, shape_noise=0, depth=0, shift=0, focal_ratio=(1, 1)
)
"""Estimates that are the truth."""

CLEARLY_WRONG = 200
"""MPJPE in mm of bodies whose left and right are exchanged, and of hardly any others."""


class Bodies(NamedTuple):
    """Joints of bodies in camera space and in the image."""

    joints: np.ndarray
    on_image: np.ndarray


class Errors(NamedTuple):
    """What is compared with a real network: numbers of the bodies that are not swapped, but for the first."""

    overall: tuple  # mean MPJPE and PA-MPJPE, median of both, in mm
    swapped: float
    means: tuple  # MPJPE and PA-MPJPE in mm
    across: float  # rms in mm
    along: float
    slope: float  # of the estimated depth over the true one
    turn: np.ndarray  # rms about x, y and z in degrees
    on_image: float  # mean relative to the person's height, in percent


def measured(estimate: Bodies, truth: Bodies) -> Errors:
    pair = estimate.joints, truth.joints
    errors = 1000 * np.stack([mpjpe(*pair), pa_mpjpe(*pair)])
    kept = errors[0] < CLEARLY_WRONG
    found, true = (LSP14.pick_about_root(joints[kept]) for joints in pair)
    off = 1000 * (found - true)
    depth, true_depth = (
        points[..., 2] - points[..., 2].mean(axis=1, keepdims=True) for points in (found, true)
    )
    centred = [points - points.mean(axis=1, keepdims=True) for points in (true, found)]
    height = np.ptp(truth.on_image[kept, :, 1], axis=1)[:, None]
    pixels = np.linalg.norm(estimate.on_image - truth.on_image, axis=-1)[kept][:, list(LSP14.joints)]
    return Errors(
        (*errors.mean(axis=1), *np.median(errors, axis=1)),
        1 - kept.mean(),
        tuple(errors[:, kept].mean(axis=1)),
        np.sqrt(np.mean(off[..., :2] ** 2)),
        np.sqrt(np.mean(off[..., 2] ** 2)),
        (depth * true_depth).sum() / (true_depth**2).sum(),
        rms(turns(*centred)),
        100 * (pixels / height).mean(),
    )


def turns(points, others) -> np.ndarray:
    """Rotation vectors that align points best, (N, 3) in degrees."""
    return Rotation.from_matrix(align(points, others)).as_rotvec(degrees=True)


def rms(values) -> np.ndarray:
    return np.sqrt(np.mean(values**2, axis=0))


def posed(body, pose, betas, transl, camera) -> Bodies:
    joints = forward_kinematics(body.skeleton, *(part.astype(float) for part in (pose, betas))).joints
    joints = joints + transl[:, None].astype(float)
    return Bodies(joints, project(joints, camera.astype(float)))


def both(body, made) -> tuple[Bodies, Bodies]:
    """Estimates and true bodies of a simulated set."""
    camera = made.intrinsics.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = made.true_focal
    estimate = posed(body, made.pose, made.betas, made.transl, made.intrinsics)
    return estimate, posed(body, made.true_pose, made.true_betas, made.true_transl, camera)


@pytest.fixture(scope="module")
def real():
    """A network's estimates of the real example, its true bodies, and simulated estimates of them."""
    file = EstimateFile(Path(kitro_np.__file__).parent / "data" / "balancing.npz")
    body = kitro_np.load_body(file.body_name)

    def read(prefix):
        pose, betas, transl = (
            file.required(f"{prefix}_{part}").astype(float) for part in ("theta", "beta", "cam")
        )
        return matrix_from_axis_angle(pose), betas, transl

    camera = file.required("intrinsics").astype(float)
    truth, network = posed(body, *read("GT"), camera), posed(body, *read("mediapipe"), camera)
    again = 5
    bodies = [np.tile(part, (again,) + (1,) * (part.ndim - 1)) for part in read("GT")]
    cameras, images = np.tile(camera, (again, 1, 1)), np.tile(truth.on_image, (again, 1, 1))
    estimates = draw_estimates(
        body.skeleton, *bodies, images, cameras[:, 0, 0], cameras, LEVELS["mediapipe"],
        Draws(0, len(images)),
    )  # fmt: skip
    simulated = posed(body, *estimates, cameras), posed(body, *bodies, cameras)
    return measured(network, truth), measured(*simulated)


def test_errors_are_like_mediapipes_on_the_same_bodies(real):
    network, simulated = real
    np.testing.assert_allclose(simulated.overall, network.overall, rtol=0.1)
    np.testing.assert_allclose(simulated.means, network.means, rtol=0.1)
    assert abs(simulated.swapped - network.swapped) < 0.02
    assert abs(simulated.across / network.across - 1) < 0.12
    assert abs(simulated.along / network.along - 1) < 0.12
    assert 2.4 < simulated.along / simulated.across < 3.3
    assert abs(simulated.slope - network.slope) < 0.04
    assert abs(np.linalg.norm(simulated.turn) / np.linalg.norm(network.turn) - 1) < 0.25
    assert abs(simulated.on_image / network.on_image - 1) < 0.1


def test_level_errs_as_its_table_says(open_body):
    """On other motion, in which exchanged sides are less far apart than those of a person who balances."""
    found = {name: measured(*both(open_body, simulate(errors=name))) for name in ("halfway", "mediapipe")}
    np.testing.assert_allclose(found["halfway"].overall, [107.1, 66.4, 86.2, 59.3], atol=0.1)
    np.testing.assert_allclose(found["mediapipe"].overall, [123.7, 80.1, 98.5, 72.6], atol=0.1)
    assert found["mediapipe"].along > 2.4 * found["mediapipe"].across


def test_a_turn_is_that_of_the_whole_body(open_body):
    made = simulate(errors=replace(EXACT, turn=12.0), count=800)
    np.testing.assert_allclose(made.pose[:, 1:], made.true_pose[:, 1:], atol=5e-6)  # float32
    about = Rotation.from_matrix(made.pose[:, 0] @ np.swapaxes(made.true_pose[:, 0], 1, 2))
    vectors = about.as_rotvec(degrees=True)
    np.testing.assert_allclose(vectors[:, 2], 0, atol=1e-4)
    np.testing.assert_allclose(rms(vectors[:, :2]), 12, rtol=0.08)
    assert abs(np.corrcoef(vectors[:, 0], vectors[:, 1])[0, 1]) < 0.1


@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_in_agreement_with_the_image_a_turn_is_an_error_in_depth(open_body, agreement):
    made = simulate(errors=replace(EXACT, turn=12.0, agreement=agreement), count=400)
    estimate, truth = both(open_body, made)
    found = measured(estimate, truth)
    # Percent of the person's height; a few at full agreement, since bones keep their lengths.
    most = {0.0: (2.5, 4.5), 0.5: (1.0, 2.5), 1.0: (0.3, 1.2)}[agreement]
    assert most[0] < found.on_image < most[1]
    assert found.along > {0.0: 1.5, 0.5: 3, 1.0: 4.5}[agreement] * found.across
    # The rays turn a body back a little.
    assert {0.0: 10, 0.5: 9, 1.0: 6}[agreement] < found.turn[:2].min()
    assert found.turn[:2].max() < 13
    assert found.turn[2] < 2.5


def test_flattened_bodies_are_less_deep(open_body):
    slopes = []
    for flatten in (1.0, 0.84, 0.7):
        made = simulate(errors=replace(EXACT, flatten=flatten, agreement=1.0), count=200)
        estimate, truth = both(open_body, made)
        found = measured(estimate, truth)
        slopes.append(found.slope)
        assert found.on_image < 4 * (1 - flatten) + 1e-4  # percent of the height
    # A little deeper than that, since bones keep their lengths.
    np.testing.assert_allclose(slopes, [1, 0.88, 0.77], atol=0.02)


def test_full_agreement_undoes_what_the_image_shows(open_body):
    """Without an error in depth nothing is left; errors of joints leave those in depth."""
    made = simulate(errors=replace(EXACT, agreement=1.0), count=50)
    np.testing.assert_allclose(made.pose, made.true_pose, atol=1e-5)
    np.testing.assert_allclose(made.transl, made.true_transl, atol=1e-4)
    ratios = []
    for agreement in (0.0, 1.0):
        errors = replace(LEVELS["cliff"], agreement=agreement, depth=0.0, shift=0.0)
        found = measured(*both(open_body, simulate(errors=errors)))
        ratios.append((found.on_image, found.along / found.across))
    assert ratios[1][0] < 0.5 * ratios[0][0]
    assert ratios[1][1] > 1.3 * ratios[0][1]


def test_swapped_bodies_are_seen_from_the_other_side(open_body):
    """Every joint is where its twin is, at the opposite depth: a pose that a person can have."""
    made = simulate(errors=replace(EXACT, swapped=0.25), count=600)
    estimate, truth = both(open_body, made)
    swapped = np.abs(made.pose - made.true_pose).max(axis=(1, 2, 3)) > 1e-3
    assert abs(swapped.mean() - 0.25) < 0.005
    twins = list(find_layout("smpl24", open_body).mirror)
    there = truth.joints[:, twins] - truth.joints[:, :1]
    found = estimate.joints - estimate.joints[:, :1]
    np.testing.assert_allclose(found[swapped], (there * [1, 1, -1])[swapped], atol=2e-3)
    np.testing.assert_allclose(np.linalg.det(made.pose), 1, atol=1e-5)
    np.testing.assert_allclose(found[~swapped], (truth.joints - truth.joints[:, :1])[~swapped], atol=1e-5)


def test_swapped_bodies_agree_with_the_image_of_the_other_side(open_body):
    made = simulate(errors=replace(EXACT, swapped=1.0, agreement=1.0), count=200)
    estimate, truth = both(open_body, made)
    twins = list(find_layout("smpl24", open_body).mirror)
    height = np.ptp(truth.on_image[..., 1], axis=1)[:, None]
    own, other = (
        np.linalg.norm(estimate.on_image - image, axis=-1) / height
        for image in (truth.on_image, truth.on_image[:, twins])
    )
    assert np.median(other) < 0.01
    assert other.mean() < 0.02
    assert own.mean() > 0.1


def test_a_pose_reaches_the_joints_of_another(open_body, sim):
    """Joints are reached exactly if the bones are as long; which way they twist is the first pose's."""
    skeleton = open_body.skeleton
    betas = sim["GT_beta"].astype(float)
    pose = Rotation.from_matrix(sim["GT_theta"].reshape(-1, 3, 3)).as_matrix().reshape(-1, 24, 3, 3)
    start = np.roll(pose, 1, axis=0)
    targets = forward_kinematics(skeleton, pose, betas).joints
    targets -= targets[:, :1]
    reached = reach(skeleton, start, betas, targets, 24)
    joints = forward_kinematics(skeleton, reached, betas).joints
    np.testing.assert_allclose(joints - joints[:, :1], targets, atol=1e-9)
    np.testing.assert_allclose(reached[:, [10, 11, 15, 22, 23]], start[:, [10, 11, 15, 22, 23]], atol=1e-12)
    some = reach(skeleton, start, betas, targets, 22)
    np.testing.assert_allclose(some[:, [20, 21]], start[:, [20, 21]], atol=1e-12)


def test_strength_is_continuous_from_cliff_to_mediapipe(open_body):
    assert network_errors(0) == LEVELS["cliff"]
    assert network_errors(1) == LEVELS["mediapipe"]
    assert network_errors(0.5) == LEVELS["halfway"]
    assert network_errors(0.25).agreement == pytest.approx(LEVELS["mediapipe"].agreement / 4)
    overall = [
        measured(*both(open_body, simulate(errors=network_errors(strength)))).overall[0]
        for strength in (0, 0.01, 0.5, 1)
    ]
    assert overall == sorted(overall)
    assert overall[1] - overall[0] < 3
    for strength in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match=r"^strength: expected a number from 0 to 1, got "):
            network_errors(strength)


def test_a_seed_gives_the_same_estimates(open_body):
    made, again = (simulate(errors="mediapipe", count=20, seed=4) for _ in range(2))
    few = simulate(errors="mediapipe", count=5, seed=4)
    for name, value in made.arrays().items():
        np.testing.assert_array_equal(value, again.arrays()[name])
    for name in ("pose", "betas", "transl"):
        np.testing.assert_allclose(getattr(few, name), getattr(made, name)[:5], atol=1e-5)
    cliff = simulate(count=20, seed=4)
    for name in ("true_pose", "true_transl", "keypoints_2d", "keypoints_2d_noisy", "betas"):
        np.testing.assert_array_equal(getattr(made, name), getattr(cliff, name))


def test_the_command_takes_a_level_or_a_strength(tmp_path, capsys):
    def written(*options):
        path = tmp_path / "made.npz"
        assert main(["simulate", "-o", str(path), "--force", "--count", "6", *options]) == 0
        with np.load(path) as arrays:
            return arrays["pred_theta"]

    for options, errors in [
        (["--level", "mediapipe"], LEVELS["mediapipe"]),
        (["--strength", "0.3"], network_errors(0.3)),
        (["--turn", "25", "--agreement", "0.9"], replace(LEVELS["cliff"], turn=25.0, agreement=0.9)),
        (["--strength", "1", "--swapped", "0"], replace(LEVELS["mediapipe"], swapped=0.0)),
    ]:
        np.testing.assert_array_equal(written(*options), simulate(errors=errors, count=6).pose)
    capsys.readouterr()
    for options, message in [
        (["--level", "cliff", "--strength", "1"], "strength: expected none with --level, got 1."),
        (["--strength", "2"], "strength: expected a number from 0 to 1, got 2."),
        (["--agreement", "1.5"], "agreement: expected a number from 0 to 1, got 1.5."),
        (["--swapped", "2"], "swapped: expected a number from 0 to 1, got 2."),
        (["--body", "open_hand", "--swapped", "0.1"], "swapped: expected 0 for a hand, which has no"),
    ]:
        assert main(["simulate", "-o", str(tmp_path / "none.npz"), *options]) == 2
        assert capsys.readouterr().err.startswith(f"kitro-np: error: {message}")
    assert not (tmp_path / "none.npz").exists()


def test_hands_turn_too():
    hand = kitro_np.load_body("open_hand")
    made = simulate(body=hand, errors=replace(usual_errors(hand), turn=20.0, agreement=0.5), count=50)
    plain = simulate(body=hand, count=50)
    assert np.abs(made.pose[:, 0] - plain.pose[:, 0]).max() > 0.1
    np.testing.assert_array_equal(made.transl, plain.transl)
