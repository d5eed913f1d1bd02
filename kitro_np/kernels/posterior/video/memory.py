"""Records of the kernels of videos: rows of frames and blocks, working memory of a tile."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...tile import aligned_rows


class FrameRows(NamedTuple):
    """Frames of a chunk, n rows, C-ordered."""

    pose: Any  # (n, 9 J) of the estimate
    betas: Any  # (n, S)
    transl: Any  # (n, 3)
    keypoints_2d: Any  # (n, 2 K)
    intrinsics: Any  # (n or 1, 9)
    confidence: Any  # (n or 1, K)
    bounds: Any  # (n or 1, 4) of the image: left, top, right, bottom
    now_pose: Any  # (n, 9 J) of the current body; updated
    now_transl: Any  # (n, 3); updated
    precision: Any  # (n, C') what the neighbours say; then what the frame says
    right_side: Any  # (n, C')
    side: Any  # (n,) exchange that puts sides right; -1 for none
    used: Any  # (n,) 1 where keypoints are used, else 0
    turned: Any  # (n,) 1 where the estimate is reflected in depth
    noise: Any  # (n,) in metres at the body
    scale: Any  # (n,)
    rests: Any  # (n or 0, 16) of each of CONTACT_JOINTS: its place, and the weight of that
    error: Any  # (n,) mean reprojection error; written by finish_blocks
    status: Any  # (n,) written by finish_blocks
    joint_spread: Any  # (n, J) written by spread_blocks


class Blocks(NamedTuple):
    """Blocks of successive frames of a track, B rows."""

    first: Any  # (B,) frame of the chunk
    last: Any  # (B,) one behind
    betas: Any  # (B, S) of its track
    turn: Any  # (B, 9 J) rotations that take the constant error from the estimates
    shift: Any  # (B, 2 K) constant error of the keypoints, in metres at the body
    betas_precision: Any  # (B, S S)
    depth_share: Any  # (B,) of the precision of the estimate's depth
    sums: Any  # (B, sums_size) of float64, see split_sums


class FrameMemory(NamedTuple):
    """Working memory of a tile beside Memory; every member has shape (rows, lanes)."""

    precision: np.ndarray  # 3 J + 3 what the neighbours say
    right_side: np.ndarray  # 3 J + 3
    diagonal: np.ndarray  # 3 J + 3 of the frame's own precision, by global rotations
    along: np.ndarray  # 3 J + 3 the step, by global rotations
    shift: np.ndarray  # 2 K residuals after the step, weighed, in metres at the body


def sums_size(joints: int, shapes: int, points: int) -> int:
    """Numbers in a row of Blocks.sums."""
    return shapes * shapes + shapes + 3 * joints + 1 + 3 * points


def split_sums(sums: np.ndarray, joints: int, shapes: int, points: int) -> list[np.ndarray]:
    """Return the members of kitro_np.posterior.video.frame.Sums from rows of Blocks.sums."""
    members = ((shapes, shapes), (shapes,), (joints, 3), (), (points, 2), (points,))
    ends = np.cumsum([math.prod(shape) for shape in members])
    parts = np.split(sums, ends[:-1], axis=1)
    return [part.reshape(len(sums), *shape) for part, shape in zip(parts, members, strict=True)]


def make_frame_memory(joints: int, points: int, dtype: Any) -> FrameMemory:
    """Allocate the memory of a tile."""
    rows = dict.fromkeys(FrameMemory._fields, 3 * joints + 3) | {"shift": 2 * points}
    return FrameMemory(**{name: aligned_rows(count, dtype) for name, count in rows.items()})
