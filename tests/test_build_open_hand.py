"""The steps of models/open_hand/ that need neither anny nor torch, and its command line."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def hand():
    """Import the build with its steps, which is not part of the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        importlib.import_module("models.open_hand.__main__")
        yield importlib.import_module("models.open_hand")


@pytest.fixture(scope="module")
def shared(hand):
    """What it imported from models/shared/."""
    return importlib.import_module("models.shared")


def tube(rings: int, around: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return a tube along x, closed at x = 0 and open at its other end, as points and triangles."""
    angle = 2 * np.pi * np.arange(around) / around
    circle = np.stack([np.zeros(around), np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([*(circle + np.array([x, 0, 0]) for x in range(rings)), np.zeros((1, 3))])
    corner = np.arange((rings - 1) * around).reshape(rings - 1, around)
    beside, behind = np.roll(corner, -1, axis=1), corner + around
    faces = [[corner, behind, beside], [beside, behind, np.roll(behind, -1, axis=1)]]
    cap = [np.full(around, len(points) - 1), corner[0], beside[0]]
    return points, np.concatenate([np.stack([f.ravel() for f in face], axis=1) for face in [*faces, cap]])


def area_of(points: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = points[faces].swapaxes(0, 1)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_joints_are_manos(hand):
    assert hand.skeleton.JOINT_NAMES[::3] == ["wrist", "index3", "middle3", "pinky3", "ring3", "thumb3"]
    assert hand.skeleton.PARENTS == [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
    bones = [hand.skeleton.rig_bone(name) for name in hand.skeleton.JOINT_NAMES]
    assert bones[:2] == ["wrist.R", "finger2-1.R"]
    assert (bones[9], bones[15]) == ("finger5-3.R", "finger1-3.R")


def test_what_is_no_fingers_moves_with_the_wrist(hand, shared):
    labels = [hand.skeleton.rig_bone(name) for name in hand.skeleton.JOINT_NAMES] + [
        "lowerarm02.R",
        "metacarpal2.R",
    ]
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(len(labels)), 20)
    merged = hand.skeleton.merge_weights(weights, labels)
    np.testing.assert_allclose(merged[:, 1:], weights[:, 1:16])
    np.testing.assert_allclose(merged[:, 0], weights[:, [0, 16, 17]].sum(axis=1))
    few = shared.skinning.four_largest(merged)
    assert np.all((few > 0).sum(axis=1) == 4)
    np.testing.assert_allclose(few.sum(axis=1), 1)
    assert np.all((few > 0) <= (merged >= np.sort(merged, axis=1)[:, [-4]]))


@pytest.mark.parametrize("behind", [2.0, 2.1, 2.5, 2.9])
def test_a_cut_is_a_flat_loop_without_slivers(hand, behind):
    """Near a ring its vertices slide onto the plane; between two rings there are new ones."""
    points, faces = tube(5)
    cut = hand.cut.cut_mesh(points, faces, behind)
    found = cut.of(points)
    assert np.allclose(found[cut.on_border, 0], behind)
    assert np.all(found[~cut.on_border, 0] < behind)
    assert hand.simplify.border_loops(cut.faces) == 1
    side = 8 * 2 * np.sin(np.pi / 8)  # round a ring
    assert np.isclose(area_of(found, cut.faces), area_of(*tube(2)) + side * (behind - 1))
    a, b, c = found[cut.faces].swapaxes(0, 1)
    sides = np.linalg.norm([b - a, c - b, a - c], axis=2)
    heights = np.linalg.norm(np.cross(b - a, c - a), axis=1) / sides.max(axis=0)
    assert heights.min() > 0.2


def test_a_cut_carries_what_vertices_have(hand):
    """Values linear in place are linear in place after the cut; rows of weights still sum to one."""
    points, faces = tube(4)
    cut = hand.cut.cut_mesh(points, faces, 1.4)
    slope = np.random.default_rng(1).normal(size=(3, 6))
    np.testing.assert_allclose(cut.of(points @ slope), cut.of(points) @ slope, atol=1e-12)
    np.testing.assert_allclose(cut.of(np.ones((7, len(points), 1))), 1)


def test_a_simplified_hand_keeps_its_cut(hand):
    points, faces = tube(12, around=24)
    cut = hand.cut.cut_mesh(points, faces, 9.5)
    kept, simplified = hand.simplify.simplify_hand(cut.of(points), cut, 80)
    assert len(kept) == 80
    assert hand.simplify.border_loops(simplified) == 1
    border = np.unique(loose_edges(simplified))
    assert np.all(cut.on_border[kept[border]])


def loose_edges(faces: np.ndarray) -> list[tuple[int, int]]:
    there = {tuple(edge) for edge in faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()}
    return [edge for edge in there if edge[::-1] not in there]


def test_borders_are_counted(hand, shared):
    _, faces = tube(4)
    assert hand.simplify.border_loops(faces) == 1
    assert hand.simplify.border_loops(faces[:-8]) == 2  # without its cap
    touching = np.array([[0, 1, 2], [0, 3, 4]])
    with pytest.raises(shared.errors.BuildError, match="touches itself"):
        hand.simplify.border_loops(touching)


def test_flat_fingers_are_straight_and_as_long_as_before(hand):
    rng = np.random.default_rng(2)
    joints = rng.normal(size=(16, 3))
    tips = rng.normal(size=(5, 3))
    for first, tip in zip((1, 4, 7, 10), range(4), strict=True):  # bent fingers that point along -x
        bones = np.array([-1.0, 0, 0]) + rng.normal(0, 0.3, (3, 3))
        joints[first + 1], joints[first + 2] = joints[first] + bones[0], joints[first] + bones[:2].sum(0)
        tips[tip] = joints[first] + bones.sum(0)
    weights = np.zeros((19, 16))
    weights[range(16), range(16)] = 1
    weights[[16, 17, 18], [3, 6, 15]] = 1
    vertices = np.concatenate([joints, tips[[0, 1, 4]]])
    posed, placed = hand.rest_pose.flatten_fingers(vertices, joints, tips, weights)
    np.testing.assert_allclose(posed[:16], placed, atol=1e-12)
    np.testing.assert_allclose(placed[[0, 13, 14, 15]], joints[[0, 13, 14, 15]])
    np.testing.assert_allclose(posed[18], tips[4])
    for first, tip in ((1, 16), (4, 17)):
        chain = np.vstack([placed[first : first + 3], posed[tip]])
        before = np.vstack([joints[first : first + 3], vertices[tip]])
        bones, old = np.diff(chain, axis=0), np.diff(before, axis=0)
        lengths = np.linalg.norm(bones, axis=1)
        np.testing.assert_allclose(lengths, np.linalg.norm(old, axis=1))
        np.testing.assert_allclose(bones / lengths[:, None], np.tile(bones[0] / lengths[0], (3, 1)))
        assert abs(bones[0, 1]) <= abs(old[0, 1])


def test_components_are_sorted_and_one_standard_deviation_long(hand):
    rng = np.random.default_rng(3)
    spread = np.linspace(2.0, 0.2, 10)
    shapes = np.linalg.qr(rng.normal(size=(60, 10)))[0] * spread
    hands = (rng.normal(size=(5000, 10)) @ shapes.T).reshape(5000, 20, 3)
    template, directions = hand.shape.hand_components(hands + np.linspace([-1, 0, 0], [1, 0, 0], 20))
    lengths = np.linalg.norm(directions, axis=(0, 1))
    np.testing.assert_allclose(lengths, spread, rtol=0.05)
    assert np.all(np.einsum("v,vk->k", template[:, 0], directions[:, 0]) > 0)


def test_joints_between_two_vertices_are_found(hand):
    vertices = np.random.default_rng(4).normal(size=(60, 40, 3))
    joints = (vertices[:, 0::2][:, :16] + vertices[:, 1::2][:, :16]) / 2
    regressor = hand.regressor.fit_regressor(vertices, joints)
    expected = np.zeros((16, 40))
    expected[range(16), range(0, 32, 2)] = expected[range(16), range(1, 32, 2)] = 0.5
    np.testing.assert_allclose(regressor, expected, atol=1e-6)


def test_wrong_arguments_give_one_sentence(hand, tmp_path, capsys):
    there = tmp_path / "there.npz"
    there.touch()
    for arguments, word in (
        (["-o", str(there)], "--force"),
        (["-o", str(tmp_path / "hand.txt")], ".npz"),
        (["-o", str(tmp_path / "hand.npz"), "--hands", "few"], "--hands"),
        (["-o", str(tmp_path / "hand.npz"), "--vertices", "5"], "--vertices"),
    ):
        with pytest.raises(SystemExit) as stop:
            hand.__main__.main(arguments)
        said = capsys.readouterr().err
        assert stop.value.code == 2
        assert word in said
        assert said.count("\n") == 1
