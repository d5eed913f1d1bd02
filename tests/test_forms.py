"""What comes in comes out: kind, dtype, leading shape and form of pose; and nothing is written to."""

from functools import partial

import array_api_strict
import numpy as np
import pytest
import recorded
from bodies import Batch
from same import FIELDS, assert_identical
from scipy.spatial.transform import Rotation

from kitro_np import Status, default_intrinsics
from kitro_np.arrays.rotations import nearest_rotation
from kitro_np.kernels.kitro.algorithm import refine_bodies
from kitro_np.kernels.posterior.algorithm import fit_bodies

FEW = {"kitro": {"iterations": 2, "shape_steps": 3}, "map": {}}
"""What keeps each method short."""

OF = {"kitro": ("path_score",), "map": ("quality", "swapped", "turned", "noise", "evidence")}
"""What each gives of a body beside what all do."""


@pytest.fixture(params=FEW)
def method(request):
    return request.param


@pytest.fixture
def refine(method):
    return partial(recorded.refine, method=method, **FEW[method])


@pytest.fixture(scope="module")
def batch(sim_batch):
    return sim_batch.some(np.arange(12, 18))


@pytest.fixture
def plain(refine, batch, engine):
    """What the plainest form of the same bodies gives."""
    return refine(*batch, engine=engine)


def matrices_of(vectors):
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)


def vectors_of(pose):
    return Rotation.from_matrix(pose.reshape(-1, 3, 3)).as_rotvec().reshape(*pose.shape[:-2], 3)


# ---------------------------------------------------------------------------------------------------- shapes


def test_shapes(plain, method):
    each = dict.fromkeys(("reprojection_error", "status", *OF[method]), (6,))
    shapes = {"pose": (6, 24, 3, 3), "betas": (6, 10), "transl": (6, 3), **each}
    if method == "kitro":
        shapes["selection"] = (6, 24)
        assert plain.selection.dtype == np.int8
    arrays = plain.arrays()
    assert {name: array.shape for name, array in arrays.items()} == shapes
    assert plain.status.dtype == np.int8
    assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_one_body_without_leading_axis(refine, method, batch, engine):
    found = refine(*batch.some(2), engine=engine)
    assert_identical(found, refine(*batch.some(slice(2, 3)), engine=engine), 0)
    assert found.status.shape == ()
    assert found.summary() == f"1 body refined by {method}"


def test_time_and_people(refine, batch, plain, engine):
    grid = Batch(*(part.reshape(2, 3, *part.shape[1:]) for part in batch))
    found = refine(*grid, engine=engine)
    for name, flat in plain.arrays().items():
        np.testing.assert_array_equal(getattr(found, name), flat.reshape(2, 3, *flat.shape[1:]))


@pytest.mark.parametrize("lead", [(0,), (0, 3), (4, 0)])
@pytest.mark.parametrize("cameras", ["each", "one"])
def test_no_bodies(refine, method, engine, lead, cameras):
    intrinsics = default_intrinsics((640, 480)) if cameras == "one" else np.zeros((*lead, 3, 3))
    given = [np.zeros((*lead, *tail)) for tail in ((24, 3, 3), (10,), (3,), (24, 2))]
    found = refine(*given, intrinsics, engine=engine)
    tails = {"pose": (24, 3, 3), "betas": (10,), "transl": (3,), "selection": (24,)}
    for name, array in found.arrays().items():
        assert array.shape == (*lead, *tails.get(name, ())), name
    assert found.summary() == f"0 bodies refined by {method}"


@pytest.mark.parametrize("flat", [False, True], ids=["(N, 24, 3)", "(N, 72)"])
def test_axis_angle(refine, method, batch, engine, flat):
    vectors = vectors_of(batch.pose)
    expected = refine(matrices_of(vectors), *batch[1:], engine=engine)
    given = vectors.reshape(6, 72) if flat else vectors
    found = refine(given, *batch[1:], engine=engine)
    assert found.pose.shape == given.shape
    np.testing.assert_allclose(matrices_of(found.pose.reshape(6, 24, 3)), expected.pose, atol=1e-9)
    np.testing.assert_allclose(found.betas, expected.betas, atol=1e-9)
    if method == "kitro":
        np.testing.assert_array_equal(found.selection, expected.selection)


