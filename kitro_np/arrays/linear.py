"""Linear systems of each body: one that cannot be solved concerns that body alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from array_api_compat import array_namespace


def solve_each(matrix: Any, right_side: Any) -> Any:
    """Return the solutions of M x = b for (N, A, A) and (N, A, B): NaN where M is singular."""
    return _each(array_namespace(matrix).linalg.solve, matrix, right_side)


def inverse_each(matrix: Any) -> Any:
    """Return the inverses of (N, A, A): NaN where there is none."""
    return _each(array_namespace(matrix).linalg.inv, matrix)


def _each(operation: Callable[..., Any], *arrays: Any) -> Any:
    try:
        return operation(*arrays)
    except Exception:  # each library has its own: LAPACK refuses the whole batch for one singular matrix
        xp, found = array_namespace(*arrays), []
        for body in range(arrays[0].shape[0]):
            own = [array[body : body + 1, ...] for array in arrays]
            try:
                found.append(operation(*own))
            except Exception:
                found.append(xp.full_like(own[-1], xp.nan))
        return xp.concat(found, axis=0)
