"""Shape of a tile (Eq. 7-10)."""

from __future__ import annotations

from ..adam import adam_step, clear_moments
from ..body.kinematics import place_joints, rest_offsets
from ..camera import gradient_by_point, in_camera, project
from ..jit import kernel
from ..lanes import full, load, sqrt, store, where
from ..vector_math import add, load2, load3, load9, store_all, transform, transpose


@kernel
def keypoint_lengths(tree, tile):
    """Length of every bone between its keypoints, in pixels."""
    for j in range(1, tree.parents.size):
        u, v = load2(tile.keypoints, j)
        parent_u, parent_v = load2(tile.keypoints, tree.parents[j])
        u, v = u - parent_u, v - parent_v
        store(tile.target_length, j, sqrt(u * u + v * v))


@kernel
def shape_gradient(tree, tile, loss_scale, from_joints):
    """Fused twin of kitro_np.kitro.shape.bone_length_gradient and joint_gradient: fills tile.gradient.

    The stage multiplies with the Jacobian B of joints A + B betas. Here the gradient by each joint's position
    is accumulated up the chain instead (reverse mode): the same sums, on values that stay in L1 cache.
    """
    rest_offsets(tree, tile)
    place_joints(tree, tile)
    if from_joints:
        _keypoint_gradient(tree, tile, loss_scale)
    else:
        _length_gradient(tree, tile, loss_scale)
    _betas_gradient(tree, tile)


@kernel
def _keypoint_gradient(tree, tile, loss_scale):
    """Gradient of Eq. 3 by every projected joint, to tile.pixel_gradient."""
    for j in range(tree.parents.size):
        u, v = project(in_camera(tile, j), tile)
        target_u, target_v = load2(tile.keypoints, j)
        u, v = u - target_u, v - target_v
        squared = u * u + v * v
        nonzero = squared > 0.0
        inverse = where(nonzero, loss_scale / sqrt(where(nonzero, squared, 1.0)), 0.0 * squared)
        store(tile.pixel_gradient, 2 * j, inverse * u)
        store(tile.pixel_gradient, 2 * j + 1, inverse * v)


@kernel
def _length_gradient(tree, tile, loss_scale):
    """Gradient of Eq. 9 by every projected joint, to tile.pixel_gradient."""
    store(tile.pixel_gradient, 0, 0.0)
    store(tile.pixel_gradient, 1, 0.0)
    for j in range(tree.parents.size):
        u, v = project(in_camera(tile, j), tile)
        store(tile.projected, 2 * j, u)
        store(tile.projected, 2 * j + 1, v)
        if j == 0:
            continue
        p = tree.parents[j]
        parent_u, parent_v = load2(tile.projected, p)
        u, v = u - parent_u, v - parent_v
        squared = u * u + v * v
        visible = squared > 0.0
        inverse = 1.0 / sqrt(where(visible, squared, 1.0))
        gap = squared * inverse - load(tile.target_length, j)
        sign = where(gap > 0.0, loss_scale, where(gap < 0.0, -loss_scale, 0.0 * gap))
        sign = where(visible, sign * inverse, 0.0 * gap)
        store(tile.pixel_gradient, 2 * j, sign * u)
        store(tile.pixel_gradient, 2 * j + 1, sign * v)
        store(tile.pixel_gradient, 2 * p, load(tile.pixel_gradient, 2 * p) - sign * u)
        store(tile.pixel_gradient, 2 * p + 1, load(tile.pixel_gradient, 2 * p + 1) - sign * v)


@kernel
def _betas_gradient(tree, tile):
    """Chain rule from projected joints to betas, from the leaves to the root: fills gradient."""
    zero = full(tile.betas, 0.0)
    for s in range(tile.betas.shape[0]):
        store(tile.gradient, s, zero)
    for j in range(tree.parents.size):
        store_all(tile.joint_gradient, 3 * j, (zero, zero, zero))
    for j in range(tree.parents.size - 1, -1, -1):
        by_u, by_v = load2(tile.pixel_gradient, j)
        by_joint = add(gradient_by_point(by_u, by_v, in_camera(tile, j), tile), load3(tile.joint_gradient, j))
        if j > 0:
            p = tree.parents[j]
            store_all(tile.joint_gradient, 3 * p, add(by_joint, load3(tile.joint_gradient, p)))
            by_joint = transform(transpose(load9(tile.rotations, p)), by_joint)
        for s in range(tree.shapedirs.shape[1]):
            own = (
                tree.shapedirs[j, s, 0] * by_joint[0]
                + tree.shapedirs[j, s, 1] * by_joint[1]
                + tree.shapedirs[j, s, 2] * by_joint[2]
            )
            store(tile.gradient, s, load(tile.gradient, s) + own)


@kernel
def fit_shape(tree, tile, rates, loss_scale, from_joints):
    """Fused twin of kitro_np.kitro.shape.fit_shape; updates offsets and joints for the new betas.

    Rates are kitro_np.adam.adam_rates, one row per step.
    """
    betas = tile.betas.shape[0]
    clear_moments(tile.mean, tile.square)
    scale = full(tile.betas, loss_scale)
    for step in range(rates.shape[0]):
        shape_gradient(tree, tile, scale, from_joints)
        adam_step(tile.betas, tile.gradient, tile.mean, tile.square, betas, rates[step, 0], rates[step, 1])
    rest_offsets(tree, tile)
    place_joints(tree, tile)
