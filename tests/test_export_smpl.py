"""AMASS' .npz and .smpl files: posed again, they are the bodies that were written, in other axes."""

from pathlib import Path

import numpy as np
import pytest

import kitro_np
from kitro_np.body.families import FAMILIES

AXES = {
    "y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "camera": np.eye(3),
}
"""What (x right, y down, z forwards) is where y or z is up."""


@pytest.fixture(scope="module")
def body():
    return kitro_np.load_body()


@pytest.fixture(scope="module")
def clip(body):
    data = kitro_np.example()
    pose = data["pose"][:9].astype(float)
    pose[:, 22:] = np.eye(3)
    return {"pose": pose, "betas": data["betas"][0], "transl": data["transl"][:9], "body": body, "fps": 24.0}


def truth(clip, body, up):
    betas = np.tile(clip["betas"].astype(float), (len(clip["pose"]), 1))
    return body.joints(clip["pose"], betas, clip["transl"]) @ AXES[up].T


def load(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("up", AXES)
@pytest.mark.parametrize("joints", [24, 52])
def test_amass_poses_the_same_joints(tmp_path, clip, body, up, joints):
    told = []
    arrays = load(kitro_np.write(tmp_path / "a.npz", clip, joints=joints, up=up, tell=told.append))
    assert arrays["poses"].shape == (9, 3 * joints)
    assert arrays["betas"].shape == (16,)
    assert str(arrays["gender"]) == "neutral"
    assert arrays["mocap_framerate"] == arrays["mocap_frame_rate"] == 24
    pose = arrays["poses"].reshape(9, joints, 3)
    assert joints == 24 or not pose[:, 22:].any()
    again = np.concatenate([pose[:, :22], np.zeros((9, 2, 3))], axis=1)
    betas = np.tile(arrays["betas"][:10], (9, 1))
    np.testing.assert_allclose(body.joints(again, betas, arrays["trans"]), truth(clip, body, up), atol=1e-6)
    assert told == ["Betas are of open_v2: on SMPL's own body they mean another shape."]


def test_amass_is_z_up_and_has_52_joints_by_default(tmp_path, clip):
    default = load(kitro_np.write(tmp_path / "a.npz", clip, tell=None))
    named = load(kitro_np.write(tmp_path / "b.npz", clip, joints=52, up="z", tell=None))
    assert all(np.array_equal(default[name], named[name]) for name in named)


def test_turned_hands_that_are_left_out_are_told(tmp_path, clip):
    pose = clip["pose"].copy()
    pose[3, 23] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    told = []
    kitro_np.write(tmp_path / "a.npz", clip | {"pose": pose}, tell=told.append)
    assert told[-1] == "person_0: SMPL's two hand joints, turned by up to 90 degrees, are left out."


@pytest.mark.parametrize(("family", "shape"), [("smplh", 156), ("smplx", 165)])
def test_fingers_of_larger_bodies_are_kept(tmp_path, family, shape):
    parents = FAMILIES[family].parents
    rest = np.random.default_rng(4).normal(size=(len(parents), 3))
    body = kitro_np.Skeleton(parents, rest, np.zeros((len(parents), 3, 1)))
    rng = np.random.default_rng(5)
    pose = 0.3 * rng.normal(size=(4, shape))
    bodies = {"pose": pose, "body": body, "fps": 30.0}
    arrays = load(kitro_np.write(tmp_path / "a.npz", bodies, up="camera"))
    np.testing.assert_allclose(arrays["poses"], pose, atol=1e-9)
    assert ("surface_model_type" in arrays) == (family == "smplx")
    smpl = load(kitro_np.write(tmp_path / "a.smpl", bodies, up="camera"))
    parts = ["bodyPose", "headPose", "leftHandPose", "rightHandPose"]
    joined = np.concatenate([smpl[name] for name in parts if name in smpl], axis=1)
    np.testing.assert_allclose(joined.reshape(4, -1), pose, atol=1e-6)


def test_smpl_file_has_the_layout_of_smplcodec(tmp_path, clip, body):
    arrays = load(kitro_np.write(tmp_path / "a.smpl", clip, tell=None))
    assert {name: (str(part.dtype), part.shape) for name, part in arrays.items()} == {
        "codecVersion": ("int32", ()),
        "smplVersion": ("int32", ()),
        "gender": ("int32", ()),
        "shapeParameters": ("float32", (10,)),
        "frameCount": ("int32", ()),
        "frameRate": ("float32", ()),
        "bodyTranslation": ("float32", (9, 3)),
        "bodyPose": ("float32", (9, 24, 3)),
    }
    betas = np.tile(arrays["shapeParameters"], (9, 1))
    joints = body.joints(arrays["bodyPose"], betas, arrays["bodyTranslation"])
    np.testing.assert_allclose(joints, truth(clip, body, "y"), atol=1e-5)


def test_smplcodec_reads_both(tmp_path, clip):
    codec = pytest.importorskip("smplcodec", reason="smplcodec reads the files back")
    path = kitro_np.write(tmp_path / "a.smpl", clip, tell=None)
    read = codec.SMPLCodec.from_file(path)
    assert (read.frame_count, read.frame_rate, read.gender.name) == (9, 24.0, "NEUTRAL")
    amass = kitro_np.write(tmp_path / "a.npz", clip, up="y", tell=None)
    again = codec.SMPLCodec.from_amass_npz(amass, "smplh")
    np.testing.assert_allclose(again.body_pose, read.body_pose[:, :22], atol=1e-6)
    np.testing.assert_allclose(again.body_translation, read.body_translation, atol=1e-6)


def test_a_file_for_each_person_in_its_mean_shape(tmp_path, clip, body):
    betas = np.tile(clip["betas"], (9, 1))
    betas[:5, 0] += np.arange(5)
    told = []
    paths = kitro_np.write(
        tmp_path / "a.npz",
        clip | {"betas": betas},
        frame=[0, 1, 2, 3, 4, 0, 1, 2, 3],
        person=[5] * 5 + [6] * 4,
        tell=told.append,
    )
    assert paths == [tmp_path / "a_person_5.npz", tmp_path / "a_person_6.npz"]
    arrays = load(paths[0])
    np.testing.assert_allclose(arrays["betas"][:10], betas[:5].mean(axis=0), atol=1e-6)
    assert [sentence.split(":")[0] for sentence in told[1:]] == ["person_5"]
    pelvis = body.joints(clip["pose"], betas, clip["transl"])[:5, 0] @ AXES["z"].T
    again = np.concatenate([arrays["poses"].reshape(5, 52, 3)[:, :22], np.zeros((5, 2, 3))], axis=1)
    written = body.joints(again, np.tile(arrays["betas"][:10], (5, 1)), arrays["trans"])[:, 0]
    np.testing.assert_allclose(written, pelvis, atol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".smpl"])
def test_hands_are_refused(tmp_path, suffix):
    hand = {"pose": np.zeros((2, 48)), "body": kitro_np.load_body("open_hand"), "fps": 30.0}
    with pytest.raises(kitro_np.InputError, match=r"^body: expected the joints of SMPL.*, got 16 others\.$"):
        kitro_np.write(tmp_path / f"a{suffix}", hand)
    assert not list(Path(tmp_path).iterdir())
