"""The verdict's parts: the affine map from estimate to keypoints, the features of a fit, and the quality."""

import numpy as np
import pytest
from bodies import make_skeleton

from kitro_np import load_body
from kitro_np.posterior import priors, verdict
from kitro_np.posterior.gauss_newton import Prior, Scales, Step
from kitro_np.posterior.verdict import (
    FEATURES,
    OTHER,
    PERSON,
    Affine,
    coefficients_of,
    features_of,
    fit_affine,
    quality_of,
)

# ------------------------------------------------------------------------------------------- the affine map

CORNERS = np.array([[-50.0, -50], [50, -50], [50, 50], [-50, 50]])
"""Of a square about its middle: equal moments, so that the ridge draws both axes alike to no change."""

PIXELS_PER_METRE = np.array([200.0])


def affine(matrix, *, detail=0.0, shift=(90.0, 90.0), points=CORNERS, confidence=None):
    """Fit the map to points that it was applied to, moved to and fro by `detail` metres in turn.

    By default about the same middle, so that all corners are moved as far and weigh the same.
    """
    away = detail * PIXELS_PER_METRE * np.resize([1.0, -1], len(points))[:, None] / np.sqrt(2)
    keypoints = points @ np.transpose(matrix) + away + shift
    confidence = np.ones(len(points)) if confidence is None else np.array(confidence)
    return fit_affine(points[None] + 90, keypoints[None], confidence[None], PIXELS_PER_METRE)


def rotation(degrees):
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


RIDGE = 2 * verdict.RIDGE
"""Over the second moment of the corners along an axis: the map M is fitted as (M + RIDGE) / (1 + RIDGE)."""


@pytest.mark.parametrize("degrees", [0, 10, -35, 90, 150])
def test_a_turn_in_the_image_is_found(degrees):
    angle = np.deg2rad(degrees)
    found = affine(rotation(degrees))
    expected = np.arctan2(np.sin(angle), np.cos(angle) + RIDGE)
    np.testing.assert_allclose(found.turn, 2 * np.abs(np.sin(expected / 2)), atol=1e-7)
    np.testing.assert_allclose(found.squeeze, 0, atol=1e-12)
    left = RIDGE / (1 + RIDGE) * 2 * np.abs(np.sin(angle / 2)) * np.linalg.norm(CORNERS[0])
    np.testing.assert_allclose(found.detail, left / PIXELS_PER_METRE, atol=1e-12)
    rough = affine(rotation(degrees), detail=0.02)
    np.testing.assert_allclose(rough.turn, found.turn, atol=4e-3)
    np.testing.assert_allclose(rough.squeeze, 0, atol=4e-3)
    np.testing.assert_allclose(rough.detail, 0.02, atol=4e-3)


@pytest.mark.parametrize(("x", "y"), [(1, 0.5), (1.4, 1), (1.5, 1.2), (1, 1), (0.6, 1), (2, 2)])
def test_a_squeeze_is_found(x, y):
    """Of y more than of x, and not the other way round."""
    found = affine(np.diag([x, y]))
    np.testing.assert_allclose(found.squeeze, max(0, np.log((x + RIDGE) / (y + RIDGE))), atol=1e-9)
    np.testing.assert_allclose(found.turn, 0, atol=1e-7)
    rough = affine(np.diag([x, y]), detail=0.02)
    np.testing.assert_allclose(rough.squeeze, found.squeeze, atol=0.01)


def test_a_reflection_is_the_smallest_stretch():
    found = affine(np.diag([1.0, -1]))
    np.testing.assert_allclose(found.squeeze, -np.log(verdict.SMALLEST_STRETCH), rtol=1e-3)


def test_what_no_map_explains_is_left():
    points = np.random.default_rng(0).normal(0, 60, (40, 2))
    keypoints = points + np.random.default_rng(1).normal(0, 6, points.shape)
    found = fit_affine(points[None], keypoints[None], np.ones((1, 40)), PIXELS_PER_METRE)
    # Less than all of it: what is farthest off weighs least.
    assert 0.6 < found.detail[0] / (np.sqrt(2) * 6 / 200) < 0.8
    smaller = fit_affine(points[None], keypoints[None], np.ones((1, 40)), 2 * PIXELS_PER_METRE)
    np.testing.assert_allclose(smaller.detail, found.detail / 2, rtol=2e-3)  # metres weigh otherwise