# ---------------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_dtype_comes_back(refine, batch, engine, dtype):
    found = refine(*batch.astype(dtype), engine=engine)
    assert {getattr(found, name).dtype for name in ("pose", "betas", "transl")} == {np.dtype(dtype)}
    assert np.all(found.status == 0)


def test_each_array_keeps_its_own_dtype(refine, batch, plain, engine):
    """And it is computed in the pose's."""
    mixed = batch._replace(betas=batch.betas.astype(np.float32), transl=batch.transl.astype(np.float32))
    found = refine(*mixed, engine=engine)
    dtypes = [getattr(found, name).dtype for name in ("pose", "betas", "transl")]
    assert dtypes == [np.float64, np.float32, np.float32]
    # The excerpt's estimates are float32 from the start.
    np.testing.assert_array_equal(found.pose, plain.pose)
    np.testing.assert_array_equal(found.betas, plain.betas.astype(np.float32))


def test_vectors_become_matrices_in_the_dtype_that_is_computed_in(refine, batch, engine):
    vectors = vectors_of(batch.pose).astype(np.float16)
    found = refine(vectors, *batch[1:], engine=engine)
    exact = refine(vectors.astype(np.float32), *batch[1:], engine=engine)
    np.testing.assert_array_equal(found.betas, exact.betas)
    np.testing.assert_array_equal(found.transl, exact.transl)


def test_half_precision_is_computed_in_single(refine, batch, engine):
    """And made orthonormal before it is rounded."""
    half = batch.astype(np.float16)
    expected = refine(*half.astype(np.float32), engine=engine)
    found = refine(*half, engine=engine)
    np.testing.assert_array_equal(found.pose, nearest_rotation(expected.pose).astype(np.float16))
    np.testing.assert_array_equal(found.reprojection_error, expected.reprojection_error)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_dtype_is_the_poses_whatever_the_camera_is(refine, batch, engine, dtype):
    camera = batch.intrinsics.astype(np.float64)
    other = np.float32 if dtype == np.float64 else np.float64
    given = batch.astype(dtype)
    found = refine(*given._replace(intrinsics=camera, keypoints_2d=given.keypoints_2d), engine=engine)
    expected = refine(*given._replace(intrinsics=camera.astype(dtype)), engine=engine)
    assert_identical(found, expected)
    assert found.reprojection_error.dtype == dtype != other


def test_whole_pixels(refine, batch, engine):
    pixels = np.round(batch.keypoints_2d)
    expected = refine(*batch._replace(keypoints_2d=pixels), engine=engine)
    for dtype in (np.int64, np.int32, np.uint16):
        found = refine(*batch._replace(keypoints_2d=pixels.clip(0).astype(dtype)), engine=engine)
        if np.all(pixels >= 0):
            assert_identical(found, expected)
        assert found.pose.dtype == np.float64


def test_lists(refine, batch, plain, engine):
    found = refine(*(part.tolist() for part in batch), engine=engine)
    assert_identical(found, plain)


def test_whole_numbers_alone_are_computed_in_float64(refine, batch, engine):
    pose = np.zeros((1, 72), dtype=int)
    given = (
        [[0] * 10],
        [[0, 0, 5]],
        np.arange(48).reshape(1, 24, 2) ** 2,
        [[500, 0, 250], [0, 500, 250], [0, 0, 1]],
    )
    found = refine(pose, *given, engine=engine)
    assert {getattr(found, name).dtype for name in ("pose", "betas", "transl")} == {np.dtype(float)}


# ---------------------------------------------------------------------------------------------------- memory


def fortran(part):
    return np.asfortranarray(part)


def strided(part):
    return np.repeat(part, 2, axis=-1)[..., ::2]


def backwards(part):
    return part[..., ::-1].copy()[..., ::-1]


def big_endian(part):
    return part.astype(part.dtype.newbyteorder(">"))


@pytest.mark.parametrize("layout", [fortran, strided, backwards])
def test_any_layout_in_memory(refine, batch, plain, engine, layout):
    given = Batch(*map(layout, batch))
    assert not given.pose.flags.c_contiguous
    found = refine(*given, engine=engine)
    for name, array in found.arrays().items():
        np.testing.assert_allclose(array, getattr(plain, name), rtol=1e-9, atol=1e-9)


