"""3DPW's sequence files: as Python 2 pickled them, bodies in camera space; broken and hostile ones."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import smpl_files as make
from scipy.spatial.transform import Rotation

from kitro_np import InputError, load_body
from kitro_np.camera import project
from kitro_np.formats.estimates import EstimateFile
from kitro_np.formats.registry import find_format
from kitro_np.formats.threedpw import read_3dpw

FRAMES = 5


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    """Two invented bodies whose roots are elsewhere, with SMPL's tree."""
    folder = tmp_path_factory.mktemp("bodies")
    return {
        gender: load_body(make.write_npz(folder / f"{gender}.npz", make.body(60, joints=24, seed=seed)))
        for seed, gender in enumerate(("female", "male"))
    }


@pytest.fixture(scope="module")
def members(bodies):
    """A woman with 10 betas and a man with 300, seen by a camera that moves; everything in the world."""
    rng = np.random.default_rng(3)
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    cameras[:, :3, :3] = Rotation.random(FRAMES, random_state=4).as_matrix()
    cameras[:, :3, 3] = rng.normal(0, 3, (FRAMES, 3))
    poses = [rng.normal(0, 0.5, (FRAMES, 72)) for _ in range(2)]
    betas = [rng.normal(size=10), np.concatenate([rng.normal(size=10), np.zeros(290)])]
    trans = [rng.normal(0, 2, (FRAMES, 3)) for _ in range(2)]
    joints = [
        bodies[gender].joints(pose, np.tile(beta[:10], (FRAMES, 1)), move).reshape(FRAMES, 72)
        for gender, pose, beta, move in zip(("female", "male"), poses, betas, trans, strict=True)
    ]
    return {
        "sequence": "downtown_walking_00",
        "poses": poses,
        "betas": betas,
        "trans": trans,
        "jointPositions": joints,
        "poses2d": [rng.uniform(0, 900, (FRAMES, 3, 18)) for _ in range(2)],
        "campose_valid": [np.array([1, 1, 0, 1, 1]), np.array([0, 1, 1, 1, 1])],
        "genders": ["f", "m"],
        "cam_poses": cameras,
        "cam_intrinsics": np.array([[1961.0, 0, 540], [0, 1969, 960], [0, 0, 1]]),
        "img_frame_ids": np.arange(0, 2 * FRAMES, 2),
        "texture_maps": [np.zeros((4, 4, 3), np.uint8)] * 2,
        "v_template_clothed": [np.zeros((60, 3))] * 2,
        "odd": [None, {"a": np.array([None], dtype=object)}],
    }


@pytest.fixture
def write(tmp_path, members):
    def write(protocol=2, python2=True, without=(), **changes):
        held = {key: value for key, value in {**members, **changes}.items() if key not in without}
        return make.write_pickle(tmp_path / "walk.pkl", held, protocol, python2)

    return write


def refusal(path, body):
    """Read a file that must be refused; returns the message, one sentence."""
    with pytest.raises(InputError) as caught:
        read_3dpw(path, body)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("protocol", "python2"), [(0, True), (1, True), (2, True), (2, False), (4, False), (5, False)]
)
def test_bodies_stand_where_the_camera_sees_those_of_the_world(write, members, bodies, protocol, python2):
    """The file's own joints, of the world, moved as the camera's pose says; vertices, too, by the body."""
    truth = read_3dpw(write(protocol, python2), bodies)
    assert len(truth) == 2 * FRAMES
    cameras = members["cam_poses"]
    for number, gender in enumerate(("female", "male")):
        own = truth.take(truth.person == number)
        found = bodies[gender].forward(own.pose, own.betas, own.transl, engine="array")
        betas = np.tile(members["betas"][number][:10], (FRAMES, 1))
        world = bodies[gender].forward(
            members["poses"][number], betas, members["trans"][number], engine="array"
        )
        for points, there in zip(found, world, strict=True):
            homogeneous = np.concatenate([there, np.ones_like(there[..., :1])], axis=-1)
            visible = np.einsum("tij,tnj->tni", cameras, homogeneous)[..., :3]
            np.testing.assert_allclose(points, visible, atol=1e-10)
        np.testing.assert_allclose(found.joints, own.joints, atol=1e-10)


def test_what_else_it_holds(write, members, bodies):
    truth = read_3dpw(write(), bodies)
    assert (truth.name, truth.genders) == ("downtown_walking_00", ("female", "male"))
    assert truth.person.tolist() == [0] * FRAMES + [1] * FRAMES
    assert truth.frame.tolist() == [*range(FRAMES)] * 2
    assert truth.valid.tolist() == [True, True, False, True, True, False, True, True, True, True]
    assert truth.image_names[-1] == "downtown_walking_00/image_00004.jpg"
    np.testing.assert_array_equal(truth.intrinsics, members["cam_intrinsics"])
    detected = members["poses2d"][1]
    np.testing.assert_array_equal(truth.keypoints_2d[FRAMES + 2, 7], detected[2, :2, 7])
    np.testing.assert_array_equal(truth.confidence[FRAMES:], detected[:, 2])
    few = truth.take(truth.valid)
    assert (len(few), few.pose.shape, few.name) == (8, (8, 24, 3, 3), truth.name)
    # What the camera sees does not depend on the body: the file's joints, projected.
    camera = np.broadcast_to(truth.intrinsics, (FRAMES, 3, 3))
    world = members["jointPositions"][0].reshape(FRAMES, 24, 3) @ members["cam_poses"][:, :3, :3].mT
    expected = project(world + members["cam_poses"][:, None, :3, 3], camera)
    np.testing.assert_allclose(project(truth.joints[:FRAMES], camera), expected)


