"""Hands: the embedded one, right and left, mirror images of any body, and refinement of hands."""

import re
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
from bodies import TREES, Batch
from kitro import refine
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np import BodyModel, InputError, load_body
from kitro_np.body import mirror_body
from kitro_np.camera import project
from kitro_np.evaluation.metrics import Protocol, pa_mpjpe
from kitro_np.simulate import simulate

OPEN_HAND = Path(mirror_body.__code__.co_filename).with_name("open_hand.npz")
MIRROR = np.diag([-1.0, 1, 1])
ALL_JOINTS = Protocol("hand", tuple(range(16)), (0,))
FINGERS = [name + number for name in ("index", "middle", "pinky", "ring", "thumb") for number in "123"]


@pytest.fixture(scope="module", params=["right", "left"])
def hand(request):
    return load_body("open_hand", gender=request.param)


@pytest.fixture(scope="module")
def synthetic(smplx_forward):
    """With pose blend shapes, which the open hand has not."""
    keys = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "parents")
    return BodyModel.from_arrays("synthetic", *(smplx_forward[key] for key in keys))


# ------------------------------------------------------------------------------------------------- the data


def test_the_open_hand_is_in_manos_format(hand):
    assert hand.skeleton.parents == TREES["hand"]
    assert hand.skeleton.joint_names == ("wrist", *FINGERS)
    assert (hand.num_vertices, hand.num_betas) == (778, 10)
    assert OPEN_HAND.stat().st_size < 150_000
    with np.load(OPEN_HAND) as file:
        assert str(file["license"]).startswith("CC0-1.0")


def test_betas_are_sorted_and_a_positive_first_one_makes_the_hand_longer(hand):
    sizes = np.linalg.norm(hand.shapedirs.astype(float), axis=(0, 1))
    assert np.all(np.diff(sizes) < 0)
    lengths = [np.ptp(hand.forward(np.zeros(48), [beta]).vertices[:, 0]) for beta in (-2.0, 0.0, 2.0)]
    assert np.all(np.diff(lengths) > 0.01)
    assert 0.17 < lengths[1] < 0.23


