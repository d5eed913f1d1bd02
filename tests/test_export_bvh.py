"""BVH files, read back by the package bvh, which shares no code with the writer."""

from pathlib import Path

import numpy as np
import pytest

import kitro_np
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.export.bvh import euler_zxy

reader = pytest.importorskip("bvh", reason="the package bvh reads the files back")

UP = np.array([1.0, -1.0, -1.0])
"""From the camera's axes to BVH's, y up."""


@pytest.fixture(scope="module")
def clip():
    data = kitro_np.example()
    return {name: data[name][:20] for name in ("pose", "transl", "body")} | {"betas": data["betas"][0]}


@pytest.fixture(scope="module")
def body():
    return kitro_np.load_body()


def joints_of(path):
    """Names, and positions (T, J, 3) in the file's unit: rotations are multiplied in the channels' order."""
    file = reader.Bvh(Path(path).read_text())
    names = file.get_joints_names()
    axes = {"X": [1, 0, 0], "Y": [0, 1, 0], "Z": [0, 0, 1]}
    positions = np.empty((file.nframes, len(names), 3))
    for frame in range(file.nframes):
        globals_ = {}
        for number, name in enumerate(names):
            channels = file.joint_channels(name)
            values = dict(zip(channels, file.frame_joint_channels(frame, name, channels), strict=True))
            rotation = np.eye(3)
            for channel in channels:
                if channel.endswith("rotation"):
                    axis = np.radians(values[channel]) * np.array(axes[channel[0]])
                    rotation = rotation @ matrix_from_axis_angle(axis)
            place = np.array(file.joint_offset(name))
            if "Xposition" in values:
                place = place + [values[f"{axis}position"] for axis in "XYZ"]
            parent = file.joint_parent(name)
            if parent is not None:
                turn, base = globals_[parent.name]
                place, rotation = base + turn @ place, turn @ rotation
            globals_[name] = rotation, place
            positions[frame, number] = place
    return names, positions, file


@pytest.mark.parametrize(("unit", "metres"), [("cm", 0.01), ("m", 1.0)])
def test_joints_are_those_of_the_body(tmp_path, clip, body, unit, metres):
    path = kitro_np.write(tmp_path / "walk.bvh", clip, fps=50, unit=unit)
    names, joints, file = joints_of(path)
    order = [body.skeleton.joint_names.index(name) for name in names]
    assert sorted(order) == list(range(24))
    truth = body.joints(clip["pose"], np.tile(clip["betas"], (20, 1)), clip["transl"]) * UP
    np.testing.assert_allclose(joints * metres, truth[:, order], atol=1e-5)
    assert file.frame_time == pytest.approx(1 / 50)


def test_a_file_for_each_person_with_every_frame(tmp_path, clip, body):
    told = []
    frame, person = np.r_[0:15, [7, 8, 12, 13, 14]], np.repeat([0, 2], [15, 5])
    paths = kitro_np.write(tmp_path / "two.bvh", clip, frame=frame, person=person, fps=30, tell=told.append)
    assert [path.name for path in paths] == ["two_person_0.bvh", "two_person_2.bvh"]
    assert told == [
        "person_2: 3 frames without an estimate were interpolated.",
        "person_2: the file begins 7 frames after that of the first to be seen.",
    ]
    names, joints, file = joints_of(paths[1])
    assert file.nframes == 8
    order = [body.skeleton.joint_names.index(name) for name in names]
    truth = body.joints(clip["pose"], np.tile(clip["betas"], (20, 1)), clip["transl"])[15:, order] * UP
    np.testing.assert_allclose(joints[[0, 1, 5, 6, 7]] / 100, truth, atol=1e-5)
    # A joint between two frames goes from one to the other.
    steps = np.linalg.norm(np.diff(joints[1:6, names.index("pelvis")], axis=0), axis=-1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_bones_have_one_length_and_the_error_is_told(tmp_path, clip, body):
    betas = clip["betas"] + np.linspace(-1, 1, 20)[:, None]
    told = []
    path = kitro_np.write(tmp_path / "a.bvh", clip | {"betas": betas}, fps=30, tell=told.append)
    names, joints, _ = joints_of(path)
    order = [body.skeleton.joint_names.index(name) for name in names]
    truth = body.joints(clip["pose"].astype(float), betas, clip["transl"])[:, order] * UP
    worst = 1000 * np.linalg.norm(joints / 100 - truth, axis=-1).max()
    assert told == [
        f"person_0: one shape for all frames, the mean of the betas: joints are off by up to {worst:.1f} mm."
    ]


def test_euler_angles_give_the_rotation_also_where_two_axes_are_one():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(200, 3)) * 2
    quarter = np.array([[np.pi / 2, 0, 0], [-np.pi / 2, 0, 0], [np.pi, 0, 0], [0, np.pi, 0], [0, 0, 0]])
    rotations = matrix_from_axis_angle(np.concatenate([vectors, quarter]))
    about_z = matrix_from_axis_angle(np.array([0, 0, 0.7]))
    rotations = np.concatenate([rotations, about_z @ rotations[-5:]])
    z, x, y = np.moveaxis(euler_zxy(rotations), -1, 0)
    again = [
        matrix_from_axis_angle(angle[:, None] * np.eye(3)[axis]) for angle, axis in ((z, 2), (x, 0), (y, 1))
    ]
    np.testing.assert_allclose(again[0] @ again[1] @ again[2], rotations, atol=1e-6)


def test_angles_do_not_jump_where_x_passes_a_quarter_turn():
    angle = np.linspace(0, 3 * np.pi, 100)
    turns = matrix_from_axis_angle(np.stack([angle, 0 * angle, 0 * angle], axis=-1))
    np.testing.assert_allclose(euler_zxy(turns), np.stack([0 * angle, angle, 0 * angle], axis=-1), atol=1e-6)


def test_a_skeleton_without_a_mesh_will_do(tmp_path, clip, body):
    with_mesh = kitro_np.write(tmp_path / "a.bvh", clip, fps=30)
    bare = kitro_np.write(tmp_path / "b.bvh", clip | {"body": body.skeleton}, fps=30)
    assert with_mesh.read_bytes() == bare.read_bytes()
