"""The fit of a body to 3D points, of models/shared/."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kitro_np


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[1])
        yield importlib.import_module("models.shared.fit_to_points")


@pytest.fixture(scope="module")
def person(script, open_body):
    """A person in eight poses: layout, true pose, betas, translation, and points."""
    pose = kitro_np.example()["pose"][::8].astype(np.float64)
    rng = np.random.default_rng(0)
    betas, transl = rng.normal(size=10), rng.normal(size=(len(pose), 3))
    layout = kitro_np.find_layout("body25b", open_body)
    return layout, pose, betas, transl, script.posed_points(open_body.skeleton, layout, pose, betas, transl)


def near(pose, degrees, seed=1):
    turns = Rotation.from_rotvec(
        np.random.default_rng(seed).normal(0, np.radians(degrees), (pose[..., 0].size // 3, 3))
    )
    return turns.as_matrix().reshape(pose.shape) @ pose


def test_exact_points_are_reached(script, open_body, person):
    layout, pose, betas, transl, points = person
    fit = script.fit_to_points(
        open_body.skeleton, layout, points, near(pose, 15), spread=0.002, beta_spread=100.0
    )
    assert fit.distance.max() < 1e-3
    assert np.allclose(fit.transl, transl, atol=0.02)
    assert np.abs(fit.betas - betas).max() < 1.5  # some combinations hardly move the points
    bones = [[1, 4], [4, 7], [16, 18], [18, 20]]
    lengths = [
        np.linalg.norm(np.diff(open_body.skeleton.rest_joints(one[None])[0][bones], axis=1), axis=-1)
        for one in (fit.betas, betas)
    ]
    assert np.allclose(*lengths, atol=0.005)


def test_missing_points_do_not_count(script, open_body, person):
    layout, pose, _, _, points = person
    some = points.copy()
    some[::2, 7] = np.nan
    some[:, 18] = np.nan
    fit = script.fit_to_points(open_body.skeleton, layout, some, near(pose, 10))
    assert np.array_equal(np.isnan(fit.distance), np.isnan(some[..., 0]))
    assert np.nanmax(np.linalg.norm(fit.points - points, axis=-1)[:, :18]) < 0.03


def test_spreads_hold_pose_and_shape(script, open_body, person):
    layout, pose, _, _, points = person
    first = near(pose, 10)
    held = script.fit_to_points(open_body.skeleton, layout, points, first, pose_spread=1e-4, beta_spread=1e-4)
    turned = Rotation.from_matrix(
        (held.pose @ np.swapaxes(first, -1, -2))[:, 1:].reshape(-1, 3, 3)
    ).magnitude()
    assert turned.max() < 1e-3
    assert np.abs(held.betas).max() < 1e-3
    assert np.nanmean(held.distance) > 0.005


def test_a_step_lowers_what_is_minimised(script, open_body, person):
    """Gauss-Newton's derivatives: a fit from nearby cannot be worse than where it starts."""
    layout, pose, _, _, points = person
    noisy = points + np.random.default_rng(2).normal(0, 0.01, points.shape)
    fit = script.fit_to_points(open_body.skeleton, layout, noisy, near(pose, 5))
    there = np.linalg.norm(points - noisy, axis=-1)
    assert (fit.distance**2).sum() < (there**2).sum()
