"""The chosen path is the best of all paths, and the trees are what they should be."""

from itertools import product

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton

from kitro_np import Skeleton
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.kitro.rays import signed_distance
from kitro_np.kitro.tree import (
    BoneBranches,
    all_bone_rays,
    best_path,
    edge_weights,
    grow_tree,
    reference_bones,
    select_branches,
)
from kitro_np.kitro.variants import VARIANTS, find_variant

SMALL_TREES = {**{name: TREES[name] for name in ("two_children", "nested", "chain")}, "one_bone": (-1, 0)}


def small_skeleton(parents):
    random = np.random.default_rng(len(parents))
    return Skeleton(parents, random.normal(0, 0.2, (len(parents), 3)), np.zeros((len(parents), 3, 1)))


def random_scores(skeleton, count, seed):
    """Scores of every hypothesis of every bone; some of them zero, some of them one."""
    random = np.random.default_rng(seed)
    grown = []
    for child in range(1, skeleton.num_joints):
        scores = random.uniform(-0.1, 1.1, (count, 2 ** skeleton.depths[child])).clip(0, 1)
        vectors = random.normal(size=(*scores.shape, 3))
        grown.append(BoneBranches(vectors, scores, random.uniform(size=scores.shape)))
    return grown


def leaves_below(parents, joint):
    children = [c for c, p in enumerate(parents) if p == joint]
    return sum(leaves_below(parents, c) for c in children) if children else 1


def hypothesis_of(parents, branches, joint):
    """Number of a joint's hypothesis: the branches from the root to it, read as binary digits."""
    if parents[joint] < 0:
        return 0
    return 2 * hypothesis_of(parents, branches, parents[joint]) + branches[joint - 1]


def score_of(parents, grown, body, branches, trunk_in_every_limb):
    score = 1.0
    for joint in range(1, len(parents)):
        edge = grown[joint - 1].edge_score[body, hypothesis_of(parents, branches, joint)]
        score *= edge ** (leaves_below(parents, joint) if trunk_in_every_limb else 1)
    return score


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
@pytest.mark.parametrize("parents", SMALL_TREES.values(), ids=SMALL_TREES)
def test_no_path_beats_the_chosen_one(parents, variant):
    skeleton = small_skeleton(parents)
    count = 4
    grown = random_scores(skeleton, count, seed=len(parents))
    chosen = best_path(skeleton, grown, variant)
    for body in range(count):
        scores = {
            branches: score_of(parents, grown, body, branches, variant.trunk_in_every_limb)
            for branches in product((0, 1), repeat=len(parents) - 1)
        }
        taken = tuple(chosen.selection[body, 1:])
        best = max(scores.values())
        np.testing.assert_allclose(scores[taken], best, rtol=1e-12)
        np.testing.assert_allclose(chosen.path_score[body], best, rtol=1e-12)
        for joint in range(1, len(parents)):
            at = hypothesis_of(parents, taken, joint)
            np.testing.assert_array_equal(chosen.solutions[body, joint], grown[joint - 1].solutions[body, at])
            assert chosen.edge_weight[body, joint] == grown[joint - 1].edge_weight[body, at]
    assert np.all(chosen.selection[:, 0] == -1)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("parents", SMALL_TREES.values(), ids=SMALL_TREES)
