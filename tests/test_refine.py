"""Refinement as a whole: how well it does, and what its result must not depend on."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import recorded
from bodies import TREES, make_batch, make_skeleton
from kitro import refine
from same import FIELDS, assert_identical, join

from kitro_np import Skeleton, load_body
from kitro_np.evaluation.metrics import body_errors
from kitro_np.kitro.variants import VARIANTS


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


# --------------------------------------------------------------------------------------------------- scores


def scores(body, sim, pose, betas):
    """Mean MPJPE, PA-MPJPE and PVE in millimetres."""
    truth = sim["GT_theta"].astype(float), sim["GT_beta"].astype(float)
    return 1000 * np.mean(body_errors(body, pose.astype(float), betas.astype(float), *truth), axis=1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_as_good_as_the_authors_algorithm(recorded_body, sim, sim_batch, engine, dtype):
    """Within half a millimetre: the record drifts apart from us on a few bodies."""
    found = refine(*sim_batch.astype(dtype), engine=engine)
    reference = scores(recorded_body, sim, sim["ref_exact_theta"], sim["ref_exact_beta"])
    np.testing.assert_allclose(scores(recorded_body, sim, found.pose, found.betas), reference, atol=0.5)
    assert np.all(reference < [50, 30, 60])


def test_both_variants_beat_the_estimate(recorded_body, sim, sim_batch, variant):
    found = refine(*sim_batch, variant=variant)
    before = scores(recorded_body, sim, sim_batch.pose, sim_batch.betas)
    assert np.all(scores(recorded_body, sim, found.pose, found.betas) < before - 5)
    assert np.mean(found.reprojection_error) < 12
    assert np.all((found.path_score > 0) & (found.path_score <= 1))


# -------------------------------------------------------------------------------------------------- engines


def test_engines_agree(sim_batch, variant):
    fused, expected = (refine(*sim_batch, variant=variant, engine=name) for name in ("numba", "array"))
    np.testing.assert_array_equal(fused.selection, expected.selection)
    np.testing.assert_array_equal(fused.status, expected.status)
    # Ten loops of ten L1 steps: a difference of 1e-15 grows where a step crosses a kink.
    for name in ("pose", "betas", "transl"):
        np.testing.assert_allclose(getattr(fused, name), getattr(expected, name), rtol=0, atol=1e-5)
    np.testing.assert_allclose(fused.path_score, expected.path_score, rtol=1e-4)
    np.testing.assert_allclose(fused.reprojection_error, expected.reprojection_error, atol=1e-4)


def test_float32_stays_near_float64(sim_batch, engine, variant):
    exact = refine(*sim_batch, engine=engine, variant=variant)
    found = refine(*sim_batch.astype(np.float32), engine=engine, variant=variant)
    apart = np.max(np.abs(found.pose - exact.pose), axis=(1, 2, 3))
    assert np.median(apart) < 1e-4
    assert np.mean(apart < 1e-3) > 0.7
    assert np.mean(np.all(found.selection == exact.selection, axis=1)) > 0.9


def test_numpy_arrays_take_the_kernels_by_default(sim_batch):
    few = sim_batch.some(slice(0, 3))
    assert_identical(refine(*few), refine(*few, engine="numba"))
    # The two engines differ in their last digits, or this test says nothing.
    assert np.any(refine(*few).pose != refine(*few, engine="array").pose)


# ----------------------------------------------------------------------------------- neighbours and threads


@pytest.fixture(scope="module")
def refined(sim_batch):
    return refine(*sim_batch)


def test_a_batch_is_a_loop(sim_batch, refined):
    alone = [refine(*sim_batch.some(n)) for n in range(64)]
    assert_identical(join(alone), refined)


@pytest.mark.parametrize("count", [1, 7, 16, 17, 513])
def test_no_batch_size_matters(sim_batch, refined, count):
    bodies = np.arange(3, count + 3) % 64
    assert_identical(refine(*sim_batch.some(bodies)), refined, bodies)


def test_no_neighbour_matters(sim_batch, refined):
    bodies = np.random.default_rng(0).permutation(64)
    assert_identical(refine(*sim_batch.some(bodies)), refined, bodies)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_no_number_of_threads_matters(sim_batch, refined, threads):
    bodies = np.arange(1100) % 64
    assert_identical(refine(*sim_batch.some(bodies), threads=threads), refined, bodies)


def test_calls_from_several_threads_at_once(sim_batch, refined):
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: refine(*sim_batch), range(8)):
            assert_identical(found, refined)


def test_array_engine_does_not_mix_bodies(sim_batch):
    """Not bit for bit: BLAS may sum in another order in another batch."""
    together = refine(*sim_batch.some(slice(0, 9)), engine="array")
    for n in range(9):
        alone = refine(*sim_batch.some(n), engine="array")
        np.testing.assert_allclose(alone.pose, together.pose[n], rtol=0, atol=1e-6)


# ------------------------------------------------------------------------------------------------- settings


def test_no_iterations_return_the_estimate(sim_batch, engine):
    found = refine(*sim_batch, engine=engine, iterations=0)
    for name in ("pose", "betas", "transl"):
        np.testing.assert_array_equal(getattr(found, name), getattr(sim_batch, name))
    assert np.all(found.selection == -1)
    assert np.all(found.status == 0)
    # No path was taken: the empty product.
    assert np.all(found.path_score == 1)
    assert np.all(found.reprojection_error > refine(*sim_batch).reprojection_error.mean())


def test_no_shape_steps_keep_the_betas(sim_batch, engine):
    found = refine(*sim_batch, engine=engine, shape_steps=0, iterations=2)
    np.testing.assert_array_equal(found.betas, sim_batch.betas)
    assert np.any(found.pose != sim_batch.pose)


def test_iterations_go_on_from_one_another(sim_batch, engine):
    """Two loops are not one loop twice: the reference stays the first estimate's."""
    few = sim_batch.some(slice(0, 5))
    once = refine(*few, engine=engine, iterations=1)
    twice = refine(*few, engine=engine, iterations=2)
    again = refine(once.pose, once.betas, once.transl, *few[3:], engine=engine, iterations=1)
    np.testing.assert_allclose(again.betas, twice.betas, atol=1e-9)
    assert np.max(np.abs(again.pose - twice.pose)) > 1e-3


