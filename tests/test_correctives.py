"""Pose correctives of the open body: how a file holds them, the switch, and what they may do."""

import numpy as np
import pytest
import smpl_files as make

import kitro_np
from kitro_np.body import BodyModel, load_body
from kitro_np.body.model_file import read_model_file

REST = np.zeros((24, 3))


def joint_number(name: str) -> int:
    return load_body().skeleton.joint_names.index(name)


def turned(name: str, degrees: tuple[float, float, float]) -> np.ndarray:
    """Return the rest pose with one joint turned, as axis-angle vectors."""
    pose = REST.copy()
    pose[joint_number(name)] = np.radians(degrees)
    return pose


@pytest.fixture(scope="module")
def corrected() -> BodyModel:
    return load_body(correctives=True)


def packed_body(**changes: np.ndarray) -> dict:
    """Return a body of 20 vertices and 4 joints with three correctives."""
    members = make.body()
    del members["posedirs"]
    rng = np.random.default_rng(0)
    packed = {
        "correctives": rng.integers(-127, 128, size=(3, 3, 9)).astype(np.int8),
        "correctives_of": np.array([[1, 0], [1, 19], [3, 7]], np.int16),
        "correctives_step": rng.uniform(size=(3, 3, 9)).astype(np.float32),
    }
    return {**members, **packed, **changes}


def test_a_file_with_packed_correctives_has_them_if_asked(tmp_path):
    members = packed_body()
    path = make.write_npz(tmp_path / "body.npz", members)
    assert read_model_file(path).posedirs is None
    assert read_model_file(path, correctives=False).posedirs is None
    read = read_model_file(path, correctives=True).posedirs
    assert read.shape == (20, 3, 27) and read.dtype == members["v_template"].dtype
    expected = np.zeros((20, 3, 3, 9))
    for value, (joint, vertex) in zip(members["correctives"], members["correctives_of"], strict=True):
        expected[vertex, :, joint - 1] = value * members["correctives_step"][joint - 1]
    np.testing.assert_allclose(read, expected.reshape(20, 3, 27), rtol=1e-6)


def test_posedirs_of_a_file_can_be_left_out(tmp_path):
    members = make.body()
    path = make.write_npz(tmp_path / "body.npz", members)
    for asked in (None, True):
        np.testing.assert_array_equal(read_model_file(path, correctives=asked).posedirs, members["posedirs"])
    assert load_body(path, correctives=False).posedirs is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"correctives_of": np.array([[0, 0], [1, 1], [1, 2]])}, "joints 1 to 3 and vertices 0 to 19"),
        ({"correctives_of": np.array([[1, 0], [1, 1], [1, 20]])}, "joints 1 to 3 and vertices 0 to 19"),
        ({"correctives_of": np.array([[1, 0], [1, 1], [4, 2]])}, "joints 1 to 3 and vertices 0 to 19"),
        ({"correctives_of": np.array([[1, -1], [1, 1], [3, 2]])}, "joints 1 to 3 and vertices 0 to 19"),
        ({"correctives_of": np.ones((3, 3), int)}, "joints 1 to 3 and vertices 0 to 19"),
        ({"correctives": np.ones((2, 3, 9), np.int8)}, "correctives: expected shape (3, 3, 9)"),
        ({"correctives_step": np.ones((4, 3, 9))}, "correctives_step: expected shape (3, 3, 9)"),
        ({"correctives_step": np.full((3, 3, 9), np.nan)}, "correctives_step: expected finite numbers"),
    ],
)
def test_wrong_packed_correctives_are_refused(tmp_path, changes, message):
    path = make.write_npz(tmp_path / "body.npz", packed_body(**changes))
    read_model_file(path)
    with pytest.raises(kitro_np.InputError) as caught:
        read_model_file(path, correctives=True)
    assert str(path) in str(caught.value) and message in str(caught.value)


def test_the_switch_says_what_is_wrong():
    with pytest.raises(
        kitro_np.InputError, match="correctives: expected pose blend shapes, got a file without"
    ):
        load_body("open_v1", correctives=True)
    with pytest.raises(kitro_np.InputError, match="correctives: expected True or False, got 'yes'"):
        load_body(correctives="yes")


def test_the_open_body_has_correctives_if_asked(corrected):
    assert load_body().posedirs is None and load_body(correctives=False).posedirs is None
    assert corrected.name == "open_v2" and corrected.posedirs.shape == (6887, 3, 207)
    assert load_body(correctives=True) is corrected


def test_correctives_move_no_joint_and_nothing_at_rest(corrected):
    plain = load_body()
    poses = kitro_np.example()["pose"]
    np.testing.assert_array_equal(corrected.joints(poses), plain.joints(poses))
    np.testing.assert_array_equal(corrected.forward(REST).vertices, plain.forward(REST).vertices)


@pytest.mark.parametrize(
    ("joint", "bend"), [("left_elbow", (0, -90, 0)), ("left_knee", (90, 0, 0)), ("left_hip", (-90, 0, 0))]
)
def test_correctives_fill_the_outside_of_a_bend(corrected, joint, bend):
    """Around the joint, and only there, the skin moves outwards: volume grows and hardly shrinks."""
    pose = turned(joint, bend)
    posed, plain = corrected.forward(pose), load_body().forward(pose)
    moves = posed.vertices - plain.vertices
    sizes = np.linalg.norm(moves, axis=1)
    away = np.linalg.norm(plain.vertices - posed.joints[joint_number(joint)], axis=1)
    assert 0.004 < sizes.max() < 0.04
    assert sizes[away > 0.3].max() < 5e-4

    faces = np.asarray(corrected.faces)
    a, b, c = (plain.vertices[faces[:, corner]] for corner in range(3))
    growth = (np.cross(b - a, c - a) * moves[faces].mean(axis=1)).sum(axis=1) / 2
    assert growth[growth > 0].sum() > 5 * -growth[growth < 0].sum()


def test_correctives_are_the_same_on_both_sides(corrected):
    mirrored = {joint: turned(f"left_{joint}", (20, -60, 30)) for joint in ("elbow", "hip", "shoulder")}
    for joint, pose in mirrored.items():
        other = turned(f"right_{joint}", (20, 60, -30))
        left, right = (
            np.sort(np.linalg.norm(corrected.forward(p).vertices - load_body().forward(p).vertices, axis=1))
            for p in (pose, other)
        )
        np.testing.assert_allclose(left, right, atol=1e-5)
