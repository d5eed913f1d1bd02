"""Which keypoints are visible: by the stage, by its fused twin, and what map makes of it."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from bodies import Batch
from hypothesis import given
from hypothesis import strategies as st
from recorded import refine
from same import assert_identical

import kitro_np
from kitro_np import LAYOUTS, KeypointLayout, Skeleton, Status, default_intrinsics, find_layout
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.load import default_body
from kitro_np.camera import project
from kitro_np.kernels.jit import uncached_entry
from kitro_np.kernels.keypoints import visibility
from kitro_np.kernels.lanes import lane_count
from kitro_np.kernels.records import refer, refer_tile
from kitro_np.kernels.tile import aligned_rows
from kitro_np.keypoints.detectors import HAND_LAYOUTS
from kitro_np.keypoints.visibility import CREDIBLE_RATIO, image_bounds, visible_confidence
from kitro_np.posterior.projection import place_points, points_on

COUNT = 16


@pytest.fixture(scope="module")
def few(sim_batch):
    return sim_batch.some(np.arange(COUNT))


# -------------------------------------------------------------------------------------------------- the twins


class Points(NamedTuple):
    point_joint: Any
    point_precision: Any


class Lanes(NamedTuple):
    betas: Any
    status: Any
    keypoints: Any


class Marks(NamedTuple):
    confidence: Any
    weight: Any


class Rows(NamedTuple):
    confidence: Any
    bounds: Any


@uncached_entry
def run_visible(chains, tile, memory, bodies, sized, start, last):
    visibility.visible_confidence(chains, tile, memory, bodies, sized, start, last)


def by_kernel(keypoints_2d, confidence, image_size):
    count, points = confidence.shape
    dtype = keypoints_2d.dtype
    bounds = image_bounds(image_size, keypoints_2d)
    chains = refer(Points(np.zeros(points, np.int64), np.ones(points, dtype)))
    found = []
    for start in range(0, count, lane_count(dtype)):
        tile = Lanes(*(aligned_rows(rows, dtype) for rows in (1, 1, 2 * points)))
        memory = Marks(*(aligned_rows(points, dtype) for _ in range(2)))
        own = np.minimum(np.arange(start, start + lane_count(dtype)), count - 1)
        tile.keypoints[:] = keypoints_2d[own].reshape(len(own), -1).T
        with np.errstate(all="ignore"):  # in the interpreter lanes are NumPy vectors
            run_visible(
                chains, refer_tile(tile), refer_tile(memory), refer(Rows(confidence, bounds)),
                image_size is not None, start, count,
            )  # fmt: skip
        hidden = np.repeat(memory.confidence == 0, 2, axis=0)
        assert np.all(tile.keypoints[hidden] == 0)
        found.append(memory.confidence.T[: count - start].copy())
    return np.concatenate(found)


def draw_detections(seed, dtype, points):
    """Draw detections with all that can be wrong with them, in every mixture."""
    random = np.random.default_rng(seed)
    count = 21
    keypoints = random.uniform(-50, 700, (count, points, 2))
    for body in range(count):
        own = keypoints[body]
        if random.random() < 0.5:
            np.clip(own, *np.sort(random.uniform(-50, 700, (2, 2)), axis=0), out=own)
        if random.random() < 0.3:
            np.round(own, random.integers(-1, 2), out=own)
        own[random.random(points) < 0.1] = 0
        own[random.random(points) < 0.05] = random.choice([np.nan, np.inf, -1e12, 1e9])
    confidence = np.exp(random.normal(0, random.choice([0.1, 1, 5], (count, 1)), (count, points)))
    confidence[random.random((count, points)) < 0.1] = random.choice([0, np.nan, -1, 1e31, np.inf, 1e25])
    size = random.uniform(200, 800, (random.choice([1, count]), 2))
    return keypoints.astype(dtype), confidence.astype(dtype), size.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(seed=st.integers(0, 2**32 - 1), points=st.sampled_from([1, 5, 24]), sized=st.booleans())
def test_twins(dtype, seed, points, sized):
    """To the last digit: a keypoint is visible in both or in neither."""
    keypoints, confidence, size = draw_detections(seed, dtype, points)
    size = size if sized else None
    with np.errstate(all="ignore"):
        expected = visible_confidence(keypoints, confidence, size)
    np.testing.assert_array_equal(by_kernel(keypoints, confidence, size), expected)


# ------------------------------------------------------------------------------------------- missing points


def test_a_keypoint_in_the_corner_is_missing(few, engine):
    """Detectors write (0, 0) for what they have not found, some beside a confidence."""
    hidden = [7, 20]
    confidence = np.ones((COUNT, 24))
    confidence[:, hidden] = 0
    expected = refine(*few, confidence=confidence, engine=engine)
    keypoints = few.keypoints_2d.copy()
    keypoints[:, hidden] = 0
    assert_identical(refine(*few._replace(keypoints_2d=keypoints), engine=engine), expected)
    keypoints[:, hidden] = (0, 1e-3)
    found = refine(*few._replace(keypoints_2d=keypoints), engine=engine, safe=False)
    assert np.all(found.reprojection_error > expected.reprojection_error + 20)


# ---------------------------------------------------------------------------------------------- confidences


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_min_confidence(few, engine, dtype):
    """Of confidences as they are given, before they are compared with one another."""
    batch = few.astype(dtype)
    scores = np.tile(np.linspace(0.1, 0.9, 24), (COUNT, 1))
    scores[:, 3] = 0.3
    hidden = np.where(scores >= 0.3, scores, 0)
    expected = refine(*batch, confidence=hidden, engine=engine, hypotheses=2)
    found = refine(*batch, confidence=scores, min_confidence=0.3, engine=engine, hypotheses=2)
    assert_identical(found, expected)
    scored = np.concatenate([batch.keypoints_2d, scores[..., None].astype(dtype)], axis=-1)
    method = kitro_np.Map(min_confidence=0.3, hypotheses=2)
    assert_identical(refine(*batch._replace(keypoints_2d=scored), engine=engine, method=method), expected)
    assert found.options["min_confidence"] == 0.3
    every = refine(*batch, confidence=scores, engine=engine)
    assert np.all(np.any(every.pose != expected.pose, axis=(1, 2, 3)))
    assert_identical(refine(*batch, confidence=scores, min_confidence=0, engine=engine), every)


def test_without_confidences_each_counts_as_one(few, engine):
    assert_identical(refine(*few, min_confidence=1, engine=engine), refine(*few, engine=engine))
    for least in (1.1, 1e300):
        found = refine(*few.astype(np.float32), min_confidence=least, engine=engine)
        assert np.all(found.status == Status.TOO_FEW_KEYPOINTS)


def test_confidences_that_vanish_beside_the_others_are_not_visible(few, engine):
    confidence = np.random.default_rng(0).uniform(0.5, 1, (COUNT, 24))
    confidence[:, [4, 7, 20]] = 0
    expected = refine(*few, confidence=confidence, engine=engine)
    confidence[:, [4, 7, 20]] = 4e-4
    assert_identical(refine(*few, confidence=confidence, engine=engine), expected)
    confidence[:, 3:] = 0
    confidence[:, 3:5] = 4e-4
    found = refine(*few, confidence=confidence, engine=engine)
    assert np.all(found.status == Status.TOO_FEW_KEYPOINTS)
    confidence[:, 3] = 0.1
    assert np.all(refine(*few, confidence=confidence, engine=engine).status != Status.TOO_FEW_KEYPOINTS)


@pytest.mark.parametrize("huge", [1e5, 1e29])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_huge_confidence_does_not_make_the_others_vanish(few, engine, huge, dtype):
    """It counts as the largest that is credible, whatever it is."""
    confidence = np.random.default_rng(0).uniform(0.5, 1, (COUNT, 24)).astype(dtype)
    confidence[:, 5] = CREDIBLE_RATIO * np.sort(np.delete(confidence, 5, axis=1))[:, -2]
    expected = refine(*few.astype(dtype), confidence=confidence, engine=engine)
    assert expected.accepted.mean() > 0.8
    confidence[:, 5] = huge
    found = refine(*few.astype(dtype), confidence=confidence, engine=engine)
    assert_identical(found, expected)


def test_points_that_are_not_on_the_body_do_not_say_what_is_usual(few, engine):
    """Face and fingers of WholeBody, which the body lacks, with any confidence."""
    layout = find_layout("wholebody133", default_body())
    lacking = np.array(layout.joints) < 0
    keypoints = np.random.default_rng(0).uniform(1, 1000, (len(few.pose), 133, 2))
    confidence = np.where(lacking, 1.0, np.random.default_rng(1).uniform(0.2, 1, 133))
    confidence = np.broadcast_to(confidence, keypoints.shape[:2])
    batch = few._replace(keypoints_2d=keypoints)
    found = [
        refine(
            *batch,
            confidence=np.where(lacking, scale, 1) * confidence,
            keypoint_layout=layout,
            engine=engine,
            safe=False,
        )
        for scale in (1, 1e-3, 1e3)
    ]
    for other in found[1:]:
        assert_identical(other, found[0])


def test_most_may_have_vanishing_confidences(few, engine):
    """They are not visible, as if their confidences were 0."""
    confidence = np.ones((len(few.pose), 24))
    hidden = np.arange(24) % 10 < 6
    confidence[:, hidden] = 0
    expected = refine(*few, confidence=confidence, engine=engine)
    confidence[:, hidden] = 1e-12
    assert_identical(refine(*few, confidence=confidence, engine=engine), expected)


@given(seed=st.integers(0, 2**32 - 1))
def test_honest_precisions_all_count(seed):
    """1 / r^2 of detections 1 to 20 pixels off: a factor of 400. The largest are limited, the others stay."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(1, 20, (5, 24)) ** -2.0
    confidence[:, :2] = 1, 1 / 400
    found = visible_confidence(random.uniform(1, 1000, (5, 24, 2)), confidence)
    third = np.sort(confidence, axis=1)[:, -3:-2]
    expected = np.minimum(confidence, CREDIBLE_RATIO * third)
    np.testing.assert_array_equal(found, expected / expected.max(axis=1, keepdims=True))
    assert np.all(found > 0)


