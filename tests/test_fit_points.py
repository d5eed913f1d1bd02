"""Fits of bodies to 3D points: kernel and stages, scale, shape, missing points, and the place in an image."""

import numpy as np
import pytest

import kitro_np
from kitro_np import InputError, fit_points
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.camera import default_intrinsics, project
from kitro_np.kernels.points.run import fit
from kitro_np.points.fit import first_state, fit_alone, weigh_up
from kitro_np.points.gauss_newton import minimise
from kitro_np.points.problem import PointsProblem
from kitro_np.points.swings import nearest_points
from kitro_np.refinement.method import Execution
from kitro_np.simulate import simulate

LAYOUTS = ("smpl24", "coco17", "mediapipe33", "h36m17")


def placed(body, layout, pose, betas=None):
    """Points of a layout on posed bodies, NaN where the body lacks them."""
    layout = kitro_np.find_layout(layout, body)
    count = len(pose)
    problem = PointsProblem(
        body.skeleton, layout, np.zeros((count, layout.num_points, 3)), np.ones((count, 1))
    )
    shapes = np.zeros((count, 10)) if betas is None else np.tile(betas, (count, 1))
    points = problem.place(pose, shapes).points
    points[:, np.array(layout.joints) == -1] = np.nan
    return points


@pytest.fixture(scope="module")
def pose():
    """Forty poses: of the demo's clip, and of the simulator's recordings."""
    clip = kitro_np.example()["pose"][::3].astype(np.float64)
    return np.concatenate([clip, simulate(count=20).true_pose.astype(np.float64)])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_kernel_and_stages_agree(open_body, pose, layout, noise):
    points = placed(open_body, layout, pose) + np.random.default_rng(0).normal(0, noise, (1, 1, 3))
    points = points + np.random.default_rng(1).normal(0, noise, points.shape)
    confidence = np.random.default_rng(2).uniform(0.1, 1, points.shape[:2])
    confidence[0, 5:] = 0
    kernel, stages = (fit_points(points, layout, confidence, engine=engine) for engine in ("numba", "array"))
    assert kernel.scale == pytest.approx(stages.scale, rel=2e-3)
    same = np.abs(kernel.pose - stages.pose).max(axis=(1, 2, 3)) < 1e-2
    assert same.mean() > 0.95  # a start may round to another minimum
    assert np.nanmean(kernel.distance) == pytest.approx(np.nanmean(stages.distance), rel=0.05, abs=1e-4)


def noisy_problem(body, layout, pose):
    """Points with a noise of 10 mm, of other betas than 0; one body has few, one none."""
    layout = kitro_np.find_layout(layout, body)
    points = placed(body, layout, pose) + np.random.default_rng(1).normal(0, 0.01, (len(pose), 1, 3))
    seen = np.isfinite(points).all(-1)
    seen[3, 5:] = False
    seen[5] = False
    return PointsProblem(body.skeleton, layout, np.where(seen[..., None], points, 0), seen / 0.02**2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernel_is_the_stages_twin(open_body, pose, layout):
    """From the same start, to rounding."""
    problem = noisy_problem(open_body, layout, pose)
    betas = np.random.default_rng(3).normal(size=10)
    start = first_state(problem, betas)
    expected, found = minimise(problem, start), fit(problem, betas, start, 1)
    np.testing.assert_allclose(found.pose, expected.pose, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.transl, expected.transl, rtol=0, atol=1e-7)
    shapes = np.tile(betas, (len(pose), 1))
    np.testing.assert_allclose(found.placed, problem.place(found.pose, shapes).points, rtol=0, atol=1e-12)
    two = fit_alone(problem, betas, Execution("numba", 2))
    one = fit_alone(problem, betas, Execution("numba", 1))
    np.testing.assert_array_equal(two.pose, one.pose)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("steps", [0, 2])
def test_kernel_starts_and_weighs_up_as_the_stages_do(open_body, pose, layout, steps):
    """From no start, and what the bodies tell of scale, spread and betas."""
    problem, betas = noisy_problem(open_body, layout, pose), np.random.default_rng(4).normal(size=10)
    stages, expected = weigh_up(problem, betas, None, steps, True, Execution("array", 1))
    kernel, found = weigh_up(problem, betas, None, steps, True, Execution("numba", 1))
    np.testing.assert_allclose(kernel.pose, stages.pose, rtol=0, atol=1e-7)
    np.testing.assert_allclose(kernel.transl, stages.transl, rtol=0, atol=1e-7)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7 * np.abs(other).max())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_start_is_near(open_body, pose, layout):
    """Of exact points: joint by joint, before any step."""
    points = placed(open_body, layout, pose)
    seen = np.isfinite(points).all(-1)
    layout = kitro_np.find_layout(layout, open_body)
    problem = PointsProblem(open_body.skeleton, layout, np.nan_to_num(points), seen.astype(float))
    start = first_state(problem, np.zeros(10))
    found = problem.place(start.pose, np.zeros((len(pose), 10))).points + start.transl[:, None]
    off = np.linalg.norm(found - points, axis=-1)
    assert np.nanmean(off) < (0.003 if layout.name == "smpl24" else 0.045)


@pytest.mark.parametrize(("layout", "off"), [("smpl24", 0.002), ("coco17", 0.004), ("mediapipe33", 0.004)])
def test_exact_points_are_met(open_body, pose, layout, off):
    """In millimetres, in any axes: the pose is found again, but for twists that no point tells."""
    turn = matrix_from_axis_angle(np.array([0.4, 2.0, -1.0]))
    points = placed(open_body, layout, pose) @ turn.T + [0.3, -2, 5]
    fit = fit_points(1000 * points, layout)
    assert fit.scale == pytest.approx(1000, rel=0.01)
    assert np.nanmean(fit.distance) < off
    assert not fit.betas.any()
    joints = open_body.joints(fit.pose, fit.betas, fit.transl)[:, [4, 5, 7, 8, 18, 19, 20, 21]]
    true = (open_body.joints(pose)[:, [4, 5, 7, 8, 18, 19, 20, 21]] @ turn.T) + [0.3, -2, 5]
    assert np.median(np.linalg.norm(joints * fit.scale / 1000 - true, axis=-1)) < 0.01


