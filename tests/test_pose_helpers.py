"""Poses from what networks and files hold: six numbers, quaternions, 22 joints."""

import array_api_strict
import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

try:
    import torch
except ImportError:
    torch = None

from kitro_np import InputError, Status, matrix_from_6d, matrix_from_quaternion, pad_pose, refine
from kitro_np.arrays.rotations import CONVENTIONS_6D, QUATERNION_ORDERS

numbers = st.floats(-1, 1, allow_subnormal=False)
quaternions = arrays(np.float64, (5, 4), elements=numbers).filter(
    lambda q: np.min(np.linalg.norm(q, axis=-1)) > 1e-3
)
rotations = quaternions.map(Rotation.from_quat)
lengths = st.sampled_from([1e-200, 1e-12, 0.5, 3.0, 1e12, 1e200])

SIX = {
    "columns": lambda matrix: np.concatenate([matrix[..., 0], matrix[..., 1]], axis=-1),
    "interleaved": lambda matrix: matrix[..., :2].reshape(*matrix.shape[:-2], 6),
    "rows": lambda matrix: matrix[..., :2, :].reshape(*matrix.shape[:-2], 6),
}
"""Six numbers of rotation matrices."""


def assert_rotations(matrices, tolerance=1e-12):
    np.testing.assert_allclose(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3), 0, atol=tolerance)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=tolerance)


# ------------------------------------------------------------------------------------------------------- 6D


@given(rotations, st.sampled_from(CONVENTIONS_6D), lengths, st.floats(-5, 5), st.floats(0.1, 5))
def test_matrix_from_6d_finds_the_rotation_again(turn, convention, length, share, second):
    """Whatever the length of the vectors, and the share of the first in the second."""
    matrix = turn.as_matrix()
    given_vectors = matrix.mT if convention == "rows" else matrix
    given_vectors = np.stack(
        [given_vectors[..., 0] * length, given_vectors[..., 1] * second + given_vectors[..., 0] * share], -1
    )
    given_vectors = given_vectors.mT if convention == "rows" else given_vectors
    found = matrix_from_6d(SIX[convention](given_vectors), convention)
    np.testing.assert_allclose(found, matrix, atol=1e-12 * (1 + abs(share) / second))


def test_conventions_by_hand():
    """A quarter turn about z: x to y."""
    expected = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_array_equal(matrix_from_6d([0, 1, 0, -1, 0, 0]), expected)
    np.testing.assert_array_equal(matrix_from_6d([0, -1, 1, 0, 0, 0], "interleaved"), expected)
    np.testing.assert_array_equal(matrix_from_6d([0, -1, 0, 1, 0, 0], "rows"), expected)


@given(arrays(np.float64, (4, 6), elements=numbers))
def test_rows_are_columns_of_the_inverse(values):
    np.testing.assert_array_equal(matrix_from_6d(values, "rows"), matrix_from_6d(values, "columns").mT)


@given(arrays(np.float64, (4, 6), elements=numbers))
def test_matrix_from_6d_is_a_rotation_or_nan(values):
    found = matrix_from_6d(values)
    nan = np.isnan(found)
    assert np.all(nan.all(axis=(-2, -1)) == nan.any(axis=(-2, -1)))
    assert_rotations(found[~nan[:, 0, 0]])


@given(rotations, st.floats(-15, -3).map(lambda e: 10.0**e))
def test_vectors_nearly_along_one_line_still_give_rotations(turn, angle):
    a, b = turn.as_matrix()[..., 0], turn.as_matrix()[..., 1]
    found = matrix_from_6d(np.concatenate([a, a + angle * b], -1))
    assert_rotations(found[~np.isnan(found[:, 0, 0])])
    if angle > 1e-13:
        assert np.all(np.isfinite(found))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_vectors_that_span_no_plane_give_nan_and_harm_no_other(dtype):
    a = np.array([0.3, -0.7, 0.9])
    values = [[*a, *a], [*a, *-3 * a], [0] * 6, [*a, 0, 0, 0], [0, 0, 0, *a], [np.inf, 0, 0, 0, 1, 0]]
    found = matrix_from_6d(np.array([*values, [1, 0, 0, 0, 1, 0]], dtype))
    assert np.all(np.isnan(found[:-1]))
    np.testing.assert_array_equal(found[-1], np.eye(3))


def test_joints_of_bodies():
    turns = Rotation.random(3 * 24, random_state=0).as_matrix().reshape(3, 24, 3, 3)
    for convention, six in SIX.items():
        np.testing.assert_allclose(matrix_from_6d(six(turns), convention), turns, atol=1e-14)
        np.testing.assert_allclose(matrix_from_6d(six(turns[0, 0]), convention), turns[0, 0], atol=1e-14)