def test_limits_of_confidences():
    """Where the third highest is 1: down to 1 / 1024, up to CREDIBLE_RATIO."""
    confidence = np.array([[1.0] * 8 + [1 / 1024, 1 / 1025, CREDIBLE_RATIO - 1, 1.0, 1e6]])
    keypoints = np.random.default_rng(0).uniform(1, 1000, (1, 13, 2))
    expected = np.array([[1.0] * 8 + [1 / 1024, 0, CREDIBLE_RATIO - 1, 1.0, CREDIBLE_RATIO]])
    for found in (visible_confidence(keypoints, confidence), by_kernel(keypoints, confidence, None)):
        np.testing.assert_array_equal(found, expected / CREDIBLE_RATIO)


# ----------------------------------------------------------------------------------------- the image's border

SIZE = np.array([640.0, 480.0])


@pytest.mark.parametrize("size", [SIZE[None], np.tile(SIZE, (9, 1))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_border_of_an_image(size, dtype):
    inner = [(1, 1), (0.6, 200), (638, 478), (320, 478.4)]
    outer = [(0, 200), (0.5, 200), (200, 0.5), (639, 200), (640, 200), (638.5, 200), (200, 479), (700, 90)]
    outer += [(-3, 9), (200, 1e6), (np.nan, 7)]
    keypoints = np.tile(np.array(inner + outer, dtype), (9, 1, 1))
    expected = [1.0] * len(inner) + [0.0] * len(outer)
    found = visible_confidence(keypoints, np.ones(keypoints.shape[:2], dtype), size.astype(dtype))
    np.testing.assert_array_equal(found, np.tile(expected, (9, 1)))


@pytest.mark.parametrize("each", [False, True])
def test_keypoints_moved_to_the_border_are_not_visible(few, engine, each):
    """The image ends where the last keypoints lie, for each body by itself or for all."""
    keypoints = few.keypoints_2d - few.keypoints_2d.min(axis=1, keepdims=True) + 50
    camera = few.intrinsics.copy()
    camera[:, :2, 2] += (keypoints - few.keypoints_2d)[:, 0]
    batch = few._replace(keypoints_2d=keypoints, intrinsics=camera)
    size = np.quantile(keypoints, 0.8, axis=1) + 1
    size = size if each else size.max(axis=0)
    last = np.broadcast_to(size, (COUNT, 2))[:, None] - 1
    outside = np.any(keypoints > last - 0.5, axis=-1)
    assert outside.sum() > COUNT // 2
    confidence = np.where(outside, 0.0, 1.0)
    expected = refine(*batch, confidence=confidence, image_size=size, engine=engine, hypotheses=2)
    clamped = batch._replace(keypoints_2d=np.minimum(keypoints, last))
    for given_ in (batch, clamped):
        found = refine(*given_, image_size=size, engine=engine, hypotheses=2)
        assert_identical(found, expected)
    by_chunk = refine(*clamped, image_size=size, engine=engine, chunk_size=9, hypotheses=2)
    np.testing.assert_allclose(by_chunk.pose, expected.pose, atol=1e-6)
    one = refine(*clamped.some(3), image_size=size[3] if each else size, engine=engine)
    np.testing.assert_allclose(one.pose, expected.pose[3], atol=1e-6)
    assert np.all(np.any(refine(*batch, engine=engine).pose != expected.pose, axis=(1, 2, 3))[outside.any(1)])


def test_the_size_in_place_of_intrinsics_is_the_images(few, engine):
    size = (500, 900)
    camera = default_intrinsics(size)
    expected = refine(*few[:4], camera, image_size=size, engine=engine, safe=False)
    assert_identical(refine(*few[:4], image_size=size, engine=engine, safe=False), expected)
    outside = ~np.all((few.keypoints_2d > 0.5) & (few.keypoints_2d < np.array(size) - 1.5), axis=-1)
    assert outside.any()
    hidden = refine(*few[:4], camera, confidence=np.where(outside, 0.0, 1), engine=engine, safe=False)
    assert_identical(hidden, expected)


def test_an_image_of_no_size_concerns_its_body_alone(few, engine):
    sizes = np.full((COUNT, 2), 5000.0)
    sizes[3], sizes[5] = np.nan, -1
    found = refine(*few, image_size=sizes, engine=engine)
    assert np.all((found.status == Status.TOO_FEW_KEYPOINTS) == np.isin(np.arange(COUNT), [3, 5]))


# ------------------------------------------------------------------------------------------------ flat edges


def clamped_to(keypoints, axis, count, *, high):
    """Clamp the `count` outermost keypoints of each body to a place before the next; say which they are."""
    ordered = np.sort(keypoints[..., axis], axis=1)
    inner = 24 - count if high else count
    edge = ordered[:, inner - 1 : inner + 1].mean(axis=1, keepdims=True)
    clamped = keypoints.copy()
    clamped[..., axis] = (np.minimum if high else np.maximum)(keypoints[..., axis], edge)
    return clamped, clamped[..., axis] == edge


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("count", "hides"), [(2, False), (3, True), (8, True), (12, True), (13, False)])
def test_a_flat_edge_is_the_images(few, axis, high, count, hides, engine):
    clamped, flat = clamped_to(few.keypoints_2d, axis, count, high=high)
    assert np.all(flat.sum(axis=1) == count)
    found = visible_confidence(clamped, np.ones((COUNT, 24)))
    np.testing.assert_array_equal(found, np.where(flat & hides, 0.0, 1))
    if count == 3:
        batch = few._replace(keypoints_2d=clamped)
        expected = refine(*few, confidence=np.where(flat, 0.0, 1), engine=engine)
        assert_identical(refine(*batch, engine=engine), expected)


def test_a_corner_of_the_image(few):
    """Two edges count together: half of the keypoints must be left."""
    clamped, right = clamped_to(few.keypoints_2d, 0, 4, high=True)
    clamped, bottom = clamped_to(clamped, 1, 4, high=True)
    found = visible_confidence(clamped, np.ones((COUNT, 24)))
    np.testing.assert_array_equal(found, np.where(right | bottom, 0.0, 1))
    clamped, right = clamped_to(few.keypoints_2d, 0, 11, high=True)
    clamped, bottom = clamped_to(clamped, 1, 11, high=True)
    left = 24 - np.sum(right | bottom, axis=1)
    found = visible_confidence(clamped, np.ones((COUNT, 24)))
    assert np.any(left < 12)
    np.testing.assert_array_equal(found.sum(axis=1), np.where(left >= 12, left, 24))


def test_the_border_that_is_known_needs_no_guess(few):
    clamped, _ = clamped_to(few.keypoints_2d, 1, 6, high=True)
    found = visible_confidence(clamped, np.ones((COUNT, 24)), np.array([[1e5, 1e5]]))
    inside = np.all(clamped > 0.5, axis=-1)
    np.testing.assert_array_equal(found, np.where(inside, 1.0, 0))


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in HAND_LAYOUTS])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_frontal_pose_at_rest_has_no_flat_edge(recorded_body, name, dtype):
    """Exact or rounded to pixels; nor has it one from the side or from above.

    But MediaPipe's six points of the eyes are its highest, and exactly at one height.
    """
    layout, skeleton = find_layout(name, recorded_body), recorded_body.skeleton
    camera = default_intrinsics((1920, 1080))[None]
    for angles in ([0, 0, 0], [np.pi, 0, 0], [0, np.pi / 2, 0], [np.pi / 2, 0, 0]):
        pose = np.tile(np.eye(3), (1, skeleton.num_joints, 1, 1))
        pose[:, 0] = matrix_from_axis_angle(np.array([angles], float))
        betas, transl = np.zeros((1, skeleton.num_betas)), np.array([[0.0, 0, 5]])
        placed = place_points(skeleton, points_on(skeleton, layout, pose), pose, betas, transl)
        keypoints = project(placed.points, camera).astype(dtype)
        on_body = np.array([layout.joints]) >= 0
        frontal = abs(pose[0, 0, 0, 0]) * abs(pose[0, 0, 2, 2]) > 0.5
        for detected in (keypoints, np.round(keypoints)) if frontal else (keypoints,):
            found = visible_confidence(detected, on_body.astype(dtype))
            hidden = np.flatnonzero(on_body & (found == 0))
            assert not hidden.size or (name == "mediapipe33" and list(hidden) == [1, 2, 3, 4, 5, 6])


