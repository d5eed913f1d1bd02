"""Tree of a tile (Eq. 14-16)."""

from __future__ import annotations

from ..camera import in_camera
from ..jit import kernel
from ..lanes import full, load, own_lanes, store, where
from ..vector_math import (
    TINY,
    add,
    compose,
    dot,
    exp_of_few,
    load3,
    load4,
    load9,
    scale,
    store_all,
    subtract,
    swing,
    transform,
    turn,
    unit,
)
from .rays import bone_rays, foot_direction, half_chord, signed_distance


@kernel
def edge_weight(cosine, other):
    """Fused twin of kitro_np.kitro.tree.edge_weights, of one branch; the other's weight is 1 minus that."""
    return 1.0 / (1.0 + exp_of_few(other - cosine))


@kernel
def grow_tree(tree, tile, softmax_scores, shift):
    """Fused twin of kitro_np.kitro.tree.grow_tree: fills edge_score, and the paths of joints that go on.

    The two solutions of a bone are kept as foot, ray, sine and bone_squared.
    """
    root = in_camera(tile, 0)
    store(tile.path_distance, 0, signed_distance(root))
    store_all(tile.path_swing, 0, (full(tile.joints, 1.0), *_zeros(tile)))
    store(tile.below, 0, 1.0)
    for c in range(1, tree.parents.size):
        p = tree.parents[c]
        parent_joint = in_camera(tile, p)
        bone = subtract(in_camera(tile, c), parent_joint)
        bone_squared = dot(bone, bone)
        a, b, cosine, sine = bone_rays(tile, parent_joint, p, c, shift)
        foot = foot_direction(a, b, cosine)
        store_all(tile.foot, 3 * c, foot)
        store_all(tile.ray, 3 * c, b)
        store(tile.sine, c, sine)
        store(tile.bone_squared, c, bone_squared)
        estimate = unit(transform(load9(tile.initial_rotations, p), load3(tile.offsets, c)))
        goes_on = tree.first_child[c + 1] > tree.first_child[c]
        for h in range(1 << tree.depths[p]):
            above = 2 * tree.first_pair[p] + h
            node = 2 * (tree.first_pair[c] + h)
            distance = load(tile.path_distance, above)
            gathered = load4(tile.path_swing, above)
            reference = turn(gathered, estimate)
            chord, length = half_chord(distance, sine, bone_squared)
            inverse = 1.0 / (length + TINY)
            toward = inverse * distance * dot(foot, reference)
            along = inverse * chord * dot(b, reference)
            first, second = toward + along, toward - along
            if softmax_scores:
                weight = edge_weight(first, second)
                store(tile.edge_score, node, weight)
                store(tile.edge_score, node + 1, 1.0 - weight)
            else:
                store(tile.edge_score, node, 0.5 * first + 0.5)
                store(tile.edge_score, node + 1, 0.5 * second + 0.5)
            if goes_on:
                middle = distance * cosine
                store(tile.path_distance, node, middle + chord)
                store(tile.path_distance, node + 1, middle - chord)
                reach = scale(inverse * distance, foot)
                step = scale(inverse * chord, b)
                store_all(tile.path_swing, 4 * node, compose(swing(reference, add(reach, step)), gathered))
                store_all(
                    tile.path_swing, 4 * node + 4, compose(swing(reference, subtract(reach, step)), gathered)
                )
                store(tile.below, node, 1.0)
                store(tile.below, node + 1, 1.0)


@kernel
def _zeros(tile):
    zero = full(tile.joints, 0.0)
    return zero, zero, zero


@kernel
def best_path(tree, tile, trunk_in_every_limb, greedy):
    """Fused twin of kitro_np.kitro.tree.best_path: fills selection and path_score."""
    for c in range(tree.parents.size - 1, 0, -1):
        p = tree.parents[c]
        power = tree.limb_counts[c] if trunk_in_every_limb else 1
        goes_on = tree.first_child[c + 1] > tree.first_child[c]
        for h in range(1 << tree.depths[p]):
            pair = tree.first_pair[c] + h
            first, second = load(tile.edge_score, 2 * pair), load(tile.edge_score, 2 * pair + 1)
            first_edge, second_edge = first, second
            for _ in range(power - 1):
                first, second = first * first_edge, second * second_edge
            if goes_on:
                first, second = first * load(tile.below, 2 * pair), second * load(tile.below, 2 * pair + 1)
            better = second_edge > first_edge if greedy else second > first
            store(tile.takes_second, pair, where(better, full(tile.below, 1.0), 0.0))
            above = 2 * tree.first_pair[p] + h
            store(tile.below, above, load(tile.below, above) * where(better, second, first))
    store(tile.path_score, 0, load(tile.below, 0))
    _walk_down(tree, tile)


@kernel
def _walk_down(tree, tile):
    """Read the choices from the root downwards: a path of its own in every lane."""
    store(tile.hypothesis, 0, 0.0)
    store(tile.selection, 0, -1.0)
    for c in range(1, tree.parents.size):
        p = tree.parents[c]
        for lane in own_lanes(tile.hypothesis, tile.hypothesis.shape[1]):
            h = int(tile.hypothesis[p, lane])
            pair = tree.first_pair[c] + h
            branch = int(tile.takes_second[pair, lane])
            tile.hypothesis[c, lane] = 2 * h + branch
            tile.selection[c, lane] = branch
            tile.taken_distance[c, lane] = tile.path_distance[2 * tree.first_pair[p] + h, lane]
            tile.taken_score[c, lane] = tile.edge_score[2 * pair + branch, lane]
            tile.left_score[c, lane] = tile.edge_score[2 * pair + 1 - branch, lane]


@kernel
def select_branches(tree, tile, softmax_scores, trunk_in_every_limb, shift, greedy):
    """Fused twin of kitro_np.kitro.tree.select_branches, from joints and offsets of the current betas."""
    grow_tree(tree, tile, softmax_scores, shift)
    best_path(tree, tile, trunk_in_every_limb, greedy)
