"""Projection of a tile's points, and its Jacobians with respect to pose, betas and translation."""

from __future__ import annotations

from ...posterior.projection import UNSEEN_DEPTH
from ..body.kinematics import forward_kinematics
from ..camera import in_camera, project
from ..jit import kernel
from ..lanes import full, load, store, where
from ..vector_math import add, cross, load2, load3, load9, store_all, subtract, transform


@kernel
def place_points(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.projection.place_points; also fills the residuals.

    As kitro_np.posterior.projection.unseen_in_front has them.
    """
    forward_kinematics(tree, tile)
    shapes = tree.shapedirs.shape[1]
    for j in range(tree.parents.size):
        p = max(tree.parents[j], 0)
        for s in range(shapes):
            x = full(tile.betas, tree.shapedirs[j, s, 0])
            y = full(tile.betas, tree.shapedirs[j, s, 1])
            z = full(tile.betas, tree.shapedirs[j, s, 2])
            moved = (x, y, z)
            if j > 0:
                moved = add(
                    transform(load9(tile.rotations, p), moved), load3(memory.by_betas, shapes * p + s)
                )
            store_all(memory.by_betas, 3 * (shapes * j + s), moved)
    for k in range(chains.point_joint.size):
        j = chains.point_joint[k]
        x = full(tile.betas, chains.point_offset[k, 0])
        y = full(tile.betas, chains.point_offset[k, 1])
        z = full(tile.betas, chains.point_offset[k, 2])
        for s in range(shapes):
            beta = load(tile.betas, s)
            x = x + chains.point_shapedirs[k, s, 0] * beta
            y = y + chains.point_shapedirs[k, s, 1] * beta
            z = z + chains.point_shapedirs[k, s, 2] * beta
        x, y, z = add(in_camera(tile, j), transform(load9(tile.rotations, j), (x, y, z)))
        visible = load(memory.confidence, k) > 0.0
        # What is not visible weighs nothing, but near the camera's plane 0 times its slopes would be NaN.
        place = (x, y, where(visible, z, UNSEEN_DEPTH))
        store_all(memory.point, 3 * k, place)
        u, v = project(place, tile)
        target_u, target_v = load2(tile.keypoints, k)
        store(memory.residual, 2 * k, where(visible, target_u - u, 0.0 * u))
        store(memory.residual, 2 * k + 1, where(visible, target_v - v, 0.0 * v))


@kernel
def point_jacobians(tree, chains, tile, memory, k, weight):
    """Fused twin of kitro_np.posterior.projection.point_jacobians, for one point, times a weight."""
    x, y, z = load3(memory.point, k)
    inverse = 1.0 / z
    by_x, by_y = weight * load(tile.camera, 0) * inverse, weight * load(tile.camera, 1) * inverse
    zero = 0.0 * by_x
    row_u, row_v = (by_x, zero, -by_x * x * inverse), (zero, by_y, -by_y * y * inverse)
    j = chains.point_joint[k]
    rotations = load9(tile.rotations, j)
    shapes = tree.shapedirs.shape[1]
    for s in range(shapes):
        own = (
            full(tile.betas, chains.point_shapedirs[k, s, 0]),
            full(tile.betas, chains.point_shapedirs[k, s, 1]),
            full(tile.betas, chains.point_shapedirs[k, s, 2]),
        )
        moved = add(load3(memory.by_betas, shapes * j + s), transform(rotations, own))
        store(memory.border_jacobian_u, s, row_u[0] * moved[0] + row_u[2] * moved[2])
        store(memory.border_jacobian_v, s, row_v[1] * moved[1] + row_v[2] * moved[2])
    store_all(memory.border_jacobian_u, shapes, row_u)
    store_all(memory.border_jacobian_v, shapes, row_v)
    for d in range(chains.point_above[k]):
        lever_arm = subtract((x, y, z), in_camera(tile, chains.chain[j, d]))
        store_all(memory.joint_jacobian_u, 3 * d, cross(lever_arm, row_u))
        store_all(memory.joint_jacobian_v, 3 * d, cross(lever_arm, row_v))
