"""Cameras from image sizes, focal lengths and crops; the depth of a body follows its focal length."""

import math

import array_api_strict
import numpy as np
import pytest
from backends import assert_near
from bodies import make_batch, make_skeleton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

try:
    import torch
except ImportError:
    torch = None

from kitro_np import (
    CameraEstimate,
    InputError,
    Status,
    crop_to_full_image,
    default_intrinsics,
    refine,
    with_focal_length,
)
from kitro_np.camera import project

focal_lengths = st.floats(50, 1e4)
coordinates = st.floats(-3, 3)


@st.composite
def estimates(draw):
    """Four bodies, each before a camera of its own, fx != fy."""
    intrinsics = np.zeros((4, 3, 3))
    intrinsics[:, 0, 0] = draw(arrays(float, 4, elements=focal_lengths))
    intrinsics[:, 1, 1] = intrinsics[:, 0, 0] * draw(arrays(float, 4, elements=st.floats(0.5, 2)))
    intrinsics[:, :2, 2] = draw(arrays(float, (4, 2), elements=st.floats(-500, 2000)))
    intrinsics[:, 2, 2] = 1
    transl = draw(arrays(float, (4, 3), elements=coordinates))
    transl[:, 2] = draw(arrays(float, 4, elements=st.floats(1, 50)))
    return CameraEstimate(intrinsics, transl)


def visible(estimate, points):
    """Points (N, P, 3) of bodies on the image: (N, P, 2)."""
    return project(points + estimate.transl[:, None, :], estimate.intrinsics)


# ---------------------------------------------------------------------------------------- default_intrinsics


def test_default_intrinsics_of_a_known_focal_length():
    expected = [[1100, 0, 150], [0, 1100, 200], [0, 0, 1]]
    np.testing.assert_array_equal(default_intrinsics((300, 400), 1100), expected)
    np.testing.assert_array_equal(default_intrinsics((300, 400), np.float32(1100)), expected)


