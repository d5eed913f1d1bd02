"""Select bodies by a mask, and entries of each body, in any array library."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device


def where_bodies(mask: Any, chosen: Any, other: Any) -> Any:
    """Select each body from `chosen` where mask (N,) holds, else from `other`: xp.where by bodies."""
    xp = array_namespace(chosen, other)
    return xp.where(xp.reshape(mask, (mask.shape[0], *[1] * (chosen.ndim - 1))), chosen, other)


def first_true(mask: Any) -> Any:
    """Keep only the first True of each row: (N, F)."""
    xp = array_namespace(mask)
    count = xp.cumulative_sum(xp.astype(mask, xp.int64), axis=1)
    return mask & (count == 1)


def take(mask: Any, values: Any) -> Any:
    """Return the entry of values (N, F, ...) where mask (N, F) holds: (N, ...)."""
    xp = array_namespace(values)
    shaped = xp.reshape(mask, (*mask.shape, *[1] * (values.ndim - 2)))
    return xp.sum(xp.where(shaped, values, xp.zeros_like(values)), axis=1)


def pick(values: Any, index: Any) -> Any:
    """Return values[n, index[n]] of (N, H, ...): (N, ...); the array API standard lacks such indexing."""
    xp = array_namespace(values)
    numbers = xp.arange(values.shape[1], dtype=index.dtype, device=device(index))
    mask = xp.reshape(numbers == index[:, None], (*values.shape[:2], *[1] * (values.ndim - 2)))
    return xp.sum(xp.where(mask, values, xp.zeros_like(values)), axis=1, dtype=values.dtype)