def test_poses_stay_human_where_points_are_few(open_body, pose):
    """Of wrists, ankles, hips and shoulders alone, noisy: joints between are near."""
    layout = kitro_np.find_layout("coco17", open_body).pick([5, 6, 9, 10, 11, 12, 15, 16])
    points = placed(open_body, layout, pose) + np.random.default_rng(0).normal(0, 0.02, (len(pose), 8, 3))
    fit = fit_points(points, layout, scale=False)
    true, found = (open_body.joints(part, np.zeros((len(pose), 10))) for part in (pose, fit.pose))
    off = np.linalg.norm((found - found[:, :1]) - (true - true[:, :1]), axis=-1)
    assert np.median(off[:, [4, 5, 18, 19]]) < 0.07
    angle = np.arccos(np.clip((np.trace(fit.pose[:, 1:], axis1=2, axis2=3) - 1) / 2, -1, 1))
    assert np.degrees(angle).max() < 170


def test_one_shape_for_all_frames(open_body, pose):
    betas = np.array([1.5, -1.0, 1.0, 0, 0.5, 0, 0, 0, 0, 0])
    points = placed(open_body, "smpl24", pose, betas)
    fit = fit_points(points, "smpl24", betas=True)
    assert fit.scale == 1
    assert np.ptp(fit.betas, axis=0).max() == 0
    rest, true = (open_body.skeleton.rest_joints(part[None])[0] for part in (fit.betas[0], betas))
    bones = [[1, 4], [4, 7], [16, 18], [18, 20], [16, 17], [1, 2]]
    lengths, expected = (np.linalg.norm(np.diff(part[bones], axis=1), axis=-1) for part in (rest, true))
    np.testing.assert_allclose(lengths, expected, atol=0.006)
    assert np.nanmean(fit.distance) < 0.007


def test_missing_points_and_bodies(open_body, pose):
    points = placed(open_body, "coco17", pose[:6])
    points[1] = np.nan
    points[2, 3:] = np.inf
    points[3, 9] = np.nan
    fit = fit_points(points, "coco17")
    assert np.isnan(fit.pose[[1, 2]]).all() and np.isnan(fit.transl[[1, 2]]).all()
    assert np.isfinite(fit.pose[[0, 3, 4, 5]]).all()
    assert np.array_equal(np.isnan(fit.distance[3]), np.arange(17) == 9)
    alone = fit_points(points[4], "coco17", scale=fit.scale)
    assert alone.pose.shape == (1, 24, 3, 3)
    np.testing.assert_allclose(alone.pose[0], fit.pose[4], atol=0.1)


def test_place_in_the_image(open_body, pose):
    """Landmarks about the hips in the camera's axes, with their keypoints, are an estimate for refine."""
    points = placed(open_body, "mediapipe33", pose)
    camera, transl = default_intrinsics((1000, 1000)), np.array([0.2, 0.4, 4.0])
    seen = project(np.nan_to_num(points) + transl, np.tile(camera, (len(pose), 1, 1)))
    seen[np.isnan(points[..., 0])] = np.nan
    middle = np.nanmean(points[:, [23, 24]], axis=1, keepdims=True)
    fit = fit_points(points - middle, "mediapipe33", scale=False)
    found = fit.transl_in_image(seen, camera)
    off = np.abs(found - transl).max(axis=1)
    assert np.median(off) < 0.01 and off.max() < 0.15
    result = kitro_np.refine(
        fit.pose, fit.betas, found, np.nan_to_num(seen), camera, keypoint_layout="mediapipe33"
    )
    assert result.accepted.mean() > 0.9


def test_what_joints_aim_at(open_body):
    """Each at the nearest points beyond it: a hip at its knee, not at the ankle."""
    layout = kitro_np.find_layout("smpl24", open_body)
    problem = PointsProblem(open_body.skeleton, layout, np.zeros((1, 24, 3)), np.ones((1, 24)))
    aims = [part.tolist() for part in nearest_points(problem)]
    assert aims[0] == [1, 2, 3]
    assert aims[1] == [4]
    assert aims[9] == [12, 13, 14]
    assert aims[10] == []


@pytest.mark.parametrize(
    ("points", "given", "message"),
    [
        (
            np.zeros((5, 16, 3)),
            {},
            r"points_3d: expected shape \(N, 17, 3\), as coco17 has, got \(5, 16, 3\)",
        ),
        (
            np.full((5, 17, 3), np.nan),
            {},
            "points_3d: expected at least 4 points of a body, got fewer of all",
        ),
        (np.ones((5, 17, 3)), {"confidence": np.ones(16)}, r"confidence: expected shape \(5, 17\)"),
        (np.ones((5, 17, 3)), {"scale": 0.0}, "scale: expected a number above 0, got 0"),
        (np.ones((5, 17, 3)), {"engine": "gpu"}, "engine: expected one of"),
        (np.ones((5, 17, 3)), {"betas": "yes"}, "betas: expected"),
    ],
)
def test_wrong_arguments(points, given, message):
    with pytest.raises(InputError, match=message):
        fit_points(points, "coco17", **given)


def test_repr_says_how_far_off(open_body, pose):
    fit = fit_points(placed(open_body, "coco17", pose[:3]), "coco17")
    assert repr(fit).startswith("PointsFit(3 bodies, points ")
    assert len(fit) == 3
