"""One row of a sparse joint regressor."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

SMALLEST_WEIGHT = 1e-4


def fit_row(offsets: np.ndarray) -> np.ndarray:
    """Return few non-negative weights of sum one that cancel the vertices' offsets (n, v, 3) from a joint."""
    equations = offsets.transpose(0, 2, 1).reshape(-1, offsets.shape[1])
    equations = np.vstack([equations, np.ones(offsets.shape[1])])
    values = np.append(np.zeros(len(equations) - 1), 1.0)
    row, _ = nnls(equations, values, maxiter=20 * offsets.shape[1])
    row /= row.sum()
    row[row < SMALLEST_WEIGHT] = 0
    return row / row.sum()