# ------------------------------------------------------------------------------------------ behind the camera


def lying(recorded_body, count=12):
    """Bodies with their feet towards the camera, and beyond: only what is in front of it is seen."""
    skeleton = recorded_body.skeleton
    random = np.random.default_rng(0)
    vectors = random.normal(0, 0.1, (count, skeleton.num_joints, 3))
    vectors[:, 0] = random.normal([np.pi / 2, 0, 0], 0.1, (count, 3))
    transl = random.normal([0, 0, 0.8], 0.03, (count, 3))
    camera = default_intrinsics((1000, 1000))
    betas = np.zeros((count, 10))
    there = recorded_body.joints(vectors, betas, transl)
    keypoints = project(there, np.tile(camera, (count, 1, 1)))
    keypoints[there[..., 2] < 0.3] = np.nan
    off = random.normal(0, 0.05, vectors.shape)
    pose = matrix_from_axis_angle(vectors + off)
    return Batch(pose, betas, transl, keypoints, camera), there


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_not_seen_may_be_behind_the_camera(recorded_body, engine, dtype):
    batch, there = lying(recorded_body)
    seen = np.isfinite(batch.keypoints_2d[..., 0])
    assert np.all(there[..., 2].min(axis=1) < -0.03)
    assert np.all(seen.sum(axis=1) > 10)
    found = refine(*batch.astype(dtype), engine=engine, uncertainty=True, hypotheses=2)
    assert np.mean(found.accepted) > 0.9
    for value in found.arrays().values():
        assert np.all(np.isfinite(value[found.accepted]))
    before = refine(*batch.astype(dtype), engine=engine, confidence=np.zeros((12, 24)))
    assert np.all(before.status == Status.TOO_FEW_KEYPOINTS)
    off = np.linalg.norm(found.joints() - there, axis=-1)
    estimate = np.linalg.norm(recorded_body.joints(*batch[:3]) - there, axis=-1)
    assert np.mean(off[seen]) < 0.5 * np.mean(estimate[seen])
    assert np.all(found.reprojection_error[found.accepted] < 10)


