"""Properties of rotations, over all directions, angles and lengths."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from kitro_np.arrays.rotations import (
    align,
    axis_angle_from_matrix,
    half_turn,
    matrix_from_axis_angle,
    orthonormalise,
    rotate,
    swing,
    unit,
)

numbers = st.floats(-1, 1, allow_subnormal=False)
vectors = arrays(np.float64, 3, elements=numbers)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-3).map(lambda v: v / np.linalg.norm(v))
lengths = st.sampled_from([1e-12, 1e-3, 1.0, 1e12])
pairs = st.tuples(arrays(np.float64, (4, 3), elements=numbers), arrays(np.float64, (4, 3), elements=numbers))


def assert_rotation(matrix, tolerance=1e-12):
    np.testing.assert_allclose(matrix @ np.swapaxes(matrix, -1, -2) - np.eye(3), 0, atol=tolerance)
    np.testing.assert_allclose(np.linalg.det(matrix), 1, atol=tolerance)


# ---------------------------------------------------------------------------------------------------- swing


@given(directions, directions, lengths, lengths)
def test_swing_takes_one_direction_to_the_other(start, end, start_length, end_length):
    turn = swing(start_length * start, end_length * end)
    assert_rotation(turn)
    np.testing.assert_allclose(turn @ start, end, atol=1e-12)


@given(directions, directions)
def test_swing_is_the_shortest_rotation(start, end):
    axis = np.cross(start, end)
    assume(np.linalg.norm(axis) > 1e-6)
    np.testing.assert_allclose(swing(start, end) @ axis, axis, atol=1e-12)


@given(directions)
def test_swing_between_equal_directions_is_the_identity(direction):
    np.testing.assert_allclose(swing(direction, 3 * direction), np.eye(3), atol=1e-12)


@given(directions, lengths)
def test_swing_between_opposite_directions(direction, length):
    turn = swing(direction, -length * direction)
    assert_rotation(turn)
    np.testing.assert_allclose(turn @ direction, -direction, atol=1e-12)


@given(directions, directions, st.floats(-15, -3).map(lambda e: 10.0**e))
def test_swing_between_almost_opposite_directions(direction, other, distance):
    """Half of the digits are lost there at worst: the bisector's direction is eps / distance off."""
    end = unit(-direction + distance * other)
    turn = swing(direction, end)
    assert_rotation(turn)
    np.testing.assert_allclose(turn @ direction, end, atol=1e-7)


def test_swing_in_float32():
    random = np.random.default_rng(0)
    start, end = random.normal(size=(2, 500, 3)).astype(np.float32)
    end[:100], end[100:200] = -start[:100], start[100:200]
    turn = swing(start, end)
    assert turn.dtype == np.float32
    assert_rotation(turn, 3e-6)
    np.testing.assert_allclose(rotate(turn, unit(start)), unit(end), atol=3e-6)


# ---------------------------------------------------------------------------------------------------- align


@given(pairs)
def test_align_is_a_rotation(pair):
    assert_rotation(align(*pair))


@given(pairs)
def test_align_agrees_with_scipy(pair):
    current, target = pair
    stretch = np.linalg.svd(target.T @ current, compute_uv=False)
    # Two small singular values, the second of either sign: the best rotation is not unique.
    assume(stretch[1] - stretch[2] > 1e-2)
    expected, _ = Rotation.align_vectors(target, current)
    np.testing.assert_allclose(align(current, target), expected.as_matrix(), atol=1e-9)


@given(directions, st.floats(0, 3.1), arrays(np.float64, (3, 3), elements=numbers))
def test_align_finds_the_rotation_between_turned_pairs(axis, angle, points):
    assume(np.linalg.svd(points, compute_uv=False)[1] > 1e-2)
    turn = Rotation.from_rotvec(angle * axis).as_matrix()
    np.testing.assert_allclose(align(points, points @ turn.T), turn, atol=1e-9)


def test_align_never_mirrors():
    points = np.diag([3.0, 2.0, 1.0])
    mirrored = points * [1, 1, -1]
    assert_rotation(align(points, mirrored))
    np.testing.assert_allclose(align(points, mirrored), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.ones((3, 3)), np.eye(3)[:1].repeat(2, axis=0)])
