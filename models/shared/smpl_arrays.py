"""The arrays of a body or hand in SMPL's format."""

from __future__ import annotations

import numpy as np

from .makehuman import LICENSE


def smpl_arrays(
    template: np.ndarray,
    directions: np.ndarray,
    regressor: np.ndarray,
    weights: np.ndarray,
    faces: np.ndarray,
    skeleton: tuple[list[str], list[int]],
) -> dict[str, np.ndarray]:
    """Return the arrays under SMPL's keys; `skeleton` holds the joints' names and parents."""
    names, parents = skeleton
    return {
        "v_template": template.astype(np.float32),
        "shapedirs": directions.astype(np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "f": faces.astype(np.int32),
        # SMPL marks the root's missing parent with the largest unsigned 32-bit number.
        "kintree_table": np.array([[2**32 - 1, *parents[1:]], range(len(parents))], dtype=np.int64),
        "joint_names": np.array(names),
        "license": np.array(LICENSE),
    }
