"""Run the kernels of videos: on a chunk of frames, on a track, on all tracks."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...body.skinning import Bones
from ...jit import bind
from ...lanes import lane_count
from ...pool import Pool
from ...records import refer, refer_tile
from ...refinement.run import in_order
from ...tile import aligned_rows, make_tree
from ..fit import BY_BETAS
from ..memory import make_chains, make_fit_tile, make_memory
from .accelerations import MotionRows, accelerate
from .chain import SEGMENT, ChainRows, ChainSpacing, smooth_track
from .frame import finish_blocks, spread_blocks, step_blocks
from .memory import Blocks, FrameRows, make_frame_memory, split_sums, sums_size
from .sequence import follow_states

if TYPE_CHECKING:
    from ....posterior.model import PosteriorModel

__all__ = [
    "Blocks",
    "FrameRows",
    "VideoKernels",
    "as_reference",
    "in_order",
    "message_arrays",
    "split_sums",
    "states_of",
    "sums_size",
    "video_kernels",
]  # fmt: skip


class LiveCalls(NamedTuple):
    """Calls on a window of frames of a live video, with working memory of their own."""

    step_and_sum: Callable[[], None]
    step: Callable[[], None]
    finish: Callable[[], None]


class VideoKernels(Pool):
    """A model laid out for kernels, all of whose joints move, and a pool of tiles with their memory."""

    def __init__(self, model: PosteriorModel, dtype: np.dtype[Any]) -> None:
        tree, chains = make_tree(model.skeleton, dtype), make_chains(model, dtype)
        joints, points = model.skeleton.num_joints, model.layout.num_points
        every = np.arange(joints, dtype=np.int64)
        chains = chains._replace(moving=every, unobserved=every[:0].copy())
        self.dtype, self.joints = dtype, joints
        self.parents = tree.parents
        self.bones = refer(Bones(tree.parents, tree.template, tree.shapedirs))
        self.chains = refer(chains)
        super().__init__(
            lambda: (
                refer_tile(make_fit_tile(tree, chains, dtype)),
                refer_tile(make_memory(chains, dtype)),
                refer_tile(make_frame_memory(joints, points, dtype)),
            )
        )

    def step(
        self,
        frames: FrameRows,
        blocks: Blocks,
        *,
        sized: bool,
        landmarks: bool | None,
        messages: bool,
        summed: bool,
    ) -> None:
        """Take a step of the frames of some blocks; write messages, and sums, if they are asked for."""
        with self.lend() as tile:
            step_blocks(*self._arguments(tile, frames, blocks, sized, landmarks), messages, summed)

    def calls_on(self, frames: FrameRows, blocks: Blocks) -> LiveCalls:
        """Return calls on arrays that stay in their places; every frame has bounds of its own."""
        arguments = self._arguments(self.take(), frames, blocks, True, None)
        return LiveCalls(
            bind(step_blocks, *arguments, True, True),
            bind(step_blocks, *arguments, True, False),
            bind(finish_blocks, *arguments),
        )

    def finish(
        self, frames: FrameRows, blocks: Blocks, *, sized: bool, landmarks: bool | None, spread: bool
    ) -> None:
        """Write status and error of the frames of some blocks, and the joints' spread if it is asked for."""
        with self.lend() as tile:
            arguments = self._arguments(tile, frames, blocks, sized, landmarks)
            finish_blocks(*arguments)
            if spread:
                spread_blocks(*arguments)

    def smooth(self, *arguments: Any, robust: bool) -> np.ndarray:
        """Smooth a track in place; return the sums that the scales of its accelerations are found from.

        Parameters
        ----------
        messages : tuple of 4 arrays
            As of :func:`message_arrays`, of the track's T frames.
        spacing : tuple of 4 (T,) arrays
        bodies : tuple
            Rows (T,) of pose (N, 9 J), transl (N, 3), extrinsics (N or 0, 12), and the root at rest (3,).
        spreads, scales
            As of kitro_np.posterior.video.accelerations.accelerations.
        robust : bool
        """
        motion, chain, weights, rows, squares = self._prepare(*arguments)
        accelerate(self.parents, motion, robust)
        smooth_track(chain, weights, rows)
        sums: np.ndarray = squares
        return sums

    def smooth_call(self, *arguments: Any) -> Callable[[], None]:
        """Return a call of :meth:`smooth` on arrays that stay in their places."""
        motion, chain, weights, rows, _ = self._prepare(*arguments)
        first, second = bind(accelerate, self.parents, motion, True), bind(smooth_track, chain, weights, rows)

        def call() -> None:
            first()
            second()

        return call

    def _prepare(
        self,
        messages: tuple[np.ndarray, ...],
        spacing: tuple[np.ndarray, ...],
        bodies: tuple[np.ndarray, ...],
        spreads: np.ndarray,
        scales: np.ndarray,
    ) -> tuple[Any, ...]:
        """Lay out a track as the kernels take it; arguments of :meth:`smooth`."""
        scratch = np.empty(24 * self.joints + 9, self.dtype)
        parts = (*bodies, *spacing, spreads, scales, *messages[2:], scratch)
        motion = MotionRows(**dict(zip(MotionRows._fields, parts, strict=True)))
        lanes = lane_count(self.dtype)
        count, rows = len(messages[0]), messages[0].shape[1] // lanes
        segments = -(-count // SEGMENT)
        sizes = [5 * rows * segments, 5 * rows, *[SEGMENT * rows] * 4, 8 * rows, rows]
        chain = ChainRows(
            *(part.reshape(count * rows, lanes) for part in messages),
            *(aligned_rows(size, self.dtype) for size in sizes),
        )
        squares = np.zeros(rows * lanes)
        weights = ChainSpacing(spacing[0], spacing[1], spacing[2], squares)
        return refer(motion), refer_tile(chain), refer(weights), rows, squares

    def _arguments(
        self, tile: Any, frames: FrameRows, blocks: Blocks, sized: bool, landmarks: bool | None
    ) -> tuple[Any, ...]:
        kind = BY_BETAS if landmarks is None else int(landmarks)
        return (self.bones, self.chains, *tile, as_reference(frames), as_reference(blocks), sized, kind)


def as_reference(record: Any) -> Any:
    """Return a named tuple as entries take it; one that was referred to before as it is."""
    return refer(record) if isinstance(record, tuple) else record


@lru_cache(maxsize=16)
def video_kernels(model: PosteriorModel, dtype: np.dtype[Any]) -> VideoKernels:
    """Return the kernels that all calls with this model and dtype share."""
    return VideoKernels(model, dtype)


def message_arrays(frames: int, coordinates: int, dtype: np.dtype[Any]) -> tuple[np.ndarray, ...]:
    """Allocate messages and accelerations of all frames, (M, C') each: C' fills whole rows of lanes."""
    lanes = lane_count(dtype)
    rows = -(-coordinates // lanes)
    return tuple(aligned_rows(frames * rows, dtype).reshape(frames, rows * lanes) for _ in range(4))


def states_of(scores: np.ndarray, starts: np.ndarray, cost: float) -> np.ndarray:
    """Fused twin of kitro_np.posterior.video.sequence.likeliest_states."""
    count, number = scores.shape
    states, came = np.zeros(count, np.int64), np.zeros((count, number), np.int64)
    follow_states(in_order(scores, np.dtype(np.float64)), starts, float(cost), states, np.zeros(number), came)
    return states
