"""Likely bodies beside the most probable one: an image hardly tells which way a limb points."""

import array_api_strict
import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from recorded import refine

from kitro_np import Skeleton, Status
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.evaluation.metrics import mpjpe
from kitro_np.posterior.hypotheses import SAME_BODY, flipped_poses

ELBOWS = {"left": (18, 20), "right": (19, 21)}
"""Joint and child of each forearm."""


def joints_about_root(skeleton, pose, betas):
    joints = forward_kinematics(skeleton, pose, betas).joints
    return joints - joints[:, :1]


def apart(skeleton, one, other):
    return mpjpe(*(joints_about_root(skeleton, *body) for body in (one, other)))


@pytest.fixture(scope="module")
def skeleton(recorded_body):
    return recorded_body.skeleton


@pytest.fixture(scope="module")
def found(noisy_batch):
    return refine(*noisy_batch, hypotheses=5)


def test_shapes_and_probabilities(found, noisy_batch):
    likely = found.hypotheses
    assert [part.shape for part in likely] == [(64, 5, 24, 3, 3), (64, 5, 10), (64, 5, 3), (64, 5)]
    np.testing.assert_allclose(likely.probability.sum(axis=1), 1)
    assert np.all(np.diff(likely.probability, axis=1) <= 0)
    assert np.all(likely.probability >= 0)
    assert 0.3 < np.mean(likely.probability[:, 0] < 0.999) < 1
    assert refine(*noisy_batch).hypotheses is None


def test_all_else_stays_as_it_is(found, noisy_batch):
    expected = refine(*noisy_batch)
    for name in ("pose", "betas", "transl", "status", "quality"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_they_differ_and_meet_the_keypoints(found, noisy_batch, skeleton):
    """Until there are no more: then the likeliest is there again, with probability 0."""
    likely = found.hypotheses
    for n in np.flatnonzero(found.accepted):
        real = np.flatnonzero(likely.probability[n] > 0)
        joints = joints_about_root(skeleton, likely.pose[n], likely.betas[n])
        gaps = np.linalg.norm(joints[real, None] - joints[None, real], axis=-1).mean(axis=-1)
        assert np.all(gaps[np.triu_indices(len(real), 1)] >= SAME_BODY)


def test_the_first_is_the_refined_body_or_a_likelier_one(found, sim, skeleton):
    good, likely = found.accepted, found.hypotheses
    first = likely.pose[:, 0], likely.betas[:, 0]
    gap = apart(skeleton, first, (found.pose, found.betas))[good]
    assert np.median(gap) < 0.003
    truth = sim["GT_theta"].astype(float), sim["GT_beta"].astype(float)
    assert (
        apart(skeleton, first, truth).mean() < 1.01 * apart(skeleton, (found.pose, found.betas), truth).mean()
    )


def test_more_than_there_are(skeleton):
    """A bone of which only one place fits: one hypothesis, repeated with probability 0."""
    chain = make_skeleton("two_children")
    batch = make_batch(chain, 6, seed=2)
    found = refine(*batch, body=chain, hypotheses=9, safe=False)
    likely = found.hypotheses
    assert likely.pose.shape == (6, 9, 5, 3, 3)
    np.testing.assert_allclose(likely.probability.sum(axis=1), 1)
    rest = likely.probability == 0
    assert np.all(rest[:, 3:])  # two bones can be turned
    for n, k in zip(*np.nonzero(rest), strict=True):
        np.testing.assert_array_equal(likely.pose[n, k], likely.pose[n, 0])
        np.testing.assert_array_equal(likely.transl[n, k], likely.transl[n, 0])


def test_bodies_that_were_not_refined(noisy_batch, engine):
    bad = noisy_batch.some(np.arange(6))._replace(transl=noisy_batch.transl[:6] * [1, 1, -1])
    bad.transl[:3, 2] *= -1
    bad.keypoints_2d[1] = noisy_batch.keypoints_2d[9]
    found = refine(*bad, hypotheses=3, engine=engine)
    np.testing.assert_array_equal(found.status, [0, Status.UNLIKELY, 0, 4, 4, 4])
    likely = found.hypotheses
    for n in (1, 3, 4, 5):
        np.testing.assert_array_equal(likely.probability[n], [1, 0, 0])
        for k in range(3):
            np.testing.assert_array_equal(likely.pose[n, k], bad.pose[n])
            np.testing.assert_array_equal(likely.betas[n, k], bad.betas[n])
            np.testing.assert_array_equal(likely.transl[n, k], bad.transl[n])
    assert np.all(np.isfinite(likely.pose))


def test_engines_agree(noisy_batch):
    few = noisy_batch.some(slice(0, 20))
    ours, theirs = (refine(*few, hypotheses=4, engine=name).hypotheses for name in ("numba", "array"))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_forms(noisy_batch, engine, dtype):
    """A single body, people and time, no body, and bodies without betas."""
    few = noisy_batch.some(slice(0, 6)).astype(dtype)
    expected = refine(*few, hypotheses=2, engine=engine).hypotheses
    assert {part.dtype for part in expected} == {np.dtype(dtype)}
    tolerance = 1e-8 if dtype == np.float64 else 1e-3
    alone = refine(*few.some(4), hypotheses=2, engine=engine).hypotheses
    assert alone.pose.shape == (2, 24, 3, 3)
    np.testing.assert_allclose(alone.pose, expected.pose[4], atol=tolerance)
    grid = refine(
        *(part.reshape(2, 3, *part.shape[1:]) for part in few), hypotheses=2, engine=engine
    ).hypotheses
    np.testing.assert_allclose(grid.pose, expected.pose.reshape(2, 3, 2, 24, 3, 3), atol=tolerance)
    none = refine(*few.some(slice(0, 0)), hypotheses=2, uncertainty=True, engine=engine)
    assert none.hypotheses.pose.shape == (0, 2, 24, 3, 3)
    assert none.joint_spread.shape == (0, 24)
    tree = make_skeleton("smpl")
    bare = Skeleton(tree.parents, tree.joint_template, tree.joint_shapedirs[:, :, :0])
    batch = make_batch(tree, 3)._replace(betas=np.zeros((3, 0))).astype(dtype)
    assert refine(*batch, body=bare, hypotheses=2, engine=engine).hypotheses.betas.shape == (3, 2, 0)


def test_chunks_do_not_matter(noisy_batch, monkeypatch):
    """Nor one camera for all; every body has confidences of its own."""
    one_camera = noisy_batch._replace(intrinsics=noisy_batch.intrinsics[0])
    each = noisy_batch._replace(intrinsics=np.tile(noisy_batch.intrinsics[0], (64, 1, 1)))
    confidence = np.random.default_rng(6).uniform(0.01, 1, (64, 24))
    how = {"hypotheses": 3, "safe": False}
    expected = refine(*each, **how, confidence=confidence).hypotheses
    monkeypatch.setattr("kitro_np.posterior.hypotheses.CHUNK", 13)
    for batch in (one_camera, each):
        found = refine(*batch, **how, confidence=confidence).hypotheses
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-8)
    assert np.any(refine(*each, **how).hypotheses.pose != expected.pose)


