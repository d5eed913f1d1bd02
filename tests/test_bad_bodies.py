"""A body that cannot be refined comes back as it was, says why, and harms no other."""

import numpy as np
import pytest
from bodies import Batch
from kitro import refine
from same import assert_identical

from kitro_np import InputError, Status
from kitro_np.evaluation.metrics import reprojection_error

BAD = 5
COUNT = 17
OTHERS = [n for n in range(COUNT) if n != BAD]


def put(name, place, value):
    """Write a value into one array of the bad body."""

    def spoil(body):
        getattr(body, name)[place] = value

    return spoil


def scale_matrix(factor):
    def spoil(body):
        body.pose[4] *= factor

    return spoil


def turn_keypoints(body):
    """Only a body far behind the camera looks like this."""
    centre = body.intrinsics[:2, 2]
    body.keypoints_2d[:] = centre - 0.01 * (body.keypoints_2d - centre)


def shrink_keypoints(body):
    """A person whom no camera sees."""
    body.keypoints_2d[:] = 1e-6 * body.keypoints_2d


SPOILED = {
    **{
        f"{value} in {name}": (put(name, place, value), Status.NOT_FINITE)
        for value in (np.nan, np.inf, -np.inf)
        for name, place in (
            ("pose", (7, 1, 2)),
            ("betas", 3),
            ("transl", 2),
            ("keypoints_2d", (23, 1)),
            ("intrinsics", (0, 0)),
            ("intrinsics", (1, 2)),
            ("intrinsics", (2, 1)),
        )
    },
    "stretched matrix": (scale_matrix(1.1), Status.NOT_A_ROTATION),
    "zero matrix": (scale_matrix(0), Status.NOT_A_ROTATION),
    "reflection": (scale_matrix(-1), Status.NOT_A_ROTATION),
    "huge matrix": (scale_matrix(1e200), Status.NOT_A_ROTATION),
    "sheared matrix": (put("pose", (0, 0), (1.0, 1.0, 0.0)), Status.NOT_A_ROTATION),
    "behind the camera": (put("transl", 2, -4.0), Status.BEHIND_CAMERA),
    "around the camera": (put("transl", 2, 0.0), Status.BEHIND_CAMERA),
    "keypoints in one point": (put("keypoints_2d", slice(None), 300.0), Status.KEYPOINTS_IN_ONE_POINT),
    "almost in one point": (shrink_keypoints, Status.KEYPOINTS_IN_ONE_POINT),
    "no focal length": (put("intrinsics", (0, 0), 0.0), Status.BAD_INTRINSICS),
    "negative focal length": (put("intrinsics", (1, 1), -900.0), Status.BAD_INTRINSICS),
    "skew": (put("intrinsics", (0, 1), 1e-9), Status.BAD_INTRINSICS),
    "K[2, 2] = 2": (put("intrinsics", (2, 2), 2.0), Status.BAD_INTRINSICS),
    "transposed K": (put("intrinsics", (2, 0), 960.0), Status.BAD_INTRINSICS),
    "singular K": (put("intrinsics", slice(None), 0.0), Status.BAD_INTRINSICS),
    "huge betas": (put("betas", slice(None), 1e300), Status.NOT_FINITE),
    "keypoint far beyond any image": (put("keypoints_2d", (3, 0), 1e9), Status.NOT_FINITE),
    "principal point far beyond any image": (put("intrinsics", (0, 2), 1e19), Status.NOT_FINITE),
    "in another galaxy": (put("transl", 2, 1e160), Status.NOT_FINITE),
    "focal length near 0": (put("intrinsics", (0, 0), 1e-300), Status.BAD_INTRINSICS),
    "upside down and far away": (turn_keypoints, Status.DIVERGED),
}


def spoiled(batch, spoil):
    """The batch with its body number BAD spoiled."""
    parts = Batch(*(part.copy() for part in batch))
    spoil(parts.some(BAD))
    return parts


@pytest.fixture(scope="module")
def batch(sim_batch):
    return sim_batch.some(np.arange(COUNT))


@pytest.fixture(scope="module")
def clean(batch):
    return {engine: refine(*batch, engine=engine, iterations=2) for engine in ("numba", "array")}


