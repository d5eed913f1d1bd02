"""Bodies: posed as the package smplx poses them, in every form of pose, and skeletons built by hand."""

import re
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
from bodies import SMPL_PARENTS, TREES, make_batch, make_skeleton
from scipy.spatial.transform import Rotation

from kitro_np import BodyModel, InputError, Skeleton, load_body, refine
from kitro_np.body import kinematics
from kitro_np.body.kinematics import forward_kinematics

OPEN_BODY = Path(kinematics.__file__).with_name("open_body.npz")
MODEL_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "parents")


@pytest.fixture(scope="module")
def synthetic(smplx_forward):
    return BodyModel.from_arrays("synthetic", *(smplx_forward[key] for key in MODEL_KEYS))


@pytest.fixture(scope="module")
def matrices(smplx_forward):
    pose = smplx_forward["pose"]
    return Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(*pose.shape, 3)


# -------------------------------------------------------------------------------------------- against smplx


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-6)])
@pytest.mark.parametrize("form", ["axis-angle", "flat", "matrices"])
def test_forward_agrees_with_smplx(synthetic, smplx_forward, matrices, engine, form, dtype, tolerance):
    pose = smplx_forward["pose"]
    pose = {"axis-angle": pose, "flat": pose.reshape(len(pose), -1), "matrices": matrices}[form].astype(dtype)
    found = synthetic.forward(pose, smplx_forward["betas"], smplx_forward["transl"], engine=engine)
    assert found.joints.dtype == found.vertices.dtype == dtype
    np.testing.assert_allclose(found.joints, smplx_forward["joints"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.vertices, smplx_forward["vertices"], rtol=0, atol=tolerance)


def test_pose_blend_shapes_matter(smplx_forward, engine):
    without = {key: smplx_forward[key] for key in MODEL_KEYS} | {"posedirs": None}
    plain = BodyModel.from_arrays("synthetic", *without.values())
    arguments = (smplx_forward[key] for key in ("pose", "betas", "transl"))
    found = plain.forward(*arguments, engine=engine).vertices
    apart = np.max(np.abs(found - smplx_forward["vertices"]), axis=(1, 2))
    assert apart[0] < 1e-6  # the rest pose
    assert np.all(apart[1:] > 0.01)


def test_joints_are_those_of_forward(synthetic, smplx_forward, matrices, engine):
    arguments = matrices, smplx_forward["betas"], smplx_forward["transl"]
    expected = synthetic.forward(*arguments, engine=engine).joints
    np.testing.assert_allclose(synthetic.joints(*arguments, engine=engine), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_engines_agree(open_body, sim_batch, dtype, count):
    batch = sim_batch.some(np.arange(count) % 64).astype(dtype)
    fused, expected = (open_body.forward(*batch[:2], engine=name) for name in ("numba", "array"))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for name in ("joints", "vertices"):
        assert getattr(fused, name).dtype == getattr(expected, name).dtype == dtype
        np.testing.assert_allclose(getattr(fused, name), getattr(expected, name), rtol=0, atol=tolerance)


def test_translation_moves_everything_by_itself(open_body, sim_batch, engine):
    few = sim_batch.some(slice(0, 9))
    here, there = (open_body.forward(*few[:k], engine=engine) for k in (2, 3))
    for name in ("joints", "vertices"):
        moved = getattr(there, name) - getattr(here, name) - few.transl[:, None, :]
        np.testing.assert_allclose(moved, 0, atol=1e-12)


def test_forward_takes_arrays_of_any_layout(open_body, sim_batch, engine):
    few = sim_batch.some(slice(0, 3))
    expected = open_body.forward(*few[:3], engine=engine).vertices
    given = [np.asfortranarray(part) for part in few[:3]]
    for part in given:
        part.flags.writeable = False
    np.testing.assert_allclose(open_body.forward(*given, engine=engine).vertices, expected, atol=1e-12)


def test_forward_in_half_precision(open_body, sim_batch, engine):
    few = sim_batch.some(slice(0, 3))
    half = open_body.forward(*few.astype(np.float16)[:3], engine=engine).vertices
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, open_body.forward(*few[:3]).vertices, atol=0.05)


def test_joints_never_touch_a_vertex(synthetic, smplx_forward, matrices, engine):
    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"a vertex array was asked for its {name}")

    bare = BodyModel("bare", *[Untouchable()] * 6, synthetic.skeleton)
    found = bare.joints(matrices, smplx_forward["betas"], smplx_forward["transl"], engine=engine)
    np.testing.assert_allclose(found, smplx_forward["joints"], rtol=0, atol=1e-7)