def test_align_of_degenerate_pairs(points):
    assert_rotation(align(points, -points))


def test_align_of_a_batch_is_align_of_each():
    current, target = np.random.default_rng(1).normal(size=(2, 5, 3, 3))
    each = [align(c, t) for c, t in zip(current, target, strict=True)]
    np.testing.assert_allclose(align(current, target), each, atol=1e-12)


# --------------------------------------------------------------------------------------------- orthonormalise


@given(arrays(np.float64, (3, 3), elements=numbers))
def test_orthonormalise(matrix):
    assume(np.linalg.svd(matrix, compute_uv=False)[2] > 1e-2)
    found = orthonormalise(matrix)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-9)
    # Gram-Schmidt is the Q of QR with a positive diagonal in R; it keeps the handedness.
    triangle = found.T @ matrix
    np.testing.assert_allclose(np.tril(triangle, -1), 0, atol=1e-9)
    assert np.all(np.diag(triangle) > 0)


@given(directions, st.floats(0, np.pi))
def test_orthonormalise_leaves_rotations_as_they_are(axis, angle):
    turn = Rotation.from_rotvec(angle * axis).as_matrix()
    np.testing.assert_allclose(orthonormalise(turn), turn, atol=1e-12)


# ------------------------------------------------------------------------------------------------ axis-angle

angles = st.one_of(
    st.floats(0, np.pi - 1e-6),
    st.floats(-16, -1).map(lambda e: 10.0**e),
    st.floats(-12, -6).map(lambda e: np.pi - 10.0**e),
    st.just(np.pi),
)


@given(directions, st.one_of(angles, st.floats(np.pi, 20)))
def test_matrix_from_axis_angle_agrees_with_scipy(axis, angle):
    found = matrix_from_axis_angle(angle * axis)
    assert_rotation(found)
    np.testing.assert_allclose(found, Rotation.from_rotvec(angle * axis).as_matrix(), atol=1e-12)


@given(directions, angles)
def test_axis_angle_from_matrix_agrees_with_scipy(axis, angle):
    matrix = Rotation.from_rotvec(angle * axis).as_matrix()
    found = axis_angle_from_matrix(matrix)
    assert np.linalg.norm(found) <= np.pi + 1e-12
    expected = Rotation.from_matrix(matrix).as_rotvec()
    if np.linalg.norm(expected) > np.pi - 1e-6 and found @ expected < 0:
        # At pi both directions of the axis are the same rotation.
        expected = expected - 2 * np.pi * expected / np.linalg.norm(expected)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@given(directions, angles)
def test_matrix_of_axis_angle_of_matrix(axis, angle):
    matrix = Rotation.from_rotvec(angle * axis).as_matrix()
    np.testing.assert_allclose(matrix_from_axis_angle(axis_angle_from_matrix(matrix)), matrix, atol=1e-9)


@given(directions)
def test_axis_angle_of_half_turns(axis):
    found = axis_angle_from_matrix(half_turn(axis))
    np.testing.assert_allclose(np.linalg.norm(found), np.pi, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found @ axis), np.pi, rtol=1e-12)


def test_axis_angle_of_small_turns_keeps_its_digits():
    vector = np.array([3e-9, -4e-9, 1e-10])
    np.testing.assert_allclose(axis_angle_from_matrix(matrix_from_axis_angle(vector)), vector, rtol=1e-6)
    assert np.all(axis_angle_from_matrix(np.eye(3)) == 0)


def test_axis_angle_in_float32():
    vectors = np.random.default_rng(2).normal(0, 1, (200, 3)).astype(np.float32)
    vectors[:50] *= 1e-4
    vectors[50] = 0
    matrices = matrix_from_axis_angle(vectors)
    assert matrices.dtype == np.float32
    expected = Rotation.from_rotvec(vectors.astype(np.float64)).as_matrix()
    np.testing.assert_allclose(matrices, expected, atol=1e-6)