# ----------------------------------------------------------------------------------------------- quaternions


@given(quaternions, lengths, st.sampled_from(QUATERNION_ORDERS))
def test_matrix_from_quaternion_agrees_with_scipy(quaternion, length, order):
    """SciPy's are xyzw."""
    expected = Rotation.from_quat(quaternion).as_matrix()
    if order == "wxyz":
        quaternion = np.roll(quaternion, 1, axis=-1)
    found = matrix_from_quaternion(quaternion * length, order)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    assert_rotations(found)
    np.testing.assert_array_equal(matrix_from_quaternion(-quaternion * length, order), found)


def test_names_are_taken_as_one_of_takes_them():
    """In capitals too: what is checked is what is meant."""
    quaternion, six = [1, 2, 3, 4], [1, 2, 3, 4, 5, 6]
    found = matrix_from_quaternion(quaternion, "WXYZ")
    np.testing.assert_array_equal(found, matrix_from_quaternion(quaternion, "wxyz"))
    np.testing.assert_array_equal(matrix_from_6d(six, "Rows"), matrix_from_6d(six, "rows"))
    np.testing.assert_array_equal(
        matrix_from_6d(six, "Interleaved"), matrix_from_6d([1, 3, 5, 2, 4, 6], "columns")
    )


@given(rotations)
def test_quaternions_there_and_back(turn):
    found = matrix_from_quaternion(turn.as_quat(), "xyzw")
    assert np.max((turn.inv() * Rotation.from_matrix(found)).magnitude()) < 1e-12


def test_quaternions_by_hand():
    np.testing.assert_array_equal(matrix_from_quaternion([2, 0, 0, 0]), np.eye(3))
    np.testing.assert_array_equal(matrix_from_quaternion([0, 0, 0, 5]), np.diag([-1, -1, 1]))
    np.testing.assert_allclose(
        matrix_from_quaternion([1, 0, 0, 1]), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15
    )


def test_quaternions_that_are_none_give_nan_and_harm_no_other():
    found = matrix_from_quaternion([[0, 0, 0, 0], [np.inf, 0, 0, 0], [np.nan, 0, 0, 1], [1, 0, 0, 0]])
    assert np.all(np.isnan(found[:-1]))
    np.testing.assert_array_equal(found[-1], np.eye(3))


def test_refine_sets_a_body_with_such_a_joint_aside():
    skeleton = make_skeleton("smpl", num_betas=10)
    batch = make_batch(skeleton, 3)
    quaternion = Rotation.from_matrix(batch.pose.reshape(-1, 3, 3)).as_quat().reshape(3, 24, 4)
    quaternion[1, 5] = 0
    pose = matrix_from_quaternion(quaternion, "xyzw")
    status = refine(*batch._replace(pose=pose), body=skeleton, method="kitro", engine="array").status
    assert list(status) == [Status.REFINED, Status.NOT_FINITE, Status.REFINED]


# --------------------------------------------------------------------------------------------------- padding

FORMS = {"matrices": (22, 3, 3), "vectors": (22, 3), "flat": (66,)}


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,), (22,)])
@pytest.mark.parametrize("num_joints", [24, 22, 55])
@pytest.mark.parametrize("form", FORMS)
def test_pad_pose_keeps_what_is_there_and_fills_up_with_no_rotation(form, num_joints, lead):
    pose = np.random.default_rng(0).normal(size=(*lead, *FORMS[form]))
    before = pose.copy()
    found = pad_pose(pose, num_joints)
    np.testing.assert_array_equal(pose, before)
    if form == "flat":
        assert found.shape == (*lead, 3 * num_joints)
        pose, found = pose.reshape(*lead, 22, 3), found.reshape(*lead, num_joints, 3)
    assert found.shape == (*lead, num_joints, *pose.shape[len(lead) + 1 :])
    body, rest = np.split(found, [22], axis=len(lead))
    np.testing.assert_array_equal(body, pose)
    np.testing.assert_array_equal(rest, np.broadcast_to(np.eye(3) if form == "matrices" else 0, rest.shape))