@pytest.mark.parametrize(("spoil", "status"), SPOILED.values(), ids=SPOILED)
def test_comes_back_as_it_was(batch, recorded_body, clean, engine, spoil, status):
    bad = spoiled(batch, spoil)
    found = refine(*bad, engine=engine, iterations=2)
    assert found.status[BAD] == status
    for name in ("pose", "betas", "transl"):
        np.testing.assert_array_equal(getattr(found, name)[BAD], getattr(bad, name)[BAD])
    assert np.all(found.selection[BAD] == -1)
    assert np.isnan(found.path_score[BAD])
    with np.errstate(all="ignore"):
        joints = recorded_body.joints(bad.pose, bad.betas, bad.transl, engine="array")
        error = reprojection_error(joints, bad.keypoints_2d, bad.intrinsics)
    np.testing.assert_allclose(found.reprojection_error[BAD], error[BAD], rtol=1e-9)
    assert_identical(found[OTHERS], clean[engine], OTHERS)
    assert Status(status).reason in found.summary()


@pytest.mark.parametrize(("spoil", "status"), SPOILED.values(), ids=SPOILED)
def test_alone_and_strict(batch, engine, spoil, status):
    bad = spoiled(batch, spoil)
    assert refine(*bad.some([BAD]), engine=engine, iterations=2).status == [status]
    if np.array_equal(bad.intrinsics, batch.intrinsics, equal_nan=True):
        assert refine(*bad.some(BAD), engine=engine, iterations=2).status == status
    else:
        # One camera for all, and a wrong one, is an argument as a whole.
        with pytest.raises(InputError, match=r"^intrinsics: expected"):
            refine(*bad.some(BAD), engine=engine)
    with pytest.raises(InputError, match=f"^body {BAD}: .*{Status(status).reason[:10]}"):
        refine(*bad, engine=engine, iterations=2, strict=True)


def test_every_reason_is_tested():
    of_map = {Status.TOO_FEW_KEYPOINTS, Status.UNLIKELY, Status.SWAPPED, Status.FILLED}
    assert {status for _, status in SPOILED.values()} == set(Status) - {Status.REFINED} - of_map


def test_all_bad_at_once(sim_batch, engine):
    parts = Batch(*(part.copy() for part in sim_batch.some(np.arange(len(SPOILED)))))
    for n, (spoil, _) in enumerate(SPOILED.values()):
        spoil(parts.some(n))
    found = refine(*parts, engine=engine, iterations=2)
    np.testing.assert_array_equal(found.status, [status for _, status in SPOILED.values()])
    np.testing.assert_array_equal(found.pose, parts.pose)
    assert found.counts() == {s: list(found.status).count(s) for s in Status if s in found.status}


def test_the_first_reason_counts(batch, engine):
    """In the order of Status."""
    bad = Batch(*(part.copy() for part in batch))
    body = bad.some(BAD)
    for key in ("keypoints in one point", "behind the camera", "stretched matrix", "skew", "nan in betas"):
        spoil, status = SPOILED[key]
        spoil(body)
        assert refine(*bad, engine=engine, iterations=1).status[BAD] == status


def test_strict_names_the_first_of_several(batch, engine):
    transl = batch.transl.copy()
    transl[[4, 9], 2] = -1
    with pytest.raises(InputError, match=r"^body 4: .*joints behind the camera.*2 in all"):
        refine(*batch._replace(transl=transl), engine=engine, iterations=1, strict=True)


def test_strict_passes_good_bodies(batch, clean, engine):
    assert_identical(refine(*batch, engine=engine, iterations=2, strict=True), clean[engine])


def test_a_slightly_rounded_rotation_is_one(batch, engine):
    """Half precision loses three digits; that is no reason to refuse a body."""
    found = refine(*batch._replace(pose=batch.pose.astype(np.float16)), engine=engine, iterations=1)
    assert np.all(found.status == 0)


@pytest.mark.parametrize("value", [1e4, 1e6, 0.99e9])
def test_absurd_keypoints_harm_no_neighbour(batch, clean, engine, value):
    """So far away that no image holds them, but not refused for that."""
    found = refine(*spoiled(batch, put("keypoints_2d", 3, value)), engine=engine, iterations=2)
    assert found.status[BAD] in (Status.REFINED, Status.DIVERGED)
    assert all(np.all(np.isfinite(part[BAD])) for part in (found.pose, found.betas, found.transl))
    assert_identical(found[OTHERS], clean[engine], OTHERS)


def test_axis_angle_comes_back_as_it_was(batch, engine):
    pose = np.full((COUNT, 24, 3), 2.5)
    transl = batch.transl * [1, 1, -1]
    found = refine(pose, batch.betas, transl, *batch[3:], engine=engine)
    assert np.all(found.status == Status.BEHIND_CAMERA)
    np.testing.assert_array_equal(found.pose, pose)