def test_fingers_are_flat_at_rest(hand):
    """Straight to three degrees, level to nine; the right hand's point along -x."""
    joints = hand.joints(np.zeros(48))
    outward = -1 if hand.name.endswith("right") else 1
    for first in (1, 4, 7, 10):
        bones = np.diff(joints[first : first + 3], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        assert bones[0] @ bones[1] > np.cos(np.deg2rad(3))
        assert np.all(outward * bones[:, 0] > 0.8)
        assert np.all(np.abs(bones[:, 1]) < 0.15)
    assert joints[13, 2] > joints[0, 2]  # the thumb is in front, on both sides


def test_the_skin_is_one_sheet_that_faces_outwards(hand):
    """With one hole at the wrist, which a fan closes; the volume inside is a hand's."""
    edges = hand.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()
    there = {tuple(edge) for edge in edges}
    assert len(there) == len(edges)  # every edge at most once in each direction
    onward = {end: start for start, end in there if (end, start) not in there}
    loop = [next(iter(onward))]
    while onward[loop[-1]] != loop[0]:
        loop.append(onward[loop[-1]])
    assert len(loop) == len(onward) > 10
    rim = hand.v_template[loop]
    assert np.ptp(rim[:, 0]) < 1e-4
    wrist = hand.skeleton.joint_template[0]
    assert np.linalg.norm(rim.mean(axis=0) - wrist) < 0.02
    assert np.all(np.bincount(hand.faces.ravel(), minlength=hand.num_vertices) > 0)
    fan = [[loop[0], *loop[k : k + 2]] for k in range(1, len(loop) - 1)]
    closed = hand.v_template[np.concatenate([hand.faces, fan])].astype(float)
    volume = np.linalg.det(closed).sum() / 6
    assert 2e-4 < volume < 5e-4


def test_weights_and_regressor(hand):
    weights, regressor = hand.weights, hand.J_regressor
    assert np.all(weights >= 0) and np.all((weights > 0).sum(axis=1) <= 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert np.all(weights.max(axis=0) > 0.7)  # every joint moves some skin mostly alone
    assert np.all(regressor >= 0)
    np.testing.assert_allclose(regressor.sum(axis=1), 1, atol=1e-6)


# --------------------------------------------------------------------------------------------- right and left


def test_names_of_hands():
    right = load_body("open_hand")
    assert load_body("OPEN_HAND", gender="Right") is right
    left = load_body("open_hand", gender="left")
    assert left is load_body("open_hand", gender="left")
    assert (right.name, left.name) == ("open_hand_right", "open_hand_left")
    assert load_body("open_hand", gender="left", num_betas=3).num_betas == 3
    with pytest.raises(
        InputError, match=re.escape("gender of open_hand: expected one of right, left, got 'male'.")
    ):
        load_body("open_hand", gender="male")


@pytest.mark.parametrize("name", ["synthetic", "open_hand"])
def test_the_mirror_image_of_a_pose(synthetic, smplx_forward, engine, name):
    """Posing the mirrored body in the mirrored pose is mirroring the posed body, pose blend shapes too."""
    body = synthetic if name == "synthetic" else load_body("open_hand")
    pose = smplx_forward["pose"][:, : body.num_joints]
    betas, transl = smplx_forward["betas"], smplx_forward["transl"]
    expected = body.forward(pose, betas, transl, engine=engine)
    found = mirror_body(body).forward(pose * [1, -1, -1], betas, transl * [-1, 1, 1], engine=engine)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other @ MIRROR, rtol=0, atol=1e-12)


def test_mirroring_twice_gives_the_body_back(synthetic):
    twice = mirror_body(mirror_body(synthetic), "synthetic")
    for name in ("name", "v_template", "shapedirs", "posedirs", "J_regressor", "weights", "faces"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(synthetic, name))
    np.testing.assert_array_equal(twice.skeleton.joint_shapedirs, synthetic.skeleton.joint_shapedirs)
    assert twice.skeleton.parents == synthetic.skeleton.parents
    assert mirror_body(synthetic).name == "synthetic_mirrored"


def test_a_body_of_another_librarys_arrays_is_mirrored_there(synthetic):
    device = array_api_strict.Device("device1")
    like = array_api_strict.zeros(1, dtype=array_api_strict.float64, device=device)
    found = mirror_body(synthetic.like(like))
    assert found.v_template.device == found.skeleton.joint_template.device == device
    posedirs = found.posedirs.to_device(array_api_strict.Device("CPU_DEVICE"))
    np.testing.assert_array_equal(np.asarray(posedirs), mirror_body(synthetic).posedirs)


# ------------------------------------------------------------------------------------------------- refinement


def hands_to_refine(hand, count=24, seed=0):
    """Draw curled hands before a camera, and estimates that are off by some ten degrees a joint."""
    random = np.random.default_rng(seed)
    spread = np.full((16, 3), 0.1)
    spread[1:13, 2] = 0.5  # fingers flex about z
    spread[13:] = 0.25
    vectors = random.normal(0, spread, (count, 16, 3))
    vectors[:, 1:13, 2] += 0.5
    if hand.name.endswith("left"):
        vectors *= [1, -1, -1]
    vectors[:, 0] = Rotation.random(count, random_state=seed).as_rotvec()
    true = Rotation.from_rotvec(vectors.reshape(-1, 3))
    noise = Rotation.from_rotvec(random.normal(0, 0.2, (16 * count, 3)))
    truth, estimate = (r.as_matrix().reshape(count, 16, 3, 3) for r in (true, true * noise))
    betas = random.normal(0, 0.7, (count, 10))
    transl = random.uniform([-0.1, -0.1, 0.5], [0.1, 0.1, 0.9], (count, 3))
    intrinsics = np.tile([[1500.0, 0, 512], [0, 1500, 334], [0, 0, 1]], (count, 1, 1))
    joints = hand.joints(truth, betas, transl)
    near = betas + random.normal(0, 0.5, betas.shape)
    return Batch(estimate, near, transl, project(joints, intrinsics), intrinsics), joints


@pytest.mark.parametrize(("variant", "left_over"), [("released", 0.6), ("paper", 0.8)])
def test_refinement_repairs_hands(hand, engine, variant, left_over):
    batch, joints = hands_to_refine(hand)
    found = refine(*batch, body=hand, engine=engine, variant=variant)
    assert np.all(found.status == 0)
    before, after = (
        pa_mpjpe(hand.joints(*pair), joints, ALL_JOINTS) for pair in (batch[:2], (found.pose, found.betas))
    )
    assert np.mean(after) < left_over * np.mean(before)
    assert np.mean(after < before) > 0.7


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_kernels_and_stages_agree_on_hands(hand, variant):
    """A root of five children and chains of three, which SMPL has not."""
    batch, _ = hands_to_refine(hand)
    fused, expected = (
        refine(*batch, body=hand, engine=name, variant=variant, iterations=2) for name in ("numba", "array")
    )
    np.testing.assert_array_equal(fused.selection, expected.selection)
    np.testing.assert_allclose(fused.pose, expected.pose, rtol=0, atol=1e-7)
    np.testing.assert_allclose(fused.betas, expected.betas, rtol=0, atol=1e-8)
    np.testing.assert_allclose(fused.transl, expected.transl, rtol=0, atol=1e-10)


def test_a_left_hand_is_refined_as_the_mirrored_right_hand_is(engine):
    """Mirrored keypoints before a mirrored camera: the method knows no left and right."""
    right, left = (load_body("open_hand", gender=side) for side in ("right", "left"))
    batch, _ = hands_to_refine(right)
    pose, betas, transl, keypoints_2d, intrinsics = batch
    centre = intrinsics[:, None, 0, 2]
    flipped = np.stack([2 * centre - keypoints_2d[..., 0], keypoints_2d[..., 1]], axis=-1)
    expected = refine(*batch, body=right, engine=engine, iterations=3)
    mirrored = MIRROR @ pose @ MIRROR, betas, transl * [-1, 1, 1], flipped, intrinsics
    found = refine(*mirrored, body=left, engine=engine, iterations=3)
    np.testing.assert_array_equal(found.selection, expected.selection)
    np.testing.assert_allclose(MIRROR @ found.pose @ MIRROR, expected.pose, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.betas, expected.betas, rtol=0, atol=1e-8)


# ------------------------------------------------------------------------------------------ the most probable


def test_a_hand_is_told_from_another(hand):
    """Most hands take their own keypoints, and hardly any those of another hand, wherever these are."""
    made = simulate(None, hand, count=256, seed=3)
    given = made.keypoints_2d_noisy
    others = np.roll(given, 1, axis=0)
    moved = others + (given - others).mean(axis=1, keepdims=True)
    own, other, near = (
        kitro_np.refine(*made.estimates._replace(keypoints_2d=keypoints), body=hand).accepted.mean()
        for keypoints in (given, others, moved)
    )
    assert own > 0.9
    assert other < 0.05 and near < 0.1
