"""Comparing results of refinements, every array of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kitro_np import RefineResult
from kitro_np.refinement.outcome import Refined

FIELDS = Refined._fields
"""What a method with branches gives."""


def assert_identical(given: RefineResult, expected: RefineResult, bodies: Any = slice(None)) -> None:
    """Bit for bit, NaN included; of `expected` only some bodies."""
    one, other = given.arrays(), expected.arrays()
    assert [*one] == [*other]
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        np.testing.assert_array_equal(array, other[name][bodies], err_msg=name)


def bodies_of(result: RefineResult) -> RefineResult:
    """The result without what it says of a video: to compare bodies that have other names or frames."""
    return replace(result, track=None, frame=None, fps=None)


def join(results: Sequence[RefineResult]) -> RefineResult:
    """Results of one body each, as one of several."""
    names = [*results[0].arrays()]
    return replace(results[0], **{name: np.stack([getattr(r, name) for r in results]) for name in names})