def test_outliers_hardly_turn_the_map():
    random = np.random.default_rng(2)
    points = random.normal(0, 60, (24, 2))
    keypoints = points @ rotation(8).T + random.normal(0, 2, points.shape)
    far = keypoints.copy()
    far[3] += [200, 0]
    clean, spoiled = (
        fit_affine(points[None], part[None], np.ones((1, 24)), PIXELS_PER_METRE) for part in (keypoints, far)
    )
    assert abs(spoiled.turn - clean.turn) < 0.3 * clean.turn
    assert clean.detail < spoiled.detail < 4 * clean.detail


def test_keypoints_that_are_not_visible_do_not_count():
    points = np.random.default_rng(0).normal(0, 60, (9, 2))
    confidence = np.array([1.0, 0.5, 1, 0.7, 1, 0.2, 0, 0, 0])
    keypoints = points @ rotation(20).T + np.random.default_rng(1).normal(0, 3, points.shape)
    expected = fit_affine(points[None, :6], keypoints[None, :6], confidence[None, :6], PIXELS_PER_METRE)
    keypoints[6:], points[7:] = np.nan, [1e9, np.inf]
    found = fit_affine(points[None], keypoints[None], confidence[None], PIXELS_PER_METRE)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other)
    none = fit_affine(points[None], keypoints[None], 0 * confidence[None], PIXELS_PER_METRE)
    assert all(np.all(np.isfinite(part)) for part in none)


# ---------------------------------------------------------------------------------------------- the features


def features(**changes):
    """Features by name of a made-up fit of two bodies: three joints, four keypoints, one of them hidden."""
    identity = np.tile(np.eye(3), (2, 3, 1, 1))
    motion = priors.MotionPrior(np.zeros((3, 3)), np.tile(np.eye(3), (3, 1, 1)))
    prior = Prior(
        identity, np.full((3, 3), 0.1), np.zeros((2, 1)), 1.0, np.array([[0, 0, 4.0]] * 2),
        np.tile(np.diag([100.0, 100, 25]), (2, 1, 1)), motion,
    )  # fmt: skip
    deviation = np.zeros((2, 3, 3))
    given = {
        "prior": prior,
        "scales": Scales(np.ones(2), priors.TYPICAL_NOISE * np.array([100.0, 200])),
        "step": Step(None, None, None, None, deviation, None, None, np.array([6.0, 12]), np.array([3.0, 0])),
        "affine": Affine(np.zeros(2), np.zeros(2), np.zeros(2)),
        "transl": prior.transl,
        "weights": np.tile([1.0, 1, 1, 0], (2, 1)),
        "inlier": np.tile([1.0, 1, 1, 0], (2, 1)),
        "count": np.array([3.0, 3]),
        "moving": np.ones((2, 3)),
        "pixels_per_metre": np.array([100.0, 200]),
        **changes,
    }
    found = features_of(**given)
    assert found.shape == (2, len(FEATURES))
    return dict(zip(FEATURES, found.T, strict=True)), given


def test_features_of_an_estimate_that_is_met():
    """What is small is 0, and the logarithms that never are have their floors."""
    found, _ = features()
    floors = {
        "detail": np.log(verdict.SMALLEST_DETAIL),
        "in_plane": np.log(verdict.ROTATION_FLOOR),
        "out_of_plane": np.log(verdict.ROTATION_FLOOR),
        "surprise": [1.0, 2],  # over 6 coordinates
        "determined": [0.5, 0],
        "few_points": 8.0,
        "few_effective_points": 8.0,
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, floors.get(name, 0), atol=1e-12, err_msg=name)


def test_features_of_scales_and_place():
    transl = np.array([[0, 0, 3.0], [0.2, 0, 4.0]])
    scales = Scales(np.array([2.0, 0.5]), priors.TYPICAL_NOISE * np.array([300.0, 100]))
    found, _ = features(transl=transl, scales=scales)
    np.testing.assert_allclose(found["pose_scale"], np.log([2, 0.5]))
    np.testing.assert_allclose(found["pose_scale_squared"], np.log(2) ** 2)
    np.testing.assert_allclose(found["noise"], np.log([3, 0.5]))
    np.testing.assert_allclose(found["noise_squared"], np.log([3, 0.5]) ** 2)
    np.testing.assert_allclose(found["depth"], [np.log(0.75), 0])
    np.testing.assert_allclose(found["translation"], [25, 4])