def test_greedy_search_takes_the_better_edge_at_every_bone(parents, name):
    skeleton = small_skeleton(parents)
    variant = find_variant(name, search="greedy")
    grown = random_scores(skeleton, 4, seed=len(parents))
    chosen = best_path(skeleton, grown, variant)
    for body in range(4):
        taken = ()
        for joint in range(1, len(parents)):
            first = hypothesis_of(parents, (*taken, 0), joint)
            edges = grown[joint - 1].edge_score[body, first : first + 2]
            taken += (int(edges[1] > edges[0]),)
        assert tuple(chosen.selection[body, 1:]) == taken
        score = score_of(parents, grown, body, taken, variant.trunk_in_every_limb)
        np.testing.assert_allclose(chosen.path_score[body], score, rtol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_trunk_counts_once_or_in_every_limb(variant):
    """A poor trunk with two good limbs: worth it where the trunk counts once, not where it counts twice."""
    skeleton = small_skeleton((-1, 0, 1, 1))
    trunk, limb = np.array([[0.6, 0.9]]), np.array([[0.9, 0.1, 0.65, 0.1]])
    vectors = np.zeros((1, 4, 3))
    limbs = BoneBranches(vectors, limb, limb)
    grown = [BoneBranches(vectors[:, :2], trunk, trunk), limbs, limbs]
    chosen = best_path(skeleton, grown, variant)
    first, second = 0.6 * 0.9**2, 0.9 * 0.65**2
    if variant.trunk_in_every_limb:
        first, second = first * 0.6, second * 0.9
    assert chosen.selection[0, 1] == (1 if variant.trunk_in_every_limb else 0)
    np.testing.assert_allclose(chosen.path_score[0], max(first, second))


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
@pytest.mark.parametrize("name", TREES)
def test_ties_take_branch_0(name, variant):
    skeleton = make_skeleton(name)
    grown = [
        BoneBranches(h.solutions, np.full_like(h.edge_score, 0.5), h.edge_weight)
        for h in random_scores(skeleton, 3, seed=1)
    ]
    assert np.all(best_path(skeleton, grown, variant).selection[:, 1:] == 0)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_scores_of_a_grown_tree(variant):
    """Every hypothesis again, one path at a time, in plain Python."""
    skeleton = make_skeleton("nested")
    batch = make_batch(skeleton, 3, seed=9)
    joints = forward_kinematics(skeleton, batch.pose, batch.betas).joints + batch.transl[:, None, :]
    rays = all_bone_rays(skeleton, joints, *batch[3:], shift=variant.shift_keypoints)
    reference = reference_bones(skeleton, batch.pose, batch.betas)
    grown = grow_tree(skeleton, rays, reference, signed_distance(joints[:, 0, :]), variant)
    for body in range(3):
        for joint in range(1, skeleton.num_joints):
            for at in range(2 ** skeleton.depths[joint]):
                expected = walk(skeleton, rays, reference, joints, body, joint, at)
                vector, cosine, other = expected[:3]
                np.testing.assert_allclose(grown[joint - 1].solutions[body, at], vector, atol=1e-9)
                weight = np.exp(cosine) / (np.exp(cosine) + np.exp(other))
                np.testing.assert_allclose(grown[joint - 1].edge_weight[body, at], weight, atol=1e-9)
                score = weight if variant.softmax_scores else (cosine + 1) / 2
                np.testing.assert_allclose(grown[joint - 1].edge_score[body, at], score, atol=1e-9)


def walk(skeleton, rays, reference, joints, body, joint, at):
    """Solution, its cosine, the other's cosine, distance and swing of one hypothesis, from the root on."""
    parent = skeleton.parents[joint]
    if parent == 0:
        distance, swing = np.linalg.norm(joints[body, 0]), np.eye(3)
    else:
        *_, distance, swing = walk(skeleton, rays, reference, joints, body, parent, at // 2)
    a, b, cosine, sine, bone = (part[body, joint] for part in rays)
    s = np.sqrt(max(bone[0] ** 2 - (distance * sine[0]) ** 2, 0))
    expected = swing @ reference[body, joint]
    both = [distance * (cosine * b - a) + sign * s * b for sign in (1, -1)]
    cosines = [v @ expected / np.linalg.norm(v) / np.linalg.norm(expected) for v in both]
    vector, sign = both[at % 2], (1, -1)[at % 2]
    rotations = rodrigues(expected, vector) @ swing
    return vector, cosines[at % 2], cosines[1 - at % 2], distance * cosine[0] + sign * s, rotations


def rodrigues(start, end):
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    x, y, z = np.cross(a, b)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def test_a_perfect_estimate_takes_its_own_branches():
    """Keypoints of the estimate itself: every bone's score is 1 on the path that it came from."""
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 10, seed=10)
    joints = forward_kinematics(skeleton, batch.pose, batch.betas).joints + batch.transl[:, None, :]
    keypoints = project(joints, batch.intrinsics)
    found = select_branches(
        skeleton, batch.pose, batch.betas, joints, keypoints, batch.intrinsics, VARIANTS["released"]
    )
    np.testing.assert_allclose(found.path_score, 1, atol=1e-6)
    bones = joints[:, 1:] - joints[:, list(skeleton.parents[1:])]
    np.testing.assert_allclose(found.solutions[:, 1:], bones, atol=1e-6)


def test_edge_weights_are_a_softmax():
    cosines = np.random.default_rng(3).uniform(-1, 1, (7, 5, 2))
    expected = np.exp(cosines) / np.exp(cosines).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(edge_weights(cosines), expected, rtol=1e-12)


# ------------------------------------------------------------------------------------------------- skeletons


def test_the_tree_of_smpl():
    skeleton = make_skeleton("smpl")
    assert skeleton.chains == (
        (1, 4, 7, 10),
        (2, 5, 8, 11),
        (3, 6, 9),
        (12, 15),
        (13, 16, 18, 20, 22),
        (14, 17, 19, 21, 23),
    )
    assert skeleton.branch_points == (0, 9)
    assert [skeleton.limb_counts[j] for j in (0, 1, 3, 6, 9, 12, 13, 23)] == [5, 1, 3, 3, 3, 1, 1, 1]
    # 1,114 nodes, says the reference: both branches of each bone, for every path that leads to it.
    assert sum(2**depth for depth in skeleton.depths[1:]) == 1114
    assert skeleton.joint_names[15] == "head"


def test_the_tree_of_a_hand():
    skeleton = make_skeleton("hand")
    assert skeleton.chains == ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12), (13, 14, 15))
    assert skeleton.branch_points == (0,)
    assert skeleton.limb_counts == (5, *[1] * 15)
    assert skeleton.depths == (0, *[1, 2, 3] * 5)


@pytest.mark.parametrize("name", TREES)
def test_chains_hold_every_joint_but_the_root_once(name):
    skeleton = make_skeleton(name)
    assert sorted(j for chain in skeleton.chains for j in chain) == list(range(1, skeleton.num_joints))
    assert skeleton.limb_counts[0] == sum(not own for own in skeleton.children)
