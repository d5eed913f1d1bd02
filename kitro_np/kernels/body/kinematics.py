"""Forward kinematics of a tile."""

from __future__ import annotations

from ..jit import kernel
from ..lanes import full, load
from ..vector_math import add, load3, load9, multiply, store_all, transform


@kernel
def global_rotations(tree, pose, rotations):
    """Fused twin of kitro_np.body.kinematics.global_rotations."""
    store_all(rotations, 0, load9(pose, 0))
    for j in range(1, tree.parents.size):
        store_all(rotations, 9 * j, multiply(load9(rotations, tree.parents[j]), load9(pose, j)))


@kernel
def rest_offsets(tree, tile):
    """Bones of the shaped rest pose, child minus parent; for the root its position."""
    for j in range(tree.parents.size):
        x = full(tile.betas, tree.template[j, 0])
        y = full(tile.betas, tree.template[j, 1])
        z = full(tile.betas, tree.template[j, 2])
        for s in range(tree.shapedirs.shape[1]):
            beta = load(tile.betas, s)
            x = x + tree.shapedirs[j, s, 0] * beta
            y = y + tree.shapedirs[j, s, 1] * beta
            z = z + tree.shapedirs[j, s, 2] * beta
        store_all(tile.offsets, 3 * j, (x, y, z))


@kernel
def place_joints(tree, tile):
    """Posed joints from global rotations and bones: X_c = X_p + G_p o_c."""
    store_all(tile.joints, 0, load3(tile.offsets, 0))
    for j in range(1, tree.parents.size):
        p = tree.parents[j]
        bone = transform(load9(tile.rotations, p), load3(tile.offsets, j))
        store_all(tile.joints, 3 * j, add(load3(tile.joints, p), bone))


@kernel
def forward_kinematics(tree, tile):
    """Fused twin of kitro_np.body.kinematics.forward_kinematics."""
    global_rotations(tree, tile.pose, tile.rotations)
    rest_offsets(tree, tile)
    place_joints(tree, tile)
