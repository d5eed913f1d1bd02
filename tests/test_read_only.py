"""Bodies and skeletons cannot be written to, and leave the caller's own arrays alone."""

import array_api_strict
import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from kitro import refine
from same import assert_identical

from kitro_np import BodyModel, Skeleton, load_body
from kitro_np.arrays.read_only import read_only, read_only_like
from kitro_np.body import load
from kitro_np.body.model import FLOATS
from kitro_np.body.model_file import read_model_file

KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "parents")
ARRAYS = (*FLOATS, "faces")


@pytest.fixture
def given(smplx_forward):
    """Arrays of a synthetic body that the caller may write to."""
    return [smplx_forward[key].copy() for key in KEYS]


def shared_arrays(body):
    arrays = [getattr(body, name) for name in ARRAYS]
    arrays += [body.skeleton.joint_template, body.skeleton.joint_shapedirs]
    return [array for array in arrays if array is not None]


def test_the_embedded_body_cannot_be_changed(open_body):
    for array in shared_arrays(open_body):
        with pytest.raises(ValueError, match="read-only"):
            array[:] *= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nor_can_it_in_another_dtype(given, dtype):
    body = BodyModel.from_arrays("synthetic", *given).like(np.zeros(1, dtype))
    assert body.v_template.dtype == body.skeleton.joint_template.dtype == dtype
    assert not any(array.flags.writeable for array in shared_arrays(body))


def test_a_body_leaves_the_callers_arrays_alone(given):
    body = BodyModel.from_arrays("synthetic", *given)
    before = body.forward(np.zeros((1, 24, 3)))
    for array in given:
        assert array.flags.writeable
        array[:] *= 2
    after = body.forward(np.zeros((1, 24, 3)), engine="array")
    np.testing.assert_allclose(after.vertices, before.vertices, atol=1e-12)


def test_a_skeleton_leaves_the_callers_arrays_alone():
    projected = make_skeleton("two_children")
    batch = make_batch(projected, 3)
    given = projected.joint_template.copy(), projected.joint_shapedirs.copy()
    skeleton = Skeleton(projected.parents, *given)
    expected = refine(*batch, body=projected, iterations=1)
    for array in given:
        assert array.flags.writeable
        array[:] *= 2
    assert_identical(refine(*batch, body=skeleton, iterations=1), expected)
    with pytest.raises(ValueError, match="read-only"):
        skeleton.joint_template[0] = 1


def test_an_array_behind_a_read_only_view_is_not_shared():
    owner = np.zeros((2, 3))
    view = owner[:]
    view.setflags(write=False)
    kept = read_only(view)
    owner[:] = 1
    np.testing.assert_array_equal(kept, 0)


def test_an_array_that_is_read_only_already_is_not_copied():
    array = read_only(np.zeros(3))
    assert read_only(array) is array
    assert read_only_like(array, np.zeros(1)) is array


def test_loading_copies_nothing_twice(monkeypatch):
    """A body of SMPL's size has 18 MB."""
    read = []

    def remember(*arguments):
        read.append(read_model_file(*arguments))
        return read[0]

    monkeypatch.setattr(load, "read_model_file", remember)
    body = load_body(load.__file__.replace("load.py", "open_body.npz"))
    for name in ARRAYS:
        assert getattr(body, name) is getattr(read[0], name)


def test_other_kinds_of_arrays_are_as_they_were(given):
    strict = [array_api_strict.asarray(array) for array in given[:-1]]
    skeleton = BodyModel.from_arrays("synthetic", *given).skeleton
    body = BodyModel("strict", *strict, skeleton)
    for name, array in zip(ARRAYS, strict, strict=True):
        assert getattr(body, name) is array


def test_arrays_of_another_kind_share_no_memory_with_a_read_only_one():
    """Torch would warn of it, and could write to it."""
    array = read_only(np.zeros(3))
    other = read_only_like(array, array_api_strict.asarray(1.0))
    assert not np.shares_memory(np.asarray(other), array)
