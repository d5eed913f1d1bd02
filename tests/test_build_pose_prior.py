"""The script that fits the pose priors of the SMPLify baseline and of method "map"."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from kitro_np.arrays.rotations import chord, matrix_from_axis_angle
from kitro_np.smplify.pose_prior import pose_prior

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "kitro_np" / "data"


@pytest.fixture(scope="module")
def script():
    """Import the script, which is not part of the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("models.build_pose_prior")


def write(path, poses, notice="free for all uses"):
    np.savez(path, poses=poses, LICENSE=notice)
    return str(path)


def test_a_gaussian_of_poses_and_their_mirror_images(script, tmp_path):
    """Of one pose, by hand: what the left elbow has is half of the right elbow's mirrored, and back."""
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, 18] = [0.1, -0.8, 0.2]
    poses[0, 0] = 3.0  # the root is left out
    out = tmp_path / "prior.npz"
    assert script.main([write(tmp_path / "a.npz", poses.reshape(1, 72)), "-o", str(out)]) == 0
    with np.load(out) as file:
        mean, precision, notice = file["mean"], file["precision"], str(file["LICENSE"])
    assert notice == "free for all uses"
    assert mean.dtype == precision.dtype == np.float32
    expected = np.zeros((23, 3))
    expected[17], expected[18] = [0.05, -0.4, 0.1], [0.05, 0.4, -0.1]
    np.testing.assert_allclose(mean, expected.ravel(), atol=1e-7)
    # The two samples lie half their distance from the mean; all else varies by the floor alone.
    away = np.zeros((23, 3))
    away[17], away[18] = [0.05, -0.4, 0.1], [-0.05, -0.4, 0.1]
    covariance = np.outer(away, away) + script.SPREAD**2 * np.eye(69)
    np.testing.assert_allclose(precision, np.linalg.inv(covariance), rtol=1e-4, atol=1e-3)


def test_chords_of_one_pose_by_hand(script):
    """A third of a turn has a chord of 2 sin 60 degrees; the mirror image has it on the other side."""
    poses = np.zeros((1, 24, 3))
    poses[0, 18, 1] = 2 * np.pi / 3
    mean, covariance = script.fit_chords(poses)
    expected = np.zeros((24, 3))
    expected[18, 1], expected[19, 1] = np.sqrt(3) / 2, -np.sqrt(3) / 2
    np.testing.assert_allclose(mean, expected, atol=1e-12)
    spread = np.zeros((24, 3, 3))
    spread[[18, 19], 1, 1] = 3 / 4
    np.testing.assert_allclose(covariance, spread, atol=1e-12)


def test_chords_are_those_of_the_geometry(script):
    poses = np.random.default_rng(1).normal(0, 1.5, (40, 24, 3))
    both = np.concatenate([poses, poses[:, script.MIRROR] * [1, -1, -1]])
    chords, _ = chord(matrix_from_axis_angle(both))
    mean, covariance = script.fit_chords(poses)
    np.testing.assert_allclose(mean, chords.mean(axis=0), atol=1e-12)
    for joint in range(24):
        expected = np.cov(chords[:, joint].T, bias=True)
        np.testing.assert_allclose(covariance[joint], expected, atol=1e-12)


def test_vectors_longer_than_a_half_turn_count_as_the_short_way(script):
    poses = np.zeros((1, 24, 3))
    poses[0, 4, 0] = 0.5
    longer = poses.copy()
    longer[0, 4, 0] += 2 * np.pi
    for fit in (script.fit_gaussian, script.fit_chords):
        for one, other in zip(fit(poses), fit(longer), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_several_files_count_as_one(script, tmp_path):
    poses = np.random.default_rng(0).normal(0, 0.3, (8, 24, 3))
    parts = [write(tmp_path / "a.npz", poses[:3]), write(tmp_path / "b.npz", poses[3:])]
    whole = write(tmp_path / "c.npz", poses)
    for name, given in (("parts.npz", parts), ("whole.npz", [whole])):
        assert script.main([*given, "-o", str(tmp_path / name)]) == 0
    with np.load(tmp_path / "parts.npz") as one, np.load(tmp_path / "whole.npz") as other:
        assert set(one.files) == {"mean", "precision", "chord_mean", "chord_covariance", "LICENSE"}
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key])


def test_equal_poses_make_equal_files(script, tmp_path):
    """Byte for byte; an existing file is replaced, and no temporary one is left."""
    poses = write(tmp_path / "a.npz", np.random.default_rng(0).normal(0, 0.3, (8, 24, 3)))
    (tmp_path / "two.npz").touch()
    for name in ("one.npz", "two.npz"):
        assert script.main([poses, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "one.npz", "two.npz"}


def test_the_shipped_prior_is_symmetric(script):
    """Left and right alike; what the script writes would be."""
    mean, precision = pose_prior()
    sign = np.tile([1.0, -1.0, -1.0], 23)
    swap = (3 * (np.array(script.MIRROR[1:]) - 1)[:, None] + np.arange(3)).ravel()
    np.testing.assert_allclose(mean[swap] * sign, mean, atol=1e-6)
    np.testing.assert_array_equal(precision, precision.T)
    np.testing.assert_allclose(precision[np.ix_(swap, swap)] * np.outer(sign, sign), precision, atol=1e-2)
    assert np.all(np.diag(precision) <= 1.0001 / script.SPREAD**2)


def test_the_shipped_chords_are_those_of_the_shipped_poses(script):
    """The prior was fitted in single precision; the poses are shipped in half."""
    poses, notice = script.read_poses(DATA / "cmu_poses.npz")
    mean, covariance = script.fit_chords(poses)
    with np.load(DATA / "pose_prior.npz") as prior:
        assert str(prior["LICENSE"]) == notice
        assert prior["chord_mean"].dtype == prior["chord_covariance"].dtype == np.float32
        np.testing.assert_allclose(prior["chord_mean"], mean, atol=5e-5)
        np.testing.assert_allclose(prior["chord_covariance"], covariance, atol=5e-5)


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"poses": np.zeros((2, 24, 3))}, "LICENSE"),
        ({"poses": np.zeros((2, 16, 3)), "LICENSE": "free"}, "shape"),
        ({"poses": np.zeros((0, 72)), "LICENSE": "free"}, "shape"),
        ({"poses": np.full((2, 72), np.nan), "LICENSE": "free"}, "finite"),
    ],
)
def test_wrong_files_give_one_sentence(script, tmp_path, capsys, arrays, word):
    np.savez(tmp_path / "in.npz", **arrays)
    out = tmp_path / "out.npz"
    assert script.main([str(tmp_path / "in.npz"), "-o", str(out)]) == 1
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not out.exists()
