"""Tree: expand both branches of every bone, score the paths, select the best (Eq. 14-16)."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..arrays.rotations import dot, norm, rotate, swing, unit
from ..arrays.select import pick
from ..body.kinematics import global_rotations, parent_rotations
from ..body.skeleton import Skeleton
from .rays import BoneRays, bone_rays, intersect, signed_distance
from .variants import Variant


class BoneBranches(NamedTuple):
    """All branches of one bone, one entry for each path that leads to it.

    Attributes
    ----------
    solutions : (N, 2 H, 3) array
        Vectors from the parent to the child; hypothesis 2 h + k is branch k of the parent's
        hypothesis h.
    edge_score : (N, 2 H) array
        Agreement of each branch with the estimate.
    edge_weight : (N, 2 H) array
        Softmax over each pair's cosines (Eq. 15).
    cosine : (N, 2 H) array, optional
        Between each solution and the estimate's bone.
    distance : (N, 2 H) array, optional
        Of the child from the camera, with the sign of its depth, in metres.
    """

    solutions: Any
    edge_score: Any
    edge_weight: Any
    cosine: Any = None
    distance: Any = None


class BranchProducts(NamedTuple):
    """The best that can follow each branch of one bone.

    Attributes
    ----------
    product : (N, H, 2) array
        Of the scores of the branch, after each of the H paths that lead to the bone, and of the best path
        through all bones below it.
    better : (N, H) array of int64
        The branch with the larger product; of a greedy search, that with the larger edge score.
    """

    product: Any
    better: Any


class Branches(NamedTuple):
    """The best path through the tree.

    Attributes
    ----------
    selection : (N, J) array of int
        Branch of each bone, named by its child: 0 away from the camera, 1 towards it, -1 at the root.
    path_score : (N,) array
        Product of the edge scores along the path (Eq. 16).
    solutions : (N, J, 3) array
        The chosen bone vectors; zero at the root.
    edge_weight : (N, J) array
        Softmax weights of the chosen branches (Eq. 15); zero at the root.
    """

    selection: Any
    path_score: Any
    solutions: Any
    edge_weight: Any


def bones(skeleton: Skeleton, points: Any) -> Any:
    """Child minus parent of every bone, zero at the root: (N, J, D) of (N, J, D)."""
    return points - gather_parents(skeleton, points)


def gather_parents(skeleton: Skeleton, points: Any) -> Any:
    """Entry of every joint's parent (the root's own): (N, J, D) of (N, J, D)."""
    xp = array_namespace(points)
    return xp.stack([points[:, max(p, 0), :] for p in skeleton.parents], axis=1)


def reference_bones(skeleton: Skeleton, initial_pose: Any, betas: Any) -> Any:
    """Bones of the initial estimate's pose with the current betas (Eq. 14): (N, J, 3)."""
    offsets = bones(skeleton, skeleton.rest_joints(betas))
    rotations = global_rotations(skeleton, initial_pose)
    return rotate(parent_rotations(skeleton, rotations), offsets)


def all_bone_rays(
    skeleton: Skeleton, joints: Any, keypoints_2d: Any, intrinsics: Any, *, shift: bool
) -> BoneRays:
    """Rays of all bones, entry j for the bone that ends at joint j (the root's has length zero).

    Parameters
    ----------
    skeleton : Skeleton
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    shift : bool
        See :func:`kitro_np.kitro.rays.bone_rays`.
    """
    return bone_rays(
        gather_parents(skeleton, joints),
        norm(bones(skeleton, joints)),
        gather_parents(skeleton, keypoints_2d),
        keypoints_2d,
        intrinsics,
        shift=shift,
    )


def edge_weights(cosines: Any) -> Any:
    """Softmax over the cosines of both solutions, (..., 2) (Eq. 15)."""
    xp = array_namespace(cosines)
    return 1 / (1 + xp.exp(xp.flip(cosines, axis=-1) - cosines))


def grow_tree(
    skeleton: Skeleton, rays: BoneRays, reference: Any, root_distance: Any, variant: Variant
) -> list[BoneBranches]:
    """Expand both branches of every bone, depth by depth, and score them (Eq. 14-15).

    Parameters
    ----------
    skeleton : Skeleton
    rays : BoneRays
        Of all bones, see :func:`all_bone_rays`.
    reference : (N, J, 3) array
        Bones of the initial estimate.
    root_distance : (N, 1) array
        Signed distance of the root from the camera.
    variant : Variant

    Returns
    -------
    list of BoneBranches
        One per bone, for children 1 to J - 1. The bone at depth d has 2**d hypotheses.

    Notes
    -----
    A path carries the parent's distance L and the swing R accumulated along its bones: the solutions are
    compared with R r for the estimate's bone r, and R <- swing(R r -> solution) R down the path.
    """
    xp = array_namespace(reference, root_distance)
    count = reference.shape[0]
    distances = [root_distance[:, None, :]]
    swings = [xp.eye(3, dtype=reference.dtype, device=device(reference))[None, None, :, :]]
    grown = []
    for child, parent in enumerate(skeleton.parents[1:], start=1):
        own = BoneRays(*(part[:, child, None, :] for part in rays))
        solutions, child_distance = intersect(own, distances[parent])
        rotations = rotate(swings[parent], reference[:, child, None, :])[:, :, None, :]
        cosines = dot(unit(solutions), unit(rotations))[..., 0]
        weights = edge_weights(cosines)
        scores = weights if variant.softmax_scores else (cosines + 1) / 2
        number = 2 ** skeleton.depths[child]
        grown.append(
            BoneBranches(
                xp.reshape(solutions, (count, number, 3)),
                xp.reshape(scores, (count, number)),
                xp.reshape(weights, (count, number)),
                xp.reshape(cosines, (count, number)),
                xp.reshape(child_distance, (count, number)),
            )
        )
        leaf = not skeleton.children[child]
        distances.append(None if leaf else xp.reshape(child_distance, (count, number, 1)))
        accumulated = (
            None if leaf else xp.matmul(swing(rotations, solutions), swings[parent][:, :, None, :, :])
        )
        swings.append(None if leaf else xp.reshape(accumulated, (count, number, 3, 3)))
    return grown


