"""Window: the last frames of a person, their current bodies, and what they say of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..posterior.model import PosteriorModel
from ..posterior.priors import BETAS_PRECISION, BETAS_SHARE
from ..posterior.video.accelerations import spacing_of, spreads_of
from ..posterior.video.spreads import DEPTH_CORRELATION, SHAPE_CORRELATION, effective_frames
from ..refinement.validity import Status

TILE = 16
"""Frames that take a step together with the newest: as many as a kernel's lanes in float32."""

BEHIND = 16
"""Frames of the past that the newest are smoothed with."""


class Window:
    """The last frames of a track; arrays have a row for each, the newest last.

    Parameters
    ----------
    model : PosteriorModel
    fps : float
    dtype : dtype
    size : int
        Most frames.
    moving : bool
        Whether frames have extrinsics.
    """

    def __init__(
        self, model: PosteriorModel, fps: float, dtype: np.dtype[Any], size: int, *, moving: bool
    ) -> None:
        from ..kernels.posterior.video.run import message_arrays

        joints, shapes = model.skeleton.num_joints, model.skeleton.num_betas
        points = model.layout.num_points
        self.fps, self.dtype, self.size, self.count = fps, dtype, size, 0
        numbers = {
            "pose": 9 * joints, "betas": shapes, "transl": 3, "keypoints_2d": 2 * points, "intrinsics": 9,
            "confidence": points, "now_pose": 9 * joints, "now_transl": 3, "extrinsics": 12, "bounds": 4,
        }  # fmt: skip
        self.rows = {name: np.zeros((size, width), dtype) for name, width in numbers.items()}
        self.rows |= {name: np.zeros(size, dtype) for name in ("noise", "scale", "error")}
        self.rows |= {name: np.zeros(size, np.int64) for name in ("side", "frame")}
        self.rows |= {name: np.zeros(size, np.int8) for name in ("used", "turned", "status")}
        width = 3 * joints + 3
        self.own = message_arrays(size, width, dtype)[:2]
        self.others = message_arrays(size, width, dtype)
        for part in (*self.own, *self.others[:2]):
            part[:] = 0
        self.own[0][:, width:] = 1
        self.messages = message_arrays(size, width, dtype)[:2]
        self.moving = moving
        self._spacing: tuple[np.ndarray, Any] | None = None
        self._laid_out: dict[Any, Any] | None = None
        skeleton = model.skeleton.host
        self._template = np.asarray(skeleton.joint_template)[0]
        self._shapedirs = np.asarray(skeleton.joint_shapedirs)[0]
        # What all frames so far tell of the betas: precision I, right side I b + g, and their prior mean.
        self.seen = 0
        self.shape_precision = np.zeros((shapes, shapes))
        self.shape_right_side = np.zeros(shapes)
        self._prior_precision = BETAS_PRECISION * np.eye(shapes)
        self.mean_betas = np.zeros(shapes)
        self.shape = np.zeros(shapes)

    def append(self, frame: dict[str, Any]) -> None:
        """Add the newest frame, and forget the oldest if the window is full."""
        if self.count == self.size:
            for part in (*self.rows.values(), *self.own, *self.others[:2]):
                part[:-1] = part[1:]
        else:
            self.count += 1
        row = self.count - 1
        for name, value in frame.items():
            self.rows[name][row] = value
        for part in self.others[:2]:
            part[row] = 0
        betas = frame["betas"].astype(np.float64)
        self.seen += 1
        self.mean_betas += (betas - self.mean_betas) / self.seen

    def refresh(self, model: PosteriorModel, results: int) -> None:
        """Fit the newest frames: shape, then motion, then a step of those that it changes most.

        The last `results` frames are those whose bodies are yet to be taken.
        """
        self._step(model, self.count - 1, found=True)
        if self.count > 2:
            self._smooth(model)
            self._step(model, max(0, self.count - TILE), found=False)
        laid_out = self._lay_out(model)
        blocks = laid_out["blocks"]
        blocks.first[0], blocks.betas[0] = max(0, self.count - results), self.shape
        laid_out["calls"].finish()

    def is_fine(self) -> bool:
        """Whether all bodies are finite, and those yet to be taken in front of the camera."""
        return not self.rows["status"][: self.count].any()

    def body_of(self, number: int, alone: dict[str, Any]) -> dict[str, Any]:
        """Return what a frame's result is made of, beginning with that of the frame alone."""
        row = int(np.searchsorted(self.rows["frame"][: self.count], number))
        body = {
            "pose": self.rows["now_pose"][row].reshape(-1, 3, 3).copy(),
            "betas": self.shape.astype(self.dtype),
            "transl": self.rows["now_transl"][row].copy(),
            "reprojection_error": self.rows["error"][row],
        }
        if self.rows["used"][row]:
            return {**alone, **body, "status": np.int8(Status.REFINED)}
        unseen = {"swapped": np.int8(0), "noise": self.dtype.type(np.nan)}
        return {**alone, **body, **unseen, "status": np.int8(Status.FILLED)}

    def _lay_out(self, model: PosteriorModel) -> dict[Any, Any]:
        """Return records that point to this window's arrays, once: making them takes longer than a step."""
        from ..kernels.posterior.video import run as kernels

        if self._laid_out is not None:
            return self._laid_out
        joints, points, shapes = model.skeleton.num_joints, model.layout.num_points, len(self.shape)
        rows = self.rows
        names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics", "confidence", "bounds")
        frames = kernels.FrameRows(
            **{name: rows[name] for name in (*names, "now_pose", "now_transl", "side", "used", "turned")},
            **{name: rows[name] for name in ("noise", "scale", "error", "status")},
            precision=self.messages[0],
            right_side=self.messages[1],
            rests=np.zeros((0, 16), self.dtype),
            joint_spread=np.zeros((0, 1), self.dtype),
        )
        blocks = kernels.Blocks(
            first=np.zeros(1, np.int64),
            last=np.zeros(1, np.int64),
            betas=np.zeros((1, shapes), self.dtype),
            turn=np.tile(np.eye(3, dtype=self.dtype).ravel(), joints)[None],
            shift=np.zeros((1, 2 * points), self.dtype),
            betas_precision=np.zeros((1, shapes * shapes), self.dtype),
            depth_share=np.ones(1, self.dtype),
            sums=np.zeros((1, kernels.sums_size(joints, shapes, points))),
        )
        video = kernels.video_kernels(model, self.dtype)
        of_shape = kernels.split_sums(blocks.sums, joints, shapes, points)[:2]
        self._laid_out = {
            "of_shape": [part[0] for part in of_shape],
            "blocks": blocks,
            "video": video,
            "calls": video.calls_on(frames, blocks),
        }
        return self._laid_out

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but addresses."""
        return {**self.__dict__, "_laid_out": None, "_spacing": None}

    def _step(self, model: PosteriorModel, begin: int, *, found: bool) -> None:
        """Take a step of the frames from `begin` on; update the shape by the newest, if it is `found`."""
        laid_out = self._lay_out(model)
        own = slice(begin, self.count)
        for part, message in zip(self.messages, self.others[:2], strict=True):
            part[own] = message[own]
        blocks = laid_out["blocks"]
        blocks.first[0], blocks.last[0], blocks.betas[0] = begin, self.count, self.shape
        blocks.depth_share[0] = 1 / effective_frames(float(self.seen), DEPTH_CORRELATION)
        if found:
            laid_out["calls"].step_and_sum()
        else:
            laid_out["calls"].step()
        for part, message in zip(self.own, self.messages, strict=True):
            part[own] = message[own]
        if found:
            self._learn_shape(*laid_out["of_shape"])

    def _learn_shape(self, precision: np.ndarray, right_side: np.ndarray) -> None:
        """Update the betas by what one more frame says."""
        self.shape_precision += precision
        self.shape_right_side += right_side + precision @ self.shape
        # As posterior.video.constant does for all tracks at once: (P + s I) b = P b_0 + s (I b + g).
        share = effective_frames(float(self.seen), SHAPE_CORRELATION) / self.seen
        towards = BETAS_PRECISION * BETAS_SHARE * self.mean_betas + share * self.shape_right_side
        self.shape = np.linalg.solve(self._prior_precision + share * self.shape_precision, towards)

    def _smooth(self, model: PosteriorModel) -> None:
        """Find what the neighbours say of every frame in the window."""
        laid_out = self._lay_out(model)
        own = slice(0, self.count)
        for part, message in zip(self.others[:2], self.own, strict=True):
            part[own] = message[own]
        spacing = self._spacing_of(self.rows["frame"][own])
        if self.count not in laid_out:
            joints = model.skeleton.num_joints
            arrays = tuple(part.astype(self.dtype) for part in spacing)
            extrinsics = self.rows["extrinsics"] if self.moving else np.zeros((0, 12), self.dtype)
            root = np.zeros(3, self.dtype)
            bodies = (np.arange(self.count), self.rows["now_pose"], self.rows["now_transl"], extrinsics, root)
            spreads = spreads_of(joints, self.fps, model.size).astype(self.dtype)
            parts = tuple(part[own] for part in self.others)
            scales = np.ones(joints + 1, self.dtype)
            smooth = laid_out["video"].smooth_call(parts, arrays, bodies, spreads, scales)
            laid_out[self.count] = arrays, root, smooth
        arrays, root, smooth = laid_out[self.count]
        for part, value in zip(arrays, spacing, strict=True):
            part[:] = value
        root[:] = self._template + self._shapedirs @ self.shape
        smooth()

    def _spacing_of(self, frames: np.ndarray) -> Any:
        """Return the spacing of frames; the last one if steps are as they were, as in most videos."""
        steps = np.diff(frames)
        if self._spacing is None or not np.array_equal(steps, self._spacing[0]):
            self._spacing = steps, spacing_of(frames, self.fps)
        return self._spacing[1]
