"""Camera of a tile: fused twin of kitro_np.camera."""

from __future__ import annotations

from .jit import kernel
from .lanes import full, load
from .vector_math import add, load3


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
