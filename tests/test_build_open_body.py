"""The pure functions of models/build_open_body.py; the build itself needs anny and torch."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
SCRIPT = Path(__file__).resolve().parents[1] / "models" / "build_open_body.py"


@pytest.fixture(scope="module")
def script():
    """Import the script, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("build_open_body", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_open_body"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["build_open_body"]


def sheet(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a flat square sheet of size x size vertices as points and triangles."""
    x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(size * size)], axis=1)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + size], axis=1)
    upper = np.stack([corner + 1, corner + size + 1, corner + size], axis=1)
    return points, np.concatenate([lower, upper])


@pytest.mark.parametrize(
    ("bone", "joint"),
    [
        ("upperleg02.L", "left_hip"),
        ("toe3-1.R", "right_foot"),
        ("spine05", "pelvis"),
        ("pelvis.L", "pelvis"),
        ("breast.R", "spine3"),
        ("metacarpal2.L", "left_wrist"),
        ("finger1-1.R", "right_hand"),
        ("eye.L", "head"),
        ("jaw", "head"),
    ],
)
def test_every_bone_has_its_joint(script, bone, joint):
    """Rig bones are handed to the SMPL joint of their side."""
    assert script.joint_of_bone(bone) == joint


def test_rotations_turn_as_they_say(script):
    """A quarter turn about z takes x to y, and the shortest rotation reaches its end."""
    assert np.allclose(script.axis_rotation("z", np.pi / 2) @ [1, 0, 0], [0, 1, 0])
    start, end = np.array([1.0, 2, 3]), np.array([-3.0, 1, 2])
    turned = script.rotation_between(start, end) @ start
    assert np.allclose(turned / np.linalg.norm(turned), end / np.linalg.norm(end))


def test_smoothing_flattens_a_bump_and_nothing_else(script):
    """A thin plate over a bump in a flat sheet is flat, and unmasked vertices stay bit for bit."""
    flat, faces = sheet(15)
    middle = np.linalg.norm(flat[:, :2] - 0.5, axis=1)
    bumped = flat.copy()
    bumped[:, 2] = np.where(middle < 0.15, 0.2, 0)
    mask = np.clip((0.35 - middle) / 0.1, 0, 1)
    smoothed = script.smooth_chest(bumped, faces, mask, bumped)
    assert np.abs(smoothed[:, 2]).max() < 1e-6
    assert (smoothed[mask == 0] == bumped[mask == 0]).all()


def test_nudging_makes_joints_exact(script):
    """After the nudge, joints of the template and of each direction are the wanted ones."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(50, 3, 11))
    regressor = np.zeros((24, 50))
    for row, weights in zip(regressor, rng.dirichlet([1, 1, 1], 24), strict=True):
        row[rng.choice(50, 3, replace=False)] = weights
    wanted = script.joints_of(regressor, fields) + rng.normal(size=(24, 3, 11)) * 1e-3
    nudged = script.nudge_to_joints(fields, regressor, wanted)
    assert np.abs(script.joints_of(regressor, nudged) - wanted).max() < 1e-9


def test_regression_on_betas_finds_the_space_again(script):
    """Adults made from a shape space give back its template, directions and betas."""
    rng = np.random.default_rng(1)
    template, directions = rng.normal(size=(30, 3)), rng.normal(size=(30, 3, 10))
    betas = rng.normal(size=(80, 10))
    adults = template + np.einsum("vck,nk->nvc", directions, betas)
    assert np.allclose(script.betas_of(adults, template, directions), betas)
    found = script.regress_on_betas(adults, betas)
    assert np.allclose(found[0], template)
    assert np.allclose(found[1], directions)


def test_a_row_is_sparse_and_sums_to_one(script):
    """A joint that is the mean of two vertices of every adult is found as that."""
    vertices = np.random.default_rng(2).normal(size=(60, 40, 3))
    row = script.fit_row(vertices - vertices[:, [3, 7]].mean(axis=1, keepdims=True))
    assert np.flatnonzero(row).tolist() == [3, 7]
    assert np.allclose(row[[3, 7]], 0.5)


def test_wrong_arguments_give_one_sentence(script, tmp_path, capsys):
    """Each wrong argument ends the run with one line that names it."""
    there = tmp_path / "there.npz"
    there.touch()
    for arguments, word in (
        (["-o", str(there)], "--force"),
        (["-o", str(tmp_path / "body.txt")], ".npz"),
        (["-o", str(tmp_path / "no" / "body.npz")], "does not exist"),
        (["-o", str(tmp_path / "body.npz"), "--adults", "few"], "--adults"),
        (["-o", str(tmp_path / "body.npz"), "--vertices", "5"], "--vertices"),
    ):
        with pytest.raises(SystemExit) as stop:
            script.main(arguments)
        said = capsys.readouterr().err
        assert stop.value.code == 2
        assert word in said
        assert said.count("\n") == 1
    assert script.main(["-o", str(tmp_path / "body.npz"), "--joints-from", str(there)]) == 1
    assert "--joints-from" in capsys.readouterr().err
