"""Comparing results of refinements, every field of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from kitro_np import RefineResult

FIELDS = tuple(field.name for field in fields(RefineResult))


def assert_identical(found: RefineResult, wanted: RefineResult, bodies: Any = slice(None)) -> None:
    """Bit for bit, NaN included; of `wanted` only some bodies."""
    for name in FIELDS:
        one, other = getattr(found, name), getattr(wanted, name)[bodies]
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, err_msg=name)


def pick(result: RefineResult, bodies: Any) -> RefineResult:
    """Some bodies of a result."""
    return RefineResult(*(getattr(result, name)[bodies] for name in FIELDS))


def join(results: Sequence[RefineResult]) -> RefineResult:
    """Results of one body each, as one of several."""
    return RefineResult(*(np.stack([getattr(r, name) for r in results]) for name in FIELDS))