def test_of_a_body_that_is_kept_anyway(sim_batch, found, noisy_batch):
    """All places of its bones count, likely or not; to be kept changes nothing for the others."""
    bold = refine(*noisy_batch, hypotheses=5, safe=False).hypotheses
    good = found.accepted
    for one, other in zip(bold, found.hypotheses, strict=True):
        np.testing.assert_array_equal(one[good], other[good])
    others = sim_batch._replace(keypoints_2d=np.roll(sim_batch.keypoints_2d, 1, axis=0))
    kept = refine(*others, hypotheses=5, safe=False).hypotheses
    assert np.all(np.any(kept.pose[:, 0] != sim_batch.pose, axis=(1, 2, 3)))
    np.testing.assert_allclose(kept.probability.sum(axis=1), 1)


def test_arrays_of_the_standard_and_nothing_more(noisy_batch):
    few = noisy_batch.some(slice(0, 4))
    expected = refine(*few, hypotheses=3, engine="array").hypotheses
    found = refine(*map(array_api_strict.asarray, few), hypotheses=3, engine="array").hypotheses
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, type(array_api_strict.asarray(0)))
        np.testing.assert_allclose(np.asarray(one), other, atol=1e-9)


# ------------------------------------------------------------------------------------------ what they are for


def test_a_flipped_bone_is_seen_at_the_same_place(skeleton, noisy_batch):
    """Its child stays on its ray, as long and as far from its parent; limbs beside it stay."""
    pose, betas, transl = noisy_batch[:3]
    before = forward_kinematics(skeleton, pose, betas).joints + transl[:, None]
    bones = [j for j, children in enumerate(skeleton.children) if j and len(children) == 1]
    found = flipped_poses(skeleton, pose, betas, transl)
    assert len(found) == len(bones)
    for joint, other in zip(bones, found, strict=True):
        child = skeleton.children[joint][0]
        after = forward_kinematics(skeleton, other, betas).joints + transl[:, None]
        rays = [
            joints[:, child] / np.linalg.norm(joints[:, child], axis=-1, keepdims=True)
            for joints in (before, after)
        ]
        # The estimates are rotations in single precision.
        np.testing.assert_allclose(rays[0], rays[1], rtol=0, atol=1e-7)
        lengths = [np.linalg.norm(joints[:, child] - joints[:, joint], axis=-1) for joints in (before, after)]
        np.testing.assert_allclose(*lengths, rtol=0, atol=1e-7)
        np.testing.assert_allclose(after[:, joint], before[:, joint], atol=1e-12)


@pytest.mark.parametrize("keypoints", ["exact", "noisy"])
@pytest.mark.parametrize("side", ELBOWS)
def test_the_true_arm_is_among_them(skeleton, sim, sim_batch, noisy_batch, side, keypoints):
    """Where the estimate's forearm points the wrong way; the most probable body alone seldom finds back."""
    batch = sim_batch if keypoints == "exact" else noisy_batch
    joint, child = ELBOWS[side]
    bones = [j for j, children in enumerate(skeleton.children) if j and len(children) == 1]
    flipped = flipped_poses(skeleton, *batch[:3])[bones.index(joint)]
    found = refine(*batch._replace(pose=flipped), hypotheses=5)

    def forearm(pose, betas):
        joints = forward_kinematics(skeleton, pose, betas).joints
        return joints[:, child] - joints[:, joint]

    true = forearm(sim["GT_theta"].astype(float), sim["GT_beta"].astype(float))

    def off(pose, betas):
        return np.linalg.norm(forearm(pose, betas) - true, axis=-1)

    wrong = (off(flipped, batch.betas) > 0.25) & found.accepted
    assert wrong.sum() > 15
    likely = found.hypotheses
    each = np.stack([off(likely.pose[:, k], likely.betas[:, k]) for k in range(5)], axis=1)[wrong]
    right = each < 0.12
    assert np.mean(right.any(axis=1)) > 0.8
    # More often than the refined body has it, and believed in more than its wrong twin.
    assert np.mean(right.any(axis=1)) > np.mean(off(found.pose, found.betas)[wrong] < 0.12) + 0.4
    assert np.mean(np.sum(likely.probability[wrong] * right, axis=1)) > 0.4
