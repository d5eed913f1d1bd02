"""What kernels use of Numba's inner workings: these tests fail when a release changes it."""

from importlib.metadata import requires
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba import config
from numba.core.compiler import DefaultPassBuilder, Flags, StateDict
from packaging.requirements import Requirement

from kitro_np.kernels.jit import _TYPINGS, UNUSED_PASSES, kernel, uncached_entry
from kitro_np.kernels.lanes import load, store
from kitro_np.kernels.records import Reference, refer, refer_tile

compiled = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")


class Some(NamedTuple):
    """Members of every kind."""

    numbers: np.ndarray
    wholes: np.ndarray
    cube: np.ndarray
    count: int
    share: float
    flag: bool
    single: np.float32


class Rows(NamedTuple):
    """A tile of two members."""

    source: np.ndarray
    target: np.ndarray


def some(**other):
    members = {
        "numbers": np.arange(6, dtype=np.float32).reshape(2, 3),
        "wholes": np.array([3, -4], np.int8),
        "cube": np.arange(24.0).reshape(2, 3, 4),
        "count": -7,
        "share": 0.1,
        "flag": True,
        "single": np.float32(0.1),
    }
    return Some(**{**members, **other})


@uncached_entry
def read(some, out):
    out[0] = some.numbers[1, 2]
    out[1] = some.wholes[1]
    part = some.cube[1]
    out[2] = part[2, 3] + part.shape[1]
    out[3], out[4] = some.count, some.share
    out[5] = 1 if some.flag else 0
    out[6] = some.single
    out[7] = some.cube.size + 1000 * some.cube.shape[1]
    some.numbers[0, 1] = some.count
    some.wholes[0] = some.count


@pytest.mark.parametrize("flag", [True, False])
def test_members_of_every_kind(flag):
    given, out = some(flag=flag), np.zeros(8)
    read(refer(given), out)
    np.testing.assert_array_equal(out, [5, -4, 23 + 4, -7, 0.1, flag, np.float32(0.1), 24 + 3000])
    assert given.numbers[0, 1] == -7
    assert given.wholes[0] == -7


def test_empty_and_read_only_members():
    given, out = some(numbers=np.ones((0, 3), np.float32)), np.ones(2)
    given.cube.flags.writeable = False
    shape_and_last(refer(given), out)
    np.testing.assert_array_equal(out, [0, 23])


@uncached_entry
def shape_and_last(some, out):
    out[0] = some.numbers.shape[0]
    out[1] = some.cube[1, 2, 3]


@compiled
def test_members_are_c_ordered():
    with pytest.raises(ValueError, match="C-ordered"):
        refer(some(cube=np.zeros((2, 3, 4)).T))


@compiled
def test_records_of_the_same_kind_have_one_type():
    assert refer(some()).numba_type is refer(some(count=3)).numba_type
    assert refer(some()).numba_type != refer(some(count=1.5)).numba_type
    assert isinstance(refer(some()), Reference)


@kernel
def _double(tile, row):
    """Add a row of a tile to itself, in another kernel's library than its caller's."""
    return _twice(load(tile.source, row))


@kernel
def _twice(value):
    return value + value


@uncached_entry
def double(tile):
    for row in range(tile.source.shape[0]):
        store(tile.target, row, _double(tile, row))


@pytest.mark.parametrize(("dtype", "lanes"), [(np.float32, 16), (np.float64, 8)])
def test_an_entry_holds_all_that_it_calls(dtype, lanes):
    tile = Rows(np.arange(3 * lanes, dtype=dtype).reshape(3, lanes), np.zeros((3, lanes), dtype))
    double(refer_tile(tile))
    np.testing.assert_array_equal(tile.target, 2 * tile.source)


@compiled
def test_kernels_have_no_machine_code_of_their_own():
    test_an_entry_holds_all_that_it_calls(np.float64, 8)
    for function in (_double, _twice):
        for made in function.overloads.values():
            assert made.library._compiled_object is None
    for made in double.overloads.values():
        assert made.library._compiled_object


@compiled
def test_numba_asks_for_the_types_of_lanes_first():
    test_an_entry_holds_all_that_it_calls(np.float64, 8)
    for operation, typing in _TYPINGS.items():
        assert issubclass(double.typingctx.resolve_value_type(operation).templates[0], typing)


@compiled
def test_passes_that_are_left_out_are_in_numbas_pipeline():
    state = StateDict()
    state.flags, state.func_ir = Flags(), None
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    assert {own[0] for own in passes.passes} >= UNUSED_PASSES


def test_numba_is_one_that_was_tried():
    (expected,) = [Requirement(r) for r in requires("kitro-np") if r.startswith("numba") and "extra" not in r]
    assert expected.specifier.contains(numba.__version__), numba.__version__
