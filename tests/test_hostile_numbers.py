"""Numbers as no person has them: a body is finite or flagged, alike in both engines, and fails no batch."""

import warnings
from functools import cache

import numpy as np
import pytest
from bodies import Batch
from hypothesis import given, settings
from hypothesis import strategies as st
from same import assert_identical

import kitro_np
from kitro_np import Skeleton, Status
from kitro_np.arrays.engines import CPU_ENGINES
from kitro_np.refinement.validity import was_fitted
from kitro_np.result import ARRAYS

GOOD = 3
"""Bodies that nothing is wrong with, before all others."""

OF_FILLED = {"quality", "noise", "evidence"}
"""What filled frames of a video lack, which have no keypoints of their own."""

METHODS = {
    "map": {},
    "hypotheses": {"hypotheses": 2, "uncertainty": True},
    "unsafe": {"safe": False},
    "landmarks": {"min_confidence": 0.3, "estimate": "landmarks", "uncertainty": True},
    "video": {"tracks": True, "uncertainty": True},
    "contacts": {"tracks": True, "contacts": "feet", "extrinsics": True, "safe": False},
    "kitro": {"method": "kitro", "iterations": 2},
    "paper": {"method": "kitro", "variant": "paper", "iterations": 2},
    "smplify": {"method": "smplify", "steps": 3, "root_steps": 3},
}

SPOILED = [
    *((name, place, value) for value in (np.nan, np.inf) for name, place in (
        ("pose", (7, 1, 2)), ("betas", 3), ("transl", 2), ("keypoints_2d", (3, 0)), ("intrinsics", (0, 2)),
    )),
    ("pose", slice(None), 0.0),
    ("betas", slice(None), 1e300),
    ("transl", slice(None), 1e300),
    ("transl", 2, -4.0),
    ("transl", 2, 1e-300),
    ("transl", 2, 1e18),
    ("transl", 2, 1e160),
    ("keypoints_2d", (3, 0), 1e300),
    ("keypoints_2d", slice(None), 1e200),
    ("keypoints_2d", slice(None), 300.0),
    ("keypoints_2d", slice(None), 1e-310),
    ("intrinsics", (0, 2), 1e19),
    ("intrinsics", (0, 2), 1e160),
    ("intrinsics", (0, 0), 1e300),
    ("intrinsics", (0, 0), 1e-300),
]  # fmt: skip


@cache
def estimates(dtype):
    data = kitro_np.example()
    return Batch(*(np.array(data[name], dtype) for name in Batch._fields)), kitro_np.load_body(data["body"])