# --------------------------------------------------------------------------------------------------- shapes


def test_leading_axes_and_blocks(synthetic, smplx_forward, engine):
    """More bodies than are skinned at once, one body, and bodies in two axes."""
    pose = np.tile(smplx_forward["pose"], (7, 1, 1))
    many = synthetic.forward(pose, engine=engine)
    assert many.vertices.shape == (42, 80, 3)
    one = synthetic.forward(pose[3], engine=engine)
    assert (one.joints.shape, one.vertices.shape) == ((24, 3), (80, 3))
    np.testing.assert_allclose(one.vertices, many.vertices[3], atol=1e-12)
    grid = synthetic.forward(pose.reshape(6, 7, 72), engine=engine)
    assert (grid.joints.shape, grid.vertices.shape) == ((6, 7, 24, 3), (6, 7, 80, 3))
    np.testing.assert_allclose(grid.vertices.reshape(42, 80, 3), many.vertices, atol=1e-12)


def test_no_bodies(open_body, engine):
    found = open_body.forward(np.zeros((0, 24, 3)), np.zeros((0, 10)), np.zeros((0, 3)), engine=engine)
    assert (found.joints.shape, found.vertices.shape) == ((0, 24, 3), (0, 6887, 3))


@pytest.mark.parametrize("form", [(24, 3, 3), (24, 3), (72,)])
def test_joints_of_no_bodies(open_body, engine, form):
    assert open_body.joints(np.zeros((0, *form)), engine=engine).shape == (0, 24, 3)


def test_no_bodies_with_pose_blend_shapes(synthetic, engine):
    assert synthetic.forward(np.zeros((0, 24, 3)), engine=engine).vertices.shape == (0, 80, 3)


def test_fewer_betas_are_followed_by_zeros(synthetic, smplx_forward):
    pose, betas = smplx_forward["pose"], smplx_forward["betas"].copy()
    betas[:, 4:] = 0
    expected = synthetic.forward(pose, betas)
    np.testing.assert_allclose(synthetic.forward(pose, betas[:, :4]).vertices, expected.vertices, atol=1e-12)


def test_lists_and_whole_numbers(synthetic):
    found = synthetic.forward([[0] * 72], [[1] * 10], [[0, 0, 5]])
    expected = synthetic.forward(np.zeros((1, 24, 3)), np.ones((1, 10)), np.array([[0, 0, 5.0]]))
    np.testing.assert_array_equal(found.vertices, expected.vertices)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pose", [(2, 23, 3)]),
        ("pose", [(2, 24, 3, 4)]),
        ("pose", [()]),
        ("betas", [(2, 72), (2, 11)]),
        ("betas", [(2, 72), (3, 10)]),
        ("betas", [(2, 72), (10,)]),
        ("transl", [(2, 72), (2, 10), (2, 2)]),
        ("transl", [(2, 72), (2, 10), (2, 4)]),
        ("transl", [(2, 72), (2, 10), (3,)]),
    ],
)
@pytest.mark.parametrize("method", ["forward", "joints"])
def test_wrong_shapes(synthetic, method, name, arguments):
    with pytest.raises(InputError, match=f"^{name}: expected shape"):
        getattr(synthetic, method)(*map(np.zeros, arguments))


