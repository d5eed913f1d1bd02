"""Forward kinematics of a tile."""

from __future__ import annotations

from .geometry import add, load3, load9, multiply, store_all, transform
from .jit import kernel
from .lanes import full, load, store


@kernel
def global_rotations(tree, pose, turned):
    """Fused twin of kitro_np.body.kinematics.global_rotations."""
    store_all(turned, 0, load9(pose, 0))
    for j in range(1, tree.parents.size):
        store_all(turned, 9 * j, multiply(load9(turned, tree.parents[j]), load9(pose, j)))


@kernel
def rest_offsets(tree, tile):
    """Bones of the shaped rest pose: child minus parent, and the root's own place."""
    for row in range(3 * tree.parents.size):
        j, k = row // 3, row % 3
        value = full(tile.betas, tree.template[j, k])
        for s in range(tree.shapedirs.shape[2]):
            value = value + tree.shapedirs[j, k, s] * load(tile.betas, s)
        store(tile.offsets, row, value)


@kernel
def place_joints(tree, tile):
    """Posed joints from global rotations and bones: X_c = X_p + G_p o_c."""
    store_all(tile.joints, 0, load3(tile.offsets, 0))
    for j in range(1, tree.parents.size):
        p = tree.parents[j]
        bone = transform(load9(tile.turned, p), load3(tile.offsets, j))
        store_all(tile.joints, 3 * j, add(load3(tile.joints, p), bone))


@kernel
def forward_kinematics(tree, tile):
    """Fused twin of kitro_np.body.kinematics.forward_kinematics."""
    global_rotations(tree, tile.pose, tile.turned)
    rest_offsets(tree, tile)
    place_joints(tree, tile)


@kernel
def affine_joints(tree, tile):
    """Fused twin of kitro_np.body.kinematics.affine_joints."""
    betas = tree.shapedirs.shape[2]
    for k in range(3):
        store(tile.constant, k, tree.template[0, k])
        for s in range(betas):
            store(tile.by_beta, k * betas + s, tree.shapedirs[0, k, s])
    for j in range(1, tree.parents.size):
        p = tree.parents[j]
        turned = load9(tile.turned, p)
        bone = (tree.template[j, 0], tree.template[j, 1], tree.template[j, 2])
        store_all(tile.constant, 3 * j, add(load3(tile.constant, p), transform(turned, bone)))
        for s in range(betas):
            bone = (tree.shapedirs[j, 0, s], tree.shapedirs[j, 1, s], tree.shapedirs[j, 2, s])
            moved = transform(turned, bone)
            for k in range(3):
                above = load(tile.by_beta, (3 * p + k) * betas + s)
                store(tile.by_beta, (3 * j + k) * betas + s, above + moved[k])
