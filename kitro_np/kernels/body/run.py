"""Run the body's kernels, joints or vertices, for NumPy arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from ...arrays.forks import cached_property
from ...arrays.threads import each, usable_cores
from ..lanes import lane_count
from ..pool import Pool
from ..tile import aligned_rows, make_tree
from .skinning import BATCH_TILES, Bones, Skin, forward_body, make_rows, make_skin, pose_joints
from .skinning_few import VertexLanes, forward_few, make_bone_lanes, make_vertex_lanes, pose_few_joints

_THREE = (3,)

FEW = 2
"""Up to this number, bodies are computed faster one by one than as a tile (bench/test_body.py)."""


class BodyKernels:
    """A body's arrays for the kernels in one dtype, with pools of working memory for calls and threads.

    Parameters
    ----------
    model : BodyModel
        Its vertices are read when vertices are first computed.
    dtype : dtype
    """

    def __init__(self, model: Any, dtype: np.dtype[Any]) -> None:
        tree = make_tree(model.skeleton, dtype)
        self._bones = Bones(tree.parents, tree.template, tree.shapedirs)
        self._pose_joints = partial(pose_joints, *self._bones)
        self._pose_few_joints = partial(pose_few_joints, tree.parents, make_bone_lanes(self._bones, dtype))
        self._model = model
        self._dtype = dtype
        joints, betas = tree.shapedirs.shape[:2]
        self._pose_tail, self._betas_tail = (joints, 3, 3), (betas,)
        self._rows = Pool(lambda: make_rows(self._bones, dtype))
        self._batches = Pool(self._make_batch)

    def takes(self, pose: np.ndarray, betas: Any, transl: Any) -> bool:
        """Whether kernels accept a pose of this dtype, betas and translations without conversion."""
        # Kept short: the joints of one body take about as long as these checks.
        shape, kind = pose.shape, pose.dtype
        count = shape[:1]
        return (
            type(betas) is ndarray
            and type(transl) is ndarray
            and betas.dtype is kind
            and transl.dtype is kind
            and shape == count + self._pose_tail
            and betas.shape == count + self._betas_tail
            and transl.shape == count + _THREE
            and pose.flags.carray
            and betas.flags.carray
            and transl.flags.carray
        )

    def joints(self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> np.ndarray:
        """Posed joints (N, J, 3) of pose (N, J, 3, 3), or (N, J, 3, 1) of axis-angle vectors."""
        joints = np.empty(pose.shape[:3], self._dtype)
        rows = self._rows.take()
        if len(pose) <= FEW and pose.shape[3] == 3:
            self._pose_few_joints(rows, pose, betas, transl, joints)
        else:
            self._pose_joints(rows, pose, betas, transl, joints)
        self._rows.put(rows)
        return joints

    def forward(
        self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray, threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints (N, J, 3) and vertices (N, V, 3)."""
        count = pose.shape[0]
        joints = np.empty(pose.shape[:3], self._dtype)
        vertices = np.empty((count, self._model.num_vertices, 3), self._dtype)
        few = count <= FEW
        skin = self._vertex_lanes if few else self._skin
        run = forward_few if few else forward_body
        lanes = lane_count(self._dtype)
        share = -(-count // (lanes * (threads or usable_cores())))
        chunk = lanes * min(max(share, 1), BATCH_TILES)

        def work(start: int) -> int:
            own = slice(start, start + chunk)
            arrays = (part[own] for part in (pose, betas, transl, joints, vertices))
            with self._rows.lend() as rows, self._batches.lend() as batch:
                run(self._bones, skin, rows, *batch, *arrays)
            return 0

        each(work, range(0, count, chunk), threads)
        return joints, vertices

    @cached_property
    def _skin(self) -> Skin:
        return make_skin(*self._surface(), self._dtype)

    @cached_property
    def _vertex_lanes(self) -> VertexLanes:
        return make_vertex_lanes(*self._surface(), self._dtype)

    def _surface(self) -> tuple[Any, Any, Any, Any]:
        model = self._model
        model.check_shapes()
        return model.v_template, model.shapedirs, model.posedirs, np.asarray(model.weights)

    def _make_batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Allocate working memory of a batch of tiles, coefficients and transforms."""
        joints, betas = self._bones.shapedirs.shape[:2]
        return (
            aligned_rows(BATCH_TILES * (1 + betas + 9 * (joints - 1)), self._dtype),
            aligned_rows(BATCH_TILES * (3 + 12 * joints), self._dtype),
        )
