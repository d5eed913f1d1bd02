"""Products of a matrix with each body's vector, bitwise the same whatever bodies are beside it."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace


def times_matrix(vectors: Any, matrix: Any) -> Any:
    """Return v M for vectors (N, A) and one matrix (A, B): (N, B).

    One product a body: BLAS would round a product with all of them differently for other N.
    """
    xp = array_namespace(vectors)
    return xp.matmul(vectors[:, None, :], matrix[None, :, :])[:, 0, :]
