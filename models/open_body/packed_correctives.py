"""Step 11: pack the pose correctives, which are zero nearly everywhere, to bytes."""

from __future__ import annotations

import numpy as np

LARGEST = 127


def pack_correctives(posedirs: np.ndarray) -> dict[str, np.ndarray]:
    """Return posedirs (v, 3, 9 j) as rows of bytes (n, 3, 9), each with its joint and vertex (n, 2).

    A byte counts steps (j, 3, 9), of a size of its own for each joint, axis and entry of R - I.
    """
    vertices, _, features = posedirs.shape
    blocks = posedirs.reshape(vertices, 3, features // 9, 9).transpose(2, 0, 1, 3)
    step = (np.abs(blocks).max(axis=1) / LARGEST).astype(np.float32)
    values = np.rint(blocks / np.where(step > 0, step, 1)[:, None]).astype(np.int8)
    block, vertex = np.nonzero(values.any(axis=(2, 3)))
    return {
        "correctives": values[block, vertex],
        "correctives_of": np.stack([block + 1, vertex], axis=1).astype(np.int16),
        "correctives_step": step,
    }
