"""The rasteriser against rays through the same triangles, and properties of its maps and colours."""

import numpy as np
import pytest

from kitro_np import load_body
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.report.raster import Raster

SIZE = (320, 240)
CAMERA = np.array([[300.0, 0, 150.0], [0, 310.0, 125.0], [0, 0, 1]])


@pytest.fixture(scope="module")
def people():
    """Two people, one partly before the other, in poses of their own."""
    body = load_body()
    turns = np.random.default_rng(3).normal(0, 0.35, (2, 24, 3))
    turns[:, 0] = (np.pi, 0, 0)
    transl = np.array([[-0.15, 0.1, 2.6], [0.2, 0.1, 3.1]])
    return body, body.forward(matrix_from_axis_angle(turns), np.zeros((2, 10)), transl).vertices


def rays():
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    across, down = (columns - CAMERA[0, 2]) / CAMERA[0, 0], (rows - CAMERA[1, 2]) / CAMERA[1, 1]
    return np.stack([across, down, np.ones_like(across)], axis=-1).reshape(-1, 3)


def test_it_sees_the_triangle_and_depth_that_rays_hit(people):
    """Of embree, in 99.9% of pixels; at an edge either triangle may be hit."""
    trimesh = pytest.importorskip("trimesh")
    pytest.importorskip("embreex")
    body, vertices = people
    raster = Raster([(own, body.faces) for own in vertices], CAMERA, SIZE)
    faces = np.concatenate([body.faces, np.asarray(body.faces) + len(vertices[0])])
    mesh = trimesh.Trimesh(np.concatenate(vertices), faces, process=False)
    hit = mesh.ray.intersects_first(np.zeros((len(rays()), 3)), rays())
    same = raster.triangle.ravel() == hit
    assert np.mean(hit >= 0) > 0.1
    assert np.mean(same) > 0.999
    seen = np.flatnonzero(same & (hit >= 0))
    corners = mesh.triangles[hit[seen]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    depth = np.sum(normal * corners[:, 0], axis=1) / np.sum(normal * rays()[seen], axis=1)
    np.testing.assert_allclose(raster.depth.ravel()[seen], depth, atol=1e-4)


def test_who_is_nearer_is_seen(people):
    body, vertices = people
    both = Raster([(own, body.faces) for own in vertices], CAMERA, SIZE)
    single = [Raster([(own, body.faces)], CAMERA, SIZE) for own in vertices]
    depths = np.stack([np.where(one.depth > 0, one.depth, np.inf) for one in single])
    nearest = np.where(np.isfinite(depths).any(axis=0), depths.argmin(axis=0), -1)
    np.testing.assert_array_equal(both.mesh, nearest)
    np.testing.assert_array_equal(both.depth[nearest >= 0], depths.min(axis=0)[nearest >= 0])
    turned = Raster([(own, body.faces) for own in vertices[::-1]], CAMERA, SIZE)
    np.testing.assert_array_equal(turned.depth, both.depth)


def test_a_part_of_the_image_is_the_same_part_of_the_picture(people):
    body, vertices = people
    whole = Raster([(vertices[0], body.faces)], CAMERA, SIZE)
    moved = CAMERA.copy()
    moved[:2, 2] -= (90, 40)
    part = Raster([(vertices[0], body.faces)], moved, (120, 150))
    np.testing.assert_array_equal(part.triangle, whole.triangle[40:190, 90:210])


def test_labels_are_those_of_the_triangles(people):
    body, vertices = people
    parts = [np.arange(len(body.faces)) % 7, np.full(len(body.faces), 9)]
    raster = Raster([(own, body.faces) for own in vertices], CAMERA, SIZE)
    labels = raster.labels(parts, -5)
    assert np.all((labels == -5) == (raster.triangle < 0))
    assert np.all((labels == 9) == (raster.mesh == 1))
    first = raster.mesh == 0
    np.testing.assert_array_equal(labels[first], raster.triangle[first] % 7)


def test_a_triangle_that_passes_the_camera_is_seen_where_it_is_before_it():
    """Nothing is clipped: a floor that begins behind the camera reaches the lower edge of the image."""
    floor = np.array([[-50.0, 1, -50], [50, 1, -50], [0, 1, 400]])
    raster = Raster([(floor, np.array([[0, 1, 2]]))], CAMERA, SIZE)
    rows = np.arange(SIZE[1]) + 0.5
    expected = CAMERA[1, 1] / (rows[130:] - CAMERA[1, 2])
    np.testing.assert_allclose(raster.depth[130:, 150], expected, rtol=1e-5)
    assert not raster.depth[:125].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_or_behind_the_camera_is_not_seen(bad):
    corners = np.array([[0.0, 0, 2], [1, 0, 2], [0, 1, 2]])
    faces = np.array([[0, 1, 2]])
    assert (Raster([(corners, faces)], CAMERA, SIZE).triangle >= 0).any()
    assert (Raster([(corners * (1, 1, -1), faces)], CAMERA, SIZE).triangle < 0).all()
    corners[1, 0] = bad
    assert (Raster([(corners, faces)], CAMERA, SIZE).triangle < 0).all()
    far = np.array([[1e30, 0, 2], [1, 1e30, 2], [0, 1, 2]])
    Raster([(far, faces)], CAMERA, SIZE)


def test_colours_only_where_something_is_and_opacity_mixes(people):
    body, vertices = people
    raster = Raster([(own, body.faces) for own in vertices], CAMERA, SIZE)
    ground = np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)
    full, half, none = ground.copy(), ground.copy(), ground.copy()
    colours = [(0.2, 0.4, 0.8), (0.8, 0.3, 0.2)]
    raster.shade(full, colours)
    raster.shade(half, colours, 0.5)
    raster.shade(none, colours, 0)
    nothing = raster.triangle < 0
    np.testing.assert_array_equal(none, ground)
    assert np.all(full[nothing] == 200)
    np.testing.assert_allclose(half, (full.astype(float) + ground) / 2, atol=1)
    assert full[raster.mesh == 0].mean(axis=0).argmax() == 2
    assert full[raster.mesh == 1].mean(axis=0).argmax() == 0
    assert full[raster.mesh == 0].std() > 10  # smooth shades, not one colour
