"""Camera of a tile: fused twin of kitro_np.camera."""

from __future__ import annotations

from .jit import kernel
from .lanes import full, load, sqrt, store
from .vector_math import add, load2, load3


@kernel
def project(point, tile):
    """Fused twin of kitro_np.camera.project, for one point."""
    inverse = 1.0 / point[2]
    u = load(tile.camera, 0) * point[0] * inverse + load(tile.camera, 2)
    v = load(tile.camera, 1) * point[1] * inverse + load(tile.camera, 3)
    return u, v


@kernel
def backproject(u, v, tile):
    """Fused twin of kitro_np.camera.backproject, for one keypoint."""
    x = (u - load(tile.camera, 2)) / load(tile.camera, 0)
    y = (v - load(tile.camera, 3)) / load(tile.camera, 1)
    return x, y, full(tile.camera, 1.0)


@kernel
def in_camera(tile, j):
    """Joint j in camera space, Y = X + t."""
    return add(load3(tile.joints, j), load3(tile.transl, 0))


@kernel
def gradient_by_point(by_u, by_v, point, tile):
    """Fused twin of kitro_np.camera.gradient_by_points, for one point."""
    inverse = 1.0 / point[2]
    by_x = by_u * load(tile.camera, 0) * inverse
    by_y = by_v * load(tile.camera, 1) * inverse
    return by_x, by_y, -(by_x * point[0] + by_y * point[1]) * inverse


@kernel
def reprojection_error(tree, tile):
    """Fused twin of kitro_np.camera.reprojection_error: mean distance in pixels."""
    total = full(tile.joints, 0.0)
    for j in range(tree.parents.size):
        u, v = project(in_camera(tile, j), tile)
        target_u, target_v = load2(tile.keypoints, j)
        u, v = u - target_u, v - target_v
        total = total + sqrt(u * u + v * v)
    store(tile.error, 0, full(tile.error, 1.0 / tree.parents.size) * total)
