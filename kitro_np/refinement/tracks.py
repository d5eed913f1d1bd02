"""Tracks: which bodies are one person in successive frames of a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from ..arrays.arguments import check_number, like_pose, real_array
from ..errors import InputError

USUAL_FPS = 30.0
"""Frames per second where none are given."""


@dataclass(frozen=True, eq=False)
class VideoTracks:
    """Tracks of a request's N bodies.

    Attributes
    ----------
    order : (N,) array of int64
        Bodies by track, then by frame.
    starts : (T + 1,) array of int64
        Where each of T tracks begins in that order; the last is N.
    frame : (N,) array of int64
        Number of each body's frame, in that order.
    fps : float
        Frames per second.
    extrinsics : (N, 3, 4) array or None
        From world to camera, in metres, in the request's order; None where the camera rests or is not known.
    """

    order: np.ndarray
    starts: np.ndarray
    frame: np.ndarray
    fps: float
    extrinsics: Any = None

    def with_extrinsics(self, like: Any, extrinsics: Any, lead: tuple[int, ...]) -> VideoTracks:
        """Return these tracks with checked extrinsics, in arrays of the library of `like`."""
        array = like_pose(like, "extrinsics", extrinsics)
        shape = tuple(array.shape)
        if shape not in ((*lead, 4, 4), (*lead, 3, 4)):
            raise InputError(f"extrinsics: expected shape {(*lead, 4, 4)} or {(*lead, 3, 4)}, got {shape}.")
        xp = array_namespace(array)
        if not bool(xp.all(xp.isfinite(array))):
            raise InputError("extrinsics: expected finite numbers, got NaN or infinity.")
        flat = xp.reshape(array, (len(self.order), *shape[-2:]))
        return replace(self, extrinsics=flat[:, :3, :])


def read_tracks(
    lead: tuple[int, ...], tracks: Any = None, frames: Any = None, fps: Any = None
) -> VideoTracks:
    """Check tracks, frames and fps of :func:`kitro_np.refine`.

    Without `tracks` the first leading axis is time, and each entry of further axes a track.

    Raises
    ------
    InputError
        If their shapes do not fit, they are no integers (tracks may be texts), two bodies are one person in
        one frame, or `fps` is not positive.
    """
    count = int(np.prod(lead, dtype=np.int64))
    rate = USUAL_FPS if fps is None else check_number("fps", fps, 0)
    if not 0 < rate < np.inf:
        raise InputError(f"fps: expected a positive number of frames per second, got {fps!r}.")
    if tracks is None:
        people = int(np.prod(lead[1:], dtype=np.int64))
        track = np.tile(np.arange(people), lead[0] if lead else 1)
        in_order = np.repeat(np.arange(lead[0] if lead else 1), people)
    else:
        names = _labels("tracks", tracks, lead)
        track = np.unique(names.ravel(), return_inverse=True)[1].reshape(-1)
        in_order = np.arange(count)
    given = in_order if frames is None else _labels("frames", frames, lead).ravel()
    if given.dtype.kind not in "iu":
        raise InputError(f"frames: expected integers, got dtype {given.dtype}.")
    frame = given.astype(np.int64)
    order = np.lexsort((frame, track)).astype(np.int64)
    track, frame = track[order], frame[order]
    same = (track[1:] == track[:-1]) & (frame[1:] == frame[:-1])
    if same.any():
        raise InputError(
            f"frames: expected a frame of a track once, got frame {frame[:-1][same][0]} of a track twice."
        )
    starts = np.append(np.flatnonzero(np.diff(track, prepend=-1)), count)
    if tracks is not None and frames is None:  # rows of a track are consecutive
        frame = np.arange(count) - np.repeat(starts[:-1], np.diff(starts))
    return VideoTracks(order, starts.astype(np.int64), frame, float(rate))


def _labels(name: str, values: Any, lead: tuple[int, ...]) -> np.ndarray:
    """Return labels as a NumPy array in the bodies' leading shape; texts only for tracks."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(real_array(name, values))
    texts = name == "tracks" and array.dtype.kind == "U"
    if array.dtype.kind not in "iu" and not texts:
        kinds = "integers or texts" if name == "tracks" else "integers"
        raise InputError(f"{name}: expected {kinds}, got dtype {array.dtype}.")
    if array.shape != lead:
        raise InputError(f"{name}: expected shape {lead}, got {array.shape}.")
    return array
