"""Translation of a tile (Eq. 5-6): fused twin of kitro_np.kitro.translation."""

from __future__ import annotations

from ..jit import kernel
from ..lanes import full, load, store
from ..vector_math import load2, load3


@kernel
def solve_translation(tree, tile):
    """Fused twin of kitro_np.kitro.translation.solve_translation."""
    count = tree.parents.size
    fx, fy = load(tile.camera, 0), load(tile.camera, 1)
    zero = full(tile.camera, 0.0)
    u_mean, v_mean = zero, zero
    for j in range(count):
        u, v = load2(tile.keypoints, j)
        u_mean, v_mean = u_mean + u, v_mean + v
    share = full(tile.camera, 1.0 / count)
    u_mean, v_mean = share * u_mean - load(tile.camera, 2), share * v_mean - load(tile.camera, 3)
    right_u_mean, right_v_mean, square_sum, mixed_sum = zero, zero, zero, zero
    for j in range(count):
        u, v = load2(tile.keypoints, j)
        u, v = u - load(tile.camera, 2), v - load(tile.camera, 3)
        joint = load3(tile.joints, j)
        right_u, right_v = u * joint[2] - fx * joint[0], v * joint[2] - fy * joint[1]
        right_u_mean, right_v_mean = right_u_mean + share * right_u, right_v_mean + share * right_v
        u, v = u - u_mean, v - v_mean
        square_sum = square_sum + (u * u + v * v)
        mixed_sum = mixed_sum + (u * right_u + v * right_v)
    depth = -mixed_sum / square_sum
    return (right_u_mean + u_mean * depth) / fx, (right_v_mean + v_mean * depth) / fy, depth


@kernel
def update_translation(tile, best, hard):
    """Fused twin of kitro_np.kitro.translation.update_translation."""
    for k in range(3):
        soft = 0.5 * (best[k] + load(tile.transl, k))
        store(tile.transl, k, best[k] if hard else soft)