def test_one_body_stands_for_both_genders(write, bodies):
    both, one = read_3dpw(write(), bodies), read_3dpw(write(), bodies["female"])
    np.testing.assert_array_equal(one.transl[:FRAMES], both.transl[:FRAMES])
    # Another root joint asks for another translation.
    assert np.abs(one.transl[FRAMES:] - both.transl[FRAMES:]).max() > 0.1
    few = load_body("open", num_betas=4)
    assert read_3dpw(write(), few).betas.shape == (2 * FRAMES, 4)


def test_fewer_betas_than_the_body_has(write, members, bodies):
    short = read_3dpw(write(betas=[beta[:3] for beta in members["betas"]]), bodies)
    assert short.betas.shape == (2 * FRAMES, 10)
    assert not short.betas[:, 3:].any()


def test_bodies_that_do_not_fit(write, bodies, tmp_path):
    assert refusal(write(), {"female": bodies["female"]}) == "body: expected a body for 'male', got female."
    hand = load_body(make.write_npz(tmp_path / "hand.npz", make.body(joints=16)))
    assert refusal(write(), hand) == "body: expected SMPL's 24 joints, got 16."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"genders": ["f", "x"]}, "genders[1]: expected 'f' or 'm', got 'x'"),
        ({"genders": ["f", np.ones(2)]}, "genders[1]: expected a text, got an array of float64"),
        ({"genders": "fm"}, "genders: expected a list with an item for each person in poses, got no list"),
        (
            {"trans": [np.ones((FRAMES, 3))]},
            "trans: expected a list with an item for each person in poses, got 1",
        ),
        ({"poses": []}, "poses: expected a list with an item for each person in poses, got 0"),
        ({"trans": [np.ones((4, 3))] * 2}, "trans[0]: expected shape (5, 3), got (4, 3)"),
        ({"cam_poses": np.ones((FRAMES, 3, 4))}, "cam_poses: expected shape (any, 4, 4), got (5, 3, 4)"),
        ({"betas": [np.ones((1, 10))] * 2}, "betas[0]: expected shape (any), got (1, 10)"),
        ({"cam_intrinsics": np.full((3, 3), "a")}, "cam_intrinsics: expected numbers, got dtype "),
        ({"poses2d": [np.array([None])] * 2}, "poses2d[0]: expected numbers"),
    ],
)
def test_what_does_not_fit_is_named(write, bodies, changes, expected):
    path = write(**changes)
    message = refusal(path, bodies)
    assert str(path) in message
    assert expected in message


def test_a_key_that_is_missing(write, bodies):
    message = refusal(write(without=("trans", "cam_poses")), bodies)
    assert "expected the keys trans, cam_poses of a 3DPW sequence, got 'sequence', 'poses'" in message


def test_a_crowd_of_one_repeated(write, members, bodies):
    lists = {key: [value[0]] * 17 for key, value in members.items() if isinstance(value, list)}
    assert "expected at most 16 people, got 17" in refusal(write(**lists), bodies)


def test_nothing_in_the_file_is_run(write, tmp_path, bodies):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    path = write(python2=False, poses=Hostile())
    assert "expected only names that such a file needs, got" in refusal(path, bodies)
    assert "nothing was executed" in refusal(path, bodies)
    assert not (tmp_path / "run").exists()
    pickle.loads(path.read_bytes())  # a careless reader makes it
    assert (tmp_path / "run").exists()


def test_no_sequence_at_all(write, tmp_path, bodies):
    with pytest.raises(FileNotFoundError):
        read_3dpw(tmp_path / "none.pkl", bodies)
    path = write()
    path.write_bytes(path.read_bytes()[:-200])
    assert "expected a complete pickle, got one that ends at byte" in refusal(path, bodies)
    assert "expected a pickled 3DPW sequence (.pkl), got a folder" in refusal(tmp_path, bodies)
    model = make.write_pickle(tmp_path / "smpl.pkl", make.smpl_v100(make.body(joints=24)))
    assert "expected the keys poses, betas, trans" in refusal(model, bodies)


@pytest.mark.parametrize(("protocol", "python2"), [(0, True), (2, True), (5, False)])
def test_a_sequence_is_recognised_and_holds_no_estimates(write, tmp_path, protocol, python2):
    path = write(protocol, python2).rename(tmp_path / "walk")
    assert find_format(path).name == "3DPW"
    with pytest.raises(InputError, match=r"walk: expected the keys pose or pred_theta, .*, got sequence, "):
        EstimateFile(path).estimates()
