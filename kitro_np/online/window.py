"""Window: the last frames of a person, their current bodies, and what they say of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..keypoints.visibility import image_bounds
from ..posterior.model import PosteriorModel
from ..posterior.priors import BETAS_SHARE
from ..posterior.video.accelerations import spacing_of, spreads_of
from ..posterior.video.constant import betas_precision_of, find_betas
from ..posterior.video.spreads import DEPTH_CORRELATION, effective_frames

TILE = 16
"""Frames that take a step together with the newest: as many as a kernel's lanes in float32."""

BEHIND = 32
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
    """

    def __init__(self, model: PosteriorModel, fps: float, dtype: np.dtype[Any], size: int) -> None:
        from ..kernels.posterior.video.run import message_arrays

        joints, shapes = model.skeleton.num_joints, model.skeleton.num_betas
        points = model.layout.num_points
        self.fps, self.dtype, self.size, self.count = fps, dtype, size, 0
        numbers = {
            "pose": 9 * joints, "betas": shapes, "transl": 3, "keypoints_2d": 2 * points, "intrinsics": 9,
            "confidence": points, "now_pose": 9 * joints, "now_transl": 3, "extrinsics": 12,
        }  # fmt: skip
        self.rows = {name: np.zeros((size, width), dtype) for name, width in numbers.items()}
        self.rows |= {name: np.zeros(size, dtype) for name in ("noise", "scale")}
        self.rows |= {name: np.zeros(size, np.int64) for name in ("side", "frame")}
        self.rows |= {name: np.zeros(size, np.int8) for name in ("used", "turned")}
        width = 3 * joints + 3
        self.own = message_arrays(size, width, dtype)[:2]
        self.others = message_arrays(size, width, dtype)
        for part in (*self.own, *self.others[:2]):
            part[:] = 0
        self.own[0][:, width:] = 1
        self.messages = message_arrays(size, width, dtype)[:2]
        self.moving = False
        self._laid_out: dict[Any, Any] | None = None
        skeleton = model.skeleton.host
        self._template = np.asarray(skeleton.joint_template)[0]
        self._shapedirs = np.asarray(skeleton.joint_shapedirs)[0]
        self.image_size: np.ndarray | None = None
        # What all frames so far tell of the betas: precision I, right side I b + g, and their prior mean.
        self.seen = 0
        self.shape_precision = np.zeros((shapes, shapes))
        self.shape_right_side = np.zeros(shapes)
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

    def refresh(self, model: PosteriorModel, *, landmarks: bool | None) -> None:
        """Fit the newest frames: shape, then motion, then a step of those that it changes most."""
        newest = self.count - 1
        self._step(model, newest, landmarks, found=True)
        if self.count > 2:
            self._smooth(model)
            self._step(model, max(0, self.count - TILE), landmarks, found=False)

    def _lay_out(self, model: PosteriorModel) -> dict[Any, Any]:
        """Return records that point to this window's arrays, once: making them takes longer than a step."""
        from ..kernels.posterior.video import run as kernels

        if self._laid_out is not None:
            return self._laid_out
        joints, points, shapes = model.skeleton.num_joints, model.layout.num_points, len(self.shape)
        rows = self.rows
        bounds = np.zeros((1, 4), self.dtype)
        names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics", "confidence")
        frames = kernels.FrameRows(
            **{name: rows[name] for name in (*names, "now_pose", "now_transl", "side", "used", "turned")},
            **{name: rows[name] for name in ("noise", "scale")},
            bounds=bounds,
            precision=self.messages[0],
            right_side=self.messages[1],
            rests=np.zeros((0, 16), self.dtype),
            error=np.zeros(0, self.dtype),
            status=np.zeros(0, np.int8),
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
        self._laid_out = {
            "frames": kernels.as_reference(frames),
            "blocks": kernels.as_reference(blocks),
            "of_blocks": blocks,
            "bounds": bounds,
            "every": np.ones((1, points), self.dtype),
            "video": kernels.video_kernels(model, self.dtype),
        }
        return self._laid_out

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but addresses."""
        return {**self.__dict__, "_laid_out": None}

    def _step(self, model: PosteriorModel, begin: int, landmarks: bool | None, *, found: bool) -> None:
        """Take a step of the frames from `begin` on; update the shape by the newest, if it is `found`."""
        laid_out = self._lay_out(model)
        own = slice(begin, self.count)
        sized = self.image_size is not None
        if sized:
            laid_out["bounds"][:] = image_bounds(self.image_size, laid_out["every"])
        for part, message in zip(self.messages, self.others[:2], strict=True):
            part[own] = message[own]
        blocks = laid_out["of_blocks"]
        blocks.first[0], blocks.last[0], blocks.betas[0] = begin, self.count, self.shape
        blocks.depth_share[0] = 1 / effective_frames(float(self.seen), DEPTH_CORRELATION)
        laid_out["video"].step(
            laid_out["frames"],
            laid_out["blocks"],
            sized=sized,
            landmarks=landmarks,
            messages=True,
            summed=found,
        )
        for part, message in zip(self.own, self.messages, strict=True):
            part[own] = message[own]
        if found:
            self._learn_shape(blocks.sums, model)

    def _learn_shape(self, sums: np.ndarray, model: PosteriorModel) -> None:
        """Update the betas by what one more frame says."""
        from ..kernels.posterior.video.run import split_sums

        sizes = (model.skeleton.num_joints, len(self.shape), model.layout.num_points)
        precision, right_side = (part[0] for part in split_sums(sums, *sizes)[:2])
        self.shape_precision += precision
        self.shape_right_side += right_side + precision @ self.shape
        count, now = np.full(1, float(self.seen)), self.shape[None]
        own = betas_precision_of(self.shape_precision[None], count)
        about_now = self.shape_right_side - self.shape_precision @ self.shape
        self.shape = find_betas(now, own, about_now[None], BETAS_SHARE * self.mean_betas[None], count)[0]

    def _smooth(self, model: PosteriorModel) -> None:
        """Find what the neighbours say of every frame in the window."""
        laid_out = self._lay_out(model)
        own = slice(0, self.count)
        for part, message in zip(self.others[:2], self.own, strict=True):
            part[own] = message[own]
        spacing = spacing_of(self.rows["frame"][own], self.fps)
        key = (self.count, self.moving)
        if key not in laid_out:
            joints = model.skeleton.num_joints
            arrays = tuple(part.astype(self.dtype) for part in spacing)
            extrinsics = self.rows["extrinsics"] if self.moving else np.zeros((0, 12), self.dtype)
            root = np.zeros(3, self.dtype)
            bodies = (np.arange(self.count), self.rows["now_pose"], self.rows["now_transl"], extrinsics, root)
            spreads = spreads_of(joints, self.fps, model.size).astype(self.dtype)
            parts = tuple(part[own] for part in self.others)
            prepared = laid_out["video"].prepare(
                parts, arrays, bodies, spreads, np.ones(joints + 1, self.dtype)
            )
            laid_out[key] = arrays, root, prepared
        arrays, root, prepared = laid_out[key]
        for part, value in zip(arrays, spacing, strict=True):
            part[:] = value
        root[:] = self._template + self._shapedirs @ self.shape
        laid_out["video"].run(prepared, robust=True)
