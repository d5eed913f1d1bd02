"""Tracks: which bodies are one person in successive frames of a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from ..arrays.arguments import like_pose, real_array
from ..arrays.interchange import as_numpy
from ..errors import InputError

USUAL_FPS = 30.0
"""Frames per second where none are given."""

FPS_RANGE = (0.01, 100_000.0)
"""Frames per second that are refined: of a time lapse, and of the fastest cameras."""

LONGEST_SPAN = 2**53
"""From a track's first frame to its last: whole numbers that float64 keeps apart."""

RIGID = 1e-3
"""Largest entry of |R^T R - I| of the rotation of extrinsics."""


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
        Frames since the first one of each body's track, in that order.
    fps : float
        Frames per second.
    track, number : (N,) array of int64, or uint64 if a number needs it
        Track and frame of each body as they were given, in the request's order; of a track named by a text
        the text's place among all of them.
    rate : float or None
        Frames per second as they were given.
    extrinsics : (N, 3, 4) array or None
        From world to camera, in metres, in the request's order; None where the camera rests or is not known.
    """

    order: np.ndarray
    starts: np.ndarray
    frame: np.ndarray
    fps: float
    track: np.ndarray
    number: np.ndarray
    rate: float | None = None
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
        check_rigid(as_numpy(flat))
        return replace(self, extrinsics=flat[:, :3, :])


def check_fps(value: Any) -> float:
    """Check that `value` is a number of frames per second within FPS_RANGE."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"fps: expected a number of frames per second, got {value!r}.")
    least, most = FPS_RANGE
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = np.inf
    if not least <= number <= most:
        raise InputError(f"fps: expected {least} to {most:.0f} frames per second, got {number:g}.")
    return number


def check_rigid(extrinsics: np.ndarray) -> None:
    """Raise InputError unless extrinsics, (4, 4) or (3, 4) or a stack of N of these, are rigid."""
    rigid = is_rigid(extrinsics)
    if not rigid.all():
        which = f" for body {int(np.argmin(rigid))}" if rigid.ndim else ""
        raise InputError(
            "extrinsics: expected a rotation and a translation in metres, [R, t] and perhaps "
            f"[0, 0, 0, 1] below, got another matrix{which}."
        )


def is_rigid(extrinsics: np.ndarray) -> np.ndarray:
    """Whether extrinsics (..., 4, 4) or (..., 3, 4) are rotations and translations, each: (...)."""
    matrices = np.asarray(extrinsics, np.float64)
    finite = np.asarray(np.isfinite(matrices).all(axis=(-2, -1)))
    rotation = np.where(finite[..., None, None], matrices, 0.0)[..., :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(np.swapaxes(rotation, -1, -2) @ rotation - np.eye(3)).max(axis=(-2, -1), initial=0)
        upright = np.linalg.det(rotation) > 0
        below = np.isclose(matrices[..., 3:, :], [0, 0, 0, 1]).all(axis=(-2, -1))
    rigid: np.ndarray = finite & (off <= RIGID) & upright & below
    return rigid


def read_tracks(
    lead: tuple[int, ...], tracks: Any = None, frames: Any = None, fps: Any = None
) -> VideoTracks:
    """Check tracks, frames and fps of :func:`kitro_np.refine`.

    Without `tracks` the first leading axis is time, and each entry of further axes a track.

    Raises
    ------
    InputError
        If their shapes do not fit, they are no integers (tracks may be texts), two bodies are one person in
        one frame, a track's frames are too far apart, or `fps` is out of range.
    """
    count = int(np.prod(lead, dtype=np.int64))
    rate = None if fps is None else check_fps(fps)
    if tracks is None:
        people = int(np.prod(lead[1:], dtype=np.int64))
        given_track = np.tile(np.arange(people), lead[0] if lead else 1)
        given = np.repeat(np.arange(lead[0] if lead else 1), people)
    else:
        given_track, given = _labels("tracks", tracks, lead).ravel(), np.arange(count)
    if frames is not None:
        given = _labels("frames", frames, lead).ravel()
    place = np.unique(given_track, return_inverse=True)[1].reshape(-1)
    number = _whole(given)
    order = np.lexsort((number, place)).astype(np.int64)
    track, frame = place[order], number[order]
    same = (track[1:] == track[:-1]) & (frame[1:] == frame[:-1])
    if same.any():
        raise InputError(
            f"frames: expected a frame of a track once, got frame {frame[:-1][same][0]} of a track twice."
        )
    starts = np.append(np.flatnonzero(np.diff(track, prepend=-1)), count).astype(np.int64)
    if tracks is not None and frames is None:  # rows of a track are consecutive
        frame = np.arange(count) - np.repeat(starts[:-1], np.diff(starts))
        number = np.empty(count, np.int64)
        number[order] = frame
    return VideoTracks(
        order,
        starts,
        _since_first(frame, starts),
        USUAL_FPS if rate is None else rate,
        place.astype(np.int64) if given_track.dtype.kind == "U" else _whole(given_track),
        number,
        rate,
    )


def _since_first(frame: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return frames, ascending in each track, from the first of its track on."""
    # Differences of any two 64-bit integers are exact modulo 2**64.
    unsigned = frame.view(np.uint64)
    since = unsigned - np.repeat(unsigned[starts[:-1]], np.diff(starts))
    longest = int(since.max(initial=0))
    if longest > LONGEST_SPAN:
        raise InputError(
            f"frames: expected at most 2**53 from the first frame of a track to its last, got {longest}."
        )
    return since.astype(np.int64)


def _whole(labels: np.ndarray) -> np.ndarray:
    """Return a copy of integers as int64, or as uint64 if one is too large for that."""
    large = labels.dtype.kind == "u" and labels.max(initial=0) > np.iinfo(np.int64).max
    return labels.astype(np.uint64 if large else np.int64)


def _labels(name: str, values: Any, lead: tuple[int, ...]) -> np.ndarray:
    """Return labels as a NumPy array in the bodies' leading shape; texts only for tracks."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        array = as_numpy(real_array(name, values))
    if array.dtype.kind in "OT":
        array = _of_objects(array)
    texts = name == "tracks" and array.dtype.kind == "U"
    if array.dtype.kind not in "iu" and not texts:
        kinds = "integers or texts" if name == "tracks" else "integers"
        raise InputError(f"{name}: expected {kinds}, got dtype {array.dtype}.")
    if array.shape != lead:
        raise InputError(f"{name}: expected shape {lead}, got {array.shape}.")
    return array


def _of_objects(array: np.ndarray) -> np.ndarray:
    """Return objects that are all texts, or all integers, in an array of these, such as pandas' columns."""
    entries = array.ravel().tolist()
    if entries and all(isinstance(entry, str) for entry in entries):
        return array.astype(str)
    if all(isinstance(entry, int | np.integer) and not isinstance(entry, bool) for entry in entries):
        try:
            return array.astype(np.int64)
        except OverflowError:
            pass
    return array
