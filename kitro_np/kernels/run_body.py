"""Run the body's kernels: joints or the whole surface, for NumPy arrays."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from ..threads import each, usable_cores
from .forward import BATCH_TILES, Bones, Skin, forward_body, forward_few, make_rows, make_skin, pose_joints
from .lanes import lane_count
from .tile import aligned_rows, make_tree

if TYPE_CHECKING:
    from ..body.model import BodyModel

FEW = 2
"""So many bodies are done faster one by one than as a tile."""


class BodyKernels:
    """A body laid out for the kernels in one dtype, and memory that calls and threads take turns with.

    Parameters
    ----------
    model : BodyModel
        Its vertices are looked at when a surface is asked for, not before.
    dtype : dtype
    """

    def __init__(self, model: BodyModel, dtype: np.dtype[Any]) -> None:
        tree = make_tree(model.skeleton, dtype)
        self._bones = Bones(tree.parents, tree.template, tree.shapedirs)
        self._model = model
        self._dtype = dtype
        self._skin: Skin | None = None
        self._idle_rows: deque[np.ndarray] = deque()
        self._idle_batches: deque[tuple[np.ndarray, np.ndarray]] = deque()

    def joints(self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> np.ndarray:
        """Posed joints (N, 3 J) of pose (N, 9 J) or axis-angle (N, 3 J)."""
        bones = self._bones
        joints = np.empty((pose.shape[0], 3 * bones.parents.size), self._dtype)
        rows = self._rows()
        pose_joints(bones.parents, bones.template, bones.shapedirs, rows, pose, betas, transl, joints)
        self._idle_rows.append(rows)
        return joints

    def forward(
        self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray, threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints (N, 3 J) and vertices (N, 3 V)."""
        if self._skin is None:
            model = self._model
            parts = (model.v_template, model.shapedirs, model.posedirs, model.weights)
            self._skin = make_skin(*parts, self._dtype)
        count = pose.shape[0]
        joints = np.empty((count, 3 * self._bones.parents.size), self._dtype)
        vertices = np.empty((count, 3 * self._skin.joint_count.size), self._dtype)
        run = forward_few if count <= FEW else forward_body
        lanes = lane_count(self._dtype)
        share = -(-count // (lanes * (threads or usable_cores())))
        chunk = lanes * min(max(share, 1), BATCH_TILES)

        def work(start: int) -> int:
            own = slice(start, start + chunk)
            rows, batch = self._rows(), self._batch()
            parts = (pose[own], betas[own], transl[own], joints[own], vertices[own])
            run(self._bones, self._skin, rows, *batch, *parts)
            self._idle_rows.append(rows)
            self._idle_batches.append(batch)
            return 0

        for _ in each(work, range(0, count, chunk), threads):
            pass
        return joints, vertices

    def _rows(self) -> np.ndarray:
        try:
            return self._idle_rows.pop()
        except IndexError:
            return make_rows(self._bones, self._dtype)

    def _batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return working memory of a batch of tiles: coefficients and transforms."""
        try:
            return self._idle_batches.pop()
        except IndexError:
            width = self._skin.basis.shape[1]  # type: ignore[union-attr]
            return (
                aligned_rows(BATCH_TILES * width, self._dtype),
                aligned_rows(BATCH_TILES * (3 + 12 * self._bones.parents.size), self._dtype),
            )
