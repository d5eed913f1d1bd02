"""The SMPLify baseline: its energy, its gradient, and what becomes of bodies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bodies import Batch, make_batch, make_skeleton
from recorded import refine
from same import assert_identical, join
from scipy.spatial.transform import Rotation

from kitro_np import InputError, Status, load_body
from kitro_np.camera import project
from kitro_np.evaluation.evaluate import evaluate
from kitro_np.evaluation.protocols import usual_protocol
from kitro_np.kernels.smplify.run import run_smplify
from kitro_np.refinement.request import Arguments, read_request
from kitro_np.simulate import simulate
from kitro_np.smplify.descent import smplify_arrays
from kitro_np.smplify.energy import (
    TUNED,
    WEIGHTS,
    Parameters,
    Weights,
    energy,
    energy_terms,
    gradient,
    make_problem,
)
from kitro_np.smplify.pose_prior import ANGLE_PRIOR, SPREAD, pose_prior

NOTHING = Weights(*[0.0] * len(Weights._fields))._replace(sigma=0.5)
TERMS = [name for name in Weights._fields if name != "sigma"]


def moved(start: Parameters, spread: float, seed: int = 0) -> Parameters:
    random = np.random.default_rng(seed)
    return Parameters(*(part + random.normal(0, spread, part.shape) for part in start))


def problem_of(tree: str, weights: Weights | None = None):
    skeleton = make_skeleton(tree)
    return make_problem(skeleton, *make_batch(skeleton, 6, seed=1), weights or WEIGHTS)


# --------------------------------------------------------------------------------------------- the energy


@pytest.mark.parametrize("term", TERMS)
def test_gradient_of_each_term(term):
    """Against central differences, along random directions."""
    check_gradient(problem_of("smpl", NOTHING._replace(**{term: 3.0})))


@pytest.mark.parametrize("tree", ["smpl", "hand", "nested", "chain"])
def test_gradient(tree):
    check_gradient(problem_of(tree))


def check_gradient(problem):
    at = moved(problem.start, 0.1)
    # Vectors of no length and of less than the series' threshold, too.
    at.pose[0, 1], at.pose[1, 2] = 0.0, [1e-3, -2e-3, 1e-3]
    slopes = gradient(problem, at)
    random = np.random.default_rng(2)
    for name in at._fields:
        direction = random.normal(0, 1, getattr(at, name).shape)
        expected = [
            energy(problem, at._replace(**{name: getattr(at, name) + step * direction}))
            for step in (1e-6, -1e-6)
        ]
        found = np.sum((getattr(slopes, name) * direction).reshape(6, -1), axis=1)
        np.testing.assert_allclose(found, (expected[0] - expected[1]) / 2e-6, rtol=1e-5, atol=1e-5)


def test_every_term_counts():
    """No term is zero away from the estimate, so no gradient above was that of nothing."""
    for term in TERMS:
        problem = problem_of("smpl", NOTHING._replace(**{term: 1.0}))
        assert np.all(energy(problem, moved(problem.start, 0.3)) > 0), term


def test_one_far_keypoint_costs_no_more_than_its_bound():
    """sigma^2, however far."""
    problem = problem_of("smpl", NOTHING._replace(keypoints=1.0, sigma=0.1))
    before = energy(problem, problem.start)
    far = problem.keypoints_2d.copy()
    far[:, 7] += 1e7
    after = energy(problem._replace(keypoints_2d=far), problem.start)
    assert np.all(after > before)
    assert np.all(after <= before + 0.1**2)


@pytest.mark.parametrize(("joint", "axis", "sign"), ANGLE_PRIOR)
def test_only_the_wrong_bend_is_punished(joint, axis, sign):
    problem = problem_of("smpl", NOTHING._replace(angle_prior=2.0))
    vectors = np.zeros_like(problem.start.pose)
    vectors[:, joint, axis] = sign * 0.3
    np.testing.assert_allclose(energy(problem, problem.start._replace(pose=vectors)), 2 * 0.3**2)
    np.testing.assert_array_equal(energy(problem, problem.start._replace(pose=-vectors)), 0)


def test_real_poses_bend_the_right_way(sim):
    """The signs are those of motion on this body."""
    vectors = Rotation.from_matrix(sim["GT_theta"].reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)
    wrong = np.stack([sign * vectors[:, joint, axis] for joint, axis, sign in ANGLE_PRIOR])
    assert np.mean(wrong < 0.1) > 0.97


def test_pose_prior_prefers_real_poses(sim):
    mean, precision = pose_prior()
    assert np.all(np.linalg.eigvalsh(precision) > 0)

    def unusual(pose):
        vectors = Rotation.from_matrix(pose.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)
        away = vectors[:, 1:].reshape(-1, 69) - mean
        return np.sum(away @ precision * away, axis=1)

    assert np.mean(unusual(sim["GT_theta"]) < unusual(sim["pred_theta"])) > 0.95


def test_the_estimate_is_the_prior_of_other_trees():
    """The Gaussian around it has the weight of the prior of poses; hands have no wrong bends."""
    problem = problem_of("hand", NOTHING._replace(pose_prior=2.0, angle_prior=1.0))
    at = moved(problem.start, 0.3)
    away = np.sum((at.pose - problem.start.pose) ** 2, axis=(1, 2))
    np.testing.assert_allclose(energy(problem, at), 2 * away / SPREAD**2)


def test_smplify_repairs_hands():
    """With nothing to hold the pose it fits the keypoints, and is worse in three dimensions than before."""
    hand = load_body("open_hand")
    made = simulate(body=hand, count=64)
    found = refine(*made.estimates, body=hand, method="smplify")
    sides = [(one.pose, one.betas) for one in (made, found, made.truth)]
    errors = evaluate(hand, *sides, protocol=usual_protocol(hand)).as_dict()
    for name, before in errors["before"].items():
        assert errors["after"][name] < 0.75 * before, name


# ------------------------------------------------------------------------------------------- whole bodies


@pytest.fixture(scope="module")
def batch(sim_batch):
    return sim_batch.some(np.arange(17))


@pytest.fixture(scope="module")
def clean(batch):
    return {engine: refine(*batch, method="smplify", engine=engine) for engine in ("numba", "array")}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_fall(sim, sim_batch, recorded_body, dtype):
    found = refine(*sim_batch.astype(dtype), method="smplify")
    assert found.pose.dtype == dtype
    np.testing.assert_array_equal(found.status, 0)
    assert found.selection is found.path_score is None
    gram = found.pose.swapaxes(-1, -2) @ found.pose
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-5)
    sides = (sim_batch.pose, sim_batch.betas), (found.pose, found.betas), (sim["GT_theta"], sim["GT_beta"])
    figures = evaluate(recorded_body, *sides).as_dict()
    assert all(
        figures["after"][name] < 0.7 * figures["before"][name] for name in ("mpjpe", "pa_mpjpe", "pve")
    )
    assert figures["improved"] > 0.7


def test_tuned_weights_are_better_on_what_they_were_tuned_for(sim, sim_batch, recorded_body):
    request = read_request(Arguments(*sim_batch), recorded_body)
    mpjpe = []
    for weights in (WEIGHTS, TUNED):
        found = run_smplify(request, energy_terms(request.skeleton, weights), None, None, threads=1)
        sides = (
            (sim_batch.pose, sim_batch.betas),
            (found.pose, found.betas),
            (sim["GT_theta"], sim["GT_beta"]),
        )
        mpjpe.append(evaluate(recorded_body, *sides).as_dict()["after"]["mpjpe"])
    assert mpjpe[1] < 0.85 * mpjpe[0]


@pytest.mark.parametrize(("weights", "pixels", "metres"), [(WEIGHTS, 4, 0.04), (TUNED, 2, 0.015)])
def test_a_perfect_estimate_stays_near(sim, recorded_body, weights, pixels, metres):
    """The priors draw it to likelier poses: by four centimetres or one, where estimates are eight off."""
    pose, betas, transl = (sim[key].astype(float) for key in ("GT_theta", "GT_beta", "GT_cam"))
    intrinsics = sim["intrinsics"].copy()
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = sim["GT_focal"]
    there = recorded_body.joints(pose, betas, transl)
    request = read_request(
        Arguments(pose, betas, transl, project(there, intrinsics), intrinsics), recorded_body
    )
    found = run_smplify(request, energy_terms(request.skeleton, weights), None, None, threads=1)
    assert np.mean(found.reprojection_error) < pixels
    after = recorded_body.joints(found.pose, found.betas)
    before = recorded_body.joints(pose, betas)
    apart = np.linalg.norm((after - after[:, :1]) - (before - before[:, :1]), axis=-1)
    assert np.mean(apart) < metres


@pytest.mark.parametrize("tree", ["hand", "nested", "chain"])
def test_other_trees(tree, engine):
    skeleton = make_skeleton(tree)
    given = make_batch(skeleton, 9, seed=3)
    before = refine(*given, body=skeleton, method="kitro", iterations=0).reprojection_error
    found = refine(*given, body=skeleton, method="smplify", engine=engine)
    np.testing.assert_array_equal(found.status, 0)
    # A body of which too much is an outlier to the robustifier stays away from its keypoints.
    assert np.median(found.reprojection_error) < 0.2 * np.median(before)


def test_a_body_does_not_depend_on_its_neighbours(batch, clean):
    alone = [refine(*batch.some(n), method="smplify") for n in range(3)]
    assert_identical(join(alone), clean["numba"], [0, 1, 2])
    done = []
    found = refine(*batch, method="smplify", threads=2, chunk_size=5, progress=done.append)
    assert sorted(done) == [2, 5, 5, 5]
    assert_identical(found, clean["numba"])


def test_vectors_come_back_as_vectors(batch, clean):
    vectors = Rotation.from_matrix(batch.pose.reshape(-1, 3, 3)).as_rotvec().reshape(17, 72)
    found = refine(vectors, *batch[1:], method="smplify")
    again = Rotation.from_rotvec(found.pose.reshape(-1, 3)).as_matrix().reshape(17, 24, 3, 3)
    np.testing.assert_allclose(again, clean["numba"].pose, atol=1e-6)


BAD = {
    "nan": ("keypoints_2d", (23, 1), np.nan, Status.NOT_FINITE),
    "inf": ("betas", 3, np.inf, Status.NOT_FINITE),
    "skew": ("intrinsics", (0, 1), 1e-9, Status.BAD_INTRINSICS),
    "stretched": ("pose", (4, 0), 2.0, Status.NOT_A_ROTATION),
    "behind": ("transl", 2, -4.0, Status.BEHIND_CAMERA),
    "one point": ("keypoints_2d", slice(None), 300.0, Status.KEYPOINTS_IN_ONE_POINT),
}


@pytest.mark.parametrize(("name", "place", "value", "status"), BAD.values(), ids=BAD)
def test_a_bad_body_comes_back_as_it_was(batch, clean, engine, name, place, value, status):
    bad = Batch(*(part.copy() for part in batch))
    getattr(bad, name)[5][place] = value
    found = refine(*bad, method="smplify", engine=engine)
    assert found.status[5] == status
    for part in ("pose", "betas", "transl"):
        np.testing.assert_array_equal(getattr(found, part)[5], getattr(bad, part)[5])
    others = [n for n in range(17) if n != 5]
    assert_identical(found[others], clean[engine], others)
    with pytest.raises(InputError, match=r"^body 5: "):
        refine(*bad, method="smplify", engine=engine, strict=True)


@pytest.mark.parametrize("value", [1e6, 1e20, 1e200])
def test_absurd_keypoints_harm_no_neighbour(batch, clean, engine, value):
    bad = Batch(*(part.copy() for part in batch))
    bad.keypoints_2d[5, 3] = value
    found = refine(*bad, method="smplify", engine=engine)
    expected = (Status.REFINED, Status.DIVERGED) if value < 1e9 else (Status.NOT_FINITE,)
    assert found.status[5] in expected
    assert all(np.all(np.isfinite(part[5])) for part in (found.pose, found.betas, found.transl))
    others = [n for n in range(17) if n != 5]
    assert_identical(found[others], clean[engine], others)


def test_no_bodies(batch, engine):
    assert refine(*batch.some(slice(0)), method="smplify", engine=engine).pose.shape == (0, 24, 3, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variant", "paper"),
        ("camera_update", "hard"),
        ("shape_update", "joints_2d"),
        ("pose_update", "fixed"),
        ("search", "greedy"),
        ("iterations", 3),
        ("shape_steps", 0),
    ],
)
def test_what_is_of_kitro_alone_is_refused(batch, name, value):
    with pytest.raises(InputError, match=rf"^{name}: expected method='kitro', .*, got method='smplify'\.$"):
        refine(*batch, method="smplify", **{name: value})


def test_who_wants_kitro_does_not_load_the_kernels_of_smplify():
    code = "import sys, numpy as np, kitro_np; from bodies import make_batch, make_skeleton; "
    code += "s = make_skeleton('chain'); batch = make_batch(s, 2); "
    code += "kitro_np.refine(*batch, body=s, method='kitro', iterations=1); "
    code += "print([n for n in sys.modules if n.startswith('kitro_np.kernels') and 'smplify' in n])"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    assert done.stdout.strip() == "[]"


# -------------------------------------------------------------------------------------- libraries of arrays


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_backends(backend, dtype):
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 4, seed=5)
    weights = WEIGHTS
    expected = smplify_arrays(skeleton, *batch, weights, (4, 4))
    given = [backend.array(part.astype(dtype)) for part in batch]
    found = smplify_arrays(skeleton.like(given[0]), *given, weights, (4, 4))
    for name in ("pose", "betas", "transl"):
        ours = getattr(found, name)
        assert isinstance(ours, type(given[0]))
        assert ours.dtype == given[0].dtype
        tolerance = 1e-9 if dtype == "float64" else 2e-3
        np.testing.assert_allclose(backend.numpy(ours), getattr(expected, name), rtol=0, atol=tolerance)


def test_refine_keeps_the_kind_of_arrays(backend, batch, clean):
    given = [backend.array(part[:2]) for part in batch]
    found = refine(*given, method="smplify", engine="array")
    assert isinstance(found.pose, type(given[0]))
    np.testing.assert_allclose(backend.numpy(found.pose), clean["array"].pose[:2], rtol=0, atol=1e-6)