@pytest.mark.parametrize("size", [(300, 400), [[300, 400], [1920, 1080]]])
@pytest.mark.parametrize("focal", [None, 1100, [1100, 2000]])
def test_default_intrinsics_of_all_or_of_each(size, focal):
    found = default_intrinsics(size, focal)
    if np.ndim(size) == 1 and np.ndim(focal) == 0:
        assert found.shape == (3, 3)
        found = np.stack([found, found])
    for i, (width, height) in enumerate(np.broadcast_to(size, (2, 2))):
        f = math.hypot(width, height) if focal is None else np.broadcast_to(focal, 2)[i]
        np.testing.assert_allclose(found[i], [[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])


def test_a_wrong_size_or_focal_length_of_one_body_is_its_own_matter():
    found = default_intrinsics([(300, 400)] * 4, [500, 0, -3, math.inf])
    np.testing.assert_array_equal(found[0], default_intrinsics((300, 400)))
    assert np.all(np.isnan(found[1:, 0, 0]))
    found = default_intrinsics([(300, 400), (0, 400), (300, math.nan)])
    np.testing.assert_array_equal(found[0], default_intrinsics((300, 400)))
    assert np.all(np.isnan(found[1:, 0, 0]))


def test_no_bodies():
    assert default_intrinsics(np.zeros((0, 2))).shape == (0, 3, 3)
    assert with_focal_length(np.eye(3), np.zeros((0, 3)), 3).transl.shape == (0, 3)
    found = crop_to_full_image(np.zeros((0, 3)), np.zeros((0, 3)), (4, 3))
    assert (found.intrinsics.shape, found.transl.shape) == ((0, 3, 3), (0, 3))


# ----------------------------------------------------------------------------------------- with_focal_length


def test_with_focal_length_by_hand():
    found = with_focal_length([[1000, 0, 500], [0, 1100, 400], [0, 0, 1]], [1, 2, 10], 2000)
    np.testing.assert_array_equal(found.intrinsics, [[2000, 0, 500], [0, 2200, 400], [0, 0, 1]])
    np.testing.assert_array_equal(found.transl, [1, 2, 20])


@given(estimates(), st.one_of(focal_lengths, arrays(float, 4, elements=focal_lengths)))
def test_with_focal_length_keeps_what_lies_at_the_depth_of_the_body(estimate, focal):
    found = with_focal_length(*estimate, focal)
    flat = np.array([[0.0, 0, 0], [0.3, -1, 0], [-0.5, 0.9, 0]])
    np.testing.assert_allclose(visible(found, flat), visible(estimate, flat), rtol=1e-11, atol=1e-8)
    np.testing.assert_array_equal(found.intrinsics[:, 0, 0], np.broadcast_to(focal, 4))
    ratio = [camera[:, 1, 1] / camera[:, 0, 0] for camera in (found.intrinsics, estimate.intrinsics)]
    np.testing.assert_allclose(*ratio, rtol=1e-14)
    np.testing.assert_array_equal(found.intrinsics[:, :, 2], estimate.intrinsics[:, :, 2])
    np.testing.assert_array_equal(found.transl[:, :2], estimate.transl[:, :2])


@given(estimates(), focal_lengths)
def test_with_focal_length_and_back(estimate, focal):
    there = with_focal_length(*estimate, focal)
    back = with_focal_length(*there, estimate.intrinsics[:, 0, 0])
    for found, expected in zip(back, estimate, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@given(estimates(), focal_lengths)
def test_a_body_alone_is_the_body_among_others(estimate, focal):
    together = with_focal_length(*estimate, focal)
    for i in range(4):
        alone = with_focal_length(estimate.intrinsics[i], estimate.transl[i], focal)
        for found, expected in zip(alone, together, strict=True):
            np.testing.assert_array_equal(found, expected[i])


def test_one_camera_for_all_stays_one_unless_bodies_differ():
    camera, transl = default_intrinsics((300, 400)), np.ones((5, 2, 3))
    assert with_focal_length(camera, transl, 800).intrinsics.shape == (3, 3)
    focal = np.full((5, 2), 800.0)
    found = with_focal_length(camera, transl, focal)
    assert found.intrinsics.shape == (5, 2, 3, 3)
    assert found.intrinsics.flags.writeable
    np.testing.assert_array_equal(found.transl, with_focal_length(camera, transl, 800).transl)


@pytest.mark.parametrize("fx", [0, -1000, math.nan, math.inf])
def test_a_camera_without_a_focal_length_harms_no_other(fx):
    camera = np.stack([default_intrinsics((300, 400))] * 4)
    camera[1, 0, 0] = fx
    camera[2, 1, 1] = fx
    found = with_focal_length(camera, np.ones((4, 3)), [700, 700, 700, fx])
    bad = [1, 2, 3]
    assert np.all(np.isfinite(found.transl[0])) and np.all(np.isfinite(found.intrinsics[0]))
    assert np.all(np.isnan(found.transl[bad, 2]))
    assert np.all(np.isnan(found.intrinsics[bad, 0, 0]) & np.isnan(found.intrinsics[bad, 1, 1]))


def test_refine_sets_such_a_body_aside():
    skeleton = make_skeleton("smpl", num_betas=10)
    batch = make_batch(skeleton, 3)
    camera = batch.intrinsics.copy()
    camera[1] = 0
    placed = with_focal_length(camera, batch.transl, camera[0, 0, 0])
    changed = batch._replace(intrinsics=placed.intrinsics, transl=placed.transl)
    status = refine(*changed, body=skeleton, method="kitro", engine="array").status
    assert list(status) == [Status.REFINED, Status.NOT_FINITE, Status.REFINED]


def test_skew_grows_with_the_focal_length():
    estimate = CameraEstimate(np.array([[1000.0, 5, 500], [0, 900, 400], [0, 0, 1]]), np.array([1.0, 2, 10]))
    before, after = (k @ (t / t[2]) for k, t in (estimate, with_focal_length(*estimate, 3000)))
    np.testing.assert_allclose(after, before, rtol=1e-14)


# ---------------------------------------------------------------------------------------- crop_to_full_image


def test_crop_to_full_image_by_hand():
    """S b = 200: the crop's centre is 100 pixels, thus a metre, left of the image's and 50 below it."""
    found = crop_to_full_image((0.5, 0.1, -0.2), (220, 290, 400), (640, 480), 1000)
    np.testing.assert_allclose(found.transl, [0.1 - 1, -0.2 + 0.5, 10], rtol=1e-15)
    np.testing.assert_array_equal(found.intrinsics, [[1000, 0, 320], [0, 1000, 240], [0, 0, 1]])
    found = crop_to_full_image((0.5, 0.1, -0.2), (220, 290, 400), (640, 480))
    np.testing.assert_array_equal(found.intrinsics, default_intrinsics((640, 480)))
    np.testing.assert_allclose(found.transl, [0.1 - 1, -0.2 + 0.5, 8])


@st.composite
def crops(draw):
    camera = draw(arrays(float, (3, 3), elements=st.floats(-0.5, 0.5)))
    camera[:, 0] = draw(arrays(float, 3, elements=st.floats(0.3, 1.5)))
    box = draw(arrays(float, (3, 3), elements=st.floats(50, 1000)))
    size = draw(arrays(float, (3, 2), elements=st.floats(200, 4000)))
    return camera, box, size


def seen_in_crop(camera, box, points):
    """Weak perspective: x is at s (x + tx) of a square from -1 to 1."""
    plane = camera[:, None, :1] * (points[..., :2] + camera[:, None, 1:])
    return box[:, None, :2] + box[:, None, 2:] / 2 * plane


@given(crops(), st.one_of(st.none(), focal_lengths, arrays(float, 3, elements=focal_lengths)))
def test_what_lies_at_the_depth_of_the_body_is_seen_where_the_crop_sees_it(crop, focal):
    camera, box, size = crop
    flat = np.array([[0.0, 0, 0], [0.4, -0.9, 0], [-0.6, 0.8, 0]])
    found = crop_to_full_image(camera, box, size, focal)
    np.testing.assert_allclose(visible(found, flat), seen_in_crop(camera, box, flat), rtol=1e-11, atol=1e-8)


@given(crops(), arrays(float, (5, 3), elements=st.floats(-1, 1)))
def test_far_bodies_are_seen_as_the_crop_sees_them(crop, points):
    """A point z off the body's depth is seen a share z / (t_z + z) nearer to the image's centre."""
    camera, box, size = crop
    found = crop_to_full_image(camera, box, size, 5e5)
    expected = seen_in_crop(camera, box, points)
    from_centre = np.abs(expected - size[:, None] / 2)
    share = 1 / (found.transl[:, None, 2:] - 1)
    assert np.all(np.abs(visible(found, points) - expected) <= share * from_centre + 1e-6)
    assert np.max(share) < 5e-3


def test_one_image_for_all_or_one_for_each():
    random = np.random.default_rng(0)
    camera, box = random.uniform(0.5, 1, (2, 3, 3)), random.uniform(100, 200, (2, 3, 3))
    shared = crop_to_full_image(camera, box, (640, 480), 900)
    own = crop_to_full_image(camera, box, np.full((2, 3, 2), (640, 480)), np.full((2, 3), 900))
    alone = crop_to_full_image(camera[1, 2], box[1, 2], (640, 480), 900)
    assert shared.intrinsics.shape == (2, 3, 3, 3) and shared.transl.shape == (2, 3, 3)
    assert shared.intrinsics.flags.writeable
    for one, other, single in zip(shared, own, alone, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[1, 2], single)


@pytest.mark.parametrize(("at", "value"), [("camera", 0), ("camera", math.nan), ("box", 0), ("size", -5)])
def test_a_crop_without_a_size_harms_no_other(at, value):
    camera, box, size = np.full((2, 3), 0.5), np.full((2, 3), 200.0), np.full((2, 2), 500.0)
    {"camera": camera[1, :1], "box": box[1, 2:], "size": size[1, :1]}[at][:] = value
    found = crop_to_full_image(camera, box, size)
    assert np.all(np.isfinite(found.transl[0])) and np.all(np.isfinite(found.intrinsics[0]))
    assert not np.isfinite(found.transl[1, 2])


def test_cameras_of_a_crop_take_another_focal_length():
    """The two helpers agree on what a focal length means."""
    crop = ((0.7, 0.1, 0.2), (300, 200, 350), (640, 480))
    changed = with_focal_length(*crop_to_full_image(*crop), 1234)
    for found, expected in zip(changed, crop_to_full_image(*crop, 1234), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


# ------------------------------------------------------------------------------------------- kinds of arrays

RANDOM = np.random.default_rng(1)
CAMERAS = RANDOM.uniform(500, 900, (4, 1, 1)) * np.eye(3) + [[0, 0, 320], [0, 0, 240], [0, 0, 1]]
CAMERAS[:, 2, 2] = 1
CALLS = {
    "sizes": (default_intrinsics, (RANDOM.uniform(200, 900, (4, 2)),)),
    "sizes and focal lengths": (
        default_intrinsics,
        (RANDOM.uniform(200, 900, (4, 2)), RANDOM.uniform(500, 900, 4)),
    ),
    "focal length": (with_focal_length, (CAMERAS, RANDOM.uniform(2, 9, (4, 3)), RANDOM.uniform(500, 900, 4))),
    "crop": (
        crop_to_full_image,
        (RANDOM.uniform(0.5, 1, (4, 3)), RANDOM.uniform(99, 200, (4, 3)), RANDOM.uniform(200, 900, (4, 2))),
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_array_comes_back_as_it_was_given(backend, name, dtype):
    function, arguments = CALLS[name]
    found = function(*(backend.array(part.astype(dtype)) for part in arguments))
    assert_near(backend, found, function(*arguments), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_and_sequences_follow_the_arrays(backend, dtype):
    arguments = CALLS["crop"][1][:2]
    given_arrays = [backend.array(part.astype(dtype)) for part in arguments]
    found = crop_to_full_image(*given_arrays, (640, 480), np.float64(700))
    assert_near(backend, found, crop_to_full_image(*arguments, (640, 480), 700), dtype)
    found = with_focal_length(*found, [700, 800, 900, 1000])
    expected = with_focal_length(*crop_to_full_image(*arguments, (640, 480), 700), [700, 800, 900, 1000])
    assert_near(backend, found, expected, dtype)


def test_float64_is_enough_to_compute_in_it_and_whole_numbers_too():
    transl = np.ones((4, 3), np.float32)
    assert with_focal_length(CAMERAS, transl, 700).transl.dtype == np.float64
    assert with_focal_length(CAMERAS.astype(np.float32), transl, 700.0).transl.dtype == np.float32
    assert default_intrinsics(np.array([640, 480])).dtype == np.float64
    assert default_intrinsics(np.array([640, 480], np.float16)).dtype == np.float32


@pytest.mark.skipif(torch is None, reason="no torch")
def test_whole_numbers_of_torch_become_float64():
    assert with_focal_length(torch.eye(3, dtype=torch.int64), [1, 2, 3], 700).transl.dtype == torch.float64


def test_arguments_are_never_modified():
    for function, arguments in CALLS.values():
        before = [part.copy() for part in arguments]
        found = function(*arguments)
        for part, kept in zip(arguments, before, strict=True):
            np.testing.assert_array_equal(part, kept)
            for result in found if isinstance(found, tuple) else [found]:
                assert not np.shares_memory(part, result)


# ---------------------------------------------------------------------------------------------------- errors

GOOD = {
    default_intrinsics: {"image_size": np.full((4, 2), 500.0), "focal_length": np.full(4, 500.0)},
    with_focal_length: {"intrinsics": CAMERAS, "transl": np.ones((4, 3)), "focal_length": 500},
    crop_to_full_image: {
        "crop_camera": np.ones((4, 3)),
        "box": np.ones((4, 3)),
        "image_size": (640, 480),
        "focal_length": 500,
    },
}
WRONG = [
    (default_intrinsics, "image_size", 7),
    (default_intrinsics, "image_size", (1, 2, 3)),
    (default_intrinsics, "image_size", (0, 480)),
    (default_intrinsics, "image_size", (640, math.nan)),
    (default_intrinsics, "image_size", "HD"),
    (default_intrinsics, "focal_length", np.ones(3)),
    (default_intrinsics, "focal_length", 0),
    (default_intrinsics, "focal_length", True),
    (with_focal_length, "intrinsics", np.eye(4)),
    (with_focal_length, "intrinsics", CAMERAS[:3]),
    (with_focal_length, "transl", np.ones((4, 2))),
    (with_focal_length, "transl", 3),
    (with_focal_length, "focal_length", -5),
    (with_focal_length, "focal_length", math.inf),
    (with_focal_length, "focal_length", None),
    (with_focal_length, "focal_length", [500, 600]),
    (crop_to_full_image, "crop_camera", np.ones((4, 2))),
    (crop_to_full_image, "crop_camera", [[1, 2, 3], [4]]),
    (crop_to_full_image, "box", np.ones((4, 4))),
    (crop_to_full_image, "box", np.ones(3)),
    (crop_to_full_image, "image_size", (640, -480)),
    (crop_to_full_image, "image_size", [(640, 480)] * 3),
    (crop_to_full_image, "focal_length", np.ones(2)),
]
if torch is not None:
    WRONG += [
        (default_intrinsics, "focal_length", torch.ones(4)),
        (with_focal_length, "transl", torch.ones(4, 3)),
        (crop_to_full_image, "focal_length", torch.ones(4, requires_grad=True)),
    ]


@pytest.mark.parametrize(("function", "name", "value"), WRONG)
def test_wrong_argument(function, name, value):
    with pytest.raises(InputError, match=rf"^{name}: expected [^\n]*, got [^\n]*\.$"):
        function(**{**GOOD[function], name: value})


def test_arrays_of_two_devices():
    there = array_api_strict.asarray([500.0, 500.0], device=array_api_strict.Device("device1"))
    with pytest.raises(InputError, match=r"^focal_length: expected an array on the device of image_size, .*"):
        default_intrinsics(array_api_strict.ones((2, 2)), there)