@given(rotations.map(lambda turn: np.resize(turn.as_rotvec(), (2, 22, 3))))
def test_every_form_is_padded_to_the_same_pose(vectors):
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(2, 22, 3, 3)
    padded = pad_pose(vectors)
    np.testing.assert_array_equal(pad_pose(vectors.reshape(2, 66)), padded.reshape(2, 72))
    expected = Rotation.from_rotvec(padded.reshape(-1, 3)).as_matrix().reshape(2, 24, 3, 3)
    np.testing.assert_array_equal(pad_pose(matrices), expected)


def test_a_pose_of_so_many_joints_comes_back_as_it_is():
    for shape in ((5, 24, 3, 3), (24, 3), (2, 72)):
        pose = np.ones(shape)
        assert pad_pose(pose) is pose


# ------------------------------------------------------------------------------------------- kinds of arrays

CALLS = {
    "6d": (matrix_from_6d, (4, 24, 6)),
    "quaternion": (matrix_from_quaternion, (4, 24, 4)),
    "matrices": (pad_pose, (4, 22, 3, 3)),
    "vectors": (pad_pose, (4, 22, 3)),
    "flat": (pad_pose, (4, 66)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_array_comes_back_as_it_was_given(backend, name, dtype):
    function, shape = CALLS[name]
    values = np.random.default_rng(3).normal(size=shape)
    found = function(backend.array(values.astype(dtype)))
    assert isinstance(found, type(backend.array(values)))
    assert str(found.dtype).endswith(dtype)
    np.testing.assert_allclose(
        backend.numpy(found), function(values), rtol=0, atol=1e-12 if dtype == "float64" else 1e-5
    )


def test_other_dtypes():
    assert matrix_from_6d([1, 0, 0, 0, 1, 0]).dtype == np.float64
    assert matrix_from_6d(np.ones((2, 6), np.float16)).dtype == np.float32
    assert pad_pose(np.zeros((2, 66), np.float16)).dtype == np.float16
    assert (
        pad_pose(array_api_strict.zeros((2, 66), dtype=array_api_strict.int32)).dtype
        == array_api_strict.int32
    )


@pytest.mark.skipif(torch is None, reason="no torch")
def test_whole_numbers_of_torch_become_float64():
    assert matrix_from_quaternion(torch.tensor([1, 0, 0, 0])).dtype == torch.float64


# ---------------------------------------------------------------------------------------------------- errors

WRONG = [
    (matrix_from_6d, "values", (np.ones((4, 144)),)),
    (matrix_from_6d, "values", (3.0,)),
    (matrix_from_6d, "values", ("six",)),
    (matrix_from_6d, "convention", (np.ones(6), "cols")),
    (matrix_from_6d, "convention", (np.ones(6), None)),
    (matrix_from_quaternion, "quaternion", (np.ones(3),)),
    (matrix_from_quaternion, "quaternion", (np.ones(4) + 0j,)),
    (matrix_from_quaternion, "order", (np.ones(4), "wxy")),
    (pad_pose, "pose", (np.ones((4, 22, 6)),)),
    (pad_pose, "pose", (np.ones((4, 20, 3)),)),
    (pad_pose, "num_joints", (np.ones((4, 22, 3, 3)), 24.0)),
    (pad_pose, "pose", (5.0,)),
    (pad_pose, "pose", ("bodies.npz",)),
    (pad_pose, "num_joints", (np.ones(66), 21)),
]
if torch is not None:
    WRONG += [
        (matrix_from_6d, "values", (torch.ones(6, requires_grad=True),)),
    ]


@pytest.mark.parametrize(("function", "name", "arguments"), WRONG)
def test_wrong_argument(function, name, arguments):
    with pytest.raises(InputError, match=rf"^{name}: expected [^\n]*, got [^\n]*\.$"):
        function(*arguments)


@pytest.mark.parametrize(
    ("shape", "cut"),
    [((5, 52, 3, 3), "[..., :22, :, :]"), ((55, 3), "[..., :22, :]"), ((5, 156), "[..., :66]")],
)
def test_more_joints_than_wanted_are_not_cut_in_silence(shape, cut):
    with pytest.raises(InputError, match=r"^pose: expected at most 24 joints, got ") as caught:
        pad_pose(np.zeros(shape))
    assert f"take pose{cut} first." in str(caught.value)
    assert eval(f"pad_pose(np.zeros(shape){cut})").ndim == len(shape)


@pytest.mark.parametrize("shape", [(63,), (4, 21, 3), (21, 3, 3), (2, 69), (23, 3), (5, 23, 3, 3)])
def test_a_pose_without_its_root_is_not_padded(shape):
    with pytest.raises(InputError, match=r"^pose: expected 22 joints, got 2[13] .*global orientation.*\.$"):
        pad_pose(np.zeros(shape))
