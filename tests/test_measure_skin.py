"""What models/measure_skin.py counts: triangles that cross or turn over, and volume, on made-up meshes."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def shared():
    """Import the build's shared modules, which are not part of the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        importlib.import_module("models.measure_skin")
        yield importlib.import_module("models.shared")


CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
SIDES_OF_CUBE = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]]
ENDS_OF_CUBE = [[0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]


def test_a_needle_crosses_every_sheet_that_it_passes(shared):
    sheet = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    points = np.concatenate([sheet + np.array([0, 0, height]) for height in (0.1, 0.2, 0.3, 0.9)])
    needle = np.array([[0.2, 0.2, 0.0], [0.25, 0.2, 0.0], [0.2, 0.2, 0.5]])
    faces = np.arange(15).reshape(5, 3)
    found = shared.crossings.crossing_pairs(np.concatenate([points, needle]), faces)
    assert found.tolist() == [[0, 4], [1, 4], [2, 4]]


@pytest.mark.parametrize("cell", [0.02, 0.3, 10.0])
def test_the_grid_leaves_no_crossing_out(shared, cell):
    """Of random triangles: the same pairs as a solver of segment against plane finds in all pairs."""
    corners = np.random.default_rng(0).uniform(size=(60, 1, 3)) + np.random.default_rng(1).normal(
        size=(60, 3, 3), scale=0.15
    )
    found = shared.crossings.crossing_pairs(corners.reshape(-1, 3), np.arange(180).reshape(-1, 3), cell)
    expected = [
        [i, j]
        for i in range(60)
        for j in range(i + 1, 60)
        if passes(corners[i], corners[j]) or passes(corners[j], corners[i])
    ]
    assert len(expected) > 10 and found.tolist() == expected


def passes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether an edge of one triangle meets the other, by solving for the place where it does."""
    for start, end in zip(one, np.roll(one, 1, axis=0), strict=True):
        system = np.stack([other[1] - other[0], other[2] - other[0], start - end], axis=1)
        u, v, t = np.linalg.solve(system, start - other[0])
        if min(u, v, t) > 0 and u + v < 1 and t < 1:
            return True
    return False


def test_neighbours_and_touching_triangles_do_not_cross(shared):
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.3, 0.3, 1], [0.3, 0.3, 0], [1, 1, 1.0]])
    shares_a_corner, stands_on_it = [[0, 1, 2], [0, 3, 5]], [[0, 1, 2], [3, 4, 5]]
    for faces in (shares_a_corner, stands_on_it):
        assert len(shared.crossings.crossing_pairs(points, np.array(faces))) == 0
    points[4] -= [0, 0, 0.1]
    assert len(shared.crossings.crossing_pairs(points, np.array(stands_on_it))) == 1


def test_a_triangle_that_turns_with_its_joint_is_not_flipped(shared):
    rest = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    faces, half_turn = np.array([[0, 1, 2], [3, 4, 5]]), np.diag([1.0, -1, -1])
    weights = np.repeat(np.eye(2), 3, axis=0)
    posed = rest @ half_turn
    turned = [
        shared.skin_faults.flipped(rest, posed, faces, weights, np.stack(rotations)).tolist()
        for rotations in ([np.eye(3), half_turn], [half_turn, half_turn])
    ]
    assert turned == [[True, False], [False, False]]


@pytest.mark.parametrize("faces", [SIDES_OF_CUBE, SIDES_OF_CUBE + ENDS_OF_CUBE], ids=["open", "closed"])
def test_volume_of_a_cube_and_of_the_tube_without_its_ends(shared, faces):
    turned = CUBE * [1, 2, 3] + [5, 6, 7]
    assert np.isclose(shared.skin_faults.enclosed_volume(turned, np.array(faces)), 6)


def test_triangles_near_a_joint_are_on_its_side(shared):
    points = np.array([[0.1, 0, 0], [0.2, 0, 0], [0.1, 0.1, 0], [-0.1, 0, 0], [0.1, 3, 0]])
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    near = shared.skin_faults.faces_near(points, faces, np.array([0.1, 0, 0]), 0.5)
    assert near.tolist() == [[0, 1, 2]]
