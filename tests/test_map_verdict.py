"""What method map gives back as it was, what it does not look at, and what it makes of the rest."""

import numpy as np
import pytest
from bodies import Batch
from recorded import refine
from same import assert_identical
from test_bad_bodies import BAD, COUNT, OTHERS, SPOILED, spoiled

from kitro_np import InputError, KeypointLayout, Status, find_layout
from kitro_np.evaluation.metrics import mpjpe
from kitro_np.posterior.swaps import assignments
from kitro_np.posterior.verdict import FEWEST_KEYPOINTS


@pytest.fixture(scope="module")
def few(sim_batch):
    return sim_batch.some(np.arange(COUNT))


# ------------------------------------------------------------------------- bodies that come back as they were

OF_MAP = {
    **{f"{value} in keypoints_2d": Status.REFINED for value in (np.nan, np.inf, -np.inf)},
    "keypoint far beyond any image": Status.REFINED,
    **dict.fromkeys(
        ("keypoints in one point", "almost in one point", "upside down and far away"), Status.UNLIKELY
    ),
}
"""What becomes of bodies that KITRO refuses: a keypoint that is no number is not seen, and so on."""


@pytest.fixture(scope="module")
def clean(few):
    return {engine: refine(*few, engine=engine) for engine in ("numba", "array")}


@pytest.mark.parametrize(
    ("spoil", "status"), [(s, OF_MAP.get(n, t)) for n, (s, t) in SPOILED.items()], ids=SPOILED
)
def test_a_bad_body_comes_back_as_it_was(few, clean, engine, spoil, status):
    bad = spoiled(few, spoil)
    found = refine(*bad, engine=engine)
    assert found.status[BAD] == status
    assert found.accepted[BAD] == (status == 0)
    same = [
        np.array_equal(getattr(found, n)[BAD], getattr(bad, n)[BAD], equal_nan=True)
        for n in Batch._fields[:3]
    ]
    assert same == 3 * [status != 0]
    looked_at = status in (Status.REFINED, Status.UNLIKELY)
    for name in ("quality", "noise", "evidence"):
        assert np.isfinite(getattr(found, name)[BAD]) == looked_at
    assert_near_identical(found[OTHERS], clean[engine][OTHERS], engine)
    assert (Status(status).reason in found.summary()) and (
        f"{COUNT - (status != 0)} bodies" in found.summary()
    )


def assert_near_identical(found, expected, engine):
    """Bit for bit by kernels; BLAS may sum in another order."""
    if engine == "numba":
        assert_identical(found, expected)
    else:
        for name in found.arrays():
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-6)


def test_all_bad_at_once(sim_batch, engine):
    parts = Batch(*(part.copy() for part in sim_batch.some(np.arange(len(SPOILED)))))
    for n, (spoil, _) in enumerate(SPOILED.values()):
        spoil(parts.some(n))
    found = refine(*parts, engine=engine)
    expected = [OF_MAP.get(name, status) for name, (_, status) in SPOILED.items()]
    np.testing.assert_array_equal(found.status, expected)