def test_features_of_the_affine_map():
    """A turn by 0.1 moves points by 4 cm: twice what is left, with its floor."""
    found, _ = features(affine=Affine(np.array([0.1, 0]), np.array([0, 0.2]), np.array([0.015, 0.035])))
    np.testing.assert_allclose(found["turn"], [np.log(5), 0])
    np.testing.assert_allclose(found["squeeze"], [0, np.log(5)])
    np.testing.assert_allclose(found["detail"], np.log([0.035, 0.055]))


def test_features_of_the_rotations():
    """Of the joints that move a visible keypoint, without the root; about the view, and about the others."""
    _, given = features()
    deviation = np.zeros((2, 3, 3))
    deviation[:, 0] = 9  # the root's
    deviation[0, 1], deviation[0, 2] = [0.1, 0.3, 0.2], [0, 0, 0.2]
    deviation[1, 1], deviation[1, 2] = [0, 0, 0.4], [5, 5, 5]
    moving = np.array([[1.0, 1, 1], [1, 1, 0]])
    found, _ = features(step=given["step"]._replace(deviation=deviation), moving=moving)
    floor = verdict.ROTATION_FLOOR
    np.testing.assert_allclose(found["in_plane"], np.log([2 + floor, 4 + floor]))
    np.testing.assert_allclose(found["out_of_plane"], np.log([np.sqrt(10 / 4) + floor, floor]))


def test_features_of_an_unusual_estimate():
    """Squared distance of its pose from recorded motion, per angle of the joints but the root."""
    _, given = features()
    quarter = np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]])
    pose = given["prior"].pose.copy()
    pose[0, 1] = quarter
    motion = given["prior"].motion
    motion = priors.MotionPrior(motion.mean, motion.precision * np.array([0, 1.0, 1])[:, None, None])
    found, _ = features(prior=given["prior"]._replace(pose=pose, motion=motion))
    np.testing.assert_allclose(found["unusual"], [(2 * np.sin(np.pi / 4)) ** 2 / 6, 0])


def test_features_of_outliers_and_of_few_points():
    inlier = np.array([[1.0, 0.5, 0.5, 0], [1, 1, 1, 1]])
    weights = np.array([[1.0, 0.5, 0.5, 0], [1, 0.2, 0.2, 0.2]])
    found, _ = features(inlier=inlier, weights=weights, count=np.array([3.0, 4]))
    np.testing.assert_allclose(found["outliers"], [1 / 3, 0])
    np.testing.assert_allclose(found["outliers_squared"], [1 / 9, 0])
    np.testing.assert_allclose(found["few_points"], [8, 6])
    # The number of equal ones that weigh as much: (sum w)^2 / sum w^2.
    np.testing.assert_allclose(found["few_effective_points"], [24 / (4 / 1.5), 24 / (1.6**2 / 1.12)])
    np.testing.assert_allclose(found["surprise"], [6 / 4, 12 / 8])
    np.testing.assert_allclose(found["determined"], [3 / 4, 0])


def test_nothing_visible_has_finite_features():
    nothing = np.zeros((2, 4))
    found, _ = features(inlier=nothing, weights=nothing, count=np.zeros(2), moving=np.zeros((2, 3)))
    assert np.all(np.isfinite([*found.values()]))
    # Nor have keypoints that are all so far off that their probability is 0 in this dtype.
    found, _ = features(inlier=nothing, weights=nothing)
    np.testing.assert_array_equal(found["outliers"], 1)
    np.testing.assert_array_equal(found["few_points"], 8)


# ------------------------------------------------------------------------------------------------ the quality


def test_each_feature_has_a_coefficient():
    for coefficients, constant in (PERSON, OTHER):
        assert len(coefficients) == len(FEATURES) == len({*FEATURES})
        assert np.all(np.isfinite([*coefficients, constant]))


def test_people_and_other_bodies_are_judged_by_their_own(open_body):
    hand = load_body("open_hand").skeleton
    for skeleton, numbers in ((open_body.skeleton, PERSON), (hand, OTHER), (make_skeleton("chain"), OTHER)):
        coefficients, constant = coefficients_of(skeleton)
        np.testing.assert_array_equal(coefficients, numbers[0])
        assert constant == numbers[1]
        values = np.random.default_rng(0).normal(size=(7, len(FEATURES)))
        np.testing.assert_allclose(quality_of(values, skeleton), values @ numbers[0] + numbers[1])


def test_what_speaks_against_a_person():
    """Keypoints that surprise, and estimates that are turned or squeezed."""
    by_name = dict(zip(FEATURES, PERSON[0], strict=True))
    for name in ("surprise", "turn", "squeeze"):
        assert by_name[name] < 0, name
