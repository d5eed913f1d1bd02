"""Rotate the joints of a tile (Eq. 17-19)."""

from __future__ import annotations

from ..camera import in_camera, project
from ..jit import kernel
from ..lanes import full, load, where
from ..vector_math import (
    TINY,
    add,
    add_outer,
    align,
    dot,
    load2,
    load3,
    load9,
    matrix,
    multiply,
    orthonormalise,
    scale,
    store_all,
    swing,
    transform,
    transpose,
    unit,
)
from .rays import bone_rays, half_chord, perpendicular_to_ray, signed_distance
from .tree import edge_weight


@kernel
def solve_again(tile, place, bone, reference, i, c):
    """Fused twin of kitro_np.kitro.rotate.solve_again, for the bone from joint i to joint c."""
    a, b, cosine, sine = bone_rays(tile, place, i, c, True)
    distance = signed_distance(place)
    chord, length = half_chord(distance, sine, dot(bone, bone))
    perpendicular = scale(distance, perpendicular_to_ray(a, b, cosine))
    inverse = 1.0 / (length + TINY)
    direction = unit(reference)
    toward = inverse * dot(perpendicular, direction)
    along = inverse * chord * dot(b, direction)
    second = load(tile.selection, c) > 0.5
    along = where(second, -along, along)
    solution = add(perpendicular, scale(where(second, -chord, chord), b))
    return solution, edge_weight(toward + along, toward - along)


@kernel
def solution_of_path(tile, c, softmax_scores):
    """Return the tree's own solution and softmax weight of the chosen branch of joint c."""
    distance = load(tile.chosen_distance, c)
    chord, _ = half_chord(distance, load(tile.sine, c), load(tile.bone_squared, c))
    chord = where(load(tile.selection, c) > 0.5, -chord, chord)
    solution = add(scale(distance, load3(tile.perpendicular, c)), scale(chord, load3(tile.ray, c)))
    weight = load(tile.chosen_score, c)
    if not softmax_scores:
        weight = edge_weight(2.0 * weight - 1.0, 2.0 * load(tile.other_score, c) - 1.0)
    return solution, weight


@kernel
def aligned_error(tile, place, bone, i, c):
    """Fused twin of kitro_np.kitro.rotate.aligned_error, for one child."""
    u, v = project(add(place, bone), tile)
    own_u, own_v = project(place, tile)
    target_u, target_v = load2(tile.keypoints, c)
    from_u, from_v = load2(tile.keypoints, i)
    u, v = (u - own_u) - (target_u - from_u), (v - own_v) - (target_v - from_v)
    return u * u + v * v


@kernel
def rotate_joints(tree, tile, rewind, tree_targets, softmax_scores, hard):
    """Fused twin of kitro_np.kitro.rotate.rotate_joints; updates rotations and joints with the pose."""
    one, zero = full(tile.joints, 1.0), full(tile.joints, 0.0)
    identity = (one, zero, zero, zero, one, zero, zero, zero, one)
    for i in range(tree.parents.size):
        above = identity
        if i > 0:
            above = load9(tile.rotations, tree.parents[i])
        rotation = load9(tile.pose, i)
        if tree.first_child[i + 1] > tree.first_child[i]:
            rotation = _rotate_joint(
                tree, tile, i, above, rotation, rewind, tree_targets, softmax_scores, hard
            )
            store_all(tile.pose, 9 * i, rotation)
        rotations = multiply(above, rotation)
        store_all(tile.rotations, 9 * i, rotations)
        for k in range(tree.first_child[i], tree.first_child[i + 1]):
            c = tree.children[k]
            bone = transform(rotations, load3(tile.offsets, c))
            store_all(tile.joints, 3 * c, add(load3(tile.joints, i), bone))


@kernel
def _rotate_joint(tree, tile, i, above, rotation, rewind, tree_targets, softmax_scores, hard):
    """Return the new local rotation of joint i."""
    first, last = tree.first_child[i], tree.first_child[i + 1]
    place = in_camera(tile, i)
    old = multiply(above, rotation)
    estimate = multiply(above, load9(tile.initial_pose, i))
    zero = full(tile.joints, 0.0)
    pairs = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    bone, target = (zero, zero, zero), (zero, zero, zero)
    for k in range(first, last):
        c = tree.children[k]
        offset = load3(tile.offsets, c)
        bone = transform(old, offset)
        if tree_targets:
            solution, weight = solution_of_path(tile, c, softmax_scores)
        else:
            solution, weight = solve_again(tile, place, offset, transform(estimate, offset), i, c)
        if hard:
            weight = full(tile.joints, 1.0)
        target = add(scale(weight, solution), scale(1.0 - weight, bone))
        pairs = add_outer(pairs, bone, target)
    quaternion = swing(unit(bone), unit(target)) if last - first == 1 else align(pairs)
    updated = orthonormalise(multiply(transpose(above), multiply(matrix(quaternion), old)))
    if rewind:
        new = multiply(above, updated)
        old_error, new_error = zero, zero
        for k in range(first, last):
            c = tree.children[k]
            offset = load3(tile.offsets, c)
            old_error = old_error + aligned_error(tile, place, transform(old, offset), i, c)
            new_error = new_error + aligned_error(tile, place, transform(new, offset), i, c)
        updated = _where9(new_error < old_error, updated, rotation)
    return updated


@kernel
def _where9(mask, m, n):
    return (
        where(mask, m[0], n[0]), where(mask, m[1], n[1]), where(mask, m[2], n[2]),
        where(mask, m[3], n[3]), where(mask, m[4], n[4]), where(mask, m[5], n[5]),
        where(mask, m[6], n[6]), where(mask, m[7], n[7]), where(mask, m[8], n[8]),
    )  # fmt: skip