@pytest.mark.parametrize("value", [1e6, 9e8, 1e15, 1e30, 1e38])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_absurd_keypoints(few, clean, engine, value, dtype):
    """One counts for nothing; if all are, the body is given back; neighbours do not notice."""
    keypoints = few.keypoints_2d.copy()
    keypoints[3, 5], keypoints[4], keypoints[6, 2:10, 1] = value, value, -value
    found = refine(*few._replace(keypoints_2d=keypoints).astype(dtype), engine=engine)
    assert found.status[4] in (Status.UNLIKELY, Status.TOO_FEW_KEYPOINTS)
    assert np.all(found.status[[3, *range(7, COUNT)]] == 0)
    assert np.all(np.isfinite(found.pose))
    others = [0, 1, 2, 5, *range(7, COUNT)]
    tolerance = 1e-6 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(found.pose[others], clean[engine].pose[others], atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_body_that_blows_up_harms_no_other(few, engine, dtype):
    """Distances and cameras whose slopes overflow on the way."""
    bad = Batch(*(part.copy() for part in few.astype(dtype)))
    bad.transl[1, 2], bad.transl[2, 2], bad.transl[3, :2] = 0.35, 1e25, 1e20
    bad.intrinsics[4, 0, 0], bad.intrinsics[5, 1, 1], bad.intrinsics[6, 0, 2] = 1e30, 1e-30, 1e25
    bad.betas[7] = 1e15
    found = refine(*bad, engine=engine, safe=False)
    expected = refine(*few.astype(dtype), engine=engine, safe=False)
    for part in (found.pose, found.betas, found.transl):
        assert np.all(np.isfinite(part))
    np.testing.assert_allclose(found.pose[8:], expected.pose[8:], atol=1e-6 if dtype == np.float64 else 1e-3)


# ---------------------------------------------------------------------------------------------- do no harm


def of_others(batch, shift=1):
    return batch._replace(keypoints_2d=np.roll(batch.keypoints_2d, shift, axis=0))


def assert_given_back(found, batch, bodies=slice(None)):
    for name in Batch._fields[:3]:
        np.testing.assert_array_equal(getattr(found, name)[bodies], getattr(batch, name)[bodies])


@pytest.mark.parametrize("shift", [1, 5])
def test_keypoints_of_somebody_else(sim_batch, noisy_batch, engine, shift):
    for batch in (sim_batch, noisy_batch):
        found = refine(*of_others(batch, shift), engine=engine)
        assert np.mean(found.accepted) < 0.03
        refused = ~found.accepted
        assert set(found.status[refused]) <= {Status.UNLIKELY, Status.SWAPPED}
        assert np.all(found.quality[refused] <= 0)
        assert np.all(found.quality[found.accepted] > 0)
        np.testing.assert_array_equal(found.status[refused] == Status.SWAPPED, found.swapped[refused] == 1)
        assert_given_back(found, batch, refused)
    kept = refine(*of_others(sim_batch, shift), engine=engine, safe=False)
    assert np.all(kept.accepted)
    assert np.all(np.any(kept.pose != sim_batch.pose, axis=(1, 2, 3)))
    np.testing.assert_allclose(kept.quality, refine(*of_others(sim_batch, shift), engine=engine).quality)


@pytest.mark.parametrize("pixels", [1e4, 1e6, 1e8])
def test_an_absurd_keypoint_does_not_make_others_keypoints_acceptable(noisy_batch, engine, pixels):
    others = of_others(noisy_batch, 7)
    keypoints = others.keypoints_2d.copy()
    keypoints[:, 5] = pixels
    found = refine(*others._replace(keypoints_2d=keypoints), engine=engine)
    assert np.mean(found.accepted) <= np.mean(refine(*others, engine=engine).accepted) + 0.05


def test_clean_ones_are_kept(sim_batch, noisy_batch):
    assert np.mean(refine(*sim_batch).accepted) > 0.96
    assert np.mean(refine(*noisy_batch).accepted) > 0.97


@pytest.mark.parametrize("part", ["all", "legs", "arms", "feet", "hands"])
def test_left_and_right_the_other_way_round(noisy_batch, recorded_body, engine, part):
    """They are put right: the result is nearly that of keypoints that were never exchanged."""
    number = ["all", "legs", "arms", "feet", "hands"].index(part)
    order = assignments(find_layout("smpl24", recorded_body))[number]
    swapped = noisy_batch._replace(keypoints_2d=noisy_batch.keypoints_2d[:, order])
    found, was = (refine(*batch, engine=engine) for batch in (swapped, noisy_batch))
    assert found.swapped.dtype == np.int8
    told = found.swapped == 1
    assert np.mean(told) > {"feet": 0.87, "hands": 0.93}.get(part, 0.97)
    assert np.mean(found.accepted[told]) > 0.97
    assert np.mean(was.swapped) < 0.04
    good = told & found.accepted & was.accepted & (was.swapped == 0)
    gap = mpjpe(found.joints(recorded_body), was.joints(recorded_body))[good]
    assert np.median(gap) < 0.003
    assert np.mean(gap < 0.03) > 0.97
    np.testing.assert_allclose(
        np.median(found.reprojection_error[good]), np.median(was.reprojection_error[good]), rtol=0.05
    )
    assert f"{np.sum(told & found.accepted)} with left and right exchanged" in found.summary()


def test_bodies_that_are_refused_although_left_and_right_were_exchanged(sim_batch, recorded_body, engine):
    """The reason says so: of another person's exchanged keypoints."""
    order = list(find_layout("smpl24", recorded_body).mirror)
    other = of_others(sim_batch)
    found = refine(*other._replace(keypoints_2d=other.keypoints_2d[:, order]), engine=engine)
    refused = found.status == Status.SWAPPED
    assert refused.sum() > 3
    assert np.all(found.swapped[refused] == 1)
    assert_given_back(found, other, refused)
    assert Status.SWAPPED.reason in found.summary()


def test_which_twins_can_be_swapped(recorded_body, sim_batch):
    """A twin that is not seen has no place to swap with."""
    order = assignments(find_layout("smpl24", recorded_body))[0]
    swapped = sim_batch._replace(keypoints_2d=sim_batch.keypoints_2d[:, order])
    confidence = np.ones((64, 24))
    confidence[:, [k for k, twin in enumerate(order) if k < twin]] = 0
    found = refine(*swapped, confidence=confidence)
    assert not np.any(found.swapped)
    assert np.mean(found.status == Status.UNLIKELY) > 0.5


@pytest.mark.parametrize("count", range(6))
def test_few_keypoints(few, engine, count):
    confidence = np.zeros((COUNT, 24))
    confidence[:, [4, 5, 18, 19, 15, 7][:count]] = 0.3
    found = refine(*few, confidence=confidence, engine=engine)
    if count < FEWEST_KEYPOINTS:
        assert np.all(found.status == Status.TOO_FEW_KEYPOINTS)
        assert_given_back(found, few)
        assert np.all(np.isnan(found.quality))
        assert f"{COUNT}: too few of its keypoints are visible" in found.summary()
    else:
        assert np.mean(found.accepted) > 0.8
    bold = refine(*few, confidence=confidence, engine=engine, safe=False)
    assert np.all(bold.accepted == (count > 0))
    if count == 1:
        np.testing.assert_array_equal(bold.transl, few.transl)


def test_strict_says_why(few):
    keypoints = few.keypoints_2d.copy()
    keypoints[[4, 9]] = np.nan
    with pytest.raises(InputError, match=r"^body 4: .*too few of its keypoints are visible \(2 in all\)\.$"):
        refine(*few._replace(keypoints_2d=keypoints), strict=True)


# ------------------------------------------------------------------------------------------- what is not seen


def test_ways_to_say_that_a_keypoint_is_not_seen(few, engine):
    """Whatever stands there then is not looked at."""
    hidden = [4, 7, 20]
    confidence = np.ones((COUNT, 24))
    confidence[:, hidden] = 0
    expected = refine(*few, confidence=confidence, engine=engine)
    for value in (np.nan, -1, -np.inf):
        other, keypoints = confidence.copy(), few.keypoints_2d.copy()
        other[:, hidden], keypoints[:, hidden] = value, [np.nan, 1e7]
        found = refine(*few._replace(keypoints_2d=keypoints), confidence=other, engine=engine)
        assert_identical(found, expected)
    for value in (np.nan, np.inf, 1e20):
        keypoints[:, hidden, 1] = value
        assert_identical(refine(*few._replace(keypoints_2d=keypoints), engine=engine), expected)


def test_joints_that_nothing_is_seen_of_keep_their_rotation(few, engine):
    """Bit for bit: the left leg's hip, knee and ankle."""
    confidence = np.ones((COUNT, 24))
    confidence[:, [4, 7, 10]] = 0
    found = refine(*few, confidence=confidence, engine=engine)
    assert np.all(found.accepted)
    still = [1, 4, 7, 10, 11, 15, 22, 23]
    np.testing.assert_array_equal(found.pose[:, still], few.pose[:, still])
    assert np.all(np.delete(found.pose != few.pose, still, axis=1).any(axis=(2, 3)))


def test_confidence_is_relative_precision(few, engine):
    """Only what a body's keypoints are to one another counts: detectors have scales of their own."""
    random = np.random.default_rng(3)
    confidence = random.uniform(0.1, 1, (COUNT, 24))
    expected = refine(*few, confidence=confidence, engine=engine)
    for scale in (70, 1e-3):
        found = refine(*few, confidence=scale * confidence, engine=engine)
        np.testing.assert_allclose(found.pose, expected.pose, atol=1e-9)
    alike = refine(*few, engine=engine)
    assert np.abs(expected.pose - alike.pose).max() > 1e-3


def test_each_body_has_its_own_confidences(few, engine):
    confidence = np.random.default_rng(5).integers(0, 2, (COUNT, 24)) + 0.01
    expected = refine(*few, confidence=confidence, engine=engine)
    found = refine(*few, confidence=confidence, engine=engine, chunk_size=4)
    assert_near_identical(found, expected, engine)
    alone = refine(*few.some(9), confidence=confidence[9], engine=engine)
    np.testing.assert_allclose(alone.pose, expected.pose[9], atol=1e-6)
    expected = refine(*few, confidence=confidence, engine=engine, safe=False)
    other = refine(*few, confidence=confidence[::-1], engine=engine, safe=False)
    assert np.all(np.any(other.pose != expected.pose, axis=(1, 2, 3))[[0, 1, 15, 16]])


@pytest.mark.parametrize("dtype", [np.float32, np.int64, list])
def test_kinds_of_confidence(few, engine, dtype):
    confidence = np.random.default_rng(3).integers(0, 3, (COUNT, 24))
    confidence[:, :6] = 2
    expected = refine(*few, confidence=confidence.astype(float), engine=engine)
    given = confidence.tolist() if dtype is list else confidence.astype(dtype)
    assert_identical(refine(*few, confidence=given, engine=engine), expected)


def test_leading_shapes_of_confidence(few, engine):
    grid = Batch(*(part[:6].reshape(2, 3, *part.shape[1:]) for part in few))
    confidence = np.random.default_rng(4).uniform(0.2, 1, (6, 24))
    expected = refine(*few.some(slice(0, 6)), confidence=confidence, uncertainty=True, engine=engine)
    found = refine(*grid, confidence=confidence.reshape(2, 3, 24), uncertainty=True, engine=engine)
    for name in found.arrays():
        flat = getattr(expected, name)
        np.testing.assert_array_equal(getattr(found, name), flat.reshape(2, 3, *flat.shape[1:]))
    alone = refine(*few.some(2), confidence=confidence[2], uncertainty=True, engine=engine)
    assert (alone.quality.shape, alone.joint_spread.shape, alone.swapped.shape) == ((), (24,), ())
    np.testing.assert_allclose(alone.pose, expected.pose[2], atol=1e-9)


def test_layouts_by_name_and_by_themselves(few, recorded_body):
    layout = find_layout("smpl24", recorded_body)
    expected = refine(*few)
    assert_identical(refine(*few, keypoint_layout=layout), expected)
    order = list(range(23, -1, -1))
    rotations = few._replace(keypoints_2d=few.keypoints_2d[:, order])
    np.testing.assert_allclose(
        refine(*rotations, keypoint_layout=layout.pick(order)).pose, expected.pose, atol=1e-8
    )
    nowhere = KeypointLayout("nowhere", ("a", "b"), (-1, -1), np.zeros((2, 3)))
    found = refine(*few._replace(keypoints_2d=few.keypoints_2d[:, :2]), keypoint_layout=nowhere, safe=False)
    assert np.all(found.status == Status.TOO_FEW_KEYPOINTS)