def test_other_byte_order(refine, batch, plain, engine):
    found = refine(*map(big_endian, batch), engine=engine)
    np.testing.assert_allclose(found.pose, plain.pose, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", ["matrices", "vectors"])
def test_inputs_are_never_modified(refine, batch, engine, dtype, form):
    given = Batch(*(np.array(part, dtype) for part in batch))
    if form == "vectors":
        given = given._replace(pose=vectors_of(given.pose).astype(dtype))
    given.transl[1] = np.nan
    before = [part.copy() for part in given]
    found = refine(*given, engine=engine)
    for part, kept in zip(given, before, strict=True):
        np.testing.assert_array_equal(part, kept)
    # Nor does the result share their memory, where a body came back as it was.
    for name in ("pose", "betas", "transl"):
        assert not np.shares_memory(getattr(found, name), getattr(given, name))


def test_results_can_be_written_to(refine, batch, engine):
    found = refine(*batch, engine=engine)
    for name in found.arrays():
        assert getattr(found, name).flags.writeable, name


def test_results_without_iterations_can_be_written_to(batch, engine):
    found = recorded.refine(*batch, method="kitro", engine=engine, iterations=0)
    for name in FIELDS:
        assert getattr(found, name).flags.writeable, name


@pytest.fixture
def read_only(batch):
    given = Batch(*(part.copy() for part in batch))
    for part in given:
        part.flags.writeable = False
    return given


def test_read_only_inputs(refine, read_only, plain, engine):
    assert_identical(refine(*read_only, engine=engine), plain)


def test_read_only_inputs_compile_nothing_new(refine, method, batch, read_only):
    entry = {"kitro": refine_bodies, "map": fit_bodies}[method]
    refine(*batch)
    before = len(entry.signatures)
    refine(*read_only._replace(pose=batch.pose))
    assert len(entry.signatures) == before


# -------------------------------------------------------------------------------------------------- cameras


def test_one_camera_for_all(refine, batch, engine):
    camera = batch.intrinsics[0]
    expected = refine(*batch._replace(intrinsics=np.tile(camera, (6, 1, 1))), engine=engine)
    assert_identical(refine(*batch._replace(intrinsics=camera), engine=engine), expected)


@pytest.mark.parametrize("size", [(1920, 1080), [[1920, 1080]] * 3 + [[1080, 1920]] * 3])
def test_image_size_instead_of_a_camera(refine, method, batch, engine, size):
    beside = {"image_size": size} if method == "map" else {}  # which looks where the image ends
    expected = refine(*batch._replace(intrinsics=default_intrinsics(size)), **beside, engine=engine)
    assert_identical(refine(*batch[:4], image_size=size, engine=engine), expected)


def test_one_bad_camera_for_all_bodies_of_many(refine, batch, engine):
    cameras = batch.intrinsics.copy()
    cameras[1:] = 0
    found = refine(*batch._replace(intrinsics=cameras), engine=engine)
    assert list(found.status) == [0] + [Status.BAD_INTRINSICS] * 5


# ---------------------------------------------------------------------------------------- other array kinds


def test_arrays_of_the_standard_and_nothing_more(refine, method, batch):
    """array_api_strict has the standard's functions only: so the stages run on CuPy, JAX and torch too."""
    expected = refine(*batch, engine="array")
    found = refine(*map(array_api_strict.asarray, batch), engine="array")
    for name, value in found.arrays().items():
        assert isinstance(value, type(array_api_strict.asarray(0))), name
        np.testing.assert_allclose(np.asarray(value), getattr(expected, name), atol=1e-12)
    assert found.summary() == f"6 bodies refined by {method}"


def test_strict_arrays_in_axis_angle_and_float32(refine, batch):
    single = batch.astype(np.float32)
    single = single._replace(pose=vectors_of(single.pose).astype(np.float32))
    found = refine(*map(array_api_strict.asarray, single))
    assert found.pose.dtype == array_api_strict.float32
    assert found.pose.shape == (6, 24, 3)