def test_poses_stay_rotations(sim_batch, refined):
    gram = np.swapaxes(refined.pose, -1, -2) @ refined.pose
    # Where the rewind dropped every update, the estimate's rotation in float32 is left.
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-6)
    assert np.all(np.linalg.det(refined.pose) > 0)
    leaves = [10, 11, 15, 22, 23]
    np.testing.assert_array_equal(refined.pose[:, leaves], sim_batch.pose[:, leaves])


def test_fewer_betas_than_the_body_has(sim_batch, engine):
    found = refine(*sim_batch._replace(betas=sim_batch.betas[:, :4]), engine=engine)
    expected = refine(
        *sim_batch._replace(betas=sim_batch.betas[:, :4]),
        body=load_body(recorded.BODY, num_betas=4),
        engine=engine,
    )
    assert found.betas.shape == (64, 4)
    assert_identical(found, expected)


@pytest.mark.parametrize("engine", ["numba", "array"])
def test_no_betas_at_all(engine):
    skeleton = make_skeleton("smpl")
    bare = Skeleton(skeleton.parents, skeleton.joint_template, skeleton.joint_shapedirs[:, :, :0])
    batch = make_batch(make_skeleton("smpl"), 5)
    found = refine(*batch._replace(betas=np.zeros((5, 0))), body=bare, engine=engine)
    assert found.betas.shape == (5, 0)
    assert np.all(found.status == 0)


@pytest.mark.parametrize("name", TREES)
def test_engines_agree_on_other_trees(name, variant):
    skeleton = make_skeleton(name)
    batch = make_batch(skeleton, 20, seed=16)
    fused, expected = (
        refine(*batch, body=skeleton, variant=variant, engine=kind, iterations=3)
        for kind in ("numba", "array")
    )
    np.testing.assert_array_equal(fused.selection, expected.selection)
    np.testing.assert_allclose(fused.pose, expected.pose, rtol=0, atol=1e-6)


# ------------------------------------------------------------------------------------------------- progress


@pytest.mark.parametrize("count", [1, 64, 1100])
def test_progress_adds_up(sim_batch, engine, count):
    done = []
    few = sim_batch.some(np.arange(count) % 64)
    refine(*few, engine=engine, iterations=1, shape_steps=1, threads=2, progress=done.append)
    assert sum(done) == count
    assert all(type(n) is int and n > 0 for n in done)
    assert len(done) > 1 or count < 1000


def test_an_error_in_progress_reaches_the_caller(sim_batch, engine):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine(*sim_batch.some(np.arange(1100) % 64), engine=engine, iterations=1, progress=stop)


def test_summary_and_counts(sim_batch):
    transl = sim_batch.transl.copy()
    assert refine(*sim_batch).summary() == "64 bodies refined by kitro"
    transl[3] = np.nan
    transl[[5, 9], 2] = -1
    found = refine(*sim_batch._replace(transl=transl))
    assert found.summary() == (
        "61 bodies refined by kitro, 3 returned as they were "
        "(1: NaN, infinity or a number beyond 1e9 in its input; 2: joints behind the camera)"
    )
    assert {status.name: n for status, n in found.counts().items()} == {
        "REFINED": 61,
        "NOT_FINITE": 1,
        "BEHIND_CAMERA": 2,
    }
    assert set(FIELDS) < set(vars(found))