def refine(batch, body, engine, options):
    """Refine in two tracks, where it is a video; whatever warns or raises of a number fails the test."""
    options = dict(options)
    count = len(batch.pose)
    if options.pop("tracks", False):
        options["tracks"] = np.minimum(np.arange(count) // GOOD, 1)
    if options.pop("extrinsics", False):
        options["extrinsics"] = np.broadcast_to(np.eye(4, dtype=batch.pose.dtype), (count, 4, 4))
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        found = kitro_np.refine(*batch, body=body, engine=engine, **options)
        found.summary()
        str(found.hint)
    return found


def spoil(batch, spoiled):
    """The good bodies, and one for each (name, place, value) with that value at that place."""
    rows = np.r_[np.arange(GOOD), np.zeros(len(spoiled), int)]
    parts = Batch(*(part[rows] for part in batch))
    with np.errstate(all="ignore"):
        for row, (name, place, value) in enumerate(spoiled, start=GOOD):
            getattr(parts, name)[row][place] = value
    return parts


def check_accepted(found):
    """All that is said of bodies that are accepted is finite."""
    good = was_fitted(found.status)
    for name in ARRAYS:
        values = getattr(found, name)
        if values is not None:
            own = found.status == Status.REFINED if name in OF_FILLED else good
            assert np.all(np.isfinite(values[own])), name
    for name, values in zip(("pose", "betas", "transl", "probability"), found.hypotheses or (), strict=False):
        assert np.all(np.isfinite(values[good])), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", METHODS.values(), ids=METHODS)
def test_bad_bodies_fail_no_batch(options, dtype):
    """In no option, with every number that overflows an error; what is flagged is so in both engines."""
    batch, body = estimates(dtype)
    statuses = []
    # Array stages take seconds for hypotheses.
    slow = "hypotheses" in options and dtype == np.float64
    for engine in ("numba",) if slow else CPU_ENGINES:
        found = refine(spoil(batch, SPOILED), body, engine, options)
        clean = refine(batch.some(slice(0, GOOD)), body, engine, options)
        assert_identical(found[:GOOD], clean)
        check_accepted(found)
        statuses.append(found.status)
    np.testing.assert_array_equal(statuses[0], statuses[-1])
    assert np.all(statuses[0][:GOOD] == Status.REFINED)


WRONG_CELLS = [
    (place, value)
    for place in np.ndindex(3, 3)
    for value in (np.nan, np.inf, -np.inf, 1e12, 1e10, -1e9, -0.5)
    if value != -0.5 or place not in ((0, 2), (1, 2))  # where the image's middle may be
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", ["map", "video", "kitro", "smplify"])
def test_each_cell_of_intrinsics_is_flagged_by_one_rule(name, engine, dtype):
    """A number that is not below 1e9 is taken for infinite wherever it is, also where only 0 or 1 may be."""
    batch, body = estimates(dtype)
    parts = spoil(batch, [("intrinsics", place, value) for place, value in WRONG_CELLS])
    found = refine(parts, body, engine, METHODS[name])
    expected = [Status.BAD_INTRINSICS if value == -0.5 else Status.NOT_FINITE for _, value in WRONG_CELLS]
    np.testing.assert_array_equal(found.status[GOOD:], expected)


# ------------------------------------------------------------------------------------------------ drawn

MAGNITUDES = st.sampled_from(
    [0.0, 5e-324, 1e-310, 1e-30, 1e-9, 1e-3, 1.0, 7.0, 1e4, 6e4, 1e9, 1e12, 1e38, 1e300]
)
NUMBERS = st.builds(lambda size, sign: size * sign, MAGNITUDES, st.sampled_from([1, -1]))
PLACES = st.sampled_from([
    ("betas", 0), ("betas", slice(None)), ("transl", 0), ("transl", 2), ("transl", slice(None)),
    ("keypoints_2d", (3, 1)), ("keypoints_2d", slice(8)), ("keypoints_2d", slice(None)),
    ("intrinsics", (0, 0)), ("intrinsics", (1, 1)), ("intrinsics", (0, 2)),
])  # fmt: skip
DRAWN = {
    "map": {"uncertainty": True, "safe": False},
    "video": METHODS["video"],
    "kitro": METHODS["kitro"],
    "smplify": METHODS["smplify"],
}


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", DRAWN)
@settings(max_examples=6)
@given(
    st.lists(st.tuples(PLACES, NUMBERS), min_size=4, max_size=4), st.sampled_from([np.float32, np.float64])
)
def test_finite_numbers_give_finite_or_flagged_bodies(engine, name, drawn, dtype):
    batch, body = estimates(dtype)
    parts = spoil(batch, [(*place, value) for place, value in drawn])
    found = refine(parts, body, engine, DRAWN[name])
    check_accepted(found)
    for part in ("pose", "betas", "transl"):
        given_part = getattr(parts, part)
        own = np.isfinite(given_part).reshape(len(given_part), -1).all(axis=1)
        assert np.all(np.isfinite(getattr(found, part)[own])), part


# ------------------------------------------------------------------------------------------------ named


@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_a_singular_matrix_of_one_body_fails_no_batch(engine):
    """In single precision LAPACK takes the prior of a body far off the axis for singular."""
    batch, body = estimates(np.float32)
    parts = spoil(batch, [("transl", slice(None), 1e4)])
    found = refine(parts, body, engine, {"safe": False})
    check_accepted(found)
    assert_identical(found[:GOOD], refine(batch.some(slice(0, GOOD)), body, engine, {"safe": False}))


def at_depth(batch, depth):
    """Bodies whose nearest or farthest parts are at a depth, with the keypoints that they have there."""
    transl = batch.transl * (depth / batch.transl[:, 2:])
    return batch._replace(transl=transl.astype(batch.pose.dtype))


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("options", DRAWN.values(), ids=DRAWN)
def test_named_oddities(options, engine):
    for dtype in (np.float32, np.float64):
        batch, body = estimates(dtype)
        few = batch.some(slice(0, 4))
        far, near = at_depth(few, 10_000.0), at_depth(few, 0.01)
        one_point = few._replace(keypoints_2d=np.broadcast_to(few.keypoints_2d[:, :1], (4, 24, 2)).copy())
        wide = few._replace(keypoints_2d=few.keypoints_2d * dtype(1e6))
        whole = few._replace(
            keypoints_2d=np.rint(few.keypoints_2d).astype(np.int32), betas=np.zeros((4, 10), int)
        )
        half = few._replace(pose=few.pose.astype(np.float16))
        half.pose[1, 3] = np.nan
        for odd in (far, near, one_point, wide, whole, half):
            check_accepted(refine(odd, body, engine, options))
        stub = body.skeleton.joint_template.copy()
        stub[20:24] = stub[18:19]  # hands without length, on the left elbow
        shapedirs = body.skeleton.joint_shapedirs.copy()
        shapedirs[20:24] = shapedirs[18:19]
        check_accepted(refine(few, Skeleton(body.skeleton.parents, stub, shapedirs), engine, options))


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", ["hypotheses", "video", "kitro", "smplify"])
def test_integers_and_half_precision_are_as_their_values(name, engine):
    batch, body = estimates(np.float64)
    few = batch.some(slice(0, 4))
    still = few._replace(pose=np.broadcast_to(np.eye(3), (4, 24, 3, 3)).copy())
    options = METHODS[name]
    whole = refine(still._replace(pose=still.pose.astype(int)), body, engine, options)
    assert_identical(whole, refine(still, body, engine, options))

    half = Batch(*(part.astype(np.float16) for part in few[:3]), *few[3:])
    found = refine(half, body, engine, options)
    single = refine(Batch(*(part.astype(np.float32) for part in half)), body, engine, options)
    assert found.pose.dtype == found.betas.dtype == found.transl.dtype == np.float16
    np.testing.assert_array_equal(found.status, single.status)
    assert np.any(was_fitted(found.status))
    np.testing.assert_allclose(found.pose, single.pose, atol=2e-3)  # made orthonormal before it is rounded
    np.testing.assert_array_equal(found.betas, single.betas.astype(np.float16))
    np.testing.assert_array_equal(found.transl, single.transl.astype(np.float16))
    np.testing.assert_array_equal(found.reprojection_error, single.reprojection_error)


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", METHODS)
def test_what_half_precision_cannot_hold_has_diverged(name, engine, monkeypatch):
    """In every method, and with all that it says of a body that comes back as its estimate."""
    batch, body = estimates(np.float64)
    half = Batch(*(part[:4].astype(np.float16) for part in batch[:3]), *(part[:4] for part in batch[3:]))
    method = kitro_np.api.METHODS[METHODS[name].get("method", "map")]
    run = method.run

    def run_far(self, request, execution):
        """Move one of the refined bodies to 70 km."""
        outcome = run(self, request, execution)
        transl = outcome.refined.transl.copy()
        if was_fitted(outcome.refined.status[2]):
            transl[2] = 7e4
        return outcome._replace(refined=outcome.refined._replace(transl=transl))

    monkeypatch.setattr(method, "run", run_far)
    options = {**METHODS[name], **({"safe": False} if method is kitro_np.Map else {})}
    found = refine(half, body, engine, options)
    check_accepted(found)
    assert found.status[2] == Status.DIVERGED
    for part in ("pose", "betas", "transl"):
        np.testing.assert_array_equal(getattr(found, part)[2], getattr(half, part)[2])
    skewed = half.intrinsics.copy()
    skewed[2, 0, 1] = 1
    expected = refine(half._replace(intrinsics=skewed), body, engine, options)
    assert expected.status[2] == Status.BAD_INTRINSICS
    expected.status[2] = Status.DIVERGED
    assert_identical(found[2:3], expected[2:3])
    with pytest.raises(kitro_np.InputError, match=r"^body 2: .*no finite body"):
        refine(half, body, engine, {**options, "strict": True})


@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_estimates_at_the_end_of_half_precision_are_finite_or_flagged(engine):
    """As methods themselves move them."""
    batch, body = estimates(np.float64)
    few = batch.some(slice(0, 6))
    depth = 65_000 / few.transl[:, 2]
    camera = few.intrinsics.copy()
    camera[:, [0, 1], [0, 1]] *= depth[:, None]
    middle = few.keypoints_2d.mean(axis=1, keepdims=True)
    smaller = middle + 0.9 * (few.keypoints_2d - middle)  # as of somebody farther away
    far = few._replace(transl=few.transl * depth[:, None], intrinsics=camera, keypoints_2d=smaller)
    half = Batch(*(part.astype(np.float16) for part in far[:3]), *far[3:])
    found = refine(half, body, engine, METHODS["kitro"])
    assert np.all(np.isfinite(found.transl))
    assert np.any(found.status == Status.DIVERGED)
    beyond = refine(half._replace(transl=half.transl.astype(np.float32)), body, engine, METHODS["kitro"])
    assert np.all(beyond.status == Status.REFINED)
    np.testing.assert_array_equal(
        found.status == Status.DIVERGED, np.any(np.abs(beyond.transl) > 65_504, axis=1)
    )
    for name, values in (("transl", half.transl), ("betas", half.betas), ("pose", half.pose)):
        lost = found.status == Status.DIVERGED
        np.testing.assert_array_equal(getattr(found, name)[lost], values[lost])


# ---------------------------------------------------------------------------------------- beside others


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["hypotheses", "kitro", "smplify"])
@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_alone_as_in_a_batch_to_the_last_bit(engine, name, dtype):
    """With all that is computed: in batches of 1, 2 and 7, chunks of 1 and 7, on one thread and three."""
    batch, body = estimates(dtype)
    stages = engine == "array"  # they take a second for hypotheses
    if stages and name == "hypotheses" and dtype == np.float64:
        pytest.skip("as in single precision")
    count = 7 if stages else 513
    rows = np.arange(count) % len(batch.pose)
    noise = np.random.default_rng(7).normal(scale=4, size=(count, 24, 2))
    batch = Batch(*(part[rows] for part in batch))
    batch = batch._replace(keypoints_2d=batch.keypoints_2d + noise.astype(dtype))
    options = METHODS[name] if engine == "numba" else {**METHODS[name], **REDUCED.get(name, {})}

    def found(own, **execution):
        return kitro_np.refine(*batch.some(own), body=body, engine=engine, **options, **execution)

    every = found(slice(0, count))
    for own in (
        (slice(4, 5), slice(3, 5)) if stages else (slice(0, 1), slice(9, 10), slice(3, 5), slice(5, 12))
    ):
        assert_identical(found(own), every[own])
    few = slice(0, 2 if stages else 12)
    chunks = {"chunk_size": 1}, {"chunk_size": 7, "threads": 3}, {"threads": 1}
    for execution in chunks[: 1 if stages else None]:
        assert_identical(found(few, **execution), every[few])


REDUCED = {"smplify": {"steps": 5, "root_steps": 5}}