def test_what_is_seen_must_be_in_front_of_the_camera(recorded_body, engine):
    batch, there = lying(recorded_body)
    keypoints = batch.keypoints_2d.copy()
    behind = np.argmin(there[..., 2], axis=1)
    keypoints[np.arange(12), behind] = 300, 700
    found = refine(*batch._replace(keypoints_2d=keypoints), engine=engine)
    assert np.all(found.status == Status.BEHIND_CAMERA)
    away = batch._replace(transl=batch.transl * [1, 1, -1])
    assert np.all(refine(*away, engine=engine).status != Status.REFINED)
    for method in ("kitro", "smplify"):
        full = batch._replace(keypoints_2d=np.nan_to_num(keypoints, nan=100.0))
        found = refine(*full, method=method, engine=engine)
        assert np.all(found.status == Status.BEHIND_CAMERA)


@pytest.mark.parametrize("depth", [0.0, 1e-30, -1e-30, 1e-6, -1e-5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_point_in_the_cameras_plane(engine, depth, dtype):
    """Its projection is infinitely far away, and its slopes overflow: not seen, it does not matter."""
    rest = np.array([[0, 0, 0], [0.3, 0.1, -0.5], [-0.3, 0.2, 0.5], [0.5, 0.3, -1], [-0.4, -0.2, 0.6]])
    skeleton = Skeleton((-1, 0, 0, 1, 2), rest, np.zeros((5, 3, 0)))
    offsets = np.array([[0, 0, 0]] * 5 + [[0.1, 0.1, depth]])
    layout = KeypointLayout("own", [*"abcdef"], [0, 1, 2, 3, 4, 3], offsets)
    pose = np.tile(np.eye(3), (2, 5, 1, 1))
    camera = np.array([[1000.0, 0, 500], [0, 1000, 500], [0, 0, 1]])
    keypoints = np.array([[500, 500], [1090, 690], [300, 640], [np.nan, 0], [240, 380], [np.nan, 0.0]])
    batch = Batch(pose, np.zeros((2, 0)), np.tile([0.0, 0, 1], (2, 1)), np.tile(keypoints, (2, 1, 1)), camera)
    how = {"body": skeleton, "keypoint_layout": layout, "safe": False, "uncertainty": True}
    found = refine(*batch.astype(dtype), **how, engine=engine)
    assert np.all(found.accepted)
    for value in found.arrays().values():
        assert np.all(np.isfinite(value))
    assert np.any(found.pose != pose)
