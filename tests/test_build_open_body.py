"""The steps of models/open_body/ that need neither anny nor torch, and its command line."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def body():
    """Import the build with its steps, which is not part of the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        importlib.import_module("models.open_body.__main__")
        yield importlib.import_module("models.open_body")


@pytest.fixture(scope="module")
def shared(body):
    """What it imported from models/shared/."""
    return importlib.import_module("models.shared")


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
def test_every_bone_has_its_joint(body, bone, joint):
    """Rig bones are handed to the SMPL joint of their side."""
    assert body.weights.joint_of_bone(bone) == joint


def test_rotations_do_as_they_say(shared):
    """A quarter turn about z takes x to y, and the shortest rotation reaches its end."""
    assert np.allclose(shared.skinning.axis_rotation("z", np.pi / 2) @ [1, 0, 0], [0, 1, 0])
    start, end = np.array([1.0, 2, 3]), np.array([-3.0, 1, 2])
    rotated = shared.skinning.rotation_between(start, end) @ start
    assert np.allclose(rotated / np.linalg.norm(rotated), end / np.linalg.norm(end))


def test_smoothing_flattens_a_bump_and_nothing_else(body):
    """A thin plate over a bump in a flat sheet is flat, and unmasked vertices stay bit for bit."""
    flat, faces = sheet(15)
    middle = np.linalg.norm(flat[:, :2] - 0.5, axis=1)
    bumped = flat.copy()
    bumped[:, 2] = np.where(middle < 0.15, 0.2, 0)
    mask = np.clip((0.35 - middle) / 0.1, 0, 1)
    smoothed = body.chest.smooth_chest(bumped, faces, mask, bumped)
    assert np.abs(smoothed[:, 2]).max() < 1e-6
    assert (smoothed[mask == 0] == bumped[mask == 0]).all()


def test_moved_skin_makes_joints_exact(body):
    """After the move, joints of the template and of each direction are the wanted ones."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(50, 3, 11))
    regressor = np.zeros((24, 50))
    for row, weights in zip(regressor, rng.dirichlet([1, 1, 1], 24), strict=True):
        row[rng.choice(50, 3, replace=False)] = weights
    expected = body.regressor.joints_of(regressor, fields) + rng.normal(size=(24, 3, 11)) * 1e-3
    moved = body.exact_joints.make_joints_exact(fields, regressor, expected)
    assert np.abs(body.regressor.joints_of(regressor, moved) - expected).max() < 1e-9


def test_regression_on_betas_finds_the_space_again(body, shared):
    """Adults made from a shape space give back its template, directions and betas."""
    rng = np.random.default_rng(1)
    template, directions = rng.normal(size=(30, 3)), rng.normal(size=(30, 3, 10))
    betas = rng.normal(size=(80, 10))
    adults = template + np.einsum("vck,nk->nvc", directions, betas)
    assert np.allclose(shared.shape_space.betas_of(adults, template, directions), betas)
    found = body.shape.regress_on_betas(adults, betas)
    assert np.allclose(found[0], template)
    assert np.allclose(found[1], directions)


def test_a_row_is_sparse_and_sums_to_one(shared):
    """A joint that is the mean of two vertices of every adult is found as that."""
    vertices = np.random.default_rng(2).normal(size=(60, 40, 3))
    row = shared.regressor_row.fit_row(vertices - vertices[:, [3, 7]].mean(axis=1, keepdims=True))
    assert np.flatnonzero(row).tolist() == [3, 7]
    assert np.allclose(row[[3, 7]], 0.5)


def test_wrong_arguments_give_one_sentence(body, tmp_path, capsys):
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
            body.__main__.main(arguments)
        said = capsys.readouterr().err
        assert stop.value.code == 2
        assert word in said
        assert said.count("\n") == 1
    assert body.__main__.main(["-o", str(tmp_path / "body.npz"), "--joints-from", str(there)]) == 1
    assert "--joints-from" in capsys.readouterr().err