POSE = np.zeros((2, 72))
WRONG = [
    ("pose", POSE + 0j),
    ("pose", POSE.astype(bool)),
    ("pose", POSE.astype(object)),
    ("pose", POSE.astype(np.longdouble)),
    ("pose", "poses.npz"),
    ("pose", [[0.0] * 72, [0.0] * 71]),
    ("pose", None),
    ("betas", np.zeros((2, 10), complex)),
    ("betas", [["a"] * 10] * 2),
    ("betas", [[0.0] * 10, [0.0] * 9]),
    ("betas", array_api_strict.zeros((2, 10))),
    ("transl", np.zeros((2, 3), bool)),
    ("transl", array_api_strict.zeros((2, 3))),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
@pytest.mark.parametrize("method", ["forward", "joints"])
def test_wrong_numbers_and_kinds(synthetic, method, name, value, engine):
    arguments = {"pose": POSE, "betas": np.zeros((2, 10)), "transl": np.zeros((2, 3)), name: value}
    with pytest.raises(InputError, match=f"^{name}: expected an array of .*, got .*\\.$"):
        getattr(synthetic, method)(**arguments, engine=engine)


@pytest.mark.parametrize("threads", ["2", 0, -1, 1.5, True, [1]])
def test_wrong_threads(synthetic, engine, threads):
    with pytest.raises(InputError, match=r"^threads: expected .*, got .*\.$"):
        synthetic.forward(POSE, engine=engine, threads=threads)


def test_threads_may_be_a_number_of_numpy(synthetic):
    expected = synthetic.forward(POSE, threads=1).vertices
    np.testing.assert_array_equal(synthetic.forward(POSE, threads=np.int64(2)).vertices, expected)


def test_a_number_is_no_betas(synthetic):
    with pytest.raises(InputError, match=r"^betas"):
        synthetic.forward(np.zeros(72), 0.5)


# ----------------------------------------------------------------------------------------------- open body


def test_open_body(open_body):
    assert (open_body.num_vertices, open_body.num_joints, open_body.num_betas) == (6887, 24, 10)
    assert open_body.skeleton.parents == SMPL_PARENTS
    assert load_body("open") is open_body
    rest = open_body.forward(np.zeros((24, 3)))
    height = np.ptp(rest.vertices[:, 1])
    assert 1.4 < height < 2.0
    assert np.all(np.abs(rest.joints).max(axis=0) < [1.0, 1.3, 0.5])


def test_fewer_betas_of_the_open_body(open_body):
    three = load_body("open", num_betas=3)
    assert three.num_betas == three.skeleton.num_betas == 3
    np.testing.assert_array_equal(three.shapedirs, open_body.shapedirs[:, :, :3])


@pytest.mark.parametrize("num_betas", [[9], 0, -1, 2.5, True, "10"])
@pytest.mark.parametrize("name", ["open", "body.npz"])
def test_wrong_numbers_of_betas(name, num_betas):
    with pytest.raises(InputError, match=r"^num_betas: expected .*, got .*\.$"):
        load_body(name, num_betas=num_betas)


def test_a_number_of_betas_may_be_one_of_numpy(open_body):
    assert load_body(num_betas=np.int64(9)).num_betas == 9
    assert load_body(num_betas=np.int64(10)) is open_body


def test_names_in_any_case(open_body):
    assert load_body("OPEN", gender="Neutral") is open_body


@pytest.mark.parametrize("name", ["cat", Path("cat"), "cat.txt", "", None, 3, ["open"], b"cat.pkl"])
def test_wrong_names(name):
    given = str(name) if isinstance(name, Path) else name
    came = re.escape(repr(given))
    with pytest.raises(InputError, match=rf"^body: expected one of open, .*, got {came}\.$"):
        load_body(name)


@pytest.mark.parametrize("gender", ["nonsense", None])
@pytest.mark.parametrize("name", ["open", OPEN_BODY])
def test_wrong_genders(name, gender):
    """Whether the body has one or not."""
    with pytest.raises(InputError, match=rf"^gender: expected one of .*, got {gender!r}\.$"):
        load_body(name, gender=gender)


def test_a_path_may_come_with_a_gender(open_body):
    np.testing.assert_array_equal(load_body(OPEN_BODY, gender="male").v_template, open_body.v_template)


def test_sim_keypoints_are_the_recorded_bodys_joints(recorded_body, sim):
    """The excerpt was made with this body: its keypoints are the true bodies' projections."""
    joints = recorded_body.joints(sim["GT_theta"].astype(float), sim["GT_beta"], sim["GT_cam"])
    centre = sim["intrinsics"][:, None, :2, 2]
    projected = sim["GT_focal"][:, None, None] * joints[..., :2] / joints[..., 2:] + centre
    np.testing.assert_allclose(projected, sim["keypoints_2d"], atol=0.01)


# ------------------------------------------------------------------------------------------------ skeletons


@pytest.mark.parametrize("name", TREES)
def test_a_skeleton_from_arrays_alone_refines(name):
    """No vertices anywhere; and exact keypoints of a slightly wrong estimate are nearly reached."""
    skeleton = make_skeleton(name)
    batch = make_batch(skeleton, 30, seed=14)
    before = refine(*batch, body=skeleton, method="kitro", iterations=0)
    after = refine(*batch, body=skeleton, method="kitro")
    assert np.all(after.status == 0)
    assert np.mean(after.reprojection_error) < 0.2 * np.mean(before.reprojection_error)


def test_rest_joints_are_the_posed_joints_of_no_rotation():
    skeleton = make_skeleton("nested")
    betas = np.random.default_rng(0).normal(size=(5, 4))
    posed = forward_kinematics(skeleton, np.broadcast_to(np.eye(3), (5, 10, 3, 3)), betas)
    np.testing.assert_allclose(posed.joints, skeleton.rest_joints(betas), atol=1e-12)
    expected = skeleton.joint_template + np.einsum("jks,ns->njk", skeleton.joint_shapedirs, betas)
    np.testing.assert_allclose(posed.joints, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "parents", "template", "shapedirs", "names"),
    [
        ("parents", [], (0, 3), (0, 3, 1), None),
        ("parents", [0, 0], (2, 3), (2, 3, 1), None),
        ("parents", [-1, 2, 0], (3, 3), (3, 3, 1), None),
        ("parents", [-1, -1], (2, 3), (2, 3, 1), None),
        ("joint_template", [-1, 0], (3, 3), (2, 3, 1), None),
        ("joint_shapedirs", [-1, 0], (2, 3), (2, 3), None),
        ("joint_shapedirs", [-1, 0], (2, 3), (3, 3, 1), None),
        ("joint_names", [-1, 0], (2, 3), (2, 3, 1), ["root"]),
    ],
)
def test_wrong_skeletons(name, parents, template, shapedirs, names):
    with pytest.raises(InputError, match=f"^{name}: expected"):
        Skeleton(parents, np.zeros(template), np.zeros(shapedirs), names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parents", [-1.5, 0.7]),
        ("parents", [-1, np.nan]),
        ("parents", ["-1", "0"]),
        ("parents", [[-1], [0, 0]]),
        ("parents", None),
        ("joint_template", "abc"),
        ("joint_template", None),
        ("joint_template", np.zeros((2, 3), complex)),
        ("joint_shapedirs", "abc"),
        ("joint_shapedirs", [[[0.0]] * 3, [[0.0]] * 2]),
    ],
)
def test_skeletons_of_wrong_numbers(name, value):
    good = {"parents": [-1, 0], "joint_template": np.zeros((2, 3)), "joint_shapedirs": np.zeros((2, 3, 1))}
    with pytest.raises(InputError, match=rf"^{name}: expected .*, got .*\.$"):
        Skeleton(**{**good, name: value})


def test_a_skeleton_of_whole_numbers_is_one_of_floats():
    skeleton = Skeleton(np.array([-1, 0]), [[0, 0, 0], [0, 1, 0]], np.zeros((2, 3, 1), int))
    assert skeleton.joint_template.dtype == skeleton.joint_shapedirs.dtype == np.float64