def branch_products(
    skeleton: Skeleton, grown: list[BoneBranches], variant: Variant
) -> tuple[list[BranchProducts], Any]:
    """Find the best product that can follow each branch, from the leaves upwards (Eq. 16).

    Parameters
    ----------
    skeleton : Skeleton
    grown : list of BoneBranches
        From :func:`grow_tree`.
    variant : Variant

    Returns
    -------
    products : list of BranchProducts
        One per bone, for children 1 to J - 1.
    path_score : (N,) array
        Product along the selected path.
    """
    xp = array_namespace(grown[0].edge_score)
    scores = grown[0].edge_score
    count = scores.shape[0]
    subtree_score: list[Any] = [
        xp.ones((count, 1), dtype=scores.dtype, device=device(scores))
    ] * skeleton.num_joints
    products: list[BranchProducts] = []
    for child in reversed(range(1, skeleton.num_joints)):
        parent = skeleton.parents[child]
        power = skeleton.limb_counts[child] if variant.trunk_in_every_limb else 1
        product = grown[child - 1].edge_score ** power * subtree_score[child]
        pairs = (count, 2 ** skeleton.depths[parent], 2)
        product = xp.reshape(product, pairs)
        first, second = product[..., 0], product[..., 1]
        compared = xp.reshape(grown[child - 1].edge_score, pairs) if variant.search == "greedy" else product
        better = compared[..., 1] > compared[..., 0]
        products.append(BranchProducts(product, xp.astype(better, xp.int64)))
        subtree_score[parent] = subtree_score[parent] * xp.where(better, second, first)
    return products[::-1], subtree_score[0][:, 0]


def best_path(skeleton: Skeleton, grown: list[BoneBranches], variant: Variant) -> Branches:
    """Select the path with the largest product of edge scores (Eq. 16).

    Parameters
    ----------
    skeleton : Skeleton
    grown : list of BoneBranches
        From :func:`grow_tree`.
    variant : Variant

    Returns
    -------
    Branches

    Notes
    -----
    Given the path to a joint, its subtrees are independent. So dynamic programming gives the exact maximum
    over all paths: the best product of each hypothesis' subtree from the leaves upwards, then the choices
    from the root downwards. Branch 0 wins ties. A greedy search takes the better edge of each pair,
    whatever lies below it.
    """
    xp = array_namespace(grown[0].edge_score)
    scores = grown[0].edge_score
    count = scores.shape[0]
    products, path_score = branch_products(skeleton, grown, variant)
    path = [xp.zeros(count, dtype=xp.int64, device=device(scores))]
    selection = [path[0] - 1]
    solutions = [xp.zeros_like(grown[0].solutions[:, 0, :])]
    weights = [xp.zeros_like(scores[:, 0])]
    for child, parent in enumerate(skeleton.parents[1:], start=1):
        branch = pick(products[child - 1].better, path[parent])
        path.append(2 * path[parent] + branch)
        selection.append(branch)
        solutions.append(pick(grown[child - 1].solutions, path[child]))
        weights.append(pick(grown[child - 1].edge_weight, path[child]))
    return Branches(
        xp.stack(selection, axis=1),
        path_score,
        xp.stack(solutions, axis=1),
        xp.stack(weights, axis=1),
    )


def grow_branches(
    skeleton: Skeleton,
    initial_pose: Any,
    betas: Any,
    joints: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    variant: Variant,
) -> list[BoneBranches]:
    """Solve and score both branches of all bones (Eq. 11-15); arguments of :func:`select_branches`."""
    rays = all_bone_rays(skeleton, joints, keypoints_2d, intrinsics, shift=variant.shift_keypoints)
    reference = reference_bones(skeleton, initial_pose, betas)
    return grow_tree(skeleton, rays, reference, signed_distance(joints[:, 0, :]), variant)


def select_branches(
    skeleton: Skeleton,
    initial_pose: Any,
    betas: Any,
    joints: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    variant: Variant,
) -> Branches:
    """Choose between the two solutions of all bones jointly (Eq. 11-16).

    Parameters
    ----------
    skeleton : Skeleton
    initial_pose : (N, J, 3, 3) array
        Local rotations of the estimate that the refinement started from.
    betas : (N, S) array
    joints : (N, J, 3) array
        Current joints in camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    variant : Variant

    Returns
    -------
    Branches
    """
    grown = grow_branches(skeleton, initial_pose, betas, joints, keypoints_2d, intrinsics, variant)
    return best_path(skeleton, grown, variant)
