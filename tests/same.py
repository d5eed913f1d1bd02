"""Comparing results of refinements, every field of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from kitro_np import RefineResult
from kitro_np.result import Refined

FIELDS = Refined._fields
"""What every method fills."""


def assert_identical(found: RefineResult, wanted: RefineResult, bodies: Any = slice(None)) -> None:
    """Bit for bit, NaN included; of `wanted` only some bodies."""
    assert known(found) == known(wanted)
    for name in known(found):
        one, other = getattr(found, name), getattr(wanted, name)[bodies]
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, err_msg=name)


def pick(result: RefineResult, bodies: Any) -> RefineResult:
    """Some bodies of a result."""
    return RefineResult(**{name: getattr(result, name)[bodies] for name in known(result)})


def join(results: Sequence[RefineResult]) -> RefineResult:
    """Results of one body each, as one of several."""
    return RefineResult(**{name: np.stack([getattr(r, name) for r in results]) for name in known(results[0])})


def known(result: RefineResult) -> list[str]:
    """Fields that a method fills."""
    return [field.name for field in fields(result) if getattr(result, field.name) is not None]
