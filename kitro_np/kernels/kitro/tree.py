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
    rotate,
    scale,
    store_all,
    subtract,
    swing,
    transform,
    unit,
)
from .rays import bone_rays, half_chord, perpendicular_to_ray, signed_distance


@kernel
def edge_weight(cosine, other):
    """Fused twin of kitro_np.kitro.tree.edge_weights, for one branch; the other's weight is 1 minus that."""
    return 1.0 / (1.0 + exp_of_few(other - cosine))


@kernel
def grow_tree(tree, tile, softmax_scores, shift):
    """Fused twin of kitro_np.kitro.tree.grow_tree: fills edge_score, and the paths to joints with children.

    The two solutions of a bone are stored as perpendicular, ray, sine and bone_squared.
    """
    root = in_camera(tile, 0)
    store(tile.path_distance, 0, signed_distance(root))
    store_all(tile.path_swing, 0, (full(tile.joints, 1.0), *_zeros(tile)))
    store(tile.subtree_score, 0, 1.0)
    for c in range(1, tree.parents.size):
        p = tree.parents[c]
        parent_joint = in_camera(tile, p)
        bone = subtract(in_camera(tile, c), parent_joint)
        bone_squared = dot(bone, bone)
        a, b, cosine, sine = bone_rays(tile, parent_joint, p, c, shift)
        perpendicular = perpendicular_to_ray(a, b, cosine)
        store_all(tile.perpendicular, 3 * c, perpendicular)
        store_all(tile.ray, 3 * c, b)
        store(tile.sine, c, sine)
        store(tile.bone_squared, c, bone_squared)
        estimate = unit(transform(load9(tile.initial_rotations, p), load3(tile.offsets, c)))
        has_children = tree.first_child[c + 1] > tree.first_child[c]
        for h in range(1 << tree.depths[p]):
            above = 2 * tree.first_pair[p] + h
            node = 2 * (tree.first_pair[c] + h)
            distance = load(tile.path_distance, above)
            accumulated = load4(tile.path_swing, above)
            reference = rotate(accumulated, estimate)
            chord, length = half_chord(distance, sine, bone_squared)
            inverse = 1.0 / (length + TINY)
            toward = inverse * distance * dot(perpendicular, reference)
            along = inverse * chord * dot(b, reference)
            first, second = toward + along, toward - along
            if softmax_scores:
                weight = edge_weight(first, second)
                store(tile.edge_score, node, weight)
                store(tile.edge_score, node + 1, 1.0 - weight)
            else:
                store(tile.edge_score, node, 0.5 * first + 0.5)
                store(tile.edge_score, node + 1, 0.5 * second + 0.5)
            if has_children:
                middle = distance * cosine
                store(tile.path_distance, node, middle + chord)
                store(tile.path_distance, node + 1, middle - chord)
                reach = scale(inverse * distance, perpendicular)
                step = scale(inverse * chord, b)
                store_all(tile.path_swing, 4 * node, compose(swing(reference, add(reach, step)), accumulated))
                store_all(
                    tile.path_swing,
                    4 * node + 4,
                    compose(swing(reference, subtract(reach, step)), accumulated),
                )
                store(tile.subtree_score, node, 1.0)
                store(tile.subtree_score, node + 1, 1.0)


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
        has_children = tree.first_child[c + 1] > tree.first_child[c]
        for h in range(1 << tree.depths[p]):
            pair = tree.first_pair[c] + h
            first, second = load(tile.edge_score, 2 * pair), load(tile.edge_score, 2 * pair + 1)
            first_edge, second_edge = first, second
            for _ in range(power - 1):
                first, second = first * first_edge, second * second_edge
            if has_children:
                first, second = (
                    first * load(tile.subtree_score, 2 * pair),
                    second * load(tile.subtree_score, 2 * pair + 1),
                )
            better = second_edge > first_edge if greedy else second > first
            store(tile.best_branch, pair, where(better, 1.0, 0.0))
            above = 2 * tree.first_pair[p] + h
            store(tile.subtree_score, above, load(tile.subtree_score, above) * where(better, second, first))
    store(tile.path_score, 0, load(tile.subtree_score, 0))
    _walk_down(tree, tile)


@kernel
def _walk_down(tree, tile):
    """Follow the best branches from the root downwards, lane by lane."""
    store(tile.hypothesis, 0, 0.0)
    store(tile.selection, 0, -1.0)
    for c in range(1, tree.parents.size):
        p = tree.parents[c]
        for lane in own_lanes(tile.hypothesis, tile.hypothesis.shape[1]):
            h = int(tile.hypothesis[p, lane])
            pair = tree.first_pair[c] + h
            branch = int(tile.best_branch[pair, lane])
            tile.hypothesis[c, lane] = 2 * h + branch
            tile.selection[c, lane] = branch
            tile.chosen_distance[c, lane] = tile.path_distance[2 * tree.first_pair[p] + h, lane]
            tile.chosen_score[c, lane] = tile.edge_score[2 * pair + branch, lane]
            tile.other_score[c, lane] = tile.edge_score[2 * pair + 1 - branch, lane]


@kernel
def select_branches(tree, tile, softmax_scores, trunk_in_every_limb, shift, greedy):
    """Fused twin of kitro_np.kitro.tree.select_branches, from joints and offsets of the current betas."""
    grow_tree(tree, tile, softmax_scores, shift)
    best_path(tree, tile, trunk_in_every_limb, greedy)
