"""Method map as it is called: how near to the truth, what must not matter, and how it is asked for."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton
from recorded import refine
from same import assert_identical, join

from kitro_np import InputError, KeypointLayout, Status, find_layout
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.evaluation.evaluate import evaluate
from kitro_np.evaluation.metrics import reprojection_error

COUNT = 17


@pytest.fixture(scope="module")
def few(sim_batch):
    return sim_batch.some(np.arange(COUNT))


@pytest.fixture(scope="module")
def refined(sim_batch):
    return refine(*sim_batch, uncertainty=True)


@pytest.fixture(scope="module")
def of_coco(recorded_body, sim_batch):
    """Confidences of the body's joints where those are COCO's."""
    names = find_layout("coco17", recorded_body).names
    visible = [name in names for name in recorded_body.skeleton.joint_names]
    return np.broadcast_to(np.array(visible, float), sim_batch.keypoints_2d.shape[:2])


# ------------------------------------------------------------------------------------------------- accuracy


def errors(body, sim, batch, result):
    """MPJPE and PA-MPJPE of estimate and result in millimetres, and the share of bodies improved."""
    truth = sim["GT_theta"].astype(float), sim["GT_beta"].astype(float)
    found = evaluate(body, batch[:2], (result.pose, result.betas), truth, metrics=("mpjpe", "pa_mpjpe"))
    found = found.as_dict()
    return *found["after"].values(), found["improved"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("keypoints", "expected"),
    [("exact", (36, 20.5, 0.93)), ("noisy", (48, 31, 0.9)), ("coco", (52, 34, 0.9))],
)
def test_better_than_estimate_and_published_method(
    recorded_body, sim, sim_batch, noisy_batch, of_coco, keypoints, expected, dtype
):
    batch = (sim_batch if keypoints == "exact" else noisy_batch).astype(dtype)
    confidence = of_coco if keypoints == "coco" else None
    found = errors(recorded_body, sim, batch, refine(*batch, confidence=confidence))
    assert np.all(np.array(found[:2]) < expected[:2])
    assert found[2] > expected[2]
    published = errors(recorded_body, sim, batch, refine(*batch, method="kitro"))
    assert np.all(np.array(found[:2]) < 0.6 * np.array(published[:2]))


def test_exact_keypoints_are_met(recorded_body, sim_batch, refined):
    joints = recorded_body.joints(refined.pose, refined.betas, refined.transl)
    error = reprojection_error(joints, sim_batch.keypoints_2d, sim_batch.intrinsics)
    np.testing.assert_allclose(error, refined.reprojection_error, atol=1e-9)
    assert error.mean() < 1.5
    assert np.mean(refined.accepted) > 0.96


def test_engines_agree(sim_batch, noisy_batch, refined):
    """On every field; and they are not the same code, or this test says nothing."""
    for batch in (sim_batch, noisy_batch):
        fused, expected = (refine(*batch, uncertainty=True, engine=name) for name in ("numba", "array"))
        assert [*fused.arrays()] == [*expected.arrays()]
        for name in fused.arrays():
            np.testing.assert_allclose(getattr(fused, name), getattr(expected, name), atol=1e-6, err_msg=name)
        assert np.any(fused.pose != expected.pose)


def test_float32_stays_near_float64(sim_batch, refined, engine):
    found = refine(*sim_batch.astype(np.float32), uncertainty=True, engine=engine)
    np.testing.assert_array_equal(found.status, refined.status)
    np.testing.assert_allclose(found.pose, refined.pose, atol=2e-3)
    np.testing.assert_allclose(found.transl, refined.transl, atol=2e-3)
    np.testing.assert_allclose(found.joint_spread, refined.joint_spread, atol=1e-3)


# ------------------------------------------------------------------------------------ neighbours and threads


def test_a_batch_is_a_loop(sim_batch, refined):
    alone = [refine(*sim_batch.some(n), uncertainty=True) for n in range(64)]
    assert_identical(join(alone), refined)


@pytest.mark.parametrize(("threads", "chunk_size"), [(1, None), (2, None), (5, 7), (2, 1000), (3, 1)])
def test_neither_neighbours_nor_threads_nor_chunks_matter(sim_batch, refined, threads, chunk_size):
    bodies = np.random.default_rng(0).integers(0, 64, 1100)
    found = refine(*sim_batch.some(bodies), uncertainty=True, threads=threads, chunk_size=chunk_size)
    assert_identical(found, refined, bodies)


def test_stages_do_not_mix_bodies(few):
    together = refine(*few, engine="array", chunk_size=5)
    for n in (0, 7, COUNT - 1):
        alone = refine(*few.some(n), engine="array")
        np.testing.assert_allclose(alone.pose, together.pose[n], rtol=0, atol=1e-8)


def test_calls_from_several_threads_at_once(sim_batch, refined):
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: refine(*sim_batch, uncertainty=True), range(8)):
            assert_identical(found, refined)


def test_progress_adds_up(sim_batch, engine):
    done = []
    refine(*sim_batch, engine=engine, chunk_size=9, threads=2, progress=done.append)
    assert sum(done) == 64
    assert len(done) == 8
    with pytest.raises(KeyboardInterrupt):
        refine(*sim_batch, engine=engine, progress=lambda _: (_ for _ in ()).throw(KeyboardInterrupt))


# --------------------------------------------------------------------------------------- what is asked for


@pytest.mark.parametrize("tree", TREES)
def test_other_trees(tree, engine):
    """In poses that no person has."""
    skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, 9, seed=8)
    how = {"body": skeleton, "safe": False, "engine": engine}
    found = refine(*batch, motion_prior=False, **how)
    joints = forward_kinematics(skeleton, *batch[:2]).joints + batch.transl[:, None]
    before = reprojection_error(joints, *batch[3:])
    assert np.all(found.accepted)
    # Of some bodies a point whose estimate is far off is taken for an outlier.
    assert np.median(found.reprojection_error / before) < 0.05
    assert np.mean(found.reprojection_error < 0.1 * before) > 0.6
    with_prior = refine(*batch, **how)
    assert np.array_equal(with_prior.pose, found.pose) == (tree != "smpl")
    unseen = refine(*batch, confidence=np.zeros(batch.keypoints_2d.shape[:2]), **how)
    assert np.all(unseen.status == Status.TOO_FEW_KEYPOINTS)


def test_uncertainty_only_where_asked_for(few, engine):
    plain, found = (refine(*few, engine=engine, uncertainty=asked) for asked in (False, True))
    assert plain.joint_spread is None
    assert found.joint_spread.shape == (COUNT, 24)
    assert np.all(found.joint_spread[:, 0] == 0)
    assert np.all(found.joint_spread[:, 1:] > 0)
    for name in plain.arrays():
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))
    back = refine(
        *few._replace(keypoints_2d=np.roll(few.keypoints_2d, 1, axis=0)), engine=engine, uncertainty=True
    )
    assert np.all(np.isnan(back.joint_spread))


def test_without_the_motion_prior(recorded_body, sim, noisy_batch, engine):
    found, without = (refine(*noisy_batch, motion_prior=usual, engine=engine) for usual in (True, False))
    errors_ = [errors(recorded_body, sim, noisy_batch, one)[0] for one in (found, without)]
    assert errors_[0] < errors_[1] < 60


def test_estimates_of_landmarks(noisy_batch, engine):
    """People's whose betas are all 0: keypoints count less, and joints are less sure; unless it is denied."""
    bare = noisy_batch._replace(betas=np.zeros_like(noisy_batch.betas)).some(np.arange(COUNT))
    found, landmarks, network = (
        refine(*bare, estimate=kind, uncertainty=True, hypotheses=2, engine=engine)
        for kind in ("auto", "landmarks", "network")
    )
    assert_identical(found, landmarks)
    for one, other in zip(found.hypotheses, landmarks.hypotheses, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.options["estimate"] == "auto"
    both = found.accepted & network.accepted
    assert both.mean() > 0.8
    assert np.all(np.any(found.pose != network.pose, axis=(1, 2, 3))[both])
    ratio = found.joint_spread[both, 1:].mean(axis=0) / network.joint_spread[both, 1:].mean(axis=0)
    assert np.all(ratio > 1.3)
    few = noisy_batch.some(np.arange(COUNT))
    of_network = refine(*few, estimate="network", uncertainty=True, engine=engine)
    assert_identical(refine(*few, uncertainty=True, engine=engine), of_network)
    told = refine(*few, estimate="landmarks", uncertainty=True, engine=engine)
    assert np.all(np.any(told.pose != of_network.pose, axis=(1, 2, 3)))


def test_estimates_of_hands_are_a_networks(engine):
    """Their betas are often 0."""
    skeleton = make_skeleton("hand")
    batch = make_batch(skeleton, 9, seed=8)
    batch = batch._replace(betas=np.zeros_like(batch.betas))
    how = {"body": skeleton, "uncertainty": True, "safe": False, "engine": engine}
    found, network, landmarks = (
        refine(*batch, estimate=kind, **how) for kind in ("auto", "network", "landmarks")
    )
    assert_identical(found, network)
    assert np.all(landmarks.joint_spread[:, 1:].mean(axis=0) > network.joint_spread[:, 1:].mean(axis=0))


def test_a_written_result_holds_all_that_is_known(few, tmp_path):
    result = refine(*few, uncertainty=True)
    with np.load(result.save(tmp_path / "out.npz")) as out:
        assert set(out.files) == {*result.arrays(), "method", "options", "body"}
        for name, array in result.arrays().items():
            np.testing.assert_array_equal(out[name], array)


# ---------------------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"method": "best"}, "method: expected one of kitro, map, smplify, got 'best'."),
        (
            {"engine": "cuda", "method": "map"},
            "engine: expected arrays on a GPU for 'cuda', got numpy arrays on cpu.",
        ),
        ({"confidence": np.ones(24)}, "confidence: expected shape (2, 24), got (24,)."),
        ({"confidence": np.ones((2, 24, 1))}, "confidence: expected shape (2, 24), got (2, 24, 1)."),
        ({"confidence": [[1], [1, 2]]}, "confidence: expected an array of numbers, got a ragged sequence."),
        ({"confidence": [["high"]]}, "confidence: expected an array of real numbers, got dtype <U4."),
        ({"hypotheses": -1}, "hypotheses: expected at least 0, got -1."),
        ({"hypotheses": 2.5}, "hypotheses: expected an integer, got 2.5."),
        ({"safe": "no"}, "safe: expected True or False, got 'no'."),
        ({"motion_prior": 2}, "motion_prior: expected True or False, got 2."),
        ({"uncertainty": None}, "uncertainty: expected True or False, got None."),
        ({"estimate": "mocap"}, "estimate: expected one of auto, network, landmarks, got 'mocap'."),
    ],
)
def test_wrong_arguments(few, how, sentence):
    with pytest.raises(InputError) as caught:
        refine(*few.some(slice(0, 2)), **how)
    assert str(caught.value) == sentence


def test_wrong_layouts(few):
    with pytest.raises(InputError, match=r"^keypoint_layout: expected one of smpl24, coco17, .*, got 'coco'"):
        refine(*few, keypoint_layout="coco")
    with pytest.raises(InputError, match=r"^keypoints_2d: expected shape \(17, 17, 2\), got \(17, 24, 2\)"):
        refine(*few, keypoint_layout="coco17")
    far = KeypointLayout("far", ("a",), (24,), np.zeros((1, 3)))
    with pytest.raises(InputError, match=r"^keypoint_layout: expected joints below 24"):
        refine(*few, keypoint_layout=far)
    hand = make_skeleton("hand")
    with pytest.raises(
        InputError,
        match=r"^keypoint_layout: expected 'smpl24', 'hand21' or 'hand21_interhand' for a hand, got 'coco17'",
    ):
        refine(*make_batch(hand, 2), body=hand, keypoint_layout="coco17")
